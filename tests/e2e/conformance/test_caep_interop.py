# SPDX-License-Identifier: Apache-2.0
"""CAEP Interoperability Profile 1.0: the requirements on transmitters. Tests are named by section."""
import base64
import json
import socket
import ssl
import time
from urllib.parse import urlsplit

import pytest

from ssf import (CREDENTIAL_CHANGE, POLL, PUSH, REVOKED, VERIFICATION, Receiver, id_of, must,
                 new_subject, push_to, well_known)

HUB_ARGS = ("--max-streams", "8", "--min-verification-interval", "0s")
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


def b64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part_of(token, n):
    return json.loads(b64url(token.split(".")[n]))


def urls(metadata):
    return [v for k, v in metadata.items() if k.endswith("_endpoint") or k == "jwks_uri"]


# --- section 2.1: network layer ---------------------------------------------------------------


@must("CAEPIOP-2.1-1", "CAEPIOP-2.1-3", "CAEPIOP-2.1-4")
def test_2_1_every_endpoint_is_on_tls_1_2_or_later(transmitter):
    places = {urlsplit(u).netloc for u in urls(transmitter.metadata())}
    assert all(urlsplit(u).scheme == "https" for u in urls(transmitter.metadata()))
    for place in places:
        host, _, port = place.partition(":")
        for version, spoken in ((ssl.TLSVersion.TLSv1, False), (ssl.TLSVersion.TLSv1_1, False),
                                (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)):
            context = ssl.create_default_context(cafile=transmitter.ca_file)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with socket.create_connection((host, int(port or 443)), timeout=60) as raw:
                try:
                    with context.wrap_socket(raw, server_hostname=host):
                        assert spoken, version
                except ssl.SSLError:
                    assert not spoken, version


@must("CAEPIOP-2.1-2")
def test_2_1_connections_to_others_are_on_tls(transmitter, receiver, sink):
    """The sink speaks only TLS; an address without TLS is refused."""
    endpoint = sink.endpoint()
    receiver.create(delivery=push_to(endpoint))
    transmitter.emit(REVOKED, new_subject())
    sink.wait(endpoint, 1)
    answer = receiver.call("POST", "configuration_endpoint",
                           {"delivery": push_to(endpoint.replace("https:", "http:"))})
    assert answer.status_code in (400, 403)


# --- section 2.3: transmitters ----------------------------------------------------------------


@must("CAEPIOP-2.3-1", "CAEPIOP-2.3.1-1", "CAEPIOP-2.3.1-2", "CAEPIOP-2.3.2-1",
      "CAEPIOP-2.3.3-1", "CAEPIOP-2.3.4-1", "CAEPIOP-2.3.5-1", "CAEPIOP-2.3.6-1")
def test_2_3_metadata(transmitter):
    doc = transmitter.metadata()
    version, _, draft = doc["spec_version"].partition("-")
    assert tuple(map(int, version.split("_"))) >= (1, 0) and not draft
    assert set(doc["delivery_methods_supported"]) & {PUSH, POLL}
    for name in ("jwks_uri", "configuration_endpoint", "status_endpoint",
                 "verification_endpoint"):
        assert urlsplit(doc[name]).scheme == "https", name


@must("CAEPIOP-2.3.7-1", "CAEPIOP-2.3.7-2")
def test_2_3_7_authorization_schemes(transmitter):
    assert {"spec_urn": "urn:ietf:rfc:6749"} in transmitter.metadata()["authorization_schemes"]


@must("CAEPIOP-2.3.3-2", "CAEPIOP-2.6-1")
def test_2_6_signatures(transmitter, receiver):
    """RS256 by a published key of 2048 bits or more, for each kind of event."""
    stream = receiver.create()
    transmitter.emit(REVOKED, new_subject())
    transmitter.emit(CREDENTIAL_CHANGE, new_subject(),
                     {"credential_type": "password", "change_type": "update"})
    receiver.ask_verification(stream)
    receiver.sets(stream, 3)   # sets() verifies them by the published keys
    answer = receiver.call("POST", stream["delivery"]["endpoint_url"], {"returnImmediately": True})
    keys = {k["kid"]: k for k in transmitter.keys()}
    headers = [part_of(t, 0) for t in answer.json()["sets"].values()]
    assert len(headers) == 3
    for header in headers:
        key = keys[header["kid"]]
        assert header["alg"] == "RS256" and key["kty"] == "RSA"
        assert len(b64url(key["n"])) >= 256


