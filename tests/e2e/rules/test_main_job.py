# SPDX-License-Identifier: Apache-2.0
"""The main job: a leaked secret of an agent comes in, three SETs reach the receivers."""
import base64
import hashlib
import json

import pytest

import harness
from harness import CAEP, REVOKED, RISC, THREE, ROOT, wait_until

EXAMPLE = ROOT / "examples" / "rules" / "leaked-secret.rules.json"


@pytest.fixture(scope="module", autouse=True)
def registered(module_hub, registry):
    module_hub.apply(*registry)
    if EXAMPLE.exists():   # in place of the tests' own
        module_hub.cli("delete", "rules", "leaked-secret")
        module_hub.cli("apply", str(EXAMPLE))


@pytest.fixture
def receivers(hub, endpoint):
    """A push and a poll receiver of everything."""
    endpoint.stream = hub.push_stream(endpoint)
    endpoint.audience = hub.get(f"/v1/client/c-{endpoint.stream[2:]}")["audience"]
    poll = hub.poll_stream()
    yield endpoint, poll
    for stream in (endpoint.stream, poll.id):
        hub.cli("delete", "stream", stream)
        hub.cli("delete", "client", "c-" + stream[2:])


def check_three(hub, receivers, txn, agent):
    """The SETs of txn at both receivers: {event: claims}, as pushed."""
    push, poll = receivers
    pushed = [hub.verify(p.token, push.audience) for p in push.wait(3, txn=txn)]
    polled = list(poll.wait(3).values())
    for claims in (pushed, polled):
        assert {next(iter(c["events"])) for c in claims} == THREE
        assert {c["txn"] for c in claims} == {txn}
        assert len({c["jti"] for c in claims}) == 3
        for c in claims:
            assert c["sub_id"] == {"format": "iss_sub", "iss": hub.issuer, "sub": agent}
    assert not {c["jti"] for c in pushed} & {c["jti"] for c in polled}, "jti is the audience's own"
    events = {uri: e for c in pushed for uri, e in c["events"].items()}
    assert events[CAEP + "credential-change"]["change_type"] == "revoke"
    assert events[CAEP + "credential-change"]["credential_type"]
    assert events[CAEP + "credential-change"]["initiating_entity"] == "policy"
    assert events[RISC + "credential-compromise"]["credential_type"]
    poll.poll(ack=[c["jti"] for c in polled])
    return events


def settled(hub, txn):
    def done():
        explained = hub.get(f"/v1/explain/{txn}")
        states = {d["state"] for d in explained["deliveries"]}
        return explained if states == {"acknowledged"} else None
    return wait_until(done, what=f"deliveries of {txn} are acknowledged")


def test_webhook_attributed_by_the_secret_itself(hub, receivers, github, secret):
    # the repository is that of another agent: the secret decides
    github.leak("acme/app", 42, secret.leaked)
    answer = hub.webhook("gh", secret.webhook, harness.alert_body("acme/app", 42))
    assert answer.status_code == 202
    txn = answer.json()["txn"]
    check_three(hub, receivers, txn, "agent:builder")

    revoked = {(r["kind"], r["target"]): r for r in hub.get("/v1/revocations")}
    assert revoked[("credential", "builder-token")]["txn"] == txn
    assert revoked[("credential", "builder-token")]["effect"] == "revoke"

    explained = settled(hub, txn)
    types = [e["type"] for e in explained["events"]]
    assert types[:2] == ["github.secret_scanning_alert.created", "secret.leaked"]
    assert set(types[2:]) == THREE and len(types) == 5
    first, leak = explained["events"][:2]
    assert len(first["evidence_sha256"]) == 64
    assert leak["cause"] == first["seq"] and leak["agent"] == "agent:builder"
    assert leak["body"]["attributed_by"] == "fingerprint"
    assert leak["body"]["fingerprint"] == hashlib.sha256(secret.leaked.encode()).hexdigest()
    assert all(e["cause"] == leak["seq"] for e in explained["events"][2:])
    assert {h["mode"] for h in explained["rules"]} == {"enforce"}
    assert all(h["why"] and h["actions"] and h["seq"] == leak["seq"] for h in explained["rules"])
    assert not [a for h in explained["rules"] for a in h["actions"] if "error" in a]
    assert any(r["target"] == "builder-token" for r in explained["revocations"])
    assert explained["pending_attribution"] == []
    assert len(explained["deliveries"]) == 6
    assert json.loads(hub.cli("explain", txn)) == explained


