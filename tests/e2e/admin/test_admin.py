# SPDX-License-Identifier: Apache-2.0
"""The operator of a hub: resources, commands, files, and how a hub ends."""
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import uuid

import pytest
import requests

import harness
from harness import KINDS, POLL, PUSH, Answer, sign_set, wait_until


@pytest.fixture(scope="module", autouse=True)
def registered(module_hub, registry):
    module_hub.apply(*registry)
    module_hub.apply(
        {"kind": "client", "id": "api", "name": "The API", "audience": "https://api.example",
         "token": "token-of-the-api"},
        {"kind": "stream", "id": "api-push", "client": "api", "alg": "ES256", "status": "paused",
         "events": [harness.REVOKED], "description": "for tests", "audience": "https://x.example",
         "delivery": {"method": PUSH, "endpoint_url": "https://127.0.0.1:9/x",
                      "authorization_header": "Bearer secret-of-push"}},
        {"kind": "stream", "id": "api-poll", "client": "api", "delivery": {"method": POLL}},
        {"kind": "agent", "id": "agent:full", "owner": "ada", "purpose": "p", "environment": "dev",
         "tools": ["jira", "slack"], "repositories": ["acme/full"],
         "labels": {"team": "\u00e9\u4e2d"}},
        {"kind": "issuer", "id": "as", "issuer": "https://as.example", "jwks_url": "https://as.example/k",
         "audience": "api://hub", "typ": "JWT", "client_claim": "azp"},
        {"kind": "transmitter", "id": "by-url", "issuer": "https://url.example",
         "audience": "https://us.example", "jwks_url": "https://url.example/jwks"},
        {"kind": "issuer", "id": "okta", "issuer": "https://okta.example", "jwks_url": "https://okta.example/jwks"})


def forms(resources):
    """Resources without their versions, the only thing that applying them again changes."""
    return [{k: v for k, v in r.items() if k != "version"} for r in resources]


def everything(hub):
    return {k: sorted(hub.get(f"/v1/{k}"), key=lambda r: r["id"]) for k in KINDS}


def problem(answer, status, *parts):
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    description = answer.json()["description"]
    for part in parts:
        assert part in description, description
    return description


# --- apply ------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(hub, kind):
    """The output of get can be applied again. It changes nothing but the version."""
    before = hub.get(f"/v1/{kind}")
    assert before
    for resource in before:
        assert resource["kind"] == kind
        assert hub.get(f"/v1/{kind}/{resource['id']}") == resource
        first = hub.apply(resource)
        again = hub.apply(*forms([resource]))
        assert first[0]["kind"] == kind and first[0]["id"] == resource["id"]
        assert first[0]["version"] == resource["version"] + 1
        assert again[0]["version"] == first[0]["version"] + 1
    after = hub.get(f"/v1/{kind}")
    assert forms(after) == forms(before)
    printed = json.loads(hub.cli("get", kind))
    assert printed == after
    assert json.loads(hub.cli("get", kind, after[0]["id"])) == after[0]


def test_round_trip_of_everything_at_once(hub, tmp_path):
    before = everything(hub)
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"resources": sum(before.values(), [])}))
    out = hub.cli("apply", str(path))
    assert out.count(" version ") == sum(len(r) for r in before.values())
    after = everything(hub)
    assert {k: forms(r) for k, r in after.items()} == {k: forms(r) for k, r in before.items()}
    hub.restart()
    assert everything(hub) == after


def test_resources_of_one_request_may_refer_to_each_other_in_any_order(hub):
    hub.apply({"kind": "stream", "id": "o-s", "client": "o-c", "delivery": {"method": POLL}},
              {"kind": "credential", "id": "o-k", "agent": "o-a", "type": "t",
               "secret": "a-secret-in-order"},
              {"kind": "agent", "id": "o-a", "owner": "o-p", "purpose": "p", "environment": "dev"},
              {"kind": "client", "id": "o-c", "audience": "https://o.example",
               "token": "token-in-order"},
              {"kind": "person", "id": "o-p"})
    for kind, id_ in (("credential", "o-k"), ("agent", "o-a"), ("person", "o-p"),
                      ("stream", "o-s"), ("client", "o-c")):
        hub.cli("delete", kind, id_)


def test_comments_and_trailing_commas(hub):
    hub.apply('// a file\n{ /* one */ "kind": "person", // two\n "id": "commented",\n'
              '"name": "not // a comment", }\n// end\n')
    assert hub.get("/v1/person/commented")["name"] == "not // a comment"
    hub.cli("delete", "person", "commented")


