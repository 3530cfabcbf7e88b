# SPDX-License-Identifier: Apache-2.0
"""Streams tell how they are: health, tests by the operator, heartbeats, inactivity."""
import contextlib
import datetime
import http.client
import json
import subprocess
import threading
import time

import pytest

import harness
from harness import PUSH, SSF, STREAM_UPDATED, Answer, wait_until

HUB_ARGS = ("--poll-wait", "5s")
VERIFICATION = SSF + "verification"


@pytest.fixture
def stream(hub, endpoint):
    made = hub.push_stream(endpoint)
    wait_until(lambda: hub.stream_status(made), what="it is there")
    yield made
    hub.admin("DELETE", f"/v1/stream/{made}")


@pytest.fixture
def poll_stream(hub):
    made = hub.poll_stream()
    yield made
    hub.admin("DELETE", f"/v1/stream/{made.id}")


def seconds(text):
    """Of an RFC 3339 time in UTC, since 1970."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=datetime.timezone.utc).timestamp()


def is_now(text):
    return abs(time.time() - seconds(text)) < 30


# --- health -------------------------------------------------------------------------------------


def test_health_is_told_and_survives_recovery_and_a_restart(hub, endpoint, stream):
    shown = hub.stream_status(stream)
    assert shown["healthy"] is True
    assert not {"last_success_at", "last_error_at", "last_error"} & set(shown), "nothing happened yet"
    endpoint.script(503)
    hub.emit()
    endpoint.wait(1)
    shown = wait_until(lambda: (s := hub.stream_status(stream))["healthy"] and "last_success_at" in s and s)
    assert shown["last_error"] == "status 503", "also after recovery"
    assert is_now(shown["last_success_at"]) and is_now(shown["last_error_at"])
    assert seconds(shown["last_error_at"]) <= seconds(shown["last_success_at"])
    hub.restart()
    members = ("last_success_at", "last_error_at", "last_error", "healthy")
    again = wait_until(lambda: (s := hub.stream_status(stream)).get("last_error") and s)
    assert [again[m] for m in members] == [shown[m] for m in members]


def test_cli_streams(hub, endpoint, stream, poll_stream):
    endpoint.decide = lambda push: Answer(503, {"err": "x" * 90})
    hub.emit()
    wait_until(lambda: not hub.stream_status(stream)["healthy"])
    wait_until(lambda: hub.stream_status(poll_stream.id)["waiting_events"] == 1)
    head, *rows = hub.cli("streams").splitlines()
    assert head.split() == ["STREAM", "OWNER", "METHOD", "STATUS", "OK", "BACKLOG", "DEAD", "OLDEST",
                            "SUCCESS", "ERROR"]
    found = {row.split()[0]: row.split() for row in rows}
    assert list(found) == sorted(found)
    failing = found[stream]
    assert failing[1:7] == ["c-" + stream[2:], "push", "enabled", "no", "1", "0"]
    assert failing[8] == "-" and failing[10:] == ["status", "503"]
    assert found[poll_stream.id][2:7] == ["poll", "enabled", "yes", "1", "0"]
    assert all(len(row) <= 100 for row in [head, *rows]), "it fits the usual terminal"
    assert hub.cli("streams", "tset", stream, status=2).startswith("usage:")


# --- tests by the operator ----------------------------------------------------------------------


def begin_test(hub, stream, **body):
    """The connection of a test that waits."""
    return hub.begin("POST", f"/v1/streams/{stream}/test", json.dumps(body).encode(),
                     Authorization=f"Bearer {hub.admin_token}")


def answer_of(connection):
    """The status and the body of what begin_test() is answered."""
    with connection:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, json.loads(answer.read())


def run_test(hub, stream, **body):
    return hub.admin("POST", f"/v1/streams/{stream}/test", json=body)


def test_a_test_of_push_is_delivered(hub, endpoint, stream):
    answer = run_test(hub, stream)
    assert answer.status_code == 200, answer.text
    (push,) = endpoint.wait(1)
    assert push.claims["events"] == {VERIFICATION: {}}, "initiated by the transmitter: no state"
    assert push.claims["sub_id"] == {"format": "opaque", "id": stream}
    body = answer.json()
    assert 0 <= body.pop("ms") < 10_000
    assert body == {"stream": stream, "jti": push.jti, "delivered": True, "dead_lettered": False}
    assert hub.cli("streams", "test", stream).startswith(f"{stream}: delivered in ")
    endpoint.wait(2)
    # an empty body is fine
    assert hub.admin("POST", f"/v1/streams/{stream}/test").status_code == 200


def test_a_test_waits_for_the_receiver(hub, endpoint, stream):
    """Not for the event to be sent: an answer comes when the receiver has answered."""
    hold = threading.Event()
    endpoint.script(Answer(202, hold=hold))
    waiting = begin_test(hub, stream)
    endpoint.wait_pushes(1)
    waiting.settimeout(0.5)
    with pytest.raises(TimeoutError):
        waiting.recv(1)
    waiting.settimeout(30)
    hold.set()
    status, body = answer_of(waiting)
    assert (status, body["delivered"]) == (200, True)
    assert body["ms"] >= 400


def test_a_test_that_fails_in_time(hub, endpoint, stream):
    endpoint.decide = lambda push: Answer(503)
    answer = run_test(hub, stream, wait_ms=300)
    assert answer.status_code == 200
    body = answer.json()
    assert body["delivered"] is False and body["dead_lettered"] is False
    assert body["last_error"] == "status 503" and 300 <= body["ms"] < 10_000
    endpoint.decide = None
    endpoint.wait(1)   # it is still delivered, later


def test_a_test_does_not_wait_for_the_backoff(new_hub, endpoint):
    """The receiver is back, and the hub would not know for a minute."""
    hub = new_hub("--retry-min", "1h", "--retry-max", "1h")
    stream = hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(503)
    assert run_test(hub, stream, wait_ms=200).json()["delivered"] is False
    endpoint.decide = None
    body = run_test(hub, stream).json()
    assert body["delivered"] is True and "last_error" not in body
    assert hub.stream_status(stream)["waiting_events"] == 0


def test_a_test_that_is_refused_is_a_dead_letter(hub, endpoint, stream):
    endpoint.script(Answer(400, {"err": "invalid_key"}))
    body = run_test(hub, stream).json()
    assert (body["delivered"], body["dead_lettered"]) == (False, True)
    assert body["last_error"] == "refused: invalid_key"
    (letter,) = hub.get(f"/v1/deadletters?stream={stream}")
    assert letter["jti"] == body["jti"]
    endpoint.script(Answer(400, {"err": "invalid_key"}))
    done = subprocess.run([harness.program("hub/ssfhub"), "streams", "test", stream, "--data",
                                   str(hub.data)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{stream}: refused, a dead letter in ")
    assert done.stdout.endswith(" ms: refused: invalid_key\n")


def test_a_test_of_poll_is_settled_by_the_acknowledgement(hub, poll_stream):
    waiting = begin_test(hub, poll_stream.id)
    sets = poll_stream.wait(1)
    waiting.settimeout(0.3)
    with pytest.raises(TimeoutError):
        waiting.recv(1)   # it was fetched, and that is not enough
    waiting.settimeout(30)
    poll_stream.poll(ack=list(sets))
    status, body = answer_of(waiting)
    assert (status, body["delivered"], body["jti"]) == (200, True, next(iter(sets)))
    waiting = begin_test(hub, poll_stream.id)
    (jti,) = poll_stream.wait(1)
    poll_stream.poll(setErrs={jti: {"err": "invalid_request"}})
    status, body = answer_of(waiting)
    assert (body["delivered"], body["dead_lettered"], body["last_error"]) == (
        False, True, "refused: invalid_request")
    late = run_test(hub, poll_stream.id, wait_ms=100).json()
    assert late["delivered"] is False and "last_error" not in late, "an earlier error is not of this one"


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_a_stream_that_is_stopped_can_be_tested(hub, endpoint, stream, status):
    hub.apply({**hub.get(f"/v1/stream/{stream}"), "status": status})
    assert run_test(hub, stream).json()["delivered"] is True


def test_a_test_refused(hub, stream):
    assert run_test(hub, "no-such-stream").status_code == 404
    for body in ({"wait_ms": 0}, {"wait_ms": 60_001}, {"wait_ms": "1"}, {"other": 1}, []):
        answer = hub.admin("POST", f"/v1/streams/{stream}/test", json=body)
        assert answer.status_code == 400, body
    path = f"/v1/streams/{stream}/test"
    assert hub.request("POST", path, json={}).status_code == 401
    assert hub.request("POST", path, json={}, headers={
        "Authorization": f"Bearer token-{stream[2:]}"}).status_code == 403
    assert "no such stream" in hub.cli("streams", "test", "no-such-stream", status=1)


def test_a_deleted_stream_ends_its_test(hub, endpoint):
    stream = hub.push_stream(endpoint)
    hold = threading.Event()
    endpoint.script(Answer(202, hold=hold))
    waiting = begin_test(hub, stream, wait_ms=60_000)
    endpoint.wait_pushes(1)
    assert hub.admin("DELETE", f"/v1/stream/{stream}").status_code == 204
    status, body = answer_of(waiting)
    assert status == 404 and "deleted" in body["description"]
    hold.set()


def test_a_client_that_goes_away_ends_its_test(hub, poll_stream):
    """64 may wait; whoever has gone does not count."""
    for _ in range(3):
        waiting = [begin_test(hub, poll_stream.id, wait_ms=60_000) for _ in range(64)]
        wait_until(lambda: run_test(hub, poll_stream.id, wait_ms=1).status_code == 503, what="all are watching")
        for connection in waiting:
            connection.close()
        wait_until(lambda: run_test(hub, poll_stream.id, wait_ms=1).status_code == 200, what="none is")


def test_draining_ends_tests(new_hub):
    hub = new_hub("--drain-timeout", "60s")
    stream = hub.poll_stream()
    waiting = begin_test(hub, stream.id, wait_ms=60_000)
    stream.wait(1)
    hub.stop()   # the test would wait for a minute
    status, body = answer_of(waiting)
    assert status == 503 and "shutting down" in body["description"]


# --- heartbeats -----------------------------------------------------------------------------------

HEARTBEATS = "select extract(epoch from appended_at)::float from event " \
             "where origin = 'stream:' || %s and origin_id like 'heartbeat.%%' order by seq"


def heartbeats(hub, stream):
    """When they were appended, seconds since 1970."""
    return [row[0] for row in hub.sql(HEARTBEATS, stream)]


def wait_heartbeats(hub, stream, count):
    return wait_until(lambda: len(found := heartbeats(hub, stream)) >= count and found,
                      what=f"{count} heartbeats of {stream}")


def gaps(times):
    return [b - a for a, b in zip(times, times[1:])]


def test_heartbeats_of_a_stream_and_of_the_setting(new_hub, sink, endpoint):
    hub = new_hub("--heartbeat", "1s")
    none, slow, stopped = sink.endpoint(), sink.endpoint(), sink.endpoint()
    usual = hub.push_stream(endpoint)
    hub.push_stream(none, heartbeat=0)
    hub.push_stream(slow, heartbeat=3)
    hub.push_stream(stopped, status="paused")
    pushes = endpoint.wait(4)
    assert all(p.claims["events"] == {VERIFICATION: {}} for p in pushes), "nobody asked: no state"
    assert all(p.claims["sub_id"] == {"format": "opaque", "id": usual} for p in pushes)
    found = heartbeats(hub, usual)
    assert all(0.95 < gap < 5 for gap in gaps(found))
    assert none.pushes == [] and stopped.pushes == []
    slow.wait(1)
    assert len(slow.pushes) <= 2 < len(endpoint.pushes)
    # off is the default
    assert "inactivity_timeout" not in receiver(hub, usual, "GET", f"/ssf/streams?stream_id={usual}").json()


def test_heartbeats_do_not_pile_up_at_a_receiver_that_is_away(new_hub, sink, endpoint):
    hub = new_hub("--heartbeat", "1s")
    away = sink.endpoint()
    away.decide = lambda push: Answer(503)
    stream, clock = hub.push_stream(away), hub.push_stream(endpoint)
    poll = hub.poll_stream()
    wait_heartbeats(hub, stream, 1)
    wait_heartbeats(hub, clock, len(heartbeats(hub, clock)) + 4)
    assert len(heartbeats(hub, stream)) == 1
    assert len(heartbeats(hub, poll.id)) == 1
    away.decide = None
    away.wait(2)   # it is back: the one that waited, and they go on
    jtis = list(poll.wait(1))
    poll.poll(ack=jtis)
    wait_heartbeats(hub, poll.id, 2)


def test_heartbeats_go_on_after_a_kill_as_if_nothing_was(new_hub, endpoint):
    hub = new_hub()
    stream = hub.push_stream(endpoint, heartbeat=1)
    endpoint.wait(1)
    hub.apply({**hub.form(f"/v1/stream/{stream}"), "heartbeat": 3600})
    before = len(heartbeats(hub, stream))
    wait_until(lambda: hub.sql("""select 1 from stream_positions() where last_success_at is not null and heartbeat_seq =
        (select max(seq) from event where origin_id like 'heartbeat.%%')"""), what="all of it is saved")
    hub.backdate("heartbeat_at", "3596 s")
    (due,) = hub.sql("select extract(epoch from heartbeat_at)::float + 3600 from stream_state where stream_id = %s", stream)[0]
    hub.kill9()
    hub.start()
    # a restart does not begin the period again, or the wait would be too short
    second = wait_heartbeats(hub, stream, before + 1)[before]
    assert second >= due - 0.01, "a restart does not send one"


def test_heartbeats_that_a_crash_has_not_recorded_are_not_repeated(new_hub, sink, endpoint):
    hub = new_hub("--checkpoint", "60s")
    stream = hub.push_stream(endpoint, heartbeat=3600)
    hub.push_stream(sink.endpoint(), heartbeat=0)
    hub.backdate("heartbeat_at", "5 days", stream)
    hub.kill9()
    hub.start()
    assert len(wait_heartbeats(hub, stream, 1)) == 1, "what was missed in five days is not made up for"
    endpoint.wait(1)
    assert hub.sql("select heartbeat_seq from stream_positions() where stream_id = %s", stream) == [(0,)]
    hub.kill9()
    hub.start()
    clock = hub.push_stream(sink.endpoint(), heartbeat=1)
    wait_heartbeats(hub, clock, 2)
    assert len(heartbeats(hub, stream)) == 1
    assert {p.jti for p in endpoint.pushes} == {endpoint.pushes[0].jti}


# --- inactivity -------------------------------------------------------------------------------------


def receiver(hub, stream, method, path, body=None):
    """A request of the receiver whose stream it is."""
    answer = hub.request(method, path, json=body, headers={"Authorization": f"Bearer token-{stream[2:]}"})
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer


def is_paused(hub, stream):
    """As the operator sees it, which is no activity of the receiver's."""
    resource = hub.get(f"/v1/stream/{stream}")
    return resource.get("status") == "paused" and resource["status_reason"] == "inactivity"


