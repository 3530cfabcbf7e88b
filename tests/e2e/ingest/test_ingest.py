# SPDX-License-Identifier: Apache-2.0
"""What the hub answers to sources and transmitters, and what of it is in the log afterwards."""
import concurrent.futures
import json
import socket
import ssl
import threading
import time
import uuid

import pytest
import requests
from jwcrypto import jwk

import harness
from harness import CAEP, REVOKED, RISC, SET_TYPE, alert_body, sign_set, wait_until, webhook_headers

HUB_ARGS = ("--max-body", "64k")


@pytest.fixture(scope="module", autouse=True)
def registered(module_hub, registry):
    module_hub.apply(*[r for r in registry if r["kind"] != "rules"])


def post(hub, path, body, headers):
    return hub.request("POST", path, data=body, headers=headers)


def count(hub):
    return hub.sql("select count(*) from event")[0][0]


def error(answer, status, err):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["err"] == err
    assert answer.json()["description"]
    return answer.json()["description"]


# --- webhooks ---------------------------------------------------------------------------------

@pytest.mark.parametrize("spoil", [
    lambda h: h.pop("X-Hub-Signature-256"),
    lambda h: h.update({"X-Hub-Signature-256": "sha256=" + "0" * 64}),
    lambda h: h.update({"X-Hub-Signature-256": h["X-Hub-Signature-256"][7:]}),
    lambda h: h.update({"X-Hub-Signature": "sha1=" + "0" * 40, "X-Hub-Signature-256": ""}),
    lambda h: h.update(webhook_headers("another-secret", b"{}")),
], ids=["none", "zeros", "no-prefix", "sha1", "other-secret"])
def test_wrong_signature_is_401(hub, secret, spoil):
    before = count(hub)
    body = json.dumps(alert_body()).encode()
    headers = webhook_headers(secret.webhook, body)
    spoil(headers)
    answer = post(hub, "/in/gh", body, headers)
    error(answer, 401, "authentication_failed")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert count(hub) == before


def test_signature_over_other_bytes_is_401(hub, secret):
    body = json.dumps(alert_body()).encode()
    error(post(hub, "/in/gh", body + b" ", webhook_headers(secret.webhook, body)), 401,
          "authentication_failed")


def test_previous_secret_is_good_during_rotation(hub):
    source = {"kind": "source", "id": "rotating", "type": "github", "secret": "secret-number-two",
              "previous_secret": "secret-number-one"}
    hub.apply(source)
    for secret in ("secret-number-one", "secret-number-two"):
        assert hub.webhook("rotating", secret, {"zen": "x"}, event="ping").status_code == 202
    source.pop("previous_secret")
    hub.apply(source)
    answer = hub.webhook("rotating", "secret-number-one", {"zen": "x"}, event="ping")
    error(answer, 401, "authentication_failed")


def test_unknown_source_is_404(hub, secret):
    error(hub.webhook("nobody", secret.webhook, alert_body()), 404, "not_found")
    error(post(hub, "/in/", b"{}", {}), 404, "not_found")
    error(post(hub, "/in/gh/more", b"{}", {}), 404, "not_found")


@pytest.mark.parametrize("body, part", [
    (b"", ""), (b"{", "line 1"), (b"[]", ""),
    (b'{"action":"created","action":"x"}', "line 1 column"),
    (json.dumps({"action": "created"}).encode(), "alert"),
    (json.dumps(alert_body(number=0)).encode(), "number"),
    (json.dumps(alert_body(repository="../../etc")).encode(), "repository"),
], ids=["empty", "cut", "array", "twice", "no-alert", "number", "repository"])
def test_signed_nonsense_is_400_and_says_what_is_wrong(hub, secret, body, part):
    before = count(hub)
    description = error(post(hub, "/in/gh", body, webhook_headers(secret.webhook, body)), 400,
                        "invalid_request")
    assert part in description
    assert count(hub) == before


def test_nested_too_deeply(hub, secret):
    body = b'{"a":' * 100 + b"1" + b"}" * 100
    assert "deep" in error(post(hub, "/in/gh", body, webhook_headers(secret.webhook, body)), 413,
                           "invalid_request")


