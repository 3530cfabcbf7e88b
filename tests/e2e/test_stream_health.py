# SPDX-License-Identifier: Apache-2.0
"""Streams tell how they are: health, tests by the operator, heartbeats, inactivity."""
import datetime
import http.client
import json
import threading
import time

import pytest

import harness
from harness import POLL, PUSH, SSF, STREAM_UPDATED, Answer, wait_until

HUB_ARGS = ("--poll-wait", "5s")
VERIFICATION = SSF + "verification"


@pytest.fixture
def stream(hub, endpoint):
    made = hub.push_stream(endpoint)
    wait_until(lambda: hub.stream_status(made), 10, "it is there")
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
    assert head.split() == ["STREAM", "OWNER", "METHOD", "STATUS", "OK", "WAITING", "UNREAD", "OLDEST",
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
    done = harness.subprocess.run([harness.program("hub/ssfhub"), "streams", "test", stream, "--data",
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
        wait_until(lambda: run_test(hub, poll_stream.id, wait_ms=1).status_code == 503, 20, "all are watching")
        for connection in waiting:
            connection.close()
        wait_until(lambda: run_test(hub, poll_stream.id, wait_ms=1).status_code == 200, 20, "none is")


def test_draining_ends_tests(new_hub):
    hub = new_hub("--drain-timeout", "60s")
    stream = hub.poll_stream()
    waiting = begin_test(hub, stream.id, wait_ms=60_000)
    stream.wait(1)
    began = time.monotonic()
    hub.stop()
    assert time.monotonic() - began < 20, "nobody waited for the test"
    status, body = answer_of(waiting)
    assert status == 503 and "shutting down" in body["description"]
