# SPDX-License-Identifier: Apache-2.0
"""Streams that receivers manage themselves (SSF 1.0 sections 7 and 8.1): only HTTP and the specification."""
import pytest

from harness import CAEP, POLL, PUSH, REVOKED, StreamClient, wait_until

HUB_ARGS = ("--min-verification-interval", "2s", "--max-streams", "4", "--poll-wait", "5s")
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
STREAM_UPDATED = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
CREDENTIAL_CHANGE = CAEP + "credential-change"


@pytest.fixture
def client(hub):
    made = StreamClient(hub)
    yield made
    for stream in made.call("GET", "/ssf/streams").json():
        made.call("DELETE", f"/ssf/streams?stream_id={stream['stream_id']}")


def session_revoked(hub, subject="agent:x"):
    answer = hub.admin("POST", "/v1/events", json={
        "type": "caep:session-revoked", "subject": {"format": "opaque", "id": subject}, "reason": "test"})
    assert answer.status_code == 202, answer.text
    return answer.json()["txn"]


# --- section 7: metadata ----------------------------------------------------------------------


def test_7_1_metadata(hub):
    answer = hub.request("GET", "/.well-known/ssf-configuration")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    doc = answer.json()
    assert doc["spec_version"] == "1_0"
    issuer = doc["issuer"]
    assert issuer.startswith("https://")
    for name in ("jwks_uri", "configuration_endpoint", "status_endpoint", "verification_endpoint"):
        assert doc[name].startswith(issuer + "/"), name
    assert set(doc["delivery_methods_supported"]) == {PUSH, POLL}
    assert all("spec_urn" in scheme for scheme in doc["authorization_schemes"])
    assert doc["default_subjects"] in ("ALL", "NONE")
    assert [] not in doc.values(), "claims with zero elements are left out"
    assert hub.request("GET", "/.well-known/risc-configuration").json() == doc
    assert hub.request("GET", "/.well-known/ssf-configuration/other").status_code == 404


# --- section 8.1.1: configuration ---------------------------------------------------------------


def test_8_1_1_1_create_without_delivery_is_poll(hub, client):
    stream = client.create()
    assert stream["iss"] == hub.request("GET", "/.well-known/ssf-configuration").json()["issuer"]
    assert stream["aud"] == client.audience
    assert stream["delivery"]["method"] == POLL
    assert stream["delivery"]["endpoint_url"].endswith(f"/{stream['stream_id']}/poll")
    assert REVOKED in stream["events_supported"] and VERIFICATION not in stream["events_supported"]
    assert set(stream["events_delivered"]) == set(stream["events_supported"])
    assert stream["min_verification_interval"] == 2


def test_8_1_1_1_events_not_understood_are_ignored(client):
    asked = [REVOKED, "urn:example:not-ours", VERIFICATION]
    stream = client.create(events_requested=asked, description="mine")
    assert stream["events_requested"] == asked
    assert stream["events_delivered"] == [REVOKED]
    assert stream["description"] == "mine"


def test_8_1_1_1_push_and_its_header(hub, client, sink):
    endpoint = sink.endpoint()
    stream = client.create(delivery={"method": PUSH, "endpoint_url": endpoint.url,
                                     "authorization_header": "Bearer push-canary"})
    assert stream["delivery"] == {"method": PUSH, "endpoint_url": endpoint.url}
    assert "push-canary" not in client.call("GET", "/ssf/streams").text
    txn = session_revoked(hub)
    (push,) = endpoint.wait(1)
    assert push.txn == txn
    assert push.headers["Authorization"] == "Bearer push-canary"
    # a change that does not repeat the header keeps it
    assert client.call("PATCH", "/ssf/streams", {
        "stream_id": stream["stream_id"], "delivery": stream["delivery"]}).status_code == 200
    session_revoked(hub)
    assert endpoint.wait(2)[1].headers["Authorization"] == "Bearer push-canary"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_8_1_1_3_a_sealed_header_does_not_move_to_another_address(hub, client, sink, method):
    """A client's token was enough to have the header sent to an address of the thief's."""
    endpoint, thief = sink.endpoint(), sink.endpoint()
    stream = client.create(delivery={"method": PUSH, "endpoint_url": endpoint.url,
                                     "authorization_header": "Bearer push-canary"})
    moved = {"stream_id": stream["stream_id"], "delivery": {
        "method": PUSH, "endpoint_url": thief.url, "authorization_header": "(sealed)"}}
    assert client.call(method, "/ssf/streams", moved).status_code == 400
    del moved["delivery"]["authorization_header"]
    assert client.call(method, "/ssf/streams", moved).status_code == 200
    session_revoked(hub)
    (push,) = thief.wait(1)
    assert "Authorization" not in push.headers