def test_revocation_is_lifted(hub, secret):
    txn = hub.webhook("gh-plain", secret.webhook, harness.alert_body("acme/app", 8)).json()["txn"]

    def revocations():
        return {(r["effect"], r["kind"], r["target"]): r for r in hub.get("/v1/revocations")}
    mine = wait_until(lambda: [k for k, r in revocations().items() if r["txn"] == txn])[0]
    path = "/v1/revocations/" + "/".join(mine)
    assert hub.request("DELETE", path).status_code == 401
    assert hub.admin("DELETE", path + "x").status_code == 404
    assert mine in revocations()
    hub.cli("lift", *mine)
    assert mine not in revocations()
    assert hub.admin("DELETE", path).status_code == 404
    last = hub.get(f"/v1/explain/{txn}")["events"][-1]
    assert last["type"] == "revocation.lifted" and last["origin"] == "operator"
    assert (last["body"]["effect"], last["body"]["kind"], last["body"]["target"]) == mine


def test_evidence_is_the_digest_of_the_request(hub, secret):
    body = json.dumps(harness.alert_body("nobody/nothing", 1)).encode()
    answer = hub.request("POST", "/in/gh-plain", data=body,
                         headers=harness.webhook_headers(secret.webhook, body))
    explained = hub.get("/v1/explain/" + answer.json()["txn"])
    assert explained["events"][0]["evidence_sha256"] == hashlib.sha256(body).hexdigest()


def test_webhook_without_api_attributed_by_the_repository(hub, receivers, secret):
    answer = hub.webhook("gh-plain", secret.webhook, harness.alert_body("acme/app", 7))
    txn = answer.json()["txn"]
    check_three(hub, receivers, txn, "agent:triage-bot")
    leak = settled(hub, txn)["events"][1]
    assert leak["body"]["attributed_by"] == "repository"
    assert "fingerprint" not in leak["body"]


