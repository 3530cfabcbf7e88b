# SPDX-License-Identifier: Apache-2.0
"""Push delivery (RFC 8935) of a running hub, to receivers that misbehave."""
import collections
import random
import threading
import time

import pytest

import harness
from harness import CAEP, PUSH, REVOKED, STREAM_UPDATED, Answer, part_of, wait_until

HUB_ARGS = ("--push-timeout", "1s", "--delivery-max-age", "7d")


@pytest.fixture
def stream(hub, endpoint):
    """A push stream to the test's endpoint."""
    made = hub.push_stream(endpoint)
    yield made
    hub.cli("delete", "stream", made)


def letters(hub, stream):
    return hub.get(f"/v1/deadletters?stream={stream}")


# --- answers of receivers ---------------------------------------------------------------------

def test_b1_poison_set_is_dead_lettered_alone(hub, endpoint, stream):
    """A 400 is about the one SET: the stream goes on, and what was given up is on view."""
    endpoint.decide = lambda push: Answer(400, {"err": "invalid_request", "description": "no"}) \
        if push.txn == "txn-poison" else None
    # all of one subject, so that the poison stands in the way of the rest
    before, poison, behind = [hub.emit(txn=t) for t in ("txn-1", "txn-poison", "txn-2")]
    endpoint.wait(1, txn=behind)
    assert [p.txn for p in endpoint.pushes] == [before, poison, behind], "tried once, in order"
    found = letters(hub, stream)
    assert len(found) == 1
    assert found[0]["jti"] == endpoint.pushes[1].jti
    assert found[0]["reason"] == "refused: invalid_request"
    assert found[0]["stream"] == stream
    deliveries = {d["stream"]: d for d in hub.get(f"/v1/explain/{poison}")["deliveries"]}
    assert deliveries[stream]["state"] == "dead-lettered"
    assert hub.stream_status(stream)["status"] == "enabled"
    assert hub.stream_status(stream)["healthy"] is True
    assert "invalid_request" in hub.cli("deadletters", "--stream", stream)
    hub.restart()
    endpoint.wait(1, txn=hub.emit())
    assert [p.txn for p in endpoint.pushes].count(poison) == 1, "it does not come back"


@pytest.mark.parametrize("body, reason", [
    (b"", "refused: without a proper err"), (b"<html>", "refused: without a proper err"),
    (b'{"err":7}', "refused: without a proper err"),
    (b'{"err":"' + b"e" * 500 + b'"}', "refused: without a proper err"),
], ids=["empty", "html", "number", "long"])
def test_b1_whatever_the_400_says(hub, endpoint, stream, body, reason):
    endpoint.script(Answer(400, body))
    hub.emit()
    endpoint.wait(1, txn=hub.emit())
    assert [d["reason"] for d in letters(hub, stream)] == [reason]


@pytest.mark.parametrize("answer", [
    Answer(200), Answer(201), Answer(202), Answer(204),
    Answer(200, {"ok": True}), Answer(202, b"x" * 100_000),
], ids=["200", "201", "202", "204", "200-json", "202-large"])
def test_b2_any_2xx_is_a_success(hub, endpoint, stream, answer):
    endpoint.script(answer)
    hub.emit(txn="txn-b2")
    endpoint.wait(1, txn=hub.emit())
    assert [p.txn for p in endpoint.pushes].count("txn-b2") == 1, "sent once"
    assert letters(hub, stream) == []


def test_b3_one_503_then_delivered_to_a_plain_sink(hub, sink, endpoint, stream):
    """The receiver has nothing but its push address; no other is asked for anything."""
    strays = len(sink.strays)
    endpoint.script(503)
    txn = hub.emit()
    endpoint.wait(1, txn=txn)
    first, second = endpoint.pushes
    assert [first.status, second.status] == [503, 202]
    assert first.token == second.token, "a retry is the same SET, byte for byte"
    assert len(sink.strays) == strays


@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 413, 429, 500, 502, 504])
def test_other_failures_are_tried_again(hub, endpoint, stream, status):
    endpoint.script(status, status)
    endpoint.wait(1, txn=hub.emit())
    assert [p.status for p in endpoint.pushes] == [status, status, 202]
    assert letters(hub, stream) == []


def test_retry_after_is_kept(hub, endpoint, stream):
    endpoint.script(Answer(503, headers={"Retry-After": "2"}))
    endpoint.wait(1, txn=hub.emit())
    first, second = endpoint.pushes
    # the backoff alone would be at most 50 ms
    assert 1.9 < second.at - first.at < 8