@pytest.mark.parametrize("event, body, kind", [
    ("ping", {"zen": "Keep it logically awesome.", "hook_id": 1}, "github.ping"),
    ("release", {"action": "published", "repository": {"full_name": "acme/app"}},
     "github.release.published"),
    ("event_of_tomorrow", {"action": "Odd Action!", "new": [1, {"x": None}]},
     "github.event_of_tomorrow"),
    ("secret_scanning_alert", alert_body(action="shrugged"),
     "github.secret_scanning_alert.shrugged"),
])
def test_ping_and_unknown_events_are_stored(hub, secret, event, body, kind):
    answer = hub.webhook("gh", secret.webhook, body, event=event)
    assert answer.status_code == 202
    stored = hub.get("/v1/explain/" + answer.json()["txn"])["events"]
    assert [e["type"] for e in stored] == [kind]


def test_form_body(hub, secret):
    body = ("payload=" + requests.utils.quote(json.dumps(alert_body(number=3)), safe="")
            ).encode()
    headers = webhook_headers(secret.webhook, body)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = post(hub, "/in/gh-plain", body, headers)
    assert answer.status_code == 202
    stored = hub.get("/v1/explain/" + answer.json()["txn"])["events"][0]
    assert stored["body"]["alert"] == 3


def test_same_webhook_twice_is_one_event_also_after_a_restart(hub, secret):
    delivery = str(uuid.uuid4())
    body = alert_body("nobody/there", 11)
    def stored():
        """The delivery, and what came of asking whose it is."""
        return hub.sql("select count(*), count(distinct txn) from event where origin_id like %s",
                       f"%{delivery}%")[0]

    first = hub.webhook("gh-plain", secret.webhook, body, delivery=delivery)
    wait_until(lambda: stored() == (2, 1), what="the leak is in the log")
    again = hub.webhook("gh-plain", secret.webhook, body, delivery=delivery)
    hub.restart()
    late = hub.webhook("gh-plain", secret.webhook, body, delivery=delivery)
    assert first.status_code == again.status_code == late.status_code == 202
    assert first.json() == again.json() == late.json()
    assert stored() == (2, 1)
    # the same delivery id of another hook, or at another source, is another delivery
    assert hub.webhook("gh-plain", secret.webhook, body, delivery=delivery,
                       hook="8").json() != first.json()
    assert hub.webhook("gh", secret.webhook, body, delivery=delivery).json() != first.json()


def test_same_webhook_many_times_at_once(hub, secret):
    """Repeats that meet in one transaction: one event, one question whose it is, one answer."""
    for number in range(5):
        delivery = str(uuid.uuid4())
        body = json.dumps(alert_body("nobody/there", 20 + number)).encode()
        headers = webhook_headers(secret.webhook, body, delivery=delivery)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: hub.new_session().post(
                hub.url + "/in/gh-plain", data=body, headers=headers, timeout=60), range(8)))
        assert {a.status_code for a in answers} == {202}
        assert len({a.text for a in answers}) == 1
        assert hub.sql("select count(*) from event where origin_id = %s",
                       "7." + delivery)[0][0] == 1


def test_same_report_twice_is_one_event(hub, github):
    first = hub.partner("ghp", github, ["token-a", "token-b"])
    before = count(hub)
    # the signature differs each time (ECDSA), the body does not
    again = hub.partner("ghp", github, ["token-a", "token-b"])
    assert first.status_code == again.status_code == 202 and first.json() == again.json()
    assert count(hub) == before


def test_nobodys_keys_are_fetched_for_a_report_that_is_not_signed(hub, github):
    """Anybody may send one; a source that has not had its keys yet does not ask for them."""
    source = "ghp-" + uuid.uuid4().hex[:8]
    hub.apply({"kind": "source", "id": source, "type": "github-partner", "keys_url": github.keys_url + "?" + source})
    asked, signed = github.key_gets, github.sign(b"[]")
    for missing in signed:
        headers = {k: v for k, v in signed.items() if k != missing}
        error(post(hub, f"/in/{source}", b"[]", headers), 401, "authentication_failed")
    assert github.key_gets == asked


def test_a_file_of_keys_is_read_when_it_has_changed(hub, github, tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(github.keys()))
    source = "ghf-" + uuid.uuid4().hex[:8]
    hub.apply({"kind": "source", "id": source, "type": "github-partner", "keys_file": str(path)})
    assert hub.partner(source, github, ["file-a"]).status_code == 202
    path.write_text("nonsense")
    refused = hub.partner(source, github, ["file-b"])
    error(refused, 503, "unavailable")
    assert str(path) not in refused.text
    path.write_text(json.dumps(github.keys()))
    assert hub.partner(source, github, ["file-b"]).status_code == 202


# --- clients that go away ---------------------------------------------------------------------

