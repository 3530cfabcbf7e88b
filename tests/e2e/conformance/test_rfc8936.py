# SPDX-License-Identifier: Apache-2.0
"""RFC 8936, poll delivery: the requirements on transmitters. Tests are named by section."""
import concurrent.futures
import socket
import ssl
import time
from urllib.parse import urlsplit

import pytest
from jwcrypto import jwk, jws

from ssf import REVOKED, VERIFICATION, must, new_subject, wait_for

POLL_WAIT = 2
HUB_ARGS = ("--max-streams", "8", "--min-verification-interval", "0s",
            "--poll-wait", f"{POLL_WAIT}s")


@pytest.fixture
def stream(receiver):
    made = receiver.create()
    receiver.poll(made, ack=["never-sent"])   # the endpoint is ready when it accepts acknowledgements
    return made


@pytest.fixture
def later():
    """Runs a call in a thread: later(f, ...).result()."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield pool.submit


def took(call, *args, **kwargs):
    began = time.monotonic()
    return call(*args, **kwargs), time.monotonic() - began


@must("RFC8936-2.3-1", "RFC8936-2.5-2")
def test_2_3_without_sets_it_is_an_empty_object(receiver, stream):
    answer = receiver.poll(stream)
    assert answer["sets"] == {}
    assert answer.get("moreAvailable", False) is False


@must("RFC8936-2.5-2")
def test_2_3_sets_are_keyed_by_jti(transmitter, receiver, stream):
    subjects = [new_subject() for _ in range(5)]
    for subject in subjects:
        transmitter.emit(REVOKED, subject)
    receiver.sets(stream, 5)
    answer = receiver.poll(stream)
    assert all(claims["jti"] == jti for jti, claims in answer["sets"].items())
    assert all(s["sub_id"] in subjects for s in answer["sets"].values())
    assert len(answer["sets"]) == 5 and answer.get("moreAvailable", False) is False


def test_2_4_a_new_stream_can_be_polled_at_once(receiver, later):
    """The endpoint works as soon as the answer to the creation has arrived."""
    def poll_new():
        stream = receiver.create()
        answer = receiver.call("POST", stream["delivery"]["endpoint_url"],
                               {"returnImmediately": True})
        receiver.delete(stream)
        return answer.status_code
    for _ in range(8):
        assert [f.result() for f in [later(poll_new) for _ in range(4)]] == [200] * 4


def test_2_2_max_events_and_more_available(transmitter, receiver, stream):
    for _ in range(3):
        transmitter.emit(REVOKED, new_subject())
    every = {s["jti"] for s in receiver.sets(stream, 3)}
    seen = set()
    for more in (True, True, False):
        answer = receiver.poll(stream, maxEvents=1)
        assert len(answer["sets"]) == 1 and answer.get("moreAvailable", False) is more
        seen |= set(answer["sets"])
        receiver.poll(stream, ack=list(answer["sets"]), maxEvents=0)
    assert seen == every
    assert receiver.poll(stream)["sets"] == {}


def test_2_4_sets_come_again_until_they_are_acknowledged(transmitter, receiver, stream):
    for _ in range(2):
        transmitter.emit(REVOKED, new_subject())
    one, two = (s["jti"] for s in receiver.sets(stream, 2))
    assert set(receiver.poll(stream)["sets"]) == {one, two}
    assert set(receiver.poll(stream, ack=[one])["sets"]) == {two}
    # an acknowledgement may be repeated, and may name unknown SETs
    assert set(receiver.poll(stream, ack=[one, "never-sent"])["sets"]) == {two}
    assert receiver.poll(stream, ack=[two])["sets"] == {}


def test_2_4_4_errors_settle_a_set(transmitter, receiver, stream):
    for _ in range(2):
        transmitter.emit(REVOKED, new_subject())
    one, two = (s["jti"] for s in receiver.sets(stream, 2))
    errors = {two: {"err": "authentication_failed", "description": "could not be authenticated"}}
    assert receiver.poll(stream, ack=[one], setErrs=errors)["sets"] == {}
    assert receiver.poll(stream, ack=[], setErrs={})["sets"] == {}


@must("RFC8936-2.5-1")
@pytest.mark.parametrize("body", [{}, {"returnImmediately": False}], ids=["default", "false"])
def test_2_5_without_sets_the_answer_waits(receiver, stream, body):
    """It waits for the time that transmitter and receiver have agreed on."""
    answer, seconds = took(receiver.json, 200, "POST", stream["delivery"]["endpoint_url"], body)
    assert answer["sets"] == {}
    assert seconds >= POLL_WAIT - 0.1


@must("RFC8936-2.5-1")
def test_2_5_a_set_ends_the_wait(transmitter, receiver, stream, later):
    waiting = later(took, receiver.json, 200, "POST", stream["delivery"]["endpoint_url"], {})
    subject = new_subject()
    transmitter.emit(REVOKED, subject)
    answer, seconds = waiting.result()
    assert len(answer["sets"]) == 1 and seconds < POLL_WAIT - 0.2


@must("RFC8936-2.5-1")
def test_2_5_return_immediately(receiver, stream):
    _, seconds = took(receiver.poll, stream, returnImmediately=True)
    assert seconds < POLL_WAIT - 0.2


@must("RFC8936-2.4.2-1")
def test_2_4_2_acknowledge_only_returns_at_once_when_asked_to(transmitter, receiver, stream):
    transmitter.emit(REVOKED, new_subject())
    (one,) = receiver.sets(stream, 1)
    answer, seconds = took(receiver.poll, stream, ack=[one["jti"]], maxEvents=0,
                           returnImmediately=True)
    assert answer["sets"] == {} and seconds < POLL_WAIT - 0.2
    assert receiver.poll(stream)["sets"] == {}


@must("RFC8936-2.4.2-1", "RFC8936-2.5-1")
def test_2_4_2_acknowledge_only_waits_otherwise(receiver, stream):
    """"a long poll will still occur until an event is ready to be returned, even though no events
    will be returned"."""
    answer, seconds = took(receiver.poll, stream, maxEvents=0, returnImmediately=False)
    assert answer["sets"] == {}
    assert seconds >= POLL_WAIT - 0.1


