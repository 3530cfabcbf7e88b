# SPDX-License-Identifier: Apache-2.0
"""Every event of CAEP 1.0 and RISC 1.0, emitted by API and by command, and refused when it is not what
these say. The list is made from their text (CAEP section 3, RISC section 2)."""
import json
import uuid

import pytest

from harness import CAEP, POLL, RISC, REVOKED

# type: (members that are required, with a value; members that have to be one of a few, with all of those)
LEVELS = ["LOW", "MEDIUM", "HIGH"]
COMPLIANCE = ["compliant", "not-compliant"]
CAEP_EVENTS = {
    "session-revoked": ({}, {}),
    "token-claims-change": ({"claims": {"role": "ro-admin"}}, {}),
    "credential-change": ({"credential_type": "fido2-roaming", "change_type": "create"},
                          {"change_type": ["create", "revoke", "update", "delete"]}),
    "assurance-level-change": ({"namespace": "NIST-AAL", "current_level": "nist-aal2"},
                               {"change_direction": ["increase", "decrease"]}),
    "device-compliance-change": ({"previous_status": "compliant", "current_status": "not-compliant"},
                                 {"previous_status": COMPLIANCE, "current_status": COMPLIANCE}),
    "session-established": ({}, {}),
    "session-presented": ({}, {}),
    "risk-level-change": ({"principal": "USER", "current_level": "LOW"},
                          {"current_level": LEVELS, "previous_level": LEVELS}),
}
RISC_EVENTS = {
    "account-credential-change-required": ({}, {}),
    "account-purged": ({}, {}),
    "account-disabled": ({}, {"reason": ["hijacking", "bulk-account"]}),
    "account-enabled": ({}, {}),
    "identifier-changed": ({}, {}),
    "identifier-recycled": ({}, {}),
    "credential-compromise": ({"credential_type": "password"}, {}),
    "opt-in": ({}, {}),
    "opt-out-initiated": ({}, {}),
    "opt-out-cancelled": ({}, {}),
    "opt-out-effective": ({}, {}),
    "recovery-activated": ({}, {}),
    "recovery-information-changed": ({}, {}),
    "sessions-revoked": ({}, {}),   # deprecated
}
INITIATING = ["admin", "user", "policy", "system"]   # CAEP section 2
EVENTS = {
    **{f"caep:{n}": (CAEP + n, required, {**values, "initiating_entity": INITIATING})
       for n, (required, values) in CAEP_EVENTS.items()},
    **{f"risc:{n}": (RISC + n, *rest) for n, rest in RISC_EVENTS.items()},
}
ADA = {"format": "email", "email": "ada@acme.example"}


class Stream:
    """A poll stream that takes everything."""

    def __init__(self, hub):
        n = uuid.uuid4().hex[:8]
        self.hub, self.id, self.token, self.audience = hub, "s-" + n, "token-" + n, f"https://{n}.example"
        hub.apply({"kind": "client", "id": "c-" + n, "audience": self.audience, "token": self.token},
                  {"kind": "stream", "id": self.id, "client": "c-" + n, "delivery": {"method": POLL}})

    def next(self, acks=()):
        """The next SET, verified; and its jti. It is there once the event has been answered."""
        answer = self.hub.request("POST", f"/streams/{self.id}/poll", headers={"Authorization": f"Bearer {self.token}"},
                                  json={"maxEvents": 1, "ack": list(acks), "returnImmediately": False})
        assert answer.status_code == 200, answer.text
        (jti, token), = answer.json()["sets"].items()
        return jti, self.hub.verify(token, self.audience)

    def receive(self):
        """The one SET that is waiting; it is acknowledged."""
        jti, claims = self.next()
        self.hub.request("POST", f"/streams/{self.id}/poll", headers={"Authorization": f"Bearer {self.token}"},
                         json={"maxEvents": 0, "ack": [jti], "returnImmediately": True})
        return claims


@pytest.fixture
def stream(hub):
    return Stream(hub)