def test_hanging_receiver_costs_its_timeout_only(hub, endpoint, stream):
    endpoint.script(Answer(hold=threading.Event()))
    endpoint.wait(1, txn=hub.emit())
    assert len(endpoint.pushes) == 2
    assert 0.9 < endpoint.pushes[1].at - endpoint.pushes[0].at < 8


def test_receiver_that_hangs_up(hub, endpoint, stream):
    endpoint.script(Answer(close=True), Answer(close=True))
    endpoint.wait(1, txn=hub.emit())
    assert len({p.token for p in endpoint.pushes}) == 1


def test_receiver_that_is_not_there_yet(hub, tls):
    probe = harness.Receiver(tls)
    endpoint = probe.endpoint()
    probe.close()
    stream = hub.push_stream(endpoint)
    txn = hub.emit()
    wait_until(lambda: not hub.stream_status(stream)["healthy"], what="the failure is on view")
    shown = hub.stream_status(stream)
    assert shown["last_error"] and shown["waiting_events"] == 1
    assert shown["last_error"] in hub.cli("status")
    # it comes up at another address: the stream is changed, what waits is sent there
    receiver = harness.Receiver(tls)
    try:
        other = receiver.endpoint()
        hub.apply({**hub.get(f"/v1/stream/{stream}"),
                   "delivery": {"method": PUSH, "endpoint_url": other.url}})
        other.wait(1, txn=txn)
        wait_until(lambda: hub.stream_status(stream)["healthy"])
        receiver.check()
    finally:
        receiver.close()
    hub.cli("delete", "stream", stream)


def test_receiver_with_a_certificate_of_nobody(hub, tls, tmp_path, endpoint):
    """The certificate is checked: nothing is sent to a receiver that cannot prove its name."""
    receiver = harness.Receiver(harness.TLS(tmp_path))
    try:
        wrong = receiver.endpoint()
        stream = hub.push_stream(wrong)
        hub.emit()
        wait_until(lambda: not hub.stream_status(stream)["healthy"])
        assert wrong.pushes == []
        hub.cli("delete", "stream", stream)
    finally:
        receiver.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_b9_redirects_are_not_followed(hub, sink, endpoint, stream, status):
    target = sink.endpoint()
    endpoint.script(Answer(status, headers={"Location": target.url}))
    endpoint.wait(1, txn=hub.emit())
    assert [p.status for p in endpoint.pushes] == [status, 202]
    assert target.pushes == []


def test_b20_no_storm_of_retries(hub, endpoint, stream):
    """A receiver that answers 401 is asked again, but ever more rarely."""
    endpoint.decide = lambda push: Answer(401)
    for i in range(30):
        hub.emit(sub=f"subject-{i}")
    pushes = endpoint.wait_pushes(240)[:240]
    # the backoff of each has reached 1 s, with full jitter: 60 attempts a second. A busy machine makes
    # it longer, never shorter
    assert pushes[-1].at - pushes[-61].at > 0.5
    endpoint.decide = None
    endpoint.wait(30)
    assert letters(hub, stream) == []


# --- order ------------------------------------------------------------------------------------

def test_a_path_that_hangs_costs_others_of_its_host_nothing(hub, sink, endpoint, stream):
    """Two clients behind one gateway; the receiver of one gives no answers."""
    hold = threading.Event()
    hanging = sink.endpoint()
    hanging.decide = lambda push: Answer(hold=hold)
    other = hub.push_stream(hanging)
    before = hub.metric("ssfhub_push_retries_total")
    try:
        for n in range(8):
            hub.emit(sub=f"subject-{n}")
        endpoint.wait(8)
        wait_until(lambda: hub.metric("ssfhub_push_retries_total") >= before + 8, what="eight have timed out")
        last = hub.emit(sub="subject-9")
        endpoint.wait(1, txn=last)
    finally:
        hold.set()
        hub.cli("delete", "stream", other)


def test_b4_order_of_a_subject_holds_under_failures(hub, endpoint, stream):
    """Every third attempt fails; subjects go in parallel, and each in its order."""
    lock, attempts = threading.Lock(), [0]

    def decide(push):
        with lock:
            attempts[0] += 1
            return Answer(503) if attempts[0] % 3 == 0 else None
    endpoint.decide = decide
    sent = collections.defaultdict(list)
    for n in range(60):
        subject = f"subject-{n % 6}"
        sent[subject].append(hub.emit(sub=subject))
    arrived = collections.defaultdict(list)
    for push in endpoint.wait(60):
        arrived[push.claims["sub_id"]["sub"]].append(push.txn)
    assert arrived == sent, "each once, each in order"