SYNTAX = [
    ('{"kind":"person",\n  "id" "x"}', "line 2 column 10"),
    ('{"kind":"person",\n\n"id":"x","id":"y"}', "line 3 column"),
    ('[{"kind":"person","id":"x"}', "line 1 column 27"),
    ("// nothing", "JSON"), ("[]", "resources"), ("7", ""), ("[7]", "1:2: a resource must be"),
    ('{"resources":{}}', "resources"),
]


@pytest.mark.parametrize("text, part", SYNTAX)
def test_syntax_errors_have_line_and_column(hub, text, part):
    problem(hub.try_apply(text), 400, part)


WRONG = [
    ({"kind": "persons", "id": "x"}, "kind"), ({"id": "x"}, "kind"), ({"kind": "person"}, "id"),
    ({"kind": "person", "id": "a b"}, "id"), ({"kind": "person", "id": ""}, "id"),
    ({"kind": "person", "id": "x" * 129}, "id"), ({"kind": "person", "id": "../x"}, "id"),
    ({"kind": "person", "id": "x", "name": 7}, "name"),
    ({"kind": "person", "id": "x", "surprise": 1}, "surprise"),
    ({"kind": "agent", "id": "x", "owner": "nobody", "purpose": "p", "environment": "dev"},
     "owner"),
    ({"kind": "agent", "id": "x", "owner": "ada", "purpose": "p", "environment": "test"},
     "environment"),
    ({"kind": "agent", "id": "x", "owner": "ada", "environment": "dev"}, "purpose"),
    ({"kind": "agent", "id": "x", "owner": "ada", "purpose": "p", "environment": "dev",
      "repositories": "acme/x"}, "repositories"),
    ({"kind": "agent", "id": "x", "owner": "ada", "purpose": "p", "environment": "dev",
      "labels": []}, "labels"),
    ({"kind": "credential", "id": "x", "agent": "nobody", "type": "t", "secret": "12345678"},
     "agent"),
    ({"kind": "credential", "id": "x", "agent": "agent:full", "type": "t"}, "fingerprint"),
    ({"kind": "credential", "id": "x", "agent": "agent:full", "type": "t", "secret": "short"},
     "secret"),
    ({"kind": "credential", "id": "x", "agent": "agent:full", "type": "t",
      "fingerprint": "xyz"}, "fingerprint"),
    ({"kind": "credential", "id": "x", "agent": "agent:full", "type": "t",
      "fingerprint": "0" * 64, "secret": "12345678"}, "fingerprint"),
    ({"kind": "source", "id": "x", "type": "gitlab"}, "type"),
    ({"kind": "source", "id": "x", "type": "github"}, "secret"),
    ({"kind": "source", "id": "x", "type": "github", "secret": "(sealed)"}, "secret"),
    ({"kind": "source", "id": "x", "type": "github", "secret": "12345678", "labels": True},
     "labels"),
    ({"kind": "source", "id": "x", "type": "github", "secret": "12345678",
      "api": {"url": "ftp://x", "token": "12345678"}}, "api"),
    ({"kind": "source", "id": "x", "type": "github-partner"}, "keys_url"),
    ({"kind": "source", "id": "x", "type": "github-partner", "keys_file": "/nonexistent"},
     "keys_file"),
    ({"kind": "source", "id": "x", "type": "github-partner", "keys_url": "https://x.example",
      "secret": "12345678"}, "secret"),
    ({"kind": "transmitter", "id": "x", "issuer": "https://x.example"}, "jwks"),
    ({"kind": "transmitter", "id": "x", "issuer": "https://x.example", "jwks": {"keys": [
        {"kty": "oct", "k": "AAAA"}]}}, "jwks"),
    ({"kind": "transmitter", "id": "x", "issuer": "https://idp.example",
      "jwks_url": "https://x.example"}, "issuer"),
    ({"kind": "client", "id": "x", "token": "12345678"}, "audience"),
    ({"kind": "client", "id": "x", "audience": "https://x.example"}, "token"),
    ({"kind": "client", "id": "x", "audience": "https://x.example", "token": "token-of-the-api"},
     "token"),
    ({"kind": "stream", "id": "x", "client": "nobody", "delivery": {"method": POLL}}, "client"),
    ({"kind": "stream", "id": "x", "client": "api"}, "delivery"),
    ({"kind": "stream", "id": "x", "client": "api", "delivery": 7}, "delivery"),
    ({"kind": "stream", "id": "x", "client": "api", "delivery": {"method": "push"}}, "delivery"),
    ({"kind": "stream", "id": "x", "client": "api", "delivery": {"method": PUSH}}, "endpoint_url"),
    ({"kind": "stream", "id": "x", "client": "api", "delivery": {
        "method": POLL, "endpoint_url": "https://x.example"}}, "endpoint_url"),
    ({"kind": "stream", "id": "x", "client": "api", "delivery": {"method": POLL},
      "alg": "HS256"}, "alg"),
    ({"kind": "stream", "id": "x", "client": "api", "delivery": {"method": POLL},
      "status": "off"}, "status"),
    ({"kind": "stream", "id": "x", "client": "api", "delivery": {"method": POLL},
      "events": [1]}, "events"),
    ({"kind": "rules", "id": "x", "text": "{"}, "1:"),
    ({"kind": "rules", "id": "x"}, "text"),
]