def by_api(hub, type_, subject=None, claims=None, status=202):
    answer = hub.admin("POST", "/v1/events", json={
        "type": type_, "subject": subject or ADA, **({"claims": claims} if claims is not None else {})})
    assert answer.status_code == status, answer.text
    return answer.json()["txn"] if status == 202 else answer.json()["description"]


def by_cli(hub, type_, *more, subject="email:ada@acme.example", claims=None, status=0):
    given = ["--claims", json.dumps(claims)] if claims is not None else []
    return hub.cli("emit", type_, "--subject", subject, *given, *more, status=status).strip()


# --- the catalogue -----------------------------------------------------------------------------------------


def test_the_catalogue_is_what_streams_can_ask_for(hub, stream):
    answer = hub.request("GET", f"/ssf/streams?stream_id={stream.id}",
                         headers={"Authorization": f"Bearer {stream.token}"})
    assert sorted(answer.json()["events_supported"]) == sorted(uri for uri, _, _ in EVENTS.values())


@pytest.mark.parametrize("type_", EVENTS)
@pytest.mark.parametrize("how", [by_api, by_cli])
def test_each_event_arrives(hub, stream, type_, how):
    uri, required, _ = EVENTS[type_]
    for name in (type_, uri):
        txn = how(hub, name, claims=required or None)
        got = stream.receive()
        assert got["txn"] == txn and got["sub_id"] == ADA
        assert list(got["events"]) == [uri]
        assert required.items() <= got["events"][uri].items()


@pytest.mark.parametrize("type_", ["risc:identifier-changed", "risc:identifier-recycled"])
def test_an_identifier_is_an_address_or_a_number(hub, stream, type_):
    """RISC 1.0 sections 2.5 and 2.6."""
    for subject in ("phone_number:+12065550100", "email:ada@acme.example"):
        txn = by_cli(hub, type_, subject=subject)
        assert stream.receive()["txn"] == txn
    assert "email or phone_number" in by_cli(hub, type_, subject="opaque:x", status=1)
    assert "email or phone_number" in by_api(hub, type_, {"format": "complex", "user": ADA}, status=400)
    rule = {"hrl": 1, "rules": [{
        "id": "r.1", "title": "T", "severity": "low", "mode": "enforce", "on": ["a.b"], "actions": [
            {"emit": type_, "subject": {"format": "uri", "uri": "${detail.x}"}}]}]}
    answer = hub.try_apply(json.dumps(rule), query="?id=identifiers")
    assert answer.status_code == 400 and "email or phone_number" in answer.json()["description"]
    nothing_was_sent(hub, stream)


@pytest.mark.parametrize("type_, member", [(t, m) for t, (_, required, _) in EVENTS.items() for m in required])
def test_each_required_member_is_required(hub, stream, type_, member):
    _, required, _ = EVENTS[type_]
    claims = {k: v for k, v in required.items() if k != member}
    assert f"{member}: missing" in by_api(hub, type_, claims=claims, status=400)
    assert f"{member}: missing" in by_cli(hub, type_, claims=claims, status=1)
    for wrong in (None, 7, "", {}, []):
        assert member in by_api(hub, type_, claims={**required, member: wrong}, status=400), wrong
    nothing_was_sent(hub, stream)


@pytest.mark.parametrize("type_, member", [(t, m) for t, (_, _, values) in EVENTS.items() for m in values])
def test_each_enumerated_member_is_one_of_them(hub, stream, type_, member):
    uri, required, values = EVENTS[type_]
    some = values[member][0]
    for wrong in ("other", some.swapcase(), some + " ", "", 1, None, [some]):
        claims = {**required, member: wrong}
        assert member in by_api(hub, type_, claims=claims, status=400), wrong
    assert member in by_cli(hub, type_, claims={**required, member: "other"}, status=1)
    nothing_was_sent(hub, stream)
    for good in values[member]:
        by_api(hub, type_, claims={**required, member: good})
        assert stream.receive()["events"][uri][member] == good