def test_b4_order_of_many_subjects_under_random_5xx(hub, endpoint, stream):
    """One of four attempts fails, with any 5xx; 50 subjects, some with much more to say. What comes
    first counts: on a slow machine a push may take its timeout, and is sent again."""
    rng = random.Random(4)
    endpoint.decide = lambda push: Answer(rng.choice((500, 502, 503, 504))) \
        if rng.random() < 0.25 else None
    sent = collections.defaultdict(list)
    for n in range(200):
        subject = f"subject-{n % 50 if n % 4 else n % 5}"
        sent[subject].append(hub.emit(sub=subject))

    def arrived():
        found = collections.defaultdict(dict)
        for push in endpoint.accepted():
            found[push.claims["sub_id"]["sub"]].setdefault(push.txn)
        return found
    wait_until(lambda: sum(map(len, arrived().values())) == 200, what="all arrive")
    assert {subject: list(txns) for subject, txns in arrived().items()} == sent
    assert len(endpoint.pushes) > 220, "and many had to be tried again"


def test_b4_subjects_do_not_wait_for_each_other(hub, endpoint, stream):
    hold = threading.Event()
    endpoint.decide = lambda push: Answer(202, hold=hold) \
        if push.claims["sub_id"]["sub"] == "slow" and not hold.is_set() else None
    slow = [hub.emit(sub="slow"), hub.emit(sub="slow")]
    quick = [hub.emit(sub="quick"), hub.emit(sub="quick")]
    assert [p.txn for p in endpoint.wait(2)] == quick
    assert slow[1] not in {p.txn for p in endpoint.pushes}, "waits for the one before it"
    hold.set()
    endpoint.wait(1, txn=slow[1])


def test_b6_no_duplicates_without_faults(hub, endpoint, stream):
    txns = [hub.emit(sub=f"subject-{n % 20}") for n in range(200)]
    endpoint.wait(200)
    endpoint.wait(1, txn=hub.emit())
    counted = collections.Counter(p.txn for p in endpoint.pushes)
    assert all(counted[t] == 1 for t in txns) and len(endpoint.pushes) == 201


# --- what is sent to whom ---------------------------------------------------------------------

def test_authorization_header_is_sent(hub, endpoint):
    stream = hub.push_stream(endpoint, authorization_header="Bearer the-secret-of-push")
    endpoint.wait(1, txn=hub.emit())
    assert endpoint.pushes[0].headers.get_all("Authorization") == ["Bearer the-secret-of-push"]
    hub.apply(hub.get(f"/v1/stream/{stream}"))   # sealed, and kept
    endpoint.wait(1, txn=hub.emit())
    assert endpoint.pushes[1].headers["Authorization"] == "Bearer the-secret-of-push"
    hub.cli("delete", "stream", stream)


def test_no_authorization_header_when_there_is_none(hub, endpoint, stream):
    endpoint.wait(1, txn=hub.emit())
    assert endpoint.pushes[0].headers["Authorization"] is None


def test_stream_gets_the_events_it_asked_for(hub, endpoint):
    stream = hub.push_stream(endpoint, events=[REVOKED])
    hub.emit(events={CAEP + "session-presented": {}})
    wanted = hub.emit()
    endpoint.wait(1, txn=wanted)
    assert [p.event for p in endpoint.pushes] == [REVOKED]
    hub.cli("delete", "stream", stream)


def test_es256_and_an_audience_of_the_stream(hub, endpoint):
    stream = hub.push_stream(endpoint, alg="ES256", audience="https://special.example")
    (push,) = endpoint.wait(1, txn=hub.emit())
    assert part_of(push.token, 0)["alg"] == "ES256"
    hub.verify(push.token, "https://special.example")
    hub.cli("delete", "stream", stream)


def test_streams_of_one_client_share_the_set(hub, sink, endpoint, stream):
    twin = sink.endpoint()
    hub.apply({"kind": "stream", "id": "twin", "client": "c-" + stream[2:],
               "delivery": {"method": PUSH, "endpoint_url": twin.url}})
    txn = hub.emit()
    assert endpoint.wait(1, txn=txn)[0].token == twin.wait(1, txn=txn)[0].token
    hub.cli("delete", "stream", "twin")


