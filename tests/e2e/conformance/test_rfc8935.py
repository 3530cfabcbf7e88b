# SPDX-License-Identifier: Apache-2.0
"""RFC 8935, push delivery: the requirements on transmitters. Tests are named by section."""
import ssl
import uuid
from urllib.parse import urlsplit

import pytest

from ssf import REVOKED, SET_TYPE, must, new_subject, push_to, wait_for

HUB_ARGS = ("--max-streams", "8", "--min-verification-interval", "0s")


@must("RFC8935-2.1-1", "RFC8935-2.1-2", "RFC8935-2.1-3", "RFC8935-5.3-2", "RFC8935-6-2")
def test_2_1_the_request(transmitter, receiver, sink):
    """The sink accepts only TLS and POST."""
    endpoint = sink.endpoint()
    stream = receiver.create(delivery=push_to(endpoint))
    subject = new_subject()
    transmitter.emit(REVOKED, subject)
    receiver.ask_verification(stream, state="x")
    pushes = sink.wait(endpoint, 2)
    for push in pushes:
        assert push.headers.get_all("Content-Type") == [SET_TYPE]
        assert push.headers.get_all("Accept") == ["application/json"]
    got = [transmitter.verify_set(p.body.decode("ascii"), receiver.audience) for p in pushes]
    assert subject in [s["sub_id"] for s in got]


@must("RFC8935-2.1-3")
def test_2_1_a_repeat_is_the_same_set(transmitter, receiver, sink):
    endpoint = sink.endpoint(503, 429, 500)
    receiver.create(delivery=push_to(endpoint))
    transmitter.emit(REVOKED, new_subject())
    sets = [transmitter.verify_set(p.body.decode(), receiver.audience)
            for p in sink.wait(endpoint, 4)]
    assert [s["jti"] for s in sets] == [sets[0]["jti"]] * 4
    assert all(s["events"] == sets[0]["events"] for s in sets)


def test_2_4_a_refused_set_does_not_hold_up_the_next(transmitter, receiver, sink):
    """Section 4: a SET that was refused by 400 is not sent again."""
    refusal = (400, {"err": "invalid_request", "description": "no"})
    endpoint = sink.endpoint(refusal, 202)
    stream = receiver.create(delivery=push_to(endpoint))
    subjects = [new_subject(), new_subject()]
    transmitter.emit(REVOKED, subjects[0])
    sink.wait(endpoint, 1)
    transmitter.emit(REVOKED, subjects[1])
    sink.wait(endpoint, 2)
    receiver.ask_verification(stream)
    pushes = sink.wait(endpoint, 3)
    got = [transmitter.verify_set(p.body.decode(), receiver.audience)["sub_id"] for p in pushes]
    assert got == [*subjects, {"format": "opaque", "id": stream["stream_id"]}]


def refused(transmitter, receiver, bad, good):
    """The transmitter tries to connect to the bad sink and sends nothing; after the receiver has moved
    to the good sink, it does."""
    endpoint = bad.url + "/" + uuid.uuid4().hex
    stream = receiver.create(delivery=push_to(endpoint))
    subject = new_subject()
    transmitter.emit(REVOKED, subject)
    wait_for(lambda: bad.connections >= 2, "two attempts")
    assert not bad.pushes
    endpoint = good.endpoint()
    receiver.update(stream, delivery=push_to(endpoint))
    (push,) = good.wait(endpoint, 1)
    assert transmitter.verify_set(push.body.decode(), receiver.audience)["sub_id"] == subject
    assert not bad.pushes


@must("RFC8935-3-1", "RFC8935-5.3-1", "RFC8935-5.3-4")
@pytest.mark.parametrize("certificate", [{"name": "other.example"}, {"name": "127.0.0.2"},
                                         {"days": -1}], ids=["name", "address", "expired"])
def test_3_the_receivers_certificate_is_checked(transmitter, receiver, sink, new_sink,
                                                certificate):
    refused(transmitter, receiver, new_sink(**certificate), sink)


@must("RFC8935-3-1", "RFC8935-5.3-4")
def test_3_a_certificate_of_an_unknown_issuer(transmitter, receiver, sink, stranger_sink):
    refused(transmitter, receiver, stranger_sink, sink)


@must("RFC8935-5.3-1", "RFC8935-5.3-2", "RFC8935-6-2")
def test_5_3_no_push_without_tls(receiver, sink):
    plain = "http://" + urlsplit(sink.endpoint()).netloc + "/x"
    answer = receiver.call("POST", "configuration_endpoint", {"delivery": push_to(plain)})
    assert answer.status_code in (400, 403)
    stream = receiver.create()
    for method in ("PATCH", "PUT"):
        body = {"stream_id": stream["stream_id"], "delivery": push_to(plain)}
        assert receiver.call(method, "configuration_endpoint", body).status_code in (400, 403)
    assert receiver.streams() == [stream]


pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


def only_tls_1_1(context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


def only_tls_1_2(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def only_null_ciphers(context):
    context.set_ciphers("eNULL:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2


@must("RFC8935-5.3-5")
@pytest.mark.parametrize("context", [only_tls_1_1, only_null_ciphers])
def test_5_3_old_tls_versions_are_not_used(transmitter, receiver, sink, new_sink, context):
    refused(transmitter, receiver, new_sink(context), sink)


@must("RFC8935-5.3-2", "RFC8935-5.3-5")
def test_5_3_tls_1_2_is_accepted(transmitter, receiver, new_sink):
    old = new_sink(only_tls_1_2)
    endpoint = old.endpoint()
    receiver.create(delivery=push_to(endpoint))
    transmitter.emit(REVOKED, new_subject())
    old.wait(endpoint, 1)