def wait_paused(hub, stream):
    wait_until(lambda: is_paused(hub, stream), what=f"{stream} is paused")
    return time.time()


def test_inactivity_pauses_a_stream_and_tells(hub, endpoint):
    began = time.time()
    stream = hub.push_stream(endpoint, inactivity_timeout=2)
    assert wait_paused(hub, stream) - began >= 2
    (told,) = endpoint.wait(1)
    assert told.claims["events"] == {STREAM_UPDATED: {"status": "paused", "reason": "inactivity"}}
    assert f"event=stream.paused stream={stream} reason=inactivity" in hub.log()
    assert hub.sql("select actor from resource_history where id = %s order by version desc limit 1",
                   stream) == [("hub",)]
    status = {"stream_id": stream, "status": "paused", "reason": "inactivity"}
    assert receiver(hub, stream, "GET", f"/ssf/status?stream_id={stream}").json() == status
    shown = receiver(hub, stream, "GET", f"/ssf/streams?stream_id={stream}").json()
    assert shown["inactivity_timeout"] == 2
    # it may be repeated, and not changed
    receiver(hub, stream, "PATCH", "/ssf/streams", shown)
    assert hub.request("PATCH", "/ssf/streams", json={**shown, "inactivity_timeout": 3}, headers={
        "Authorization": f"Bearer token-{stream[2:]}"}).status_code == 400
    # what came meanwhile is kept, and comes when the receiver enables the stream again
    txn = hub.emit()
    began = time.time()
    receiver(hub, stream, "POST", "/ssf/status", {"stream_id": stream, "status": "enabled"})
    endpoint.wait(1, txn=txn)
    assert wait_paused(hub, stream) - began >= 2, "its time has begun again"
    began = time.time()
    resource = hub.get(f"/v1/stream/{stream}")
    del resource["status"], resource["status_reason"]
    hub.apply(resource)
    assert wait_paused(hub, stream) - began >= 2, "also when it is the operator who enables it"
    hub.admin("DELETE", f"/v1/stream/{stream}")