@pytest.mark.parametrize("resource, part", WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_a_wrong_resource_is_refused_with_its_place_and_nothing_is_applied(hub, resource, part):
    before = everything(hub)
    good = {"kind": "person", "id": "by-catch"}
    text = "[\n" + json.dumps(good) + ",\n\n  " + json.dumps(resource) + "\n]"
    answer = hub.try_apply(text)
    description = problem(answer, answer.status_code, part)
    assert answer.status_code in (400, 409)
    assert re.match(r"4:\d+: ", description), description
    assert everything(hub) == before


def test_one_resource_twice_in_a_request_is_refused(hub):
    one = {"kind": "person", "id": "twin"}
    problem(hub.try_apply(one, one), 400, "id")


@pytest.mark.parametrize("kind", ["credential", "client", "agent", "transmitter"])
def test_unique_members_are_checked_within_one_request_too(hub, kind):
    common = {
        "credential": {"agent": "agent:full", "type": "t", "secret": "one-and-the-same-secret"},
        "client": {"audience": "https://x.example", "token": "one-and-the-same-token"},
        "agent": {"owner": "ada", "purpose": "p", "environment": "dev",
                  "repositories": ["acme/one-and-the-same"]},
        "transmitter": {"issuer": "https://one.example", "jwks_url": "https://one.example/k"},
    }[kind]
    both = [{"kind": kind, "id": f"u{i}", **common} for i in (1, 2)]
    answer = hub.try_apply(*both)
    if answer.status_code == 200:
        for one in both:
            hub.cli("delete", kind, one["id"])
    problem(answer, 409, "another")
    # also in two requests
    hub.apply(both[0])
    problem(hub.try_apply(both[1]), 409, "another")
    hub.cli("delete", kind, "u1")


def test_delete(hub):
    for kind, id_, by in (("person", "ada", "agent"), ("agent", "agent:builder", "credential"),
                          ("client", "api", "stream")):
        answer = hub.admin("DELETE", f"/v1/{kind}/{id_}")
        problem(answer, 409, by)
        assert hub.get(f"/v1/{kind}/{id_}")
        assert "still refers to it" in hub.cli("delete", kind, id_, status=1)
    hub.apply({"kind": "person", "id": "short-lived"})
    assert hub.admin("DELETE", "/v1/person/short-lived").status_code == 204
    assert hub.admin("DELETE", "/v1/person/short-lived").status_code == 404
    assert hub.admin("GET", "/v1/person/short-lived").status_code == 404
    assert hub.admin("GET", "/v1/persons").status_code == 404
    assert hub.apply({"kind": "person", "id": "short-lived"})[0]["version"] == 3, "with its history"
    hub.cli("delete", "person", "short-lived")


def test_history_is_kept_without_secrets(hub, secret):
    rows = hub.sql("select kind, id, version, spec::text, actor from resource_history")
    assert {r[4] for r in rows} == {"admin"}
    text = "\n".join(str(r[3]) for r in rows)
    for value in (*secret, "token-of-the-api", "secret-of-push"):
        assert value not in text


# --- rules ------------------------------------------------------------------------------------

def rule(**changes):
    """The text of a file with one rule, one member per line."""
    members = {"id": "some.rule", "title": "A rule", "severity": "high", "mode": "enforce",
               "on": ["secret.leaked"], "match": {"$agent": {"known": [True]}},
               "actions": [{"revoke": "agent", "target": "${subject.agent_id}", "reason": "r"}]}
    members.update(changes)
    lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in members.items() if v is not None]
    return '{"hrl": 1, "rules": [{\n' + ",\n".join(lines) + "\n}]}"


