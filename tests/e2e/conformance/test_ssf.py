# SPDX-License-Identifier: Apache-2.0
"""OpenID Shared Signals Framework 1.0: the requirements on transmitters. Tests are named by section."""
import itertools
import uuid
from urllib.parse import urlsplit

import pytest

import ssf
from ssf import (CREDENTIAL_CHANGE, DISABLED, MEMBERS, POLL, PUSH, REVOKED, STREAM_UPDATED,
                 VERIFICATION, must, new_subject, push_to)

HUB_ARGS = ("--max-streams", "8", "--min-verification-interval", "0s", "--poll-wait", "2s")
STATUSES = ("enabled", "paused", "disabled")


def only(sets, event_type):
    return [s for s in sets if event_type in s["events"]]


def https(url):
    parts = urlsplit(url)
    return parts.scheme == "https" and bool(parts.netloc)


# --- sections 3 and 4: SETs -------------------------------------------------------------------


@must("SSF-3.1-1", "SSF-3.1.1-1")
def test_3_1_the_subject_is_sub_id(transmitter, receiver):
    stream = receiver.create()
    subjects = {REVOKED: new_subject(), DISABLED: new_subject()}
    for event_type, subject in subjects.items():
        transmitter.emit(event_type, subject)
    got = receiver.sets(stream, 2)
    assert {t: s["sub_id"] for s in got for t in s["events"]} == subjects