def test_inactivity_every_activity_counts(hub, sink):
    """Each stream has one kind of activity, and stays; a stream without is paused meanwhile."""
    user = {"format": "email", "email": "ada@acme.example"}
    kinds = {
        "read": lambda s: receiver(hub, s, "GET", f"/ssf/streams?stream_id={s}"),
        "list": lambda s: receiver(hub, s, "GET", "/ssf/streams"),
        "update": lambda s: receiver(hub, s, "PATCH", "/ssf/streams", {"stream_id": s, "description": "x"}),
        "replace": lambda s: receiver(hub, s, "PUT", "/ssf/streams", {
            "stream_id": s, "delivery": {"method": PUSH, "endpoint_url": pushed.url}}),
        "status": lambda s: receiver(hub, s, "GET", f"/ssf/status?stream_id={s}"),
        "set status": lambda s: receiver(hub, s, "POST", "/ssf/status", {"stream_id": s, "status": "enabled"}),
        "add": lambda s: receiver(hub, s, "POST", "/ssf/subjects:add", {"stream_id": s, "subject": user}),
        "remove": lambda s: receiver(hub, s, "POST", "/ssf/subjects:remove", {"stream_id": s, "subject": user}),
        "poll": lambda s: receiver(hub, s, "POST", f"/streams/{s}/poll", {"returnImmediately": True}),
    }
    pushed = sink.endpoint()
    timeout = 4
    streams = {kind: hub.push_stream(pushed, inactivity_timeout=timeout) for kind in kinds if kind != "poll"}
    streams["poll"] = hub.poll_stream(inactivity_timeout=timeout).id
    idle = hub.push_stream(pushed, inactivity_timeout=timeout)
    idle_poll = hub.poll_stream(inactivity_timeout=timeout).id
    off = hub.push_stream(pushed)

    def all_but_idle():
        for kind, act in kinds.items():
            act(streams[kind])
        return is_paused(hub, idle) and is_paused(hub, idle_poll)
    wait_until(all_but_idle, what="the idle ones are paused")
    assert [kind for kind, s in streams.items() if is_paused(hub, s)] == []
    for s in streams.values():
        wait_paused(hub, s)
    assert hub.get(f"/v1/stream/{off}").get("status", "enabled") == "enabled"
    for s in (*streams.values(), idle, idle_poll, off):
        hub.admin("DELETE", f"/v1/stream/{s}")