def test_8_1_1_3_long_ids_are_not_taken_for_each_other(hub, client):
    """An answer showed the stream whose id was the first 63 bytes of the one that was changed."""
    other = StreamClient(hub)
    short, long = "s" * 63, "s" * 63 + "xx"
    hub.apply({"kind": "stream", "id": short, "client": other.id, "delivery": {"method": POLL}},
              {"kind": "stream", "id": long, "client": client.id, "delivery": {"method": POLL}})
    answer = client.call("PATCH", "/ssf/streams", {"stream_id": long, "description": "mine"})
    assert answer.status_code == 200 and answer.json()["stream_id"] == long
    hub.cli("delete", "stream", short)


def test_8_1_1_1_repeats_count_once(client):
    stream = client.create(events_requested=[REVOKED] * 70)
    assert stream["events_delivered"] == [REVOKED]


@pytest.mark.parametrize("body", [
    {"iss": "https://evil.example"}, {"aud": "x"}, {"stream_id": "mine"}, {"events_delivered": []},
    {"delivery": "push"}, {"delivery": {}}, {"delivery": {"method": "carrier-pigeon"}},
    {"delivery": {"method": PUSH}}, {"delivery": {"method": POLL, "endpoint_url": "https://x.example"}},
    {"delivery": {"method": PUSH, "endpoint_url": "https://169.254.169.254/"}},
    {"delivery": {"method": PUSH, "endpoint_url": "http://r.example/"}},
    {"delivery": {"method": PUSH, "endpoint_url": "https://r.example/", "authorization_header": "a\r\nX: b"}},
    {"events_requested": "all"}, {"events_requested": [1]}, {"description": 1}, {"unheard": 1}, [], "x",
])
def test_8_1_1_1_create_refused(client, body):
    answer = client.call("POST", "/ssf/streams", body)
    assert answer.status_code in (400, 403), answer.text
    assert answer.json()["err"] and answer.json()["description"]
    assert client.call("GET", "/ssf/streams").json() == []


def test_8_1_1_1_limit_is_409(client):
    for _ in range(4):
        client.create()
    assert client.call("POST", "/ssf/streams", {}).status_code == 409


def test_8_1_1_2_read(client):
    assert client.call("GET", "/ssf/streams").json() == []
    one, two = client.create(), client.create()
    assert client.call("GET", f"/ssf/streams?stream_id={one['stream_id']}").json() == one
    listed = client.call("GET", "/ssf/streams").json()
    assert sorted(s["stream_id"] for s in listed) == sorted([one["stream_id"], two["stream_id"]])
    assert client.call("GET", "/ssf/streams?stream_id=none").status_code == 404


def test_8_1_1_3_update_changes_what_it_names(client):
    stream = client.create(events_requested=[REVOKED], description="before")
    answer = client.call("PATCH", "/ssf/streams", {"stream_id": stream["stream_id"], "description": "after"})
    assert answer.status_code == 200
    assert answer.json() == {**stream, "description": "after"}
    # transmitter-supplied members may be repeated, and not changed
    assert client.call("PATCH", "/ssf/streams", answer.json()).status_code == 200
    for member in ("iss", "aud", "events_supported", "min_verification_interval"):
        wrong = {"stream_id": stream["stream_id"], member: "other"}
        assert client.call("PATCH", "/ssf/streams", wrong).status_code == 400, member
    assert client.call("PATCH", "/ssf/streams", {"description": "whose"}).status_code == 400


def test_8_1_1_4_replace_deletes_what_is_missing(client):
    stream = client.create(events_requested=[REVOKED], description="before")
    answer = client.call("PUT", "/ssf/streams", {
        "stream_id": stream["stream_id"], "delivery": stream["delivery"],
        "events_requested": [CREDENTIAL_CHANGE]})
    assert answer.status_code == 200
    assert answer.json()["events_delivered"] == [CREDENTIAL_CHANGE]
    assert "description" not in answer.json()


