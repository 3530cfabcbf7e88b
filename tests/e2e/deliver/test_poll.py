# SPDX-License-Identifier: Apache-2.0
"""Poll delivery (RFC 8936) of a running hub."""
import http.client
import json
import ssl
import time

import pytest

from harness import CAEP, POLL, PUSH, REVOKED, STREAM_UPDATED, part_of, wait_until

HUB_ARGS = ("--poll-wait", "5s")


def told(sets):
    """The txns of events, without the news about the stream itself."""
    return [c["txn"] for c in sets.values() if STREAM_UPDATED not in c["events"]]


@pytest.fixture
def stream(hub):
    made = hub.poll_stream()
    yield made
    hub.cli("delete", "stream", made.id)


def test_what_was_there_before_the_stream_is_not_its(hub):
    hub.emit()
    stream = hub.poll_stream()
    assert stream.poll() == ({}, False)
    hub.cli("delete", "stream", stream.id)


def test_sets_stay_until_they_are_acknowledged(hub, stream):
    txns = [hub.emit(sub=f"s{i}") for i in range(3)]
    first = stream.wait(3)
    assert [c["txn"] for c in first.values()] == txns, "oldest first"
    assert stream.poll()[0] == first, "same jti, same claims"
    jtis = list(first)
    rest, _ = stream.poll(ack=[jtis[1]])
    assert list(rest) == [jtis[0], jtis[2]]
    assert stream.poll(ack=jtis) == ({}, False)
    assert stream.poll(ack=jtis) == ({}, False), "a repeated ack is no error"


def test_acks_survive_a_restart(hub, stream):
    for i in range(4):
        hub.emit(sub=f"s{i}")
    jtis = list(stream.wait(4))
    stream.poll(ack=[jtis[0], jtis[2]])
    hub.restart()
    left = stream.wait(2)
    assert list(left) == [jtis[1], jtis[3]]
    stream.poll(ack=list(left))
    hub.restart()
    assert stream.poll() == ({}, False)


def test_max_events_and_more_available(hub, stream):
    txns = [hub.emit(sub=f"s{i}") for i in range(5)]
    stream.wait(5)
    sets, more = stream.poll(maxEvents=2)
    assert [c["txn"] for c in sets.values()] == txns[:2] and more is True
    sets, more = stream.poll(maxEvents=3, ack=list(sets))
    assert [c["txn"] for c in sets.values()] == txns[2:] and more is False
    assert stream.poll(maxEvents=0) == ({}, False)
    assert stream.poll(ack=list(sets)) == ({}, False)


def test_return_immediately(hub, stream):
    with hub.begin("POST", f"/streams/{stream.id}/poll", b"{}",
                   Authorization=f"Bearer {stream.token}") as waiting:
        assert stream.poll(returnImmediately=True) == ({}, False)
        waiting.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):   # the one that was sent before it still waits
            waiting.recv(1)


def test_long_poll_wakes_for_an_event(hub, stream):
    with hub.begin("POST", f"/streams/{stream.id}/poll", b"{}",
                   Authorization=f"Bearer {stream.token}") as poll:
        txn = hub.emit()
        answer = http.client.HTTPResponse(poll)
        answer.begin()
        sets = json.loads(answer.read())["sets"]
    (token,) = sets.values()   # at the end of the wait it would be empty
    assert hub.verify(token, stream.audience)["txn"] == txn
    stream.poll(ack=list(sets))


def test_of_two_long_polls_one_gets_it(hub, stream):
    """Two workers of one receiver: the event goes to the first, the other goes on waiting."""
    polls = [hub.begin("POST", f"/streams/{stream.id}/poll", b"{}",
                       Authorization=f"Bearer {stream.token}") for _ in range(2)]
    hub.emit()
    answers = []
    for poll in polls:
        answer = http.client.HTTPResponse(poll)
        answer.begin()
        answers.append(json.loads(answer.read())["sets"])
        stream.poll(ack=list(answers[-1]))
        poll.close()
    assert [len(a) for a in answers] == [1, 0]