def test_inactivity_a_long_poll_is_activity_while_it_is_held(hub):
    held = hub.poll_stream(inactivity_timeout=2)
    began = time.time()
    with hub.begin("POST", f"/streams/{held.id}/poll", b"{}", Authorization=f"Bearer {held.token}") as poll:
        idle = hub.poll_stream(inactivity_timeout=2)
        wait_paused(hub, idle.id)
        assert not is_paused(hub, held.id)
        answer = http.client.HTTPResponse(poll)
        answer.begin()
        assert json.loads(answer.read()) == {"sets": {}, "moreAvailable": False}
        over = time.time()
    assert over - began > 4, "it was held longer than the timeout"
    assert wait_paused(hub, held.id) - over >= 1.9
    for s in (held, idle):
        hub.admin("DELETE", f"/v1/stream/{s.id}")


@pytest.mark.parametrize("status", ["paused", "disabled"])
@pytest.mark.parametrize("who", ["receiver", "operator"])
def test_inactivity_leaves_alone_what_somebody_has_stopped(hub, endpoint, who, status):
    stream = hub.push_stream(endpoint, inactivity_timeout=1)
    if who == "receiver":
        receiver(hub, stream, "POST", "/ssf/status", {"stream_id": stream, "status": status, "reason": "lunch"})
    else:
        hub.apply({**hub.get(f"/v1/stream/{stream}"), "status": status, "status_reason": "lunch"})
    version = "select version from resource where kind = 'stream' and id = %s"
    before = hub.sql(version, stream)
    idle = hub.push_stream(endpoint, inactivity_timeout=1)
    wait_paused(hub, idle)
    resource = hub.get(f"/v1/stream/{stream}")
    assert (resource["status"], resource["status_reason"]) == (status, "lunch")
    assert hub.sql(version, stream) == before
    for s in (stream, idle):
        hub.admin("DELETE", f"/v1/stream/{s}")