def test_8_1_1_5_delete(hub, client, sink):
    endpoint = sink.endpoint()
    stream = client.create(delivery={"method": PUSH, "endpoint_url": endpoint.url})
    path = f"/ssf/streams?stream_id={stream['stream_id']}"
    assert client.call("DELETE", path).status_code == 204
    assert client.call("DELETE", path).status_code == 404
    assert client.call("GET", path).status_code == 404
    assert client.call("DELETE", "/ssf/streams").status_code == 400
    other = client.create()
    session_revoked(hub)
    client.wait(other, 1)
    assert endpoint.pushes == []


# --- who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, path", [
    ("POST", "/ssf/streams"), ("GET", "/ssf/streams"), ("PATCH", "/ssf/streams"), ("PUT", "/ssf/streams"),
    ("DELETE", "/ssf/streams"), ("GET", "/ssf/status"), ("POST", "/ssf/status"), ("POST", "/ssf/verify"),
])
def test_8_authorization(hub, client, method, path):
    for header in (None, "Bearer wrong", "Bearer \xff", "Basic eDp5", "Bearer"):
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        answer = hub.request(method, path, json={}, headers=headers)
        assert answer.status_code == 401, header
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_8_another_clients_stream_does_not_exist(hub, client):
    theirs = StreamClient(hub).create()
    body = {"stream_id": theirs["stream_id"]}
    query = f"?stream_id={theirs['stream_id']}"
    assert client.call("GET", "/ssf/streams" + query).status_code == 404
    assert client.call("PATCH", "/ssf/streams", body).status_code == 404
    assert client.call("PUT", "/ssf/streams", body).status_code == 404
    assert client.call("DELETE", "/ssf/streams" + query).status_code == 404
    assert client.call("GET", "/ssf/status" + query).status_code == 404
    assert client.call("POST", "/ssf/status", {**body, "status": "paused"}).status_code == 404
    assert client.call("POST", "/ssf/verify", body).status_code == 404
    assert client.call("POST", f"/streams/{theirs['stream_id']}/poll", {}).status_code == 404


# --- section 8.1.2: status ---------------------------------------------------------------------------