@must("RFC8936-2.5.1-1")
@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"maxEvents":"1"}', b'{"maxEvents":-1}',
    b'{"maxEvents":1.5}', b'{"returnImmediately":"true"}', b'{"returnImmediately":1}',
    b'{"ack":"x"}', b'{"ack":[1]}', b'{"setErrs":[]}', b'{"setErrs":{"x":"y"}}', b'{"ack":{}}',
    b"[" * 100000], ids=lambda body: ascii(body[:30])[2:-1])
def test_2_5_1_invalid_requests(receiver, stream, body):
    headers = {"Authorization": f"Bearer {receiver.token}", "Content-Type": "application/json"}
    answer = receiver.call("POST", stream["delivery"]["endpoint_url"], data=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert receiver.poll(stream)["sets"] == {}


def test_2_5_1_an_invalid_request_acknowledges_nothing(transmitter, receiver, stream):
    transmitter.emit(REVOKED, new_subject())
    (one,) = receiver.sets(stream, 1)
    body = {"ack": [one["jti"]], "maxEvents": "none"}
    answer = receiver.call("POST", stream["delivery"]["endpoint_url"], body)
    assert answer.status_code == 400
    assert set(receiver.poll(stream)["sets"]) == {one["jti"]}


@must("RFC8936-3-2", "RFC8936-4.3-1")
@pytest.mark.parametrize("header", [None, "Bearer nobody", "Bearer", "Bearer a b", "Basic eDp5",
                                    "Bearer \u00ff"],
                         ids=["none", "unknown", "empty", "two", "basic", "latin1"])
def test_3_authentication_schemes_are_named(transmitter, receiver, stream, header):
    transmitter.emit(REVOKED, new_subject())
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = receiver.call("POST", stream["delivery"]["endpoint_url"], {}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].split()[0] == "Bearer"
    assert "sets" not in answer.text


@must("RFC8936-4.3-1")
def test_3_another_receiver_gets_nothing(transmitter, receiver, other, stream):
    transmitter.emit(REVOKED, new_subject())
    (one,) = receiver.sets(stream, 1)
    answer = other.call("POST", stream["delivery"]["endpoint_url"],
                        {"returnImmediately": True, "ack": [one["jti"]]})
    assert answer.status_code in (403, 404)
    assert set(receiver.poll(stream)["sets"]) == {one["jti"]}


# --- TLS --------------------------------------------------------------------------------------

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


def handshake(transmitter, lowest, highest, ciphers=None):
    """The negotiated TLS version and cipher."""
    context = ssl.create_default_context(cafile=transmitter.ca_file)
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = lowest, highest
    where = urlsplit(transmitter.metadata()["configuration_endpoint"])
    with socket.create_connection((where.hostname, where.port or 443), timeout=60) as raw:
        with context.wrap_socket(raw, server_hostname=where.hostname) as s:
            return s.version(), s.cipher()[0], s.compression()


@must("RFC8936-4.3-2")
def test_4_3_tls_1_2(transmitter):
    version = ssl.TLSVersion.TLSv1_2
    assert handshake(transmitter, version, version)[0] == "TLSv1.2"


@must("RFC8936-4.3-4")
def test_4_3_tls_as_recommended(transmitter):
    """RFC 7525 and its successor RFC 9325: no old versions, compression or weak ciphers, forward
    secrecy, AES-GCM or ChaCha20."""
    new = handshake(transmitter, ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
    assert new[0] == "TLSv1.3" and new[2] is None
    version, cipher, compression = handshake(transmitter, ssl.TLSVersion.TLSv1_2,
                                             ssl.TLSVersion.TLSv1_2)
    assert cipher.startswith("ECDHE-") and ("GCM" in cipher or "CHACHA20" in cipher)
    assert compression is None
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises(ssl.SSLError) as refused:
            handshake(transmitter, version, version)
        assert "ALERT" in str(refused.value), "it is an alert, not a dropped connection"
    for ciphers in ("eNULL", "aNULL", "LOW:EXPORT:RC4:3DES", "kRSA"):
        with pytest.raises(ssl.SSLError):
            handshake(transmitter, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2,
                      ciphers + ":@SECLEVEL=0")


@must("RFC8936-4.3-1", "RFC8936-5-2")
def test_4_3_no_http_without_tls(transmitter, receiver, stream):
    where = urlsplit(stream["delivery"]["endpoint_url"])
    with socket.create_connection((where.hostname, where.port), timeout=60) as s:
        s.sendall(f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 2\r\n"
                  f"Authorization: Bearer {receiver.token}\r\n\r\n{{}}".encode())
        try:
            assert b"HTTP/1.1 200" not in s.recv(1000)
        except ConnectionResetError:
            pass


# --- access tokens ----------------------------------------------------------------------------


def forged(token):
    """Forged tokens that resemble this one."""
    yield token[:-4] + ("aaaa" if token[-4:] != "aaaa" else "bbbb")
    yield token + "a"
    if token.count(".") == 2:   # JWTs: by another key, and without a signature
        parts = jws.JWS()
        parts.deserialize(token)
        key = jwk.JWK.generate(kty="EC", crv="P-256")
        again = jws.JWS(parts.objects["payload"])
        again.add_signature(key, None, {**parts.jose_header, "alg": "ES256"})
        yield again.serialize(compact=True)
        yield token.rsplit(".", 1)[0] + "."


@must("RFC8936-4.4-1")
def test_4_4_forged_tokens(receiver, stream):
    for token in forged(receiver.token):
        answer = receiver.call("POST", stream["delivery"]["endpoint_url"],
                               {"returnImmediately": True}, token=token)
        assert answer.status_code == 401
    assert receiver.poll(stream)["sets"] == {}


def test_2_poll_of_a_verification(receiver, stream):
    receiver.ask_verification(stream, state="s")
    (got,) = receiver.sets(stream, 1)
    assert got["events"] == {VERIFICATION: {"state": "s"}}
    receiver.acknowledge(stream, [got])
    wait_for(lambda: receiver.poll(stream)["sets"] == {}, "nothing is left")