def test_inactivity_a_kill_neither_resets_nor_forgets(new_hub, sink):
    """Of two streams, one has been active 4 s after the other: it is paused later, although the hub was
    killed meanwhile."""
    hub = new_hub("--inactivity-timeout", "8s")
    quiet, active = hub.push_stream(sink.endpoint()), hub.push_stream(sink.endpoint())
    hub.kill9()
    hub.backdate("active_at", "4 s")
    hub.sql("update resource set updated_at = updated_at - interval '4 s'")
    hub.start()
    receiver(hub, active, "GET", f"/ssf/streams?stream_id={active}")
    saved = "select active_at from stream_positions() where stream_id = any(%s) order by active_at"
    wait_until(lambda: (times := hub.sql(saved, [quiet, active]))[1][0] - times[0][0] > datetime.timedelta(seconds=3),
               what="the next checkpoint has it")
    hub.kill9()
    hub.start()
    wait_paused(hub, quiet)
    wait_paused(hub, active)
    paused = dict(hub.sql("select id, max(changed_at) from resource_history where id = any(%s) group by id", [quiet, active]))
    assert paused[active] - paused[quiet] > datetime.timedelta(seconds=1)


def test_inactivity_receivers_can_come_back_after_an_outage(new_hub, sink):
    """The hub was away for longer than the timeout: no receiver could be active."""
    hub = new_hub("--inactivity-timeout", "1h")
    back, gone = hub.poll_stream(inactivity_timeout=40), hub.poll_stream(inactivity_timeout=40)
    hub.backdate("active_at", "1 day")
    hub.sql("update resource set updated_at = updated_at - interval '1 day'")
    hub.kill9()
    hub.start()
    ready = time.time()
    back.poll()
    assert wait_paused(hub, gone.id) - ready >= 3, "a tenth of the timeout"
    assert not is_paused(hub, back.id)