def leave_while_keys_are_fetched(hub, path, headers, body, asked):
    """Sends a request, and goes away once the hub has asked for keys; the hub must give it up."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    before, events = hub.log().count("the client has gone"), count(hub)
    with connect(hub) as s:
        s.sendall(head.encode() + body)
        wait_until(asked.is_set, what="the hub asks for keys")
    wait_until(lambda: hub.log().count("the client has gone") == before + 1,
               what="the request is given up")
    assert count(hub) == events


def test_a_report_is_given_up_when_its_sender_leaves_before_the_keys_come(hub, github, tls):
    asked, hold = threading.Event(), threading.Event()

    def handle(request):
        asked.set()
        return harness.Answer(200, github.keys(), hold=hold)
    server = harness.Server(tls, handle)
    try:
        hub.apply({"kind": "source", "id": "ghp-leave", "type": "github-partner",
                   "keys_url": server.url + "/keys"})
        body = json.dumps([{"token": "left", "type": "t"}]).encode()
        leave_while_keys_are_fetched(hub, "/in/ghp-leave", github.sign(body), body, asked)
        hold.set()
        assert hub.partner("ghp-leave", github, ["left"]).status_code == 202
    finally:
        hold.set()
        server.close()


def test_a_set_is_given_up_when_its_sender_leaves_before_the_keys_come(hub, tls):
    key = jwk.JWK.generate(kty="RSA", size=2048, kid="leave")
    asked, hold = threading.Event(), threading.Event()

    def handle(request):
        asked.set()
        return harness.Answer(200, {"keys": [json.loads(key.export_public())]}, hold=hold)
    server = harness.Server(tls, handle)
    try:
        hub.apply({"kind": "transmitter", "id": "leave", "issuer": "https://leave.example",
                   "jwks_url": server.url + "/jwks"})
        token = sign_set(key, hub.claims(iss="https://leave.example"))
        leave_while_keys_are_fetched(hub, "/events", {"Content-Type": SET_TYPE}, token.encode(),
                                     asked)
        hold.set()
        assert hub.send(token).status_code == 202
    finally:
        hold.set()
        server.close()


# --- limits of the listener -------------------------------------------------------------------

def test_too_large_is_413(hub, secret):
    body = json.dumps({"zen": "x" * 70000}).encode()
    answer = post(hub, "/in/gh", body, webhook_headers(secret.webhook, body, event="ping"))
    assert answer.status_code == 413
    body = json.dumps({"zen": "x" * 60000}).encode()
    assert post(hub, "/in/gh", body,
                webhook_headers(secret.webhook, body, event="ping")).status_code == 202


def connect(hub):
    context = ssl.create_default_context(cafile=str(hub.data / "ca.pem"))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", hub.port), timeout=60),
                               server_hostname="localhost")


@pytest.fixture
def impatient(new_hub):
    return new_hub("--request-timeout", "1s")


def test_slow_client_is_408(impatient):
    """A byte every now and then does not keep a connection: the limit is on the whole request."""
    with connect(impatient) as s:
        s.sendall(b"POST /in/gh HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n")
        s.settimeout(0.1)
        began = time.monotonic()
        answer = b""
        while not answer:
            assert time.monotonic() < began + 60, "the hub waits for ever"
            try:
                s.sendall(b"X")   # of a header that never ends
                answer = s.recv(1000)
            except TimeoutError:
                pass
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert 0.8 < time.monotonic() - began
    assert impatient.request("GET", "/healthz").status_code == 200


def test_half_a_request_then_nothing(impatient):
    with connect(impatient) as s:
        s.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
        assert s.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("method, path", [
    ("GET", "/in/gh"), ("PUT", "/in/gh"), ("GET", "/events"), ("DELETE", "/jwks.json"),
    ("POST", "/healthz"), ("GET", "/v1/apply/x/y"), ("PUT", "/v1/agent/x"),
    ("GET", "/streams/x/poll"), ("POST", "/v1/status"),
])
def test_method_that_is_not_for_the_path(hub, method, path):
    answer = hub.admin(method, path)
    if path.count("/") > 3:
        error(answer, 404, "not_found")
    else:
        error(answer, 405, "method")


def test_several_requests_on_one_connection(hub):
    with connect(hub) as s:
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        got = b""
        s.sendall(request * 3)
        while got.count(b'{"status":"ok"}') < 3:
            part = s.recv(1000)
            assert part, got
            got += part


# --- SETs (RFC 8935) --------------------------------------------------------------------------

def test_set_is_202_with_nothing_in_it(hub):
    answer = hub.send(sign_set(hub.idp, hub.claims()))
    assert answer.status_code == 202 and answer.text == ""


@pytest.mark.parametrize("typ", ["secevent+jwt", "application/secevent+jwt", "SECEVENT+JWT"])
@pytest.mark.parametrize("media", [SET_TYPE, "Application/SecEvent+JWT", SET_TYPE + "; charset=utf-8"])
def test_names_of_types_are_compared_as_rfc_7515_says(hub, typ, media):
    token = sign_set(hub.idp, hub.claims(), typ=typ)
    assert hub.send(token, **{"Content-Type": media}).status_code == 202


def test_b7_same_set_twice_is_one_event_and_one_fan_out(hub, endpoint):
    stream = hub.push_stream(endpoint)
    token = sign_set(hub.idp, hub.claims(txn="txn-b7"))
    other = sign_set(hub.idp, hub.claims(txn="txn-b7-behind"))
    assert hub.send(token).status_code == 202
    assert hub.send(token).status_code == 202
    hub.restart()
    assert hub.send(token).status_code == 202
    assert hub.send(other).status_code == 202
    endpoint.wait(1, txn="txn-b7-behind")
    assert [p.txn for p in endpoint.pushes] == ["txn-b7", "txn-b7-behind"]
    assert hub.sql("select count(*) from event where txn = 'txn-b7'")[0][0] == 1
    hub.cli("delete", "stream", stream)


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def trace_of(hub, txn):
    ((trace,),) = hub.sql("select trace from event where txn = %s", txn)
    (event,) = hub.get("/v1/explain/" + txn)["events"]
    assert event.get("trace") == trace
    return trace


@pytest.mark.parametrize("header, kept", [
    (TRACE, TRACE), ("cc" + TRACE[2:] + "-what", TRACE), (TRACE.upper(), None), ("ff" + TRACE[2:], None),
    (TRACE + "-x", None), ("\x00", None), ("", None)], ids=["good", "later", "upper", "ff", "more", "nul", "empty"])
def test_traceparent_is_kept_if_it_is_one(hub, header, kept):
    claims = hub.claims()
    headers = {"traceparent": header} if header.isprintable() else {}
    assert hub.send(sign_set(hub.idp, claims), **headers).status_code == 202
    assert trace_of(hub, claims["txn"]) == kept


def test_two_traceparents_say_nothing(hub):
    claims = hub.claims()
    token = sign_set(hub.idp, claims).encode()
    with hub.begin("POST", "/events", token, **{"Content-Type": SET_TYPE, "traceparent": TRACE,
                                               "Traceparent": TRACE}) as s:
        assert s.recv(4096).startswith(b"HTTP/1.1 202")
    assert trace_of(hub, claims["txn"]) is None


@pytest.mark.parametrize("extra", [
    {"a": [1, -7, 2**63 - 1, {"b": None, "a": True}], "ü": "\u2028 \U0001f600 \\ \" \x01", "": {}},
    {"n": [1e20, 1.10, -0.0, 123456789012345678, 2.5e-7]},
], ids=["all-kinds", "fractions"])
def test_what_goes_out_at_once_is_what_is_stored(hub, tls, endpoint, extra):
    """The log's tail in memory is not read back from the database: it has to be the same all the same."""
    n = uuid.uuid4().hex[:8]
    hub.apply({"kind": "client", "id": "c-" + n, "audience": "https://same.example", "token": "token-" + n},
              *({"kind": "stream", "id": f"{way}-{n}", "client": "c-" + n, "delivery": delivery} for way, delivery in (
                  ("push", {"method": harness.PUSH, "endpoint_url": endpoint.url}), ("poll", {"method": harness.POLL}))))
    hub.emit(events={REVOKED: {"event_timestamp": 1700000000, "more": extra}})
    (pushed,) = endpoint.wait(1)
    hub.proc.stop()
    hub.start()
    poll = harness.PollStream(hub, "poll-" + n, "token-" + n, "https://same.example")
    (polled,) = poll.wait(1).values()
    assert polled == pushed.claims
    assert list(json.dumps(polled)) == list(json.dumps(pushed.claims))