def test_long_poll_ends_empty_when_nothing_comes(hub, stream):
    began = time.monotonic()
    sets, more = stream.poll(returnImmediately=False)
    assert (sets, more) == ({}, False)
    assert time.monotonic() - began > 4


def test_long_poll_whose_client_goes_away_takes_nothing_with_it(hub, stream):
    hub.begin("POST", f"/streams/{stream.id}/poll", b"{}", Authorization=f"Bearer {stream.token}").close()
    txn = hub.emit()
    assert [c["txn"] for c in stream.wait(1).values()] == [txn]


def test_set_errs_become_dead_letters(hub, stream):
    txns = [hub.emit(sub=f"s{i}") for i in range(3)]
    jtis = list(stream.wait(3))
    sets, _ = stream.poll(setErrs={jtis[1]: {"err": "invalid_request", "description": "no"}})
    assert jtis[1] not in sets
    letters = wait_until(lambda: hub.get(f"/v1/deadletters?stream={stream.id}"),
                         what="the dead letter")
    assert [(d["jti"], d["reason"]) for d in letters] == [(jtis[1], "refused: invalid_request")]
    sets = stream.poll()[0]
    assert [c["txn"] for c in sets.values()] == [txns[0], txns[2]]
    assert stream.poll(ack=list(sets)) == ({}, False)
    hub.restart()
    assert stream.poll() == ({}, False), "a dead letter does not come back"
    assert letters[0]["jti"] in hub.cli("deadletters", "--stream", stream.id)


def test_ack_of_what_is_not_ones_own_is_ignored(hub, stream):
    other = hub.poll_stream()
    hub.emit()
    mine = stream.wait(1)
    others = other.wait(1)
    assert set(mine).isdisjoint(others)
    tampered = next(iter(mine))
    tampered = ("A" if tampered[0] != "A" else "B") + tampered[1:]
    foreign = [*others, tampered, "", "x", "\u00e9" * 22, "A" * 22, "A" * 10000]
    assert stream.poll(ack=foreign)[0] == mine
    assert stream.poll(setErrs={j: {"err": "x"} for j in foreign})[0] == mine
    assert other.poll()[0] == others
    assert hub.get(f"/v1/deadletters?stream={stream.id}") == []
    hub.cli("delete", "stream", other.id)


def test_streams_of_one_client_have_the_same_jti_and_their_own_acks(hub, stream):
    """The SET is the client's; what is settled is the stream's."""
    twin = type(stream)(hub, stream.id + "-2", stream.token, stream.audience)
    hub.apply({"kind": "stream", "id": twin.id, "client": "c-" + stream.id[2:],
               "delivery": {"method": POLL}})
    hub.emit()
    first, second = stream.wait(1), twin.wait(1)
    assert first == second
    stream.poll(ack=list(first))
    assert twin.poll()[0] == second
    hub.cli("delete", "stream", twin.id)


def test_b14_who_may_poll_what(hub, stream, endpoint):
    other = hub.poll_stream()
    pushed = hub.push_stream(endpoint)
    token_of_push = "token-" + pushed[2:]

    def status(stream_id, token, **kwargs):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return hub.request("POST", f"/streams/{stream_id}/poll", headers=headers,
                           json={"returnImmediately": True}, **kwargs).status_code
    assert status(stream.id, stream.token) == 200
    assert status(stream.id, None) == 401
    assert status(stream.id, "wrong-token") == 401
    assert status(stream.id, hub.admin_token) == 403
    assert status(stream.id, other.token) == 404
    assert status("s-of-nobody", stream.token) == 404
    assert status(pushed, token_of_push) == 404, "a push stream cannot be polled"
    hub.emit()
    stream.wait(1)
    for state in ("paused", "disabled"):
        hub.apply({**hub.get(f"/v1/stream/{stream.id}"), "status": state})
        assert told(stream.poll()[0]) == [], f"a {state} stream gives nothing"
    for one in (other.id, pushed):
        hub.cli("delete", "stream", one)
    assert status(other.id, other.token) == 404