def test_all_that_follows_is_of_the_trace_of_the_cause(hub, receivers, github, secret):
    """Through attribution and rules, and to what an operator does about it."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    github.leak("acme/app", 43, secret.leaked)
    body = json.dumps(harness.alert_body("acme/app", 43)).encode()
    headers = {**harness.webhook_headers(secret.webhook, body), "traceparent": trace}
    txn = hub.request("POST", "/in/gh", data=body, headers=headers).json()["txn"]
    check_three(hub, receivers, txn, "agent:builder")
    events = settled(hub, txn)["events"]
    assert len(events) == 5 and {e["trace"] for e in events} == {trace}
    # and the push is a request of its own in the same trace
    pushed = [p.headers["traceparent"].split("-") for r in receivers if hasattr(r, "pushes")
              for p in r.pushes if p.txn == txn]
    assert pushed and all(p[:2] == trace.split("-")[:2] and p[3] == "01" for p in pushed)
    assert trace.split("-")[2] not in [p[2] for p in pushed]
    hub.cli("lift", "revoke", "credential", "builder-token")
    assert hub.get(f"/v1/explain/{txn}")["events"][-1]["trace"] == trace
    (listed,) = [e for e in hub.get(f"/v1/events?after={events[0]['seq'] - 1}") if e["seq"] == events[0]["seq"]]
    assert listed["trace"] == trace


def test_unattributed_leak_is_listed_and_leads_to_nothing(hub, receivers, github, secret):
    github.leak("other/repo", 9, "a-secret-of-nobody")
    txn = hub.webhook("gh", secret.webhook, harness.alert_body("other/repo", 9)).json()["txn"]
    found = wait_until(lambda: [u for u in hub.get("/v1/unattributed?limit=1000")
                                if u["txn"] == txn])
    assert found[0]["detail"]["repository"] == "other/repo"
    assert found[0]["detail"]["fingerprint"] == hashlib.sha256(b"a-secret-of-nobody").hexdigest()
    assert txn in hub.cli("unattributed")
    # an event behind it has been through rules and delivery: so has this one
    marker = hub.emit()
    receivers[0].wait(1, txn=marker)
    explained = hub.get(f"/v1/explain/{txn}")
    assert [e["type"] for e in explained["events"]] == ["github.secret_scanning_alert.created",
                                                        "secret.leaked"]
    assert explained["rules"] == explained["revocations"] == []
    assert not [p for p in receivers[0].pushes if p.txn == txn]


def test_partner_report(hub, receivers, github, secret):
    answer = hub.partner("ghp", github, [secret.leaked])
    assert answer.status_code == 202
    txn = answer.json()["txn"]
    check_three(hub, receivers, txn, "agent:builder")
    leak = settled(hub, txn)["events"][0]
    assert leak["type"] == "secret.leaked" and leak["origin"] == "source:ghp"
    assert leak["body"]["via"] == "partner" and leak["agent"] == "agent:builder"


def test_partner_labels(hub, github, secret):
    answer = hub.partner("ghp-labels", github, [secret.leaked, "not-of-ours-at-all"])
    assert answer.status_code == 200
    labels = {a["token_hash"]: a["label"] for a in answer.json()}
    assert len(labels) == 2
    mine = [label for digest, label in labels.items() if digest.replace("=", "") in (
        hashlib.sha256(secret.leaked.encode()).hexdigest(),
        base64.b64encode(hashlib.sha256(secret.leaked.encode()).digest()).decode()
        .rstrip("="))]
    assert mine == ["true_positive"]
    assert sorted(labels.values()) == ["false_positive", "true_positive"]
    assert secret.leaked not in answer.text


def test_partner_key_that_is_newer_than_ours_is_fetched(hub, github, tls, secret, registry):
    other = harness.GitHub(tls, secret.api)
    try:
        hub.apply({"kind": "source", "id": "ghp2", "type": "github-partner",
                   "keys_url": other.keys_url})
        assert hub.partner("ghp2", other, ["token-one-1"]).status_code == 202
        gets = other.key_gets
        other.key_id = "rotated"
        # the same keys are not fetched twice within seconds: 503, or refused, but not accepted
        answer = hub.partner("ghp2", other, ["token-two-2"])
        assert answer.status_code in (401, 503) and other.key_gets <= gets + 1
        wait_until(lambda: hub.partner("ghp2", other, ["token-two-2"]).status_code == 202,
                   what="the rotated key is fetched")
    finally:
        other.close()


def test_github_trouble_is_overcome(hub, receivers, github, secret):
    github.leak("acme/other", 5, secret.leaked)
    github.answers.extend([harness.Answer(500), harness.Answer(close=True)])
    before = len(github.asked)
    txn = hub.webhook("gh", secret.webhook, harness.alert_body("acme/other", 5)).json()["txn"]
    check_three(hub, receivers, txn, "agent:builder")
    asked = github.asked[before:]
    assert len(asked) == 3
    assert asked[0].path == "/repos/acme/other/secret-scanning/alerts/5"
    assert asked[0].headers["Authorization"] == "Bearer " + secret.api


def test_alert_that_github_does_not_show_falls_back_to_the_repository(hub, receivers, secret):
    txn = hub.webhook("gh", secret.webhook, harness.alert_body("acme/app", 404)).json()["txn"]
    check_three(hub, receivers, txn, "agent:triage-bot")


@pytest.mark.parametrize("change", [
    {"action": "resolved"}, {"validity": "inactive"}, {"resolution": "revoked"},
])
def test_alert_that_is_no_live_leak_is_stored_only(hub, endpoint, github, secret, change):
    stream = hub.push_stream(endpoint)
    asked = len(github.asked)
    txn = hub.webhook("gh", secret.webhook,
                      harness.alert_body("acme/app", 42, **change)).json()["txn"]
    endpoint.wait(1, txn=hub.emit())
    explained = hub.get(f"/v1/explain/{txn}")
    assert len(explained["events"]) == 1 and explained["pending_attribution"] == []
    assert len(github.asked) == asked
    assert {p.txn for p in endpoint.pushes}.isdisjoint({txn})
    hub.cli("delete", "stream", stream)


def test_rule_in_dry_run_does_nothing_and_says_what_it_would(hub, endpoint, secret, registry):
    own = [r for r in hub.get("/v1/rules")]
    for r in own:
        hub.cli("delete", "rules", r["id"])
    hub.apply({"kind": "rules", "id": "careful", "text": harness.rules(mode="dry-run")})
    try:
        stream = hub.push_stream(endpoint)
        txn = hub.webhook("gh-plain", secret.webhook,
                          harness.alert_body("acme/app", 77)).json()["txn"]
        explained = wait_until(lambda: (lambda e: e if e["rules"] else None)(
            hub.get(f"/v1/explain/{txn}")), what="the rule is recorded")
        assert explained["rules"][0]["mode"] == "dry-run"
        assert len(explained["rules"][0]["actions"]) == 5
        assert len(explained["events"]) == 2 and explained["revocations"] == []
        endpoint.wait(1, txn=hub.emit())
        assert txn not in {p.txn for p in endpoint.pushes}
        hub.cli("delete", "stream", stream)
    finally:
        hub.cli("delete", "rules", "careful")
        hub.apply(*[{k: v for k, v in r.items() if k not in ("digest", "version")} for r in own])


@pytest.mark.parametrize("way", ["push", "poll"])
def test_redis_is_purged(hub, tls, sink, tmp_path, procs, redis_server, secret, way):
    """The real receiver program, a real Redis, keys of two agents: those of one go."""
    redis = redis_server.client()
    redis.set("sess:agent:triage-bot", "x")
    redis.set("sess:agent:other", "x")
    redis.set("cache:agent:triage-bot:1", "x")
    audience = "https://api.example"
    config = {
        "hub": {"issuer": hub.issuer, "ca_file": str(hub.data / "ca.pem")},
        "audience": audience,
        "redis": {"address": "unix:" + redis_server.path},
        "purge": [{"events": [REVOKED], "subject": {"format": "iss_sub"},
                   "keys": ["sess:${sub}"], "patterns": ["cache:${sub}:*"],
                   "set": [{"key": "deny:${sub}", "value": "${event_timestamp|iat}",
                            "ttl_s": 3600}]}],
    }
    client = {"kind": "client", "id": f"api-{way}", "audience": audience,
              "token": "token-of-the-api-" + way}
    stream = {"kind": "stream", "id": f"api-{way}", "client": f"api-{way}"}
    if way == "push":
        port = harness.free_port()
        config["push"] = {"listen": f"127.0.0.1:{port}", "path": "/events",
                          "authorization": "Bearer " + secret.push,
                          "tls_cert": tls.cert, "tls_key": tls.key}
        stream["delivery"] = {"method": harness.PUSH,
                              "endpoint_url": f"https://localhost:{port}/events",
                              "authorization_header": "Bearer " + secret.push}
    else:
        token = tmp_path / "token"
        token.write_text(client["token"])
        token.chmod(0o600)
        config["poll"] = {"url": f"{hub.url}/streams/api-{way}/poll", "token_file": str(token)}
        stream["delivery"] = {"method": harness.POLL}
    path = tmp_path / "receive.json"
    path.write_text(json.dumps(config))
    hub.apply(client, stream)
    receive = harness.Proc([harness.program("receivers/ssf-receive"), "--config", str(path)],
                           tmp_path)
    procs.append(receive)
    receive.wait_log("event=redis.ready")
    receive.wait_log("event=receiver.keys.fetched")

    number = {"push": 101, "poll": 102}[way]
    txn = hub.webhook("gh-plain", secret.webhook,
                      harness.alert_body("acme/app", number)).json()["txn"]
    wait_until(lambda: not redis.exists("sess:agent:triage-bot"), what="the session is gone")
    settled(hub, txn)
    assert not redis.exists("cache:agent:triage-bot:1")
    assert int(redis.get("deny:agent:triage-bot")) > 0
    assert redis.get("sess:agent:other") == "x"
    assert txn in receive.log()
    for value in (*secret, client["token"], hub.admin_token):
        assert value not in receive.log() + receive.stdout()
    assert receive.stop() == 0
    hub.cli("delete", "stream", f"api-{way}")
    hub.cli("delete", "client", f"api-{way}")