def nothing_was_sent(hub, stream):
    """What comes next is what is emitted now."""
    txn = by_api(hub, "caep:session-revoked")
    assert stream.receive()["txn"] == txn


# --- ssfhub emit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, subject", [
    ("email:ada@acme.example", ADA),
    ("opaque:x", {"format": "opaque", "id": "x"}),
    ("opaque:agent:x:y", {"format": "opaque", "id": "agent:x:y"}),
    ("uri:https://acme.example/users/ada", {"format": "uri", "uri": "https://acme.example/users/ada"}),
    ("phone_number:+12065550100", {"format": "phone_number", "phone_number": "+12065550100"}),
    ("did:example:123456", {"format": "did", "url": "did:example:123456"}),
    ('{"format":"iss_sub","iss":"https://idp.example","sub":"ada"}',
     {"format": "iss_sub", "iss": "https://idp.example", "sub": "ada"}),
    ('{"format":"complex","user":{"format":"email","email":"ada@acme.example"}}', {"format": "complex", "user": ADA}),
])
def test_subjects(hub, stream, text, subject):
    txn = by_cli(hub, "caep:session-revoked", subject=text)
    got = stream.receive()
    assert got["txn"] == txn and got["sub_id"] == subject


@pytest.mark.parametrize("text, status, said", [
    ("", 2, "--subject"), ("ada@acme.example", 2, "--subject"), ("iss_sub:x", 2, "--subject"),
    ("emai:x", 2, "--subject"), ("email", 2, "--subject"), (":x", 2, "--subject"), ("{", 2, "--subject"),
    ('{"format":"opaque","id":"x","id":"y"}', 2, "--subject"), ("email:", 1, "email: empty"),
    ("{}", 1, "subject: format: missing"),
])
def test_wrong_subjects(hub, stream, text, status, said):
    assert said in by_cli(hub, "caep:session-revoked", subject=text, status=status)
    nothing_was_sent(hub, stream)


def test_options(hub, stream):
    txn = "txn-" + uuid.uuid4().hex
    said = by_cli(hub, "caep:session-revoked", "--reason", "left the company", "--txn", txn,
                  claims={"initiating_entity": "policy", "extra": 1})
    assert said == txn
    got = stream.receive()
    event = got["events"][REVOKED]
    assert got["txn"] == txn
    assert event["reason_admin"] == {"en": "left the company"}
    assert event["initiating_entity"] == "policy" and event["extra"] == 1


@pytest.mark.parametrize("args", [
    ("emit",), ("emit", "caep:session-revoked"), ("emit", "--subject", "opaque:x"),
    ("emit", "caep:session-revoked", "opaque:x"), ("emit", "caep:session-revoked", "more", "--subject", "opaque:x"),
    ("emit", "caep:session-revoked", "--subject", "opaque:x", "--claims", "{"),
    ("emit", "caep:session-revoked", "--subject", "opaque:x", "--unheard", "of"),
    ("emit", "caep:session-revoked", "--subject"),
    ("status", "--reason", "x"), ("get", "person", "--reason=x"), ("get", "--claims"), ("apply", "--txn"),
    ("delete", "person", "--subject=opaque:x"),
])
def test_wrong_words(hub, stream, args):
    assert hub.cli(*args, status=2)
    nothing_was_sent(hub, stream)


def test_options_are_not_read_from_the_environment(hub, stream, monkeypatch):
    monkeypatch.setenv("SSFHUB_REASON", "from the environment")
    monkeypatch.setenv("SSFHUB_TXN", "from-the-environment")
    txn = by_cli(hub, "caep:session-revoked")
    assert txn != "from-the-environment"
    assert "environment" not in json.dumps(stream.receive())


def test_an_event_that_is_none(hub, stream):
    assert "type" in by_cli(hub, "no:such", status=1)
    assert "type" in by_cli(hub, "ssf:verification", status=1)
    nothing_was_sent(hub, stream)