@pytest.mark.parametrize("state", ["enabled", "paused", "disabled"])
@pytest.mark.parametrize("method", ["push", "poll"])
def test_b14_state_times_method(hub, endpoint, method, state):
    """What an event becomes in each state of a stream, by each method: sent, kept, or dropped; and
    what the poll endpoint says of it. Afterwards the stream is enabled, and gives what it has kept."""
    stream = hub.poll_stream()
    if method == "push":
        spec = hub.form(f"/v1/stream/{stream.id}")
        hub.apply({**spec, "delivery": {"method": PUSH, "endpoint_url": endpoint.url}})
    spec = hub.form(f"/v1/stream/{stream.id}")
    marker = hub.poll_stream()
    hub.apply({**spec, "status": state})

    def got():
        """Acknowledges nothing, so that polls give it again."""
        if method == "push":
            return [p.txn for p in endpoint.accepted() if STREAM_UPDATED not in p.claims["events"]]
        return told(stream.poll()[0])
    txn = hub.emit()
    marker.wait(1)   # all streams have seen it
    if state == "enabled":
        wait_until(lambda: got() == [txn])
    answer = stream.post({"returnImmediately": True})
    assert answer.status_code == (404 if method == "push" else 200)
    assert got() == ([txn] if state == "enabled" else [])
    hub.apply({**spec, "status": "enabled"})
    last = hub.emit()
    wait_until(lambda: last in got())
    assert got() == ([last] if state == "disabled" else [txn, last])
    for one in (stream, marker):
        hub.cli("delete", "stream", one.id)


def test_paused_stream_keeps_and_disabled_stream_drops(hub, stream):
    spec = hub.form(f"/v1/stream/{stream.id}")
    marker = hub.poll_stream()
    hub.apply({**spec, "status": "paused"})
    kept = hub.emit()
    hub.apply({**spec, "status": "enabled"})
    sets = stream.wait(3)
    assert told(sets) == [kept]
    stream.poll(ack=list(sets))
    hub.apply({**spec, "status": "disabled"})
    hub.emit()
    marker.wait(2)
    hub.apply({**spec, "status": "enabled"})
    seen = hub.emit()
    assert told(stream.wait(3)) == [seen]
    hub.cli("delete", "stream", marker.id)


def test_filter_of_events(hub):
    stream = hub.poll_stream(events=[REVOKED])
    hub.emit(events={CAEP + "session-presented": {}})
    wanted = hub.emit()
    assert [c["txn"] for c in stream.wait(1).values()] == [wanted]
    hub.cli("delete", "stream", stream.id)


def test_es256_stream(hub):
    stream = hub.poll_stream(alg="ES256")
    hub.emit()
    stream.wait(1)   # verified
    (token,) = stream.post({"returnImmediately": True}).json()["sets"].values()
    assert part_of(token, 0)["alg"] == "ES256"
    hub.cli("delete", "stream", stream.id)


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'"x"', b'{"maxEvents":-1}', b'{"maxEvents":"5"}', b'{"ack":"x"}',
    b'{"ack":[1]}', b'{"setErrs":[]}', b'{"returnImmediately":1}',
])
def test_bad_polls_are_400(hub, stream, body):
    answer = hub.request("POST", f"/streams/{stream.id}/poll", data=body,
                         headers={"Authorization": f"Bearer {stream.token}",
                                  "Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["err"] == "invalid_request"
    assert answer.json()["description"]


def test_stream_that_changes_its_method(hub, stream, endpoint):
    """What was not acknowledged by poll is pushed, under the same jti."""
    hub.emit(sub="a")
    hub.emit(sub="b")
    polled = list(stream.wait(2))
    stream.poll(ack=[polled[0]])
    hub.apply({"kind": "stream", "id": stream.id, "client": "c-" + stream.id[2:],
               "delivery": {"method": PUSH, "endpoint_url": endpoint.url}})
    assert [p.jti for p in endpoint.wait(1)] == [polled[1]]