@pytest.mark.parametrize("changes, line, part", [
    ({"mode": "maybe"}, 5, "mode"), ({"severity": "dreadful"}, 4, "severity"),
    ({"on": []}, 6, "on"), ({"id": "X"}, 2, "id"), ({"surprise": 1}, 9, "surprise"),
    ({"actions": []}, 8, "actions"), ({"actions": [{"explode": "agent"}]}, 8, ""),
    ({"actions": [{"revoke": "planet", "target": "x"}]}, 8, "revoke"),
    ({"actions": [{"emit": "caep:unheard-of", "subject": "agent"}]}, 8, "event name"),
    ({"match": {"$agent": {"known": [{"sounds-like": "x"}]}}}, 7, "sounds-like"),
    ({"match": {"detail": {"x": "not an array"}}}, 7, ""),
], ids=str)
def test_errors_in_rules_have_line_column_and_rule(hub, tmp_path, changes, line, part):
    before = hub.get("/v1/rules")
    text = rule(**changes)
    description = problem(hub.try_apply(text, query="?id=broken"), 400, part)
    assert re.match(rf"{line}:\d+: ", description), description
    assert "rule" in description
    path = tmp_path / "broken.rules.json"
    path.write_text(text)
    assert description in hub.cli("apply", str(path), status=1)
    assert hub.get("/v1/rules") == before


def test_rules_by_command_with_comments(hub, tmp_path):
    text = "// what we do\n" + rule().replace('"high"', '"high" /* really */') + "\n"
    path = tmp_path / "mine.rules.json"
    path.write_text(text)
    assert hub.cli("apply", str(path)) == "rules mine version 1\n"
    stored = hub.get("/v1/rules/mine")
    assert stored["text"] == text, "the text is stored as written"
    assert stored["digest"] == hashlib.sha256(text.encode()).hexdigest()
    assert hub.get("/v1/status")["rules"]["active"] >= 2
    hub.cli("delete", "rules", "mine")
    problem(hub.try_apply(text), 400, "id")


@pytest.mark.parametrize("path", sorted((harness.ROOT / "examples").rglob("*.rules.json")),
                         ids=lambda p: p.name)
def test_examples_can_be_applied(hub, path):
    name = path.name.split(".")[0]
    hub.cli("apply", str(path))
    if name != "leaked-secret":
        hub.cli("delete", "rules", name)


# --- commands and reports -----------------------------------------------------------------------

def test_status(hub):
    status = hub.get("/v1/status")
    assert status["issuer"] == hub.issuer and status["ready"] is True
    assert status["draining"] is False and status["database"] == {"up": True, "owner": True}
    assert {s["id"] for s in status["streams"]} == {"api-push", "api-poll"}
    for kind in KINDS:
        assert status["resources"][kind] == len(hub.get(f"/v1/{kind}"))
    text = hub.cli("status")
    for part in (hub.issuer, "ready", "database up", "stream   api-push: push, paused",
                 "stream   api-poll: poll, enabled", "rules    "):
        assert part in text, text