def test_inactivity_yields_to_a_change_that_comes_first(hub, endpoint):
    """The pause waits to be stored, and the resource changes before it."""
    stream = hub.push_stream(endpoint, inactivity_timeout=1)
    waiting = """select count(*) from pg_stat_activity where datname = current_database() and \
        wait_event = 'advisory' and query like '%%write_resources%%'"""
    with contextlib.closing(hub.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(7236520, 2)")
        wait_until(lambda: hub.sql(waiting)[0][0] == 1, what="the pause waits")
        cursor.execute("""with changed as (
            update resource set version = version + 1, spec = spec || '{"inactivity_timeout": 0}'
            where kind = 'stream' and id = %s returning *)
            insert into resource_history (kind, id, version, spec, actor, change)
            select kind, id, version, spec, 'test', (select max(change) + 1 from resource_history) from changed""", (stream,))
        connection.commit()
    wait_until(lambda: hub.get(f"/v1/stream/{stream}")["inactivity_timeout"] == 0, what="the hub knows")
    idle = hub.push_stream(endpoint, inactivity_timeout=1)
    wait_paused(hub, idle)
    assert not is_paused(hub, stream)
    assert [p.claims["sub_id"]["id"] for p in endpoint.wait(1)] == [idle]
    for s in (stream, idle):
        hub.admin("DELETE", f"/v1/stream/{s}")