def test_same_jti_of_another_issuer_is_another_event(hub):
    key = jwk.JWK.generate(kty="RSA", size=2048, kid="idp-2")
    hub.apply({"kind": "transmitter", "id": "idp2", "issuer": "https://idp2.example",
               "audience": "https://elsewhere.example",
               "jwks": {"keys": [json.loads(key.export_public())]}})
    before = count(hub)
    claims = hub.claims()
    assert hub.send(sign_set(hub.idp, claims)).status_code == 202
    claims.update(iss="https://idp2.example",
                  aud=["https://x.example", "https://elsewhere.example"])
    assert hub.send(sign_set(key, claims)).status_code == 202
    assert count(hub) == before + 2


def test_set_with_several_events_is_delivered_event_by_event(hub, endpoint):
    stream = hub.push_stream(endpoint)
    events = {REVOKED: {"event_timestamp": 1, "reason_admin": {"en": "x"}}, CAEP + "assurance-level-change": {
        "namespace": "NIST-AAL", "current_level": "nist-aal1", "reason_admin": {"en": "y"}},
        RISC + "account-purged": {}}
    claims = hub.claims(events=events)
    assert hub.send(sign_set(hub.idp, claims)).status_code == 202
    pushes = endpoint.wait(3, txn=claims["txn"])
    assert {p.event for p in pushes} == set(events)
    assert len({p.jti for p in pushes}) == 3
    for p in pushes:
        assert p.claims["events"] == {p.event: events[p.event]}
        assert p.claims["sub_id"] == claims["sub_id"]
    hub.cli("delete", "stream", stream)