def test_paused_stream_keeps_and_disabled_stream_drops(hub, sink, endpoint, stream):
    marker = sink.endpoint()
    other = hub.push_stream(marker)
    spec = hub.form(f"/v1/stream/{stream}")
    hub.apply({**spec, "status": "paused"})
    kept = hub.emit()
    marker.wait(1, txn=kept)
    assert all(STREAM_UPDATED in p.claims["events"] for p in endpoint.pushes)
    hub.apply({**spec, "status": "enabled"})
    endpoint.wait(1, txn=kept)
    hub.apply({**spec, "status": "disabled"})
    dropped = hub.emit()
    marker.wait(1, txn=dropped)
    hub.apply({**spec, "status": "enabled"})
    endpoint.wait(1, txn=hub.emit())
    assert dropped not in {p.txn for p in endpoint.pushes}
    hub.cli("delete", "stream", other)


def test_deleted_stream_gets_nothing_more(hub, sink, endpoint):
    stream = hub.push_stream(endpoint)
    marker = sink.endpoint()
    other = hub.push_stream(marker)
    endpoint.decide = lambda push: Answer(503)
    hub.emit()
    endpoint.wait_pushes(1)
    hub.cli("delete", "stream", stream)
    hub.cli("delete", "client", "c-" + stream[2:])
    seen = len(endpoint.pushes)
    marker.wait(1, txn=hub.emit())
    assert len(endpoint.pushes) <= seen + 1   # one may have been under way
    assert hub.get("/v1/status")["resources"]["stream"] == 1
    hub.cli("delete", "stream", other)


def test_status_tells_how_far_a_stream_is(hub, endpoint, stream):
    endpoint.decide = lambda push: Answer(503)
    for i in range(3):
        hub.emit(sub=f"s{i}")
    wait_until(lambda: hub.stream_status(stream)["waiting_events"] == 3)
    shown = hub.stream_status(stream)
    assert shown["method"] == "push" and shown["status"] == "enabled"
    wait_until(lambda: hub.stream_status(stream).get("last_error") == "status 503")
    endpoint.decide = None
    endpoint.wait(3)
    wait_until(lambda: hub.stream_status(stream)["waiting_events"] == 0)
    head = hub.get("/v1/status")["log"]["head"]
    assert hub.stream_status(stream)["cursor"] == head
    wait_until(lambda: hub.sql("select cursor, delivered from stream_positions() where stream_id = %s",
                               stream) == [(head, 3)], what="the checkpoint")


def test_too_old_events_become_dead_letters(new_hub, sink, endpoint):
    hub = new_hub("--delivery-max-age", "1s").use_idp()
    stream = hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(500)
    hub.emit(txn="txn-old")
    found = wait_until(lambda: letters(hub, stream), what="the dead letter")
    assert [d["reason"] for d in found] == ["expired: status 500"]
    endpoint.decide = None
    endpoint.wait(1, txn=hub.emit())


def test_a_client_may_have_an_algorithm_for_all_of_its_streams(hub, endpoint):
    """The stream's own wins; a change reaches streams that run."""
    stream = hub.push_stream(endpoint)
    client = hub.get(f"/v1/stream/{stream}")["client"]
    resource = {k: v for k, v in hub.get(f"/v1/client/{client}").items() if k != "version"}

    def alg_of_next():
        before = len(endpoint.pushes)
        hub.emit()
        return part_of(endpoint.wait(before + 1)[-1].token, 0)["alg"]
    assert alg_of_next() == "RS256"
    hub.apply({**resource, "alg": "ES256"})
    assert alg_of_next() == "ES256"
    hub.apply({k: v for k, v in hub.get(f"/v1/stream/{stream}").items() if k != "version"} | {"alg": "RS256"})
    assert alg_of_next() == "RS256"


def test_relayed_events_go_out_complete(hub, endpoint):
    """What a transmitter left out or wrote in milliseconds (CAEP interop profile)."""
    hub.push_stream(endpoint)
    now = int(time.time())
    hub.emit(events={REVOKED: {"event_timestamp": now * 1000 + 7}})
    (push,) = endpoint.wait(1)
    event = push.claims["events"][REVOKED]
    assert event["event_timestamp"] == now
    assert event["reason_admin"]["en"]