@must("CAEPIOP-1-1", "CAEPIOP-2.3-1", "CAEPIOP-2.3.4-2", "CAEPIOP-2.3.5-2", "CAEPIOP-2.3.6-2",
      "CAEPIOP-2.3.8-1", "CAEPIOP-2.3.8.1-1", "CAEPIOP-2.3.8.1-2", "CAEPIOP-2.3.8.1-3",
      "CAEPIOP-2.3.8.2-1", "CAEPIOP-2.3.8.2-2", "CAEPIOP-2.3.8.2-3", "CAEPIOP-2.3.8.2-4",
      "CAEPIOP-2.3.8.2-5", "CAEPIOP-2.7.3-1", "CAEPIOP-2.7.2-5")
@pytest.mark.parametrize("method", [PUSH, POLL], ids=["push", "poll"])
def test_2_3_8_stream_control(transmitter, receiver, sink, method):
    """The life of a stream."""
    endpoint = sink.endpoint()
    delivery = push_to(endpoint) if method == PUSH else {"method": POLL}
    stream = receiver.create(delivery=delivery)
    assert stream["delivery"]["method"] == method
    assert receiver.read(stream) == stream
    assert all(s["delivery"]["method"] in (PUSH, POLL) for s in receiver.streams())
    assert receiver.status(stream)["status"] == "enabled"
    receiver.ask_verification(stream, state="alive")
    if method == PUSH:
        (got,) = [transmitter.verify_set(p.body.decode(), receiver.audience)
                  for p in sink.wait(endpoint, 1)]
    else:
        (got,) = receiver.sets(stream, 1)
    assert got["events"] == {VERIFICATION: {"state": "alive"}}
    receiver.delete(stream)
    assert receiver.streams() == []


@must("CAEPIOP-2.3.5-2", "CAEPIOP-2.3.5-3")
@pytest.mark.parametrize("status", ["enabled", "paused", "disabled"])
def test_2_3_5_status(receiver, status):
    stream = receiver.create()
    assert receiver.set_status(stream, status)["status"] == status
    assert receiver.status(stream)["status"] == status


# --- sections 2.5, 2.8 and 3: events ----------------------------------------------------------


@must("CAEPIOP-2.5-1", "CAEPIOP-2.5-3", "CAEPIOP-2.8.1-1")
def test_2_5_subjects(transmitter, receiver):
    stream = receiver.create()
    subjects = [{"format": "email", "email": "x@example.com"},
                {"format": "iss_sub", "iss": "https://idp.example", "sub": "x"}]
    for subject in subjects:
        receiver.add(stream, subject)
        transmitter.emit(REVOKED, subject)
    receiver.ask_verification(stream)
    got = receiver.sets(stream, 3)
    assert all(s["sub_id"] in [*subjects, {"format": "opaque", "id": stream["stream_id"]}]
               for s in got)
    assert all(len(s["events"]) == 1 for s in got)


def filled(reason):
    """A language map (CAEP 1.0 section 2) that is not empty."""
    return isinstance(reason, dict) and reason and all(
        isinstance(v, str) and v.strip() for v in reason.values())


@must("CAEPIOP-3.1-1", "CAEPIOP-3.1-2", "CAEPIOP-2.8.1-1")
@pytest.mark.parametrize("claims", [None, {"reason_admin": {"en": "Policy violation"}}],
                         ids=["without", "with"])
def test_3_1_session_revoked(transmitter, receiver, claims):
    stream = receiver.create(events_requested=[REVOKED])
    assert stream["events_delivered"] == [REVOKED]
    transmitter.emit(REVOKED, new_subject(), claims)
    (got,) = receiver.sets(stream, 1)
    assert list(got["events"]) == [REVOKED]
    assert filled(got["events"][REVOKED]["reason_admin"])