def set_status(client, stream, status, **more):
    answer = client.call("POST", "/ssf/status", {"stream_id": stream["stream_id"], "status": status, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_8_1_2_status(client):
    stream = client.create()
    path = f"/ssf/status?stream_id={stream['stream_id']}"
    assert client.call("GET", path).json() == {"stream_id": stream["stream_id"], "status": "enabled"}
    said = set_status(client, stream, "paused", reason="lunch")
    assert said == {"stream_id": stream["stream_id"], "status": "paused", "reason": "lunch"}
    assert client.call("GET", path).json() == said
    for body in ({"status": "stopped"}, {"status": 1}, {}, {"status": "paused", "reason": 1}):
        answer = client.call("POST", "/ssf/status", {"stream_id": stream["stream_id"], **body})
        assert answer.status_code == 400, body
    assert client.call("GET", path).json() == said
    assert client.call("GET", "/ssf/status").status_code == 400


def test_8_1_2_paused_keeps_and_disabled_drops(hub, client):
    stream = client.create()
    set_status(client, stream, "paused")
    kept = session_revoked(hub)
    assert client.poll(stream) == []
    set_status(client, stream, "enabled")
    assert [s["txn"] for s in client.wait(stream, 1)] == [kept]
    set_status(client, stream, "disabled")
    session_revoked(hub)
    wait_until(lambda: hub.stream_status(stream["stream_id"])["unread_seqs"] == 0)
    set_status(client, stream, "enabled")
    after = session_revoked(hub)
    assert [s["txn"] for s in client.wait(stream, 1)] == [after]


def test_8_1_5_stream_updated_when_the_operator_changes_it(hub, client):
    stream = client.create()
    resource = hub.form(f"/v1/stream/{stream['stream_id']}")
    hub.apply({**resource, "status": "paused", "status_reason": "maintenance"})
    session_revoked(hub)
    (told,) = client.wait(stream, 1)
    assert told["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
    assert told["events"] == {STREAM_UPDATED: {"status": "paused", "reason": "maintenance"}}
    hub.apply(resource)
    sets = client.wait(stream, 3)
    assert [next(iter(s["events"])) for s in sets] == [STREAM_UPDATED, REVOKED, STREAM_UPDATED]


# --- section 8.1.3: subjects -------------------------------------------------------------------------

EVE = {"format": "email", "email": "eve@acme.example"}


def all_read(hub, stream):
    wait_until(lambda: hub.stream_status(stream["stream_id"])["unread_seqs"] == 0)


def emit(hub, subject):
    answer = hub.admin("POST", "/v1/events", json={"type": "caep:session-revoked", "subject": subject})
    assert answer.status_code == 202, answer.text
    return answer.json()["txn"]


def change_subject(client, stream, how, subject, status):
    answer = client.call("POST", f"/ssf/subjects:{how}", {"stream_id": stream["stream_id"], "subject": subject})
    assert answer.status_code == status, answer.text
    assert answer.content == b""


def test_8_1_3_all_but_what_was_removed(hub, client):
    stream = client.create()
    wait_until(lambda: hub.stream_status(stream["stream_id"]))
    change_subject(client, stream, "remove", EVE, 204)
    emit(hub, EVE)
    other = emit(hub, {"format": "email", "email": "adam@acme.example"})
    assert [s["txn"] for s in client.wait(stream, 1)] == [other]
    change_subject(client, stream, "add", EVE, 200)
    again = emit(hub, EVE)
    assert [s["txn"] for s in client.wait(stream, 2)] == [other, again]
    # the stream's own subject cannot be removed
    change_subject(client, stream, "remove", {"format": "opaque", "id": stream["stream_id"]}, 204)
    assert client.call("POST", "/ssf/verify", {"stream_id": stream["stream_id"]}).status_code == 204
    assert VERIFICATION in client.wait(stream, 3)[2]["events"]


def test_8_1_3_none_but_what_was_added(new_hub):
    hub = new_hub("--default-subjects", "NONE")
    client = StreamClient(hub)
    stream = client.create()
    assert hub.request("GET", "/.well-known/ssf-configuration").json()["default_subjects"] == "NONE"
    emit(hub, EVE)
    all_read(hub, stream)   # what is read after an addition may be delivered
    change_subject(client, stream, "add", EVE, 200)
    change_subject(client, stream, "add", EVE, 200)
    tenant = {"format": "opaque", "id": "t1"}
    change_subject(client, stream, "add", {"format": "complex", "tenant": tenant}, 200)
    txns = [emit(hub, EVE), emit(hub, {"format": "complex", "tenant": tenant, "user": EVE})]
    emit(hub, {"format": "complex", "tenant": {"format": "opaque", "id": "t2"}, "user": EVE})
    assert [s["txn"] for s in client.wait(stream, 2)] == txns
    hub.restart()
    client.wait(stream, 2)
    change_subject(client, stream, "remove", EVE, 204)
    emit(hub, EVE)
    txns.append(emit(hub, {"format": "complex", "tenant": tenant}))
    assert [s["txn"] for s in client.wait(stream, 3)] == txns


def test_8_1_3_a_removed_subject_flows_for_the_grace_time(new_hub):
    hub = new_hub("--default-subjects", "NONE", "--subject-removal-grace", "1h")
    client = StreamClient(hub)
    stream = client.create()
    change_subject(client, stream, "add", EVE, 200)
    change_subject(client, stream, "remove", EVE, 204)
    first = emit(hub, EVE)
    assert [s["txn"] for s in client.wait(stream, 1)] == [first]
    hub.restart()
    second = emit(hub, EVE)
    assert [s["txn"] for s in client.wait(stream, 2)] == [first, second]


@pytest.mark.parametrize("subject", [None, {}, "eve", {"format": "email"}, {"format": "complex"},
                                     {"format": "iss_sub", "iss": "x"}, {"format": "email", "email": 1}])
def test_8_1_3_malformed_subject_is_400(hub, client, subject):
    stream = client.create()
    for how in ("add", "remove"):
        body = {"stream_id": stream["stream_id"], "subject": subject}
        assert client.call("POST", f"/ssf/subjects:{how}", body).status_code == 400
        assert client.call("POST", f"/ssf/subjects:{how}", {"subject": EVE}).status_code == 400
        body = {"stream_id": StreamClient(hub).create()["stream_id"], "subject": EVE}
        assert client.call("POST", f"/ssf/subjects:{how}", body).status_code == 404


def test_8_1_3_only_what_differs_is_stored(hub, client):
    """Each request made a row for ever, and removing what was never added made it flow after a restart."""
    stream = client.create()
    for i in range(5):
        change_subject(client, stream, "add", {"format": "opaque", "id": f"x{i}"}, 200)
    count = "select count(*) from stream_subject where stream_id = %s"
    assert hub.sql(count, stream["stream_id"])[0][0] == 0
    change_subject(client, stream, "remove", EVE, 204)
    change_subject(client, stream, "add", EVE, 200)
    assert hub.sql(count, stream["stream_id"])[0][0] == 1
    assert client.call("DELETE", f"/ssf/streams?stream_id={stream['stream_id']}").status_code == 204
    assert hub.sql(count, stream["stream_id"])[0][0] == 0


def test_8_1_4_verification_behind_a_paused_backlog(hub, client):
    """Control events waited for what the stream held back."""
    stream = client.create()
    set_status(client, stream, "paused")
    for i in range(300):
        session_revoked(hub, f"s{i}")
    assert client.call("POST", "/ssf/verify", {"stream_id": stream["stream_id"]}).status_code == 204
    (got,) = client.wait(stream, 1)
    assert VERIFICATION in got["events"]


# --- section 8.1.4: verification ------------------------------------------------------------------------


def test_8_1_4_verification_by_poll(client):
    stream, other = client.create(events_requested=[REVOKED]), client.create()
    answer = client.call("POST", "/ssf/verify", {"stream_id": stream["stream_id"], "state": "s-\u00e9"})
    assert answer.status_code == 204 and answer.content == b""
    (got,) = client.wait(stream, 1)
    assert got["events"] == {VERIFICATION: {"state": "s-\u00e9"}}
    assert got["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
    assert client.poll(other) == [], "only the stream that asked"
    # the interval counts on one stream only
    again = client.call("POST", "/ssf/verify", {"stream_id": stream["stream_id"]})
    assert again.status_code == 429 and int(again.headers["Retry-After"]) in (1, 2)
    assert client.call("POST", "/ssf/verify", {"stream_id": other["stream_id"]}).status_code == 204
    (bare,) = client.wait(other, 1)
    assert bare["events"] == {VERIFICATION: {}}


def test_8_1_4_verification_by_push(hub, client, sink):
    endpoint = sink.endpoint()
    stream = client.create(delivery={"method": PUSH, "endpoint_url": endpoint.url})
    assert client.call("POST", "/ssf/verify", {"stream_id": stream["stream_id"], "state": "x"}).status_code == 204
    (push,) = endpoint.wait(1)
    assert push.claims["events"] == {VERIFICATION: {"state": "x"}}
    sink.check()


@pytest.mark.parametrize("body", [{}, {"stream_id": 1}, [], {"stream_id": "S", "state": 1},
                                  {"stream_id": "S", "state": "x" * 2000}])
def test_8_1_4_verification_refused(client, body):
    stream = client.create()
    if isinstance(body, dict) and body.get("stream_id") == "S":
        body = {**body, "stream_id": stream["stream_id"]}
    assert client.call("POST", "/ssf/verify", body).status_code == 400
    assert client.poll(stream) == []


def test_cli_emit(hub, client):
    stream = client.create()
    txn = hub.cli("emit", "risc:account-disabled", "--subject", "opaque:y", "--reason", "left the company").strip()
    (got,) = client.wait(stream, 1)
    assert got["txn"] == txn
    assert "type" in hub.cli("emit", "no:such", "--subject", "opaque:y", status=1)


# --- an operator emits ------------------------------------------------------------------------------------


def test_emit_checks_the_catalogue(hub):
    subject = {"format": "opaque", "id": "x"}
    for body in ({"type": "caep:no-such", "subject": subject}, {"type": VERIFICATION, "subject": subject},
                 {"type": "caep:session-revoked"}, {"type": "caep:session-revoked", "subject": {"format": "email"}},
                 {"type": "caep:credential-change", "subject": subject, "claims": {"change_type": "revoke"}},
                 {"type": "caep:session-revoked", "subject": subject, "claims": []}):
        answer = hub.admin("POST", "/v1/events", json=body)
        assert answer.status_code == 400, body