@pytest.mark.parametrize("change, err", [
    ({"jti": None}, "invalid_request"), ({"jti": ""}, "invalid_request"),
    ({"jti": "x" * 257}, "invalid_request"),
    ({"iat": None}, "invalid_request"), ({"iat": "1"}, "invalid_request"),
    ({"iat": 4102444800}, "invalid_request"),
    ({"events": {}}, "invalid_request"), ({"events": None}, "invalid_request"),
    ({"events": {REVOKED: []}}, "invalid_request"),
    ({"events": {REVOKED: {"event_timestamp": "yesterday"}}}, "invalid_request"),
    ({"sub_id": None}, "invalid_request"), ({"sub_id": {"format": "iss_sub"}}, "invalid_request"),
    ({"exp": 4102444800}, "invalid_request"), ({"sub": "ada"}, "invalid_request"),
    ({"iss": None}, "invalid_request"),
    ({"iss": "https://nobody.example"}, "invalid_issuer"),
    ({"aud": "https://other.example"}, "invalid_audience"), ({"aud": None}, "invalid_audience"),
    ({"aud": []}, "invalid_audience"),
])
def test_wrong_claims_get_an_rfc_8935_error(hub, change, err):
    before = count(hub)
    answer = hub.send(sign_set(hub.idp, hub.claims(**change)))
    error(answer, 400, err)
    assert answer.headers["Content-Language"] == "en"
    assert count(hub) == before


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "{}", "a" * 50000])
def test_what_is_no_token_at_all(hub, token):
    error(hub.send(token), 400, "invalid_request")


def test_other_content_type(hub):
    token = sign_set(hub.idp, hub.claims())
    for media in ("application/jwt", "application/json", "text/plain"):
        error(hub.send(token, **{"Content-Type": media}), 400, "invalid_request")


def test_typ_of_another_kind_of_jwt(hub):
    for typ in ("JWT", "at+jwt", None):
        error(hub.send(sign_set(hub.idp, hub.claims(), typ=typ)), 400, "invalid_request")


def test_keys_by_url_are_fetched_again_for_a_new_kid(hub, tls):
    keys = [jwk.JWK.generate(kty="RSA", size=2048, kid="k1")]
    gets = []

    def handle(request):
        gets.append(request.path)
        return harness.Answer(200, {"keys": [json.loads(k.export_public()) for k in keys]})
    server = harness.Server(tls, handle)
    try:
        hub.apply({"kind": "transmitter", "id": "by-url", "issuer": "https://url.example",
                   "jwks_url": server.url + "/jwks"})
        for _ in range(5):
            claims = hub.claims(iss="https://url.example")
            assert hub.send(sign_set(keys[0], claims)).status_code == 202
        assert len(gets) == 1
        keys.append(jwk.JWK.generate(kty="EC", crv="P-256", kid="k2"))
        claims = hub.claims(iss="https://url.example")
        wait_until(lambda: hub.send(sign_set(keys[1], claims)).status_code == 202,
                   what="the new key is fetched")
        assert len(gets) == 2
    finally:
        server.close()


def test_keys_that_cannot_be_fetched_are_a_503(hub, tls):
    server = harness.Server(tls, lambda request: harness.Answer(500))
    hub.apply({"kind": "transmitter", "id": "away", "issuer": "https://away.example",
               "jwks_url": server.url + "/jwks"})
    answer = hub.send(sign_set(hub.idp, hub.claims(iss="https://away.example")))
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    server.close()