@must("CAEPIOP-3.2-1", "CAEPIOP-3.2-2", "CAEPIOP-3.2-5")
def test_3_2_credential_change(transmitter, receiver):
    stream = receiver.create(events_requested=[CREDENTIAL_CHANGE])
    assert stream["events_delivered"] == [CREDENTIAL_CHANGE]
    types = ["password", "pin", "x509", "fido2-platform", "fido2-roaming", "fido-u2f",
             "verifiable-credential", "phone-voice", "phone-sms", "app"]
    changes = ["create", "revoke", "update", "delete"]
    wanted = [(types[i % len(types)], changes[i % len(changes)]) for i in range(20)]
    for kind, change in wanted:
        transmitter.emit(CREDENTIAL_CHANGE, new_subject(),
                         {"credential_type": kind, "change_type": change})
    got = [s["events"][CREDENTIAL_CHANGE] for s in receiver.sets(stream, len(wanted))]
    assert sorted((e["credential_type"], e["change_type"]) for e in got) == sorted(wanted)
    assert all(filled(e["reason_admin"]) for e in got)


# --- section 2.7: OAuth -----------------------------------------------------------------------


@must("CAEPIOP-2.7.1-1")
def test_2_7_1_short_lived_tokens(transmitter, client_credentials):
    doc = transmitter.authorization_server()
    assert "client_credentials" in doc["grant_types_supported"]
    answer = transmitter.ask_token(client_credentials)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    token = answer.json()
    assert token["access_token"] and token["token_type"].lower() == "bearer"
    assert 0 < token["expires_in"] <= 3600


@must("CAEPIOP-2.7.1-1")
def test_2_7_1_wrong_secret(transmitter, client_credentials):
    """RFC 6749 section 5.2."""
    for auth in ((client_credentials.client_id, "wrong"), ("nobody", "wrong")):
        answer = transmitter.http.post(transmitter.authorization_server()["token_endpoint"],
                                       auth=auth, data={"grant_type": "client_credentials"})
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
        assert answer.headers["WWW-Authenticate"].split()[0] == "Basic"
    answer = transmitter.ask_token(client_credentials, grant_type="password")
    assert answer.status_code == 400 and answer.json()["error"] == "unsupported_grant_type"
    answer = transmitter.ask_token(client_credentials, scope="no.such")
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_scope"


@must("CAEPIOP-2.7.2-3", "CAEPIOP-2.7.2-4")
def test_2_7_2_scopes_are_published(transmitter):
    """RFC 9728 and RFC 8414."""
    resource = transmitter.get(well_known(transmitter.issuer, "oauth-protected-resource"))
    assert resource.status_code == 200
    assert resource.json()["resource"] == transmitter.issuer
    scopes = resource.json()["scopes_supported"]
    assert {"ssf.read", "ssf.manage"} <= set(scopes)
    server = transmitter.authorization_server()
    assert server["issuer"] in resource.json()["authorization_servers"]
    assert all(s.startswith("ssf") for s in scopes)
    assert urlsplit(server["token_endpoint"]).scheme == "https"


READS = [("GET", "configuration_endpoint"), ("GET", "status_endpoint")]
CHANGES = [("POST", "configuration_endpoint", {}), ("PATCH", "configuration_endpoint", {}),
           ("PUT", "configuration_endpoint", {}),
           ("POST", "status_endpoint", {"status": "enabled"}),
           ("POST", "add_subject_endpoint", {"subject": new_subject()}),
           ("POST", "remove_subject_endpoint", {"subject": new_subject()}),
           ("POST", "verification_endpoint", {})]


@pytest.fixture
def owner(transmitter, client_credentials):
    """The receiver of client_credentials with a token of every scope, and a stream."""
    made = Receiver(transmitter, client_credentials)
    stream = made.create()
    yield made, stream
    for one in made.streams():
        made.delete(one)