def test_commands_that_fail(hub, tmp_path):
    assert "no such path" not in hub.cli("get", "person", "nobody", status=1)
    assert "nothing is known of it" in hub.cli("explain", "no-such-txn", status=1)
    assert "usage" in hub.cli("explain", status=2)
    assert "no command" in hub.cli("frobnicate", status=2)
    assert "nothing of" in hub.cli("apply", "/dev/null", status=1)
    assert hub.cli("apply", str(tmp_path / "not-there"), status=1)
    done = subprocess.run([harness.program("hub/ssfhub"), "status", "--data", str(tmp_path)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "data directory" in done.stderr
    done = subprocess.run([harness.program("hub/ssfhub"), "help"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0 and "--push-allow" in done.stdout and "explain" in done.stdout


def test_pages_of_events(hub):
    txns = [hub.emit() for _ in range(5)]
    start = hub.sql("select min(seq) from event where txn = %s", txns[0])[0][0] - 1
    page = hub.get(f"/v1/events?after={start}&limit=2")
    assert [e["txn"] for e in page] == txns[:2]
    rest = hub.get(f"/v1/events?after={page[-1]['seq']}")
    assert [e["txn"] for e in rest] == txns[2:]
    assert rest[0]["origin"] == "issuer:https://idp.example" and rest[0]["sub_id"]["sub"] == "ada"
    for query in ("after=x", "limit=0x10", "limit=1001", "after=-1", "limit=5x",
                  "after=99999999999999999999"):
        problem(hub.admin("GET", "/v1/events?" + query), 400, query.split("=")[0])
    assert hub.get("/v1/events?after=9223372036854775806") == []


@pytest.mark.parametrize("arguments, part", [
    (["--nonsense", "1"], "nonsense"), (["--listen", "localhost"], "listen"),
    (["--max-body", "1"], "max-body"), (["--retry-min", "soon"], "retry-min"),
    (["--log-level", "loud"], "log-level"), (["--push-allow", "everything"], "allow"),
    (["--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"], "nonexistent"), (["x"], "serve"),
    (["--ca-file", "/nonexistent"], "nonexistent"), (["--config", "/nonexistent"], "nonexistent"),
])
def test_wrong_settings_end_the_start(hub, hub_template, arguments, part):
    folder = hub.folder / uuid.uuid4().hex
    done = subprocess.run([harness.program("hub/ssfhub"), "serve", "--data", str(folder),
                           "--listen", "127.0.0.1:0", "--database", hub_template.new_database(),
                           *arguments], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode in (1, 2) and part in done.stderr, done.stderr
    for mark in harness.SANITIZER_MARKS:
        assert mark not in done.stderr, done.stderr


def test_settings_come_from_file_environment_and_command_line(new_hub, tmp_path):
    conf = tmp_path / "ssfhub.conf"
    conf.write_text("# comment\nissuer = https://from.file\nmax_body = 2k\n")
    hub = new_hub("--config", str(conf), "--max-body", "4k",
                  env={"SSFHUB_LOG_LEVEL": "debug", "SSFHUB_ISSUER": "https://from.environment"})
    meta = hub.request("GET", "/.well-known/ssf-configuration").json()
    assert meta["issuer"] == "https://from.environment"
    assert meta["jwks_uri"] == "https://from.environment/jwks.json"
    assert hub.try_apply(json.dumps({"kind": "person", "id": "x", "name": "y" * 3000})
                         ).status_code == 400, "read, and the name is too long"
    assert hub.try_apply(json.dumps({"x": "y" * 5000})).status_code == 413


# --- files --------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def private_hub(tls):
    """A hub with a private PostgreSQL."""
    hub = harness.Hub(tls)
    yield hub
    hub.close()


def test_modes_of_files(private_hub):
    hub = private_hub

    def mode(name):
        return stat.S_IMODE(os.stat(hub.data / name).st_mode)
    for name in ("admin.token", "master.key", "server.key", "ca.key"):
        assert mode(name) == 0o600, name
    assert mode("") & 0o066 == 0, "no other user lists it"
    for name in ("ca.pem", "server.pem", "hub.url"):
        assert mode(name) == 0o644, name
    assert mode("run") == mode("pg") == 0o700
    owner = "postgres" if os.geteuid() == 0 else None
    for name in ("run", "pg"):
        if owner:
            assert (hub.data / name).owner() == owner
    for path in hub.data.iterdir():
        assert stat.S_IMODE(path.lstat().st_mode) & 0o022 == 0, f"{path} is written by others"
    assert (hub.data / "hub.url").read_text() == f"https://127.0.0.1:{hub.port}\n"


def test_the_private_database_refuses_other_users(private_hub):
    if os.geteuid() != 0:
        pytest.skip("needs another user to try as")
    code = ("import psycopg2, sys\ntry: psycopg2.connect(host=sys.argv[1], user='ssfhub', "
            "dbname='ssfhub')\nexcept psycopg2.OperationalError as e: print(e); sys.exit(7)")
    done = subprocess.run(["/usr/bin/python3", "-c", code, str(private_hub.data / "run")], user="nobody",
                          group="nogroup", extra_groups=[], cwd="/", capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 7, done.stdout + done.stderr
    with open("/proc/net/tcp", encoding="ascii") as f:
        assert not [line for line in f if f":{5432:04X} " in line], "it listens on no TCP port"


def test_an_admin_token_chosen_by_the_operator(new_hub):
    hub = new_hub()
    hub.stop()
    token = "a-token-that-the-operator-has-chosen-himself"
    (hub.data / "admin.token").write_text(token + "\n")
    hub.start()
    assert hub.admin_token == token and hub.get("/v1/status")["ready"]
    hub.stop()
    (hub.data / "admin.token").write_text("short\n")
    hub.start(wait=False)
    assert hub.proc.popen.wait(60) == 1 and "admin.token" in hub.proc.log()


# --- the end --------------------------------------------------------------------------------------

def test_sigterm_finishes_pending_requests(new_hub, endpoint):
    """The hub waits for a push in flight, answers a long poll, and loses nothing."""
    hub = new_hub("--push-timeout", "8s").use_idp()
    hub.push_stream(endpoint)
    poll = hub.poll_stream()
    hold = threading.Event()
    endpoint.script(Answer(202, hold=hold))
    first = hub.emit(sub="a")
    endpoint.wait_pushes(1)
    sets, _ = poll.poll()
    poll.poll(ack=list(sets))
    with hub.begin("POST", f"/streams/{poll.id}/poll", b"{}",
                   Authorization=f"Bearer {poll.token}") as waiting:
        hub.proc.send_signal(signal.SIGTERM)
        hub.proc.wait_log("event=hub.draining")
        answer = http.client.HTTPResponse(waiting)
        answer.begin()
        assert answer.status == 200
        assert json.loads(answer.read()) == {"sets": {}, "moreAvailable": False}
    assert hub.proc.alive(), "the hub waits for the push"
    hold.set()
    assert hub.proc.popen.wait(60) == 0
    assert not hub.processes()
    pushes = len(endpoint.pushes)
    hub.start()
    third = hub.emit(sub="a")
    endpoint.wait(1, txn=third)
    assert [p.txn for p in endpoint.pushes[pushes:]] == [third], "the delivery was saved"
    assert first != third


def test_sigterm_under_load_loses_nothing(new_hub, endpoint):
    hub = new_hub().use_idp()
    hub.push_stream(endpoint)
    accepted, stopping = [], threading.Event()

    def load(n):
        with hub.new_session() as session:
            i = 0
            while not stopping.is_set():
                i += 1
                claims = hub.claims(txn=f"{n}-{i}")
                try:
                    answer = hub.send(sign_set(hub.idp, claims), session)
                except requests.exceptions.RequestException:
                    return   # the hub has stopped listening
                if answer.status_code == 202:
                    accepted.append(claims["txn"])
                else:
                    assert answer.status_code == 503, answer.text
    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    wait_until(lambda: len(accepted) > 50)
    hub.stop()   # asserts exit status 0
    stopping.set()
    for t in threads:
        t.join(60)
    hub.start()
    wait_until(lambda: set(accepted) <= {p.txn for p in endpoint.accepted()})


def test_sigterm_cuts_off_requests_at_the_drain_timeout(new_hub, tls, github):
    """A request that waits for another server is cut off after --drain-timeout; the exit status is 0
    all the same."""
    hub = new_hub("--drain-timeout", "500ms").use_idp()
    hold = threading.Event()
    asked = threading.Event()

    def handle(request):
        asked.set()
        return Answer(200, {}, hold=hold)
    server = harness.Server(tls, handle)
    hub.apply({"kind": "transmitter", "id": "slow", "issuer": "https://slow.example",
               "jwks_url": server.url + "/jwks"})
    token = sign_set(hub.idp, hub.claims(iss="https://slow.example"))

    def send():
        try:
            hub.send(token)
        except requests.exceptions.RequestException:
            pass
    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert asked.wait(60)
        hub.proc.send_signal(signal.SIGTERM)
        # the answer of the JWKS server never comes
        assert hub.proc.popen.wait(60) == 0, hub.proc.log()
    finally:
        hold.set()
        sender.join(60)
        server.close()


def test_sigint_ends_the_hub_and_a_second_signal_is_harmless(new_hub):
    hub = new_hub()
    hub.proc.send_signal(signal.SIGINT)
    hub.proc.send_signal(signal.SIGTERM)
    assert hub.proc.popen.wait(60) == 0


def test_a_killed_first_start_can_be_repeated(tls):
    """The process dies while it makes the data directory."""
    hub = harness.Hub(tls)
    hub.kill9()
    argv, hub.argv = hub.argv, list(hub.argv)
    fresh = hub.folder / "fresh"
    hub.argv[hub.argv.index("--data") + 1] = str(fresh)
    try:
        for path in ("master.key", "pg.new", "pg/postmaster.pid"):
            hub.start(wait=False)
            wait_until(lambda: (fresh / path).exists() or (fresh / "pg").exists())
            hub.kill9()
        hub.argv, hub.data = hub.argv, fresh
        hub.start()
        assert hub.get("/v1/status")["ready"]
    finally:
        hub.data = hub.folder   # close both data directories
        hub._end()
        for p in hub.processes():
            os.kill(p, signal.SIGKILL)
        shutil.rmtree(hub.folder, ignore_errors=True)