@must("SSF-3.1.2-1", "SSF-3.1.2-2")
def test_3_1_2_new_event_types_have_no_subject_member(transmitter, receiver):
    stream = receiver.create()
    receiver.ask_verification(stream)
    transmitter.change_status(stream["stream_id"], "paused")
    transmitter.change_status(stream["stream_id"], "enabled")
    got = receiver.sets(stream, 3)
    assert {t for s in got for t in s["events"]} == {VERIFICATION, STREAM_UPDATED}
    for one in got:
        assert one["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
        assert all("subject" not in event for event in one["events"].values())


SUBJECTS = [
    {"format": "account", "uri": "acct:x@example.com"},
    {"format": "email", "email": "x@example.com"},
    {"format": "iss_sub", "iss": "https://idp.example", "sub": "x"},
    {"format": "opaque", "id": "x"},
    {"format": "phone_number", "phone_number": "+12065550100"},
    {"format": "did", "url": "did:example:123456"},
    {"format": "uri", "uri": "https://user.example/1"},
    {"format": "aliases", "identifiers": [{"format": "email", "email": "x@example.com"},
                                          {"format": "opaque", "id": "x"}]},
    {"format": "jwt_id", "iss": "https://idp.example", "jti": "B70BA622"},
    {"format": "saml_assertion_id", "issuer": "https://idp.example", "assertion_id": "_8e8d"},
    {"format": "ip-addresses", "ip-addresses": ["10.29.37.75", "2001:db8::8a2e:370:7334"]},
    {"format": "complex", "user": {"format": "email", "email": "x@example.com"},
     "tenant": {"format": "opaque", "id": "t"}},
]


@must("SSF-3.4-1", "SSF-3.5.1-1", "SSF-3.5.2-1", "SSF-3.5.3-1")
def test_3_4_subjects_of_each_format_arrive_unchanged(transmitter, receiver):
    stream = receiver.create()
    for subject in SUBJECTS:
        transmitter.emit(REVOKED, subject)
    got = receiver.sets(stream, len(SUBJECTS))
    assert len(got) == len(SUBJECTS)
    assert all(subject in [s["sub_id"] for s in got] for subject in SUBJECTS)


@pytest.mark.parametrize("subject", [
    pytest.param({"format": "jwt_id", "iss": "https://idp.example"}, id="jwt_id without jti"),
    pytest.param({"format": "jwt_id", "jti": "x"}, id="jwt_id without iss"),
    pytest.param({"format": "saml_assertion_id", "issuer": "x"}, id="saml without assertion_id"),
    pytest.param({"format": "saml_assertion_id", "assertion_id": "x"}, id="saml without issuer"),
    pytest.param({"format": "ip-addresses"}, id="ip-addresses without any"),
    pytest.param({"format": "ip-addresses", "ip-addresses": "10.0.0.1"}, id="no array"),
    pytest.param({"format": "ip-addresses", "ip-addresses": [10]}, id="no strings"),
    pytest.param({"format": "ip-addresses", "ip-addresses": ["everywhere"]}, id="no addresses"),
])
@must("SSF-3.5.1-1", "SSF-3.5.1-2", "SSF-3.5.1-3", "SSF-3.5.2-1", "SSF-3.5.2-2", "SSF-3.5.2-3",
      "SSF-3.5.3-1", "SSF-3.5.3-2", "SSF-3.5.3-3")
def test_3_5_incomplete_subjects_are_refused(transmitter, receiver, subject):
    """Neither as a subject of a stream nor as the subject of an event."""
    stream = receiver.create()
    for how in ("add", "remove"):
        answer = receiver.call("POST", how + "_subject_endpoint",
                               {"stream_id": stream["stream_id"], "subject": subject})
        assert answer.status_code == 400, f"{how}: {answer.status_code}"
    with pytest.raises(AssertionError):
        transmitter.emit(REVOKED, subject)


@must("SSF-4.1.1-1", "SSF-4.1.2-1", "SSF-4.1.3-1", "SSF-4.1.3-2", "SSF-4.1.3-3", "SSF-4.1.6-1",
      "SSF-4.1.7-1", "SSF-7.1-2", "SSF-7.2.4-4", "SSF-8.1.1-4")
def test_4_1_every_kind_of_set(transmitter, receiver, sink):
    """verify_set() checks every kind of SET against the profile: of CAEP, RISC and SSF, by poll and by
    push."""
    endpoint = sink.endpoint()
    streams = [receiver.create(), receiver.create(delivery=push_to(endpoint))]
    transmitter.emit(REVOKED, new_subject())
    transmitter.emit(DISABLED, new_subject())
    for stream in streams:
        receiver.ask_verification(stream)
        assert stream["iss"] == transmitter.issuer
    polled = receiver.sets(streams[0], 3)
    pushed = [transmitter.verify_set(p.body.decode(), receiver.audience)
              for p in sink.wait(endpoint, 3)]
    for got in (polled, pushed):
        assert {t for s in got for t in s["events"]} == {REVOKED, DISABLED, VERIFICATION}
        assert all(s["iss"] == receiver.metadata["issuer"] for s in got)


@must("SSF-4.1.9-1")
def test_4_1_9_events_of_one_cause_have_one_txn(transmitter, receiver):
    streams = [receiver.create(), receiver.create()]
    for _ in range(3):
        transmitter.emit(REVOKED, new_subject())
    got = [{s["sub_id"]["email"]: s["txn"] for s in receiver.sets(stream, 3)}
           for stream in streams]
    assert len(set(got[0].values())) == 3
    assert got[0] == got[1]


# --- section 6: delivery ----------------------------------------------------------------------


@must("SSF-6.1.1-1")
def test_6_1_1_authorization_header_goes_with_every_push(transmitter, receiver, sink):
    endpoint = sink.endpoint(503, 202)
    header = "Bearer " + uuid.uuid4().hex
    stream = receiver.create(delivery=push_to(endpoint, authorization_header=header))
    transmitter.emit(REVOKED, new_subject())
    receiver.ask_verification(stream)
    pushes = sink.wait(endpoint, 3)   # one of them is a repeat
    assert [p.headers.get_all("Authorization") for p in pushes] == [[header]] * 3
    header = "Basic " + uuid.uuid4().hex
    receiver.update(stream, delivery=push_to(endpoint, authorization_header=header))
    transmitter.emit(REVOKED, new_subject())
    assert sink.wait(endpoint, 4)[3].headers.get_all("Authorization") == [header]


@must("SSF-6.1.2-1")
def test_6_1_2_poll_addresses_are_unique(receiver):
    urls = {receiver.create()["delivery"]["endpoint_url"] for _ in range(4)}
    assert len(urls) == 4
    assert {s["delivery"]["endpoint_url"] for s in receiver.streams()} == urls


# --- section 7: discovery ---------------------------------------------------------------------


@must("SSF-7.1-1", "SSF-7.2-1", "SSF-7.2-2", "SSF-7.2-3", "SSF-7.2.1-1", "SSF-7.2.3-1",
      "SSF-7.2.4-3")
def test_7_2_metadata(transmitter):
    answer = transmitter.get(ssf.well_known(transmitter.issuer, "ssf-configuration"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    doc = answer.json()
    assert doc["issuer"] == transmitter.issuer
    issuer = urlsplit(doc["issuer"])
    assert issuer.scheme == "https" and not issuer.query and not issuer.fragment
    for name, value in doc.items():
        if name.endswith("_endpoint") or name in ("jwks_uri", "issuer", "spec_version",
                                                  "default_subjects"):
            assert isinstance(value, str), name
        elif name.endswith("_supported") or name == "critical_subject_members":
            assert isinstance(value, list) and all(isinstance(v, str) for v in value), name
        elif name == "authorization_schemes":
            assert all(isinstance(v, dict) for v in value)


@must("SSF-7.1-3", "SSF-7.1-4", "SSF-7.1-5", "SSF-7.1-6", "SSF-7.1-7", "SSF-7.1-8", "SSF-7.1-9")
@pytest.mark.parametrize("name", [
    "jwks_uri", "configuration_endpoint", "status_endpoint", "add_subject_endpoint",
    "remove_subject_endpoint", "verification_endpoint"])
def test_7_1_addresses_are_https(transmitter, name):
    assert https(transmitter.metadata()[name])


@must("SSF-7.1-3")
def test_7_1_jwks_has_public_keys_only(transmitter):
    keys = transmitter.keys()
    assert keys
    for key in keys:
        assert key["kid"] and key["kty"] in ("RSA", "EC")
        assert not set(key) & {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


@must("SSF-7.1-11")
def test_7_1_default_subjects(transmitter):
    assert transmitter.metadata().get("default_subjects", "ALL") in ("ALL", "NONE")


@must("SSF-7.1.1-1")
def test_7_1_1_authorization_schemes(transmitter):
    schemes = transmitter.metadata()["authorization_schemes"]
    assert schemes and all(s["spec_urn"].startswith("urn:") for s in schemes)


@must("SSF-7.2-1", "SSF-7.2.4-3", "SSF-7.1-2")
@pytest.mark.parametrize("path", ["/tenant", "/tenant/one"])
def test_7_2_issuer_with_a_path(transmitter_at, path):
    transmitter, receiver = transmitter_at(path)
    assert urlsplit(transmitter.issuer).path == path
    assert receiver.metadata["issuer"] == transmitter.issuer
    other = transmitter.issuer + "-more"
    assert transmitter.get(ssf.well_known(other, "ssf-configuration")).status_code == 404
    stream = receiver.create()
    assert stream["iss"] == transmitter.issuer
    transmitter.emit(REVOKED, new_subject())
    receiver.sets(stream, 1)   # sets() has checked iss


@must("SSF-7.2.3-2")
def test_7_2_3_nothing_empty(transmitter):
    assert all(value not in ([], {}) for value in transmitter.metadata().values())


# --- section 8: management --------------------------------------------------------------------

CALLS = [("POST", "configuration_endpoint"), ("GET", "configuration_endpoint"),
         ("PATCH", "configuration_endpoint"), ("PUT", "configuration_endpoint"),
         ("DELETE", "configuration_endpoint"), ("GET", "status_endpoint"),
         ("POST", "status_endpoint"), ("POST", "add_subject_endpoint"),
         ("POST", "remove_subject_endpoint"), ("POST", "verification_endpoint")]


def bodies(stream, endpoint):
    """A valid body of a POST, PATCH or PUT."""
    more = {"status_endpoint": {"status": "paused"},
            "add_subject_endpoint": {"subject": new_subject()},
            "remove_subject_endpoint": {"subject": new_subject()}}
    return ssf.id_of(stream) | more.get(endpoint, {})


@must("SSF-8-1", "SSF-8.1.2.1-10")
@pytest.mark.parametrize("method, endpoint", CALLS)
def test_8_authorization_is_needed(receiver, method, endpoint):
    stream = receiver.create()
    query = ssf.id_of(stream)
    for header in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": "Bearer"},
                   {"Authorization": f"Basic {receiver.token}"}):
        answer = receiver.call(method, endpoint, bodies(stream, endpoint), query=query,
                               headers=header)
        assert answer.status_code == 401, header
        assert answer.headers["WWW-Authenticate"].split()[0] == "Bearer"
    assert receiver.read(stream) == stream
    assert receiver.status(stream)["status"] == "enabled"


@must("SSF-8-2")
@pytest.mark.parametrize("method, endpoint", CALLS[1:] + [("POST", "poll")])
def test_8_streams_of_another_receiver_are_404(transmitter, receiver, other, method,
                                                     endpoint):
    theirs = other.create()
    mine = receiver.create()
    assert theirs["aud"] != mine["aud"]
    url = theirs["delivery"]["endpoint_url"] if endpoint == "poll" else endpoint
    body = {"returnImmediately": True} if endpoint == "poll" else bodies(theirs, endpoint)
    query = ssf.id_of(theirs) if method in ("GET", "DELETE") else None
    answer = receiver.call(method, url, None if query else body, query=query)
    assert answer.status_code in (403, 404), answer.text
    assert other.read(theirs) == theirs
    assert other.status(theirs)["status"] == "enabled"
    assert [s["stream_id"] for s in receiver.streams()] == [mine["stream_id"]]


@must("SSF-8.1.1-1", "SSF-8.1.1-3", "SSF-8.1.1-5", "SSF-8.1.1-7", "SSF-8.1.1-10")
@pytest.mark.parametrize("method", [PUSH, POLL], ids=["push", "poll"])
def test_8_1_1_members_of_a_configuration(transmitter, receiver, sink, method):
    delivery = push_to(sink.endpoint()) if method == PUSH else {"method": POLL}
    stream = receiver.create(delivery=delivery, events_requested=[REVOKED], description="d")
    assert stream["stream_id"] and isinstance(stream["stream_id"], str)
    iss = urlsplit(stream["iss"])
    assert stream["iss"] == transmitter.issuer
    assert iss.scheme == "https" and not iss.query and not iss.fragment
    assert receiver.audience in (stream["aud"] if isinstance(stream["aud"], list)
                                 else [stream["aud"]])
    assert set(stream["events_delivered"]) <= set(stream["events_supported"])
    assert stream["events_delivered"] == stream["events_requested"] == [REVOKED]
    assert stream["delivery"]["method"] == method and https(stream["delivery"]["endpoint_url"])
    assert stream["description"] == "d"
    assert isinstance(stream.get("min_verification_interval", 0), int)
    assert isinstance(stream.get("inactivity_timeout", 0), int)
    assert set(stream) <= MEMBERS
    assert receiver.read(stream) == stream


@must("SSF-8.1.1-2", "SSF-8.1.1.1-3")
def test_8_1_1_stream_ids_are_unique(receiver, other):
    streams = [r.create() for r in (receiver, other, receiver, receiver, other)]
    assert len({s["stream_id"] for s in streams}) == 5


@must("SSF-8.1.1-6")
def test_8_1_1_events_that_are_not_understood_are_ignored(receiver):
    unknown = ["urn:example:no:such", "https://example.com/event", "not a uri"]
    stream = receiver.create(events_requested=[unknown[0], REVOKED, *unknown[1:]])
    assert stream["events_delivered"] == [REVOKED]
    stream = receiver.update(stream, events_requested=[*unknown, DISABLED])
    assert stream["events_delivered"] == [DISABLED]
    stream = receiver.replace(stream, events_requested=[REVOKED, *unknown],
                              delivery={"method": POLL})
    assert stream["events_delivered"] == [REVOKED]


@must("SSF-8.1.1-8", "SSF-8.1.2.1-5")
def test_8_1_1_events_delivered_are_delivered(transmitter, receiver, sink):
    endpoint = sink.endpoint()
    poll = receiver.create(events_requested=[REVOKED, DISABLED])
    push = receiver.create(events_requested=[REVOKED, DISABLED], delivery=push_to(endpoint))
    subjects = {new_subject()["email"]: t for t in (REVOKED, DISABLED, REVOKED)}
    transmitter.emit(CREDENTIAL_CHANGE, new_subject(),
                     {"credential_type": "password", "change_type": "update"})
    for email, event_type in subjects.items():
        transmitter.emit(event_type, {"format": "email", "email": email})
    pushed = [transmitter.verify_set(p.body.decode(), receiver.audience)
              for p in sink.wait(endpoint, 3)]
    for got in (receiver.flushed(poll), pushed):
        assert {s["sub_id"]["email"]: next(iter(s["events"])) for s in got} == subjects
    assert push["events_delivered"] == poll["events_delivered"]


@must("SSF-8.1.1.1-4")
def test_8_1_1_1_above_the_limit_is_409(receiver):
    for _ in range(100):
        answer = receiver.call("POST", "configuration_endpoint", {})
        if answer.status_code != 201:
            break
    assert answer.status_code == 409
    assert len(receiver.streams()) >= 1


@must("SSF-8.1.1.1-5", "SSF-8.1.1.1-6")
@pytest.mark.parametrize("body", [{}, {"description": "x"}, {"delivery": {"method": POLL}}])
def test_8_1_1_1_without_delivery_it_is_poll(receiver, body):
    stream = receiver.create(**body)
    assert stream["delivery"]["method"] == POLL
    assert https(stream["delivery"]["endpoint_url"])
    assert receiver.poll(stream)["sets"] == {}


@must("SSF-8.1.1.2-2", "SSF-8.1.1.2-3")
def test_8_1_1_2_lists(receiver, other):
    other.create()
    assert receiver.streams() == []
    one = receiver.create()
    assert receiver.streams() == [one]
    two = receiver.create()
    by_id = {s["stream_id"]: s for s in receiver.streams()}
    assert by_id == {one["stream_id"]: one, two["stream_id"]: two}


def transmitter_supplied(stream):
    return {k: v for k, v in stream.items()
            if k not in ("stream_id", "events_requested", "delivery", "description")}


def wrong_values(stream):
    """For each transmitter-supplied property a value that differs from its own."""
    for name, value in transmitter_supplied(stream).items():
        if isinstance(value, list):
            yield name, value[:-1] if len(value) > 1 else [*value, "urn:example:more"]
        else:
            yield name, value + 1 if isinstance(value, int) else value + "x"


@must("SSF-8.1.1.3-3", "SSF-8.1.1.3-4", "SSF-8.1.1.3-6")
def test_8_1_1_3_patch_changes_what_it_names(receiver, sink):
    stream = receiver.create(events_requested=[REVOKED], description="before")
    after = receiver.update(stream, description="after")
    assert after == {**stream, "description": "after"}
    after = receiver.update(stream, events_requested=[DISABLED])
    assert after == {**stream, "description": "after", "events_requested": [DISABLED],
                     "events_delivered": [DISABLED]}
    delivery = push_to(sink.endpoint())
    assert receiver.update(stream, delivery=delivery) == {**after, "delivery": delivery}
    assert receiver.update(stream) == {**after, "delivery": delivery}
    assert receiver.read(stream) == {**after, "delivery": delivery}


@must("SSF-8.1.1.3-2")
def test_8_1_1_3_patch_needs_stream_id(receiver):
    stream = receiver.create(description="before")
    answer = receiver.call("PATCH", "configuration_endpoint", {"description": "after"})
    assert answer.status_code == 400
    assert receiver.read(stream) == stream


@must("SSF-8.1.1.3-5", "SSF-8.1.1.3-7", "SSF-8.1.1.4-4", "SSF-8.1.1.4-6")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_8_1_1_3_transmitter_supplied_members_have_to_match(receiver, method):
    stream = receiver.create(events_requested=[REVOKED], description="before")
    names = set()
    for name, value in wrong_values(stream):
        body = {**stream, "description": "after", name: value}
        answer = receiver.call(method, "configuration_endpoint", body)
        assert answer.status_code == 400, f"{name}: {answer.status_code} {answer.text}"
        names.add(name)
    assert names >= {"iss", "aud", "events_delivered"}
    assert receiver.read(stream) == stream
    # matching members are allowed; events_delivered is compared before the change
    body = {**stream, "description": "after", "events_requested": [DISABLED]}
    after = receiver.json(200, method, "configuration_endpoint", body)
    assert after == {**body, "events_delivered": [DISABLED]}
    stale = {**body, "events_delivered": [REVOKED]}
    assert receiver.call(method, "configuration_endpoint", stale).status_code == 400
    assert receiver.read(stream) == after


@must("SSF-8.1.1.4-3", "SSF-8.1.1.4-5")
def test_8_1_1_4_put_deletes_what_is_missing(receiver, sink):
    delivery = push_to(sink.endpoint(), authorization_header="Bearer x")
    stream = receiver.create(events_requested=[REVOKED], description="before", delivery=delivery)
    after = receiver.replace(stream, delivery={"method": PUSH,
                                               "endpoint_url": delivery["endpoint_url"]})
    assert "description" not in after and not after.get("events_requested")
    assert after["stream_id"] == stream["stream_id"] and after["aud"] == stream["aud"]
    assert "authorization_header" not in after["delivery"]
    assert receiver.read(stream) == after
    # delivery is receiver-supplied, too: without it the stream is as if it had been created without it
    after = receiver.replace(stream)
    assert after["delivery"]["method"] == POLL
    assert receiver.poll(after)["sets"] == {}


@must("SSF-8.1.1.4-2")
def test_8_1_1_4_put_needs_stream_id(receiver):
    stream = receiver.create(description="before")
    answer = receiver.call("PUT", "configuration_endpoint",
                           {"description": "after", "delivery": {"method": POLL}})
    assert answer.status_code == 400
    assert receiver.read(stream) == stream


@must("SSF-8.1.1.5-1")
def test_8_1_1_5_delete(transmitter, receiver, sink):
    endpoint = sink.endpoint(*[503] * 100)
    stream = receiver.create(delivery=push_to(endpoint))
    kept = receiver.create()
    answer = receiver.call("DELETE", "configuration_endpoint")
    assert 400 <= answer.status_code < 500
    assert len(receiver.streams()) == 2
    transmitter.emit(REVOKED, new_subject())
    sink.wait(endpoint, 2)
    receiver.delete(stream)
    tried = len(sink.at(endpoint))
    assert [s["stream_id"] for s in receiver.streams()] == [kept["stream_id"]]
    for method, where in (("GET", "configuration_endpoint"), ("GET", "status_endpoint"),
                          ("DELETE", "configuration_endpoint")):
        assert receiver.call(method, where, query=ssf.id_of(stream)).status_code == 404
    transmitter.emit(REVOKED, new_subject())
    assert len(receiver.flushed(kept)) == 2
    assert len(sink.at(endpoint)) - tried <= 1   # one push may have been in flight


# --- section 8.1.2: status --------------------------------------------------------------------


@must("SSF-8.1.2.1-2", "SSF-8.1.2.1-3", "SSF-8.1.2.1-4")
def test_8_1_2_status(receiver):
    stream = receiver.create()
    assert receiver.status(stream) == {"stream_id": stream["stream_id"], "status": "enabled"}
    for before, after in itertools.permutations(STATUSES, 2):
        receiver.set_status(stream, before)
        said = receiver.set_status(stream, after, reason=f"from {before}")
        assert said == {"stream_id": stream["stream_id"], "status": after,
                        "reason": f"from {before}"}
        assert receiver.status(stream) == said
    assert receiver.status(stream)["status"] in STATUSES


@must("SSF-8.1.2.1-1", "SSF-8.1.2.1-11", "SSF-8.1.2.2-1", "SSF-8.1.2.2-2")
def test_8_1_2_required_members(receiver):
    stream = receiver.create()
    assert 400 <= receiver.call("GET", "status_endpoint").status_code < 500
    assert receiver.call("GET", "status_endpoint",
                         query={"stream_id": "no-such-stream"}).status_code == 404
    for body in ({"status": "paused"}, {"stream_id": stream["stream_id"]},
                 {"stream_id": stream["stream_id"], "status": "stopped"},
                 {"stream_id": stream["stream_id"], "status": "Paused"}):
        assert receiver.call("POST", "status_endpoint", body).status_code == 400, body
    assert receiver.status(stream)["status"] == "enabled"


@must("SSF-8.1.2.1-5", "SSF-8.1.2.1-6", "SSF-8.1.2.1-7")
@pytest.mark.parametrize("method", [PUSH, POLL], ids=["push", "poll"])
def test_8_1_2_paused_holds_and_keeps_the_order(transmitter, receiver, sink, method):
    endpoint = sink.endpoint()
    stream = receiver.create(delivery=push_to(endpoint) if method == PUSH else {"method": POLL})
    witness = receiver.create()
    receiver.set_status(stream, "paused")
    subject = new_subject()
    for level in ("one", "two", "three"):
        transmitter.emit(REVOKED, subject, {"initiating_entity": "admin",
                                            "reason_admin": {"en": level}})
    assert len(receiver.flushed(witness)) == 3   # so the events have happened
    if method == POLL:
        assert receiver.poll(stream)["sets"] == {}
    assert sink.at(endpoint) == []
    receiver.set_status(stream, "enabled")
    if method == PUSH:
        got = [transmitter.verify_set(p.body.decode(), receiver.audience)
               for p in sink.wait(endpoint, 3)]
    else:
        got = receiver.sets(stream, 3)
    assert [s["events"][REVOKED]["reason_admin"]["en"] for s in got] == ["one", "two", "three"]
    assert all(s["sub_id"] == subject for s in got)


@must("SSF-8.1.2.1-9")
@pytest.mark.parametrize("method", [PUSH, POLL], ids=["push", "poll"])
def test_8_1_2_disabled_sends_nothing(transmitter, receiver, sink, method):
    endpoint = sink.endpoint()
    stream = receiver.create(delivery=push_to(endpoint) if method == PUSH else {"method": POLL})
    witness = receiver.create()
    receiver.set_status(stream, "disabled")
    transmitter.emit(REVOKED, new_subject())
    assert len(receiver.flushed(witness)) == 1
    if method == POLL:
        assert receiver.poll(stream)["sets"] == {}
    receiver.set_status(stream, "enabled")
    subject = new_subject()
    transmitter.emit(REVOKED, subject)
    if method == PUSH:
        got = [transmitter.verify_set(p.body.decode(), receiver.audience)
               for p in sink.wait(endpoint, 1)]
    else:
        got = receiver.flushed(stream)
    assert [s["sub_id"] for s in got] == [subject]


# --- section 8.1.3: subjects ------------------------------------------------------------------


@must("SSF-8.1.3.2-1", "SSF-8.1.3.2-2", "SSF-8.1.3.3-1", "SSF-8.1.3.3-2")
def test_8_1_3_subjects(transmitter, receiver):
    assert transmitter.metadata().get("default_subjects") == "ALL"
    stream = receiver.create()
    subject, unwanted = new_subject(), new_subject()
    for how in ("add", "remove"):
        for body in ({"stream_id": stream["stream_id"]}, {"subject": subject}, {}):
            answer = receiver.call("POST", how + "_subject_endpoint", body)
            assert answer.status_code == 400, body
    receiver.remove(stream, unwanted)
    receiver.add(stream, subject, verified=True)
    for one in (unwanted, subject):
        transmitter.emit(REVOKED, one)
    assert [s["sub_id"] for s in receiver.flushed(stream)] == [subject]
    receiver.add(stream, unwanted, verified=False)
    transmitter.emit(REVOKED, unwanted)
    assert [s["sub_id"] for s in receiver.flushed(stream)] == [unwanted]


# --- sections 8.1.4 and 8.1.5: verification, stream updated -----------------------------------


@must("SSF-8.1.4.1-1", "SSF-8.1.4.1-2", "SSF-8.1.4.1-3", "SSF-8.1.4.2-2")
@pytest.mark.parametrize("method", [PUSH, POLL], ids=["push", "poll"])
@pytest.mark.parametrize(
    "state", [None, "", "VGhpcyBpcyBhbiBleGFtcGxl", "\u00e9\u4e16 \"\\\n\u0001"],
    ids=["none", "empty", "plain", "odd"])
def test_8_1_4_verification(transmitter, receiver, sink, method, state):
    endpoint = sink.endpoint()
    stream = receiver.create(delivery=push_to(endpoint) if method == PUSH else {"method": POLL},
                             events_requested=[REVOKED])
    bystander = receiver.create()
    receiver.ask_verification(stream, **({} if state is None else {"state": state}))
    if method == PUSH:
        (got,) = [transmitter.verify_set(p.body.decode(), receiver.audience)
                  for p in sink.wait(endpoint, 1)]
    else:
        (got,) = receiver.sets(stream, 1)
    assert got["events"] == {VERIFICATION: {} if state is None else {"state": state}}
    assert got["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}
    assert receiver.flushed(bystander) == []


@must("SSF-8.1.4.2-1")
def test_8_1_4_verification_needs_stream_id(receiver):
    stream = receiver.create()
    for body in ({}, {"state": "x"}, {"stream_id": None}):
        assert receiver.call("POST", "verification_endpoint", body).status_code == 400
    assert receiver.poll(stream)["sets"] == {}


@must("SSF-8.1.2-1", "SSF-8.1.5-1", "SSF-8.1.5-2", "SSF-8.1.5-3", "SSF-8.1.5-4", "SSF-8.1.5-5",
      "SSF-8.1.5-6")
@pytest.mark.parametrize("method", [PUSH, POLL], ids=["push", "poll"])
@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_8_1_5_stream_updated(transmitter, receiver, sink, method, status):
    """A stream gets the event although it asked only for others, and before it stops."""
    endpoint = sink.endpoint()
    stream = receiver.create(delivery=push_to(endpoint) if method == PUSH else {"method": POLL},
                             events_requested=[REVOKED])

    witness = receiver.create()
    polled = []

    def all_so_far(count):
        if method == PUSH:
            return [transmitter.verify_set(p.body.decode(), receiver.audience)
                    for p in sink.wait(endpoint, count)]
        if len(polled) < count:
            polled.extend(receiver.sets(stream, count - len(polled)))
        receiver.acknowledge(stream, polled)
        return polled + list(receiver.poll(stream)["sets"].values())

    subject, dropped = new_subject(), new_subject()
    transmitter.emit(REVOKED, subject)
    (first,) = all_so_far(1)
    assert first["sub_id"] == subject
    transmitter.change_status(stream["stream_id"], status)
    _, told = all_so_far(2)
    transmitter.emit(REVOKED, dropped)
    assert len(receiver.flushed(witness)) == 2
    assert len(all_so_far(2)) == 2, "the stream has stopped"
    assert receiver.status(stream)["status"] == status
    transmitter.change_status(stream["stream_id"], "enabled")
    _, again = only(all_so_far(4 if status == "paused" else 3), STREAM_UPDATED)
    assert receiver.status(stream)["status"] == "enabled"
    for got, now in ((told, status), (again, "enabled")):
        assert got["events"][STREAM_UPDATED]["status"] == now
        assert got["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}


# --- what a transmitter does by itself --------------------------------------------------------


@must("SSF-8.1.4.2-3", "SSF-8.1.4.1-1", "SSF-8.1.4.1-2", "SSF-8.1.4.1-3")
def test_8_1_4_a_verification_that_the_transmitter_initiates_has_no_state(new_pair, sink):
    transmitter, receiver = new_pair("--heartbeat", "1s")
    endpoint = sink.endpoint()
    streams = [receiver.create(), receiver.create(delivery=push_to(endpoint))]
    (polled,) = receiver.sets(streams[0], 1)
    pushed = transmitter.verify_set(sink.wait(endpoint, 1)[0].body.decode(), receiver.audience)
    for stream, got in zip(streams, (polled, pushed)):
        assert got["events"] == {VERIFICATION: {}}
        assert got["sub_id"] == {"format": "opaque", "id": stream["stream_id"]}


@must("SSF-8.1.1-11", "SSF-8.1.1-12", "SSF-8.1.2-1", "SSF-8.1.5-1")
def test_8_1_1_inactivity(new_pair, sink):
    """A stream whose receiver is active stays enabled; a stream that is left alone is paused, and is
    told so. Activity counts for one stream only."""
    transmitter, receiver = new_pair("--inactivity-timeout", "2s")
    idle, active = sink.endpoint(), sink.endpoint()
    activities = {
        "poll": lambda s: receiver.poll(s),
        "read": lambda s: receiver.read(s),
        "status": lambda s: receiver.status(s),
        "update": lambda s: receiver.update(s, description="x"),
        "subject": lambda s: receiver.add(s, new_subject()),
    }
    streams = {how: receiver.create(delivery={"method": POLL} if how == "poll"
                                    else push_to(active)) for how in activities}
    left_alone = receiver.create(delivery=push_to(idle))
    assert left_alone["inactivity_timeout"] == 2

    def told():
        for how, stream in streams.items():
            activities[how](stream)
        return sink.at(idle)
    (push,) = ssf.wait_for(told, "the idle stream is paused")
    got = transmitter.verify_set(push.body.decode(), receiver.audience)
    assert got["sub_id"] == {"format": "opaque", "id": left_alone["stream_id"]}
    assert got["events"][STREAM_UPDATED]["status"] in ("paused", "disabled")
    assert receiver.status(left_alone)["status"] == got["events"][STREAM_UPDATED]["status"]
    assert {how: receiver.status(s)["status"] for how, s in streams.items()} == dict.fromkeys(
        streams, "enabled")
    assert sink.at(active) == []