def insufficient(answer):
    """RFC 6750 section 3.1."""
    challenge = answer.headers["WWW-Authenticate"]
    return (answer.status_code == 403 and challenge.split()[0] == "Bearer"
            and 'error="insufficient_scope"' in challenge)


@must("CAEPIOP-2.7.2-6", "CAEPIOP-2.7.3-4", "CAEPIOP-2.7.3-5")
def test_2_7_2_ssf_read_reads_only(transmitter, client_credentials, owner):
    receiver, stream = owner
    token = transmitter.token(client_credentials, scope="ssf.read")
    for method, endpoint in READS:
        answer = receiver.call(method, endpoint, token=token, query=id_of(stream))
        assert answer.status_code == 200, endpoint
    for method, endpoint, body in CHANGES:
        answer = receiver.call(method, endpoint, id_of(stream) | body, token=token)
        assert insufficient(answer), f"{method} {endpoint}: {answer.status_code} {answer.text}"
    answer = receiver.call("DELETE", "configuration_endpoint", token=token, query=id_of(stream))
    assert insufficient(answer)
    assert receiver.streams() == [stream]


@must("CAEPIOP-2.7.2-5", "CAEPIOP-2.7.3-4")
def test_2_7_2_ssf_manage_does_everything(transmitter, client_credentials, owner):
    receiver, stream = owner
    token = transmitter.token(client_credentials, scope="ssf.manage")
    for method, endpoint in READS:
        answer = receiver.call(method, endpoint, token=token, query=id_of(stream))
        assert answer.status_code == 200, endpoint
    for method, endpoint, body in CHANGES:
        body = body if endpoint == "configuration_endpoint" and method == "POST" else (
            id_of(stream) | body)
        answer = receiver.call(method, endpoint, body, token=token)
        assert 200 <= answer.status_code < 300, f"{method} {endpoint}: {answer.text}"
    answer = receiver.call("POST", stream["delivery"]["endpoint_url"],
                           {"returnImmediately": True}, token=token)
    assert answer.status_code == 200
    answer = receiver.call("DELETE", "configuration_endpoint", token=token, query=id_of(stream))
    assert answer.status_code == 204


@must("CAEPIOP-2.7.3-2")
def test_2_7_3_no_tokens_in_queries(receiver):
    stream = receiver.create()
    for method, endpoint in READS:
        answer = receiver.call(method, endpoint, headers={},
                               query=id_of(stream) | {"access_token": receiver.token})
        assert answer.status_code in (400, 401), endpoint
    answer = receiver.call("POST", stream["delivery"]["endpoint_url"], {"returnImmediately": True},
                           headers={}, query={"access_token": receiver.token})
    assert answer.status_code in (400, 401)


def changed(token):
    """The same token with one character changed, at several places."""
    for at in (2, len(token) // 2, len(token) - 5):
        yield token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:]


@must("CAEPIOP-2.7.3-3")
def test_2_7_3_integrity(receiver):
    for token in changed(receiver.token):
        answer = receiver.call("GET", "configuration_endpoint", token=token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].split()[0] == "Bearer"
    assert receiver.call("GET", "configuration_endpoint").status_code == 200


@must("CAEPIOP-2.7.3-1", "CAEPIOP-2.7.3-5")
def test_2_7_3_the_error_of_a_wrong_token(receiver):
    """RFC 6750 section 3.1: invalid_token is 401; a request without a token gets no error code."""
    answer = receiver.call("GET", "configuration_endpoint", token="not-a-token")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    answer = receiver.call("GET", "configuration_endpoint", headers={})
    assert answer.status_code == 401
    assert "error=" not in answer.headers["WWW-Authenticate"]


@must("CAEPIOP-2.7.3-3")
def test_2_7_3_expiry_of_issued_tokens(transmitter, client_credentials):
    """The token agrees with expires_in (RFC 9068 section 2.2)."""
    answer = transmitter.ask_token(client_credentials).json()
    claims = part_of(answer["access_token"], 1)
    assert abs(claims["exp"] - (time.time() + answer["expires_in"])) < 10
    assert claims["client_id"] == client_credentials.client_id
    assert claims["iss"] == transmitter.authorization_server()["issuer"]
