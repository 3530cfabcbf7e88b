# SPDX-License-Identifier: Apache-2.0
"""Receivers that fail: dead letters that are sent again, streams that are rewound, backlogs that are
too large, and what the owner of a stream is told."""
import datetime
import threading
import time

import pytest

from harness import CAEP, RISC, SSF, STREAM_UPDATED, Answer, wait_until

VERIFICATION = SSF + "verification"
REFUSAL = {"err": "invalid_request"}
EIGHT = {CAEP + name: {} for name in ("session-revoked", "session-established", "session-presented")}
EIGHT |= {RISC + name: {} for name in ("account-purged", "account-enabled", "opt-in", "sessions-revoked",
                                       "recovery-activated")}


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


def letters(hub, stream):
    return hub.get(f"/v1/deadletters?stream={stream}")


def refuse(hub, endpoint, stream, *subs):
    """Events that the receiver refuses, one after the other: their dead letters."""
    endpoint.script(*[Answer(400, REFUSAL) for _ in subs])
    there = len(letters(hub, stream))
    for i, sub in enumerate(subs):
        hub.emit(sub)
        wait_until(lambda n=there + i + 1: len(letters(hub, stream)) == n, what=f"{sub} is a dead letter")
    return letters(hub, stream)[there:]


def redrive(hub, stream, status=200, **body):
    answer = hub.admin("POST", f"/v1/streams/{stream}/redrive", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def rewind(hub, stream, status=200, **body):
    answer = hub.admin("POST", f"/v1/streams/{stream}/rewind", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def state(hub, stream):
    """What is stored of where it is, and what it has given up."""
    return (hub.sql("select cursor, acked::text, owed::text, rewound from stream_positions() where stream_id = %s", stream),
            hub.sql("select seq from dead_letter where stream_id = %s order by seq", stream))


def settled(hub, stream):
    """Nothing waits, and that is stored."""
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 0, what="nothing waits")
    cursor = hub.stream_status(stream)["cursor"]
    wait_until(lambda: hub.sql("select 1 from stream_positions() where stream_id = %s and cursor = %s and owed = '{}'",
                               stream, cursor), what="it is stored")


def set_status(hub, stream, status):
    hub.apply({**hub.form(f"/v1/stream/{stream}"), "status": status})


def is_now(text):
    at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    return abs(time.time() - at.timestamp()) < 60


# --- dead letters -------------------------------------------------------------------------------


def test_dead_letters_are_listed_page_by_page(hub, endpoint, stream, sink):
    other_endpoint = sink.endpoint()
    other = hub.push_stream(other_endpoint)
    wait_until(lambda: hub.stream_status(other))
    first, second, third = refuse(hub, endpoint, stream, "a", "b", "c")
    (elsewhere,) = refuse(hub, other_endpoint, other, "d")
    push = endpoint.pushes[0]
    at = first.pop("at")
    assert first == {"stream": stream, "seq": first["seq"], "jti": push.jti, "txn": push.txn,
                     "type": push.event, "reason": "refused: invalid_request"}
    assert abs(datetime.datetime.fromisoformat(at).timestamp() - time.time()) < 60
    assert hub.get(f"/v1/deadletters?stream={stream}&after={first['seq']}&limit=1") == [second]
    everything = [(x["stream"], x["seq"]) for x in hub.get("/v1/deadletters?limit=1000")]
    assert everything == sorted(everything)
    mine = [(x["stream"], x["seq"]) for x in (first, second, third, elsewhere)]
    assert set(mine) <= set(everything)
    pages, after = [], "/0"
    while page := hub.get(f"/v1/deadletters?limit=2&after={after}"):
        pages += [(x["stream"], x["seq"]) for x in page]
        after = "%s/%d" % pages[-1]
    assert pages == everything
    for query in ("after=1", "after=x/", "after=x/y", "after=x/1/2", "limit=1001", f"stream={stream}&after=x/1"):
        assert hub.admin("GET", "/v1/deadletters?" + query).status_code == 400, query
    head, *rows = hub.cli("deadletters", "--stream", stream, "--limit", "2").splitlines()
    assert head.split() == ["STREAM", "SEQ", "AT", "TYPE", "REASON", "TXN", "JTI"]
    assert [row.split()[:2] for row in rows] == [[stream, str(x["seq"])] for x in (first, second)]
    assert rows[0].split()[3:] == ["caep:session-revoked", "refused:", "invalid_request", push.txn, push.jti]
    assert third["jti"] in hub.cli("deadletters")
    assert hub.cli("deadletters", stream, status=2).startswith("usage:")
    hub.admin("DELETE", f"/v1/stream/{other}")
    assert letters(hub, other) == []


def test_a_dead_letter_is_sent_again_under_its_jti(hub, endpoint, stream):
    poison, other = refuse(hub, endpoint, stream, "a", "b")
    hub.emit("a")
    endpoint.wait(1)
    assert hub.stream_status(stream)["dead_letters"] == 2
    assert redrive(hub, stream, seq=poison["seq"]) == {"stream": stream, "redriven": 1, "gone": 0, "remaining": 0}
    sent = endpoint.wait(2)[-1]
    assert (sent.jti, sent.txn) == (poison["jti"], poison["txn"])
    settled(hub, stream)
    assert letters(hub, stream) == [other] and hub.stream_status(stream)["dead_letters"] == 1
    (delivery,) = [d for d in hub.get(f"/v1/explain/{poison['txn']}")["deliveries"] if d["stream"] == stream]
    assert delivery["state"] == "acknowledged"
    assert "no such dead letter" in redrive(hub, stream, 404, seq=poison["seq"])["description"]
    hub.restart()
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 0)
    hub.emit("a")
    assert [p.jti for p in endpoint.wait(3)].count(poison["jti"]) == 1, "once"


def test_all_dead_letters_are_sent_again_in_order(hub, endpoint, stream):
    """Those of one subject in the order of the log, beside what is new."""
    dead = refuse(hub, endpoint, stream, "a", "a", "b", "a")
    done = hub.cli("deadletters", "redrive", stream, "--all")
    assert done == f"{stream}: 4 sent again\n"
    pushes = endpoint.wait(4)
    assert sorted(p.jti for p in pushes) == sorted(x["jti"] for x in dead)
    mine = [p.jti for p in pushes if p.claims["sub_id"]["sub"] == "a"]
    assert mine == [x["jti"] for x in dead if x["seq"] != dead[2]["seq"]]
    settled(hub, stream)
    assert letters(hub, stream) == []


def test_what_is_refused_again_is_a_dead_letter_again(hub, endpoint, stream):
    (dead,) = refuse(hub, endpoint, stream, "a")
    for _ in range(2):
        endpoint.script(Answer(400, {"err": "access_denied"}))
        redrive(hub, stream, all=True)
        (again,) = wait_until(lambda: letters(hub, stream))
        assert again["jti"] == dead["jti"] and again["reason"] == "refused: access_denied"
        settled(hub, stream)
    assert hub.cli("deadletters", "redrive", stream, str(dead["seq"])) == f"{stream}: 1 sent again\n"
    endpoint.wait(1)
    settled(hub, stream)
    assert letters(hub, stream) == []


def test_a_redriven_event_survives_a_crash(hub, endpoint, stream):
    """Between the redrive and its delivery; and what was delivered is not sent once more."""
    dead = refuse(hub, endpoint, stream, "a", "b")
    hold = threading.Event()
    endpoint.decide = lambda push: Answer(202, hold=hold)
    attempts = len(endpoint.pushes)
    redrive(hub, stream, all=True)
    endpoint.wait_pushes(attempts + 2)
    hub.kill9()
    hold.set()
    endpoint.decide = None
    before = len(endpoint.accepted())
    hub.start()
    pushes = endpoint.wait(before + 2)[before:]
    assert sorted(p.jti for p in pushes) == sorted(x["jti"] for x in dead)
    settled(hub, stream)
    hub.kill9()
    hub.start()
    hub.emit("c")
    assert len({p.jti for p in endpoint.wait(before + 3)[before:]}) == 3
    assert letters(hub, stream) == []


def test_what_a_crash_leaves_above_the_cursor_comes_once(new_hub, endpoint):
    """Nothing was saved of where the stream is. What was redriven is sent before it has read so far again;
    what is a dead letter is left alone."""
    hub = new_hub("--checkpoint", "60s").use_idp()
    stream = hub.push_stream(endpoint)
    wait_until(lambda: hub.stream_status(stream))
    for i in range(300):   # more than a window
        hub.emit(str(i))
    endpoint.wait(300)
    first, second, third = refuse(hub, endpoint, stream, "a", "b", "c")
    redrive(hub, stream, seq=first["seq"])
    redrive(hub, stream, seq=second["seq"])
    endpoint.wait(302)
    assert hub.sql("select cursor < %s from stream_positions() where stream_id = %s", first["seq"], stream) == [(True,)]
    hub.kill9()
    before = len(endpoint.accepted())
    hub.start()
    hub.emit("last")
    endpoint.wait(before + 303)
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 0, what="nothing waits")
    pushes = endpoint.accepted()[before:]
    assert len(pushes) == 303 and len({p.jti for p in pushes}) == 303, "each exactly once"
    assert {first["jti"], second["jti"]} < {p.jti for p in pushes}
    assert letters(hub, stream) == [third] and third["jti"] not in {p.jti for p in pushes}


def test_what_was_too_old_gets_its_time_again(new_hub, endpoint):
    hub = new_hub("--delivery-max-age", "1s").use_idp()
    stream = hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(503)
    hub.emit("a")
    (dead,) = wait_until(lambda: letters(hub, stream))
    assert dead["reason"] == "expired: status 503"
    attempts = len(endpoint.pushes)
    endpoint.decide = None
    endpoint.script(503)
    redrive(hub, stream, all=True)
    pushes = endpoint.wait_pushes(attempts + 2)
    assert [p.jti for p in pushes[attempts:]] == [dead["jti"]] * 2, "it failed once, and was not given up"
    settled(hub, stream)
    assert letters(hub, stream) == []


def test_a_poll_stream_gets_a_dead_letter_again(hub, poll_stream):
    hub.emit("a")
    hub.emit("a")
    first, second = poll_stream.wait(2)
    poll_stream.poll(setErrs={first: REFUSAL}, ack=[second])
    wait_until(lambda: letters(hub, poll_stream.id))
    redrive(hub, poll_stream.id, all=True)
    sets = poll_stream.wait(1)
    assert list(sets) == [first]
    poll_stream.poll(ack=[first])
    settled(hub, poll_stream.id)
    assert poll_stream.poll()[0] == {}


def test_a_paused_stream_holds_what_is_redriven_and_a_disabled_one_gives_it_up(hub, endpoint, stream):
    (dead,) = refuse(hub, endpoint, stream, "a")
    set_status(hub, stream, "paused")
    endpoint.wait(1)   # stream-updated
    redrive(hub, stream, seq=dead["seq"])
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 1)
    set_status(hub, stream, "disabled")
    (again,) = wait_until(lambda: letters(hub, stream))
    assert again["reason"] == "the stream is disabled" and again["txn"] == dead["txn"]
    redrive(hub, stream, 409, all=True)
    set_status(hub, stream, "enabled")
    redrive(hub, stream, seq=dead["seq"])
    wait_until(lambda: dead["jti"] in [p.jti for p in endpoint.accepted()])
    settled(hub, stream)


def test_what_the_log_has_no_more_is_not_sent_again(new_hub, endpoint):
    hub = new_hub().use_idp()
    stream = hub.push_stream(endpoint)
    first, second, third = refuse(hub, endpoint, stream, "a", "b", "c")
    hub.sql("delete from event where seq <= %s", first["seq"])
    assert redrive(hub, stream, 410, seq=first["seq"])["err"] == "gone"
    assert rewind(hub, stream, 410, seq=first["seq"])["description"] == \
        f"the oldest event in the log is {hub.sql('select min(seq) from event')[0][0]}"
    rewind(hub, stream, 410, time="2020-01-01T00:00:00Z")
    # it goes after it was redriven, while it could not be sent
    hub.stop()
    hub.sql("delete from event where seq <= %s", second["seq"])
    hub.sql("update stream_state set owed = int8multirange(int8range(%s, %s)) where stream_id = %s",
            second["seq"], second["seq"] + 1, stream)
    hub.sql("delete from dead_letter where stream_id = %s and seq = %s", stream, second["seq"])
    hub.start()
    wait_until(lambda: [x["reason"] for x in letters(hub, stream)] ==
               ["refused: invalid_request", "not in the log any more", "refused: invalid_request"])
    assert redrive(hub, stream, all=True) == {"stream": stream, "redriven": 1, "gone": 2, "remaining": 0}
    endpoint.wait(1)
    assert [x["seq"] for x in letters(hub, stream)] == [first["seq"], second["seq"]]
    assert hub.cli("deadletters", "redrive", stream, "--all") == \
        f"{stream}: 0 sent again, 2 not in the log any more\n"
    assert third["jti"] in [p.jti for p in endpoint.accepted()]


def test_so_many_are_owed_at_once_and_no_more(hub, endpoint, stream):
    (dead,) = refuse(hub, endpoint, stream, "a")
    set_status(hub, stream, "paused")
    hub.sql("update stream_state set owed = '{[1000000000,1000001000)}' where stream_id = %s", stream)
    answer = hub.admin("POST", f"/v1/streams/{stream}/redrive", json={"seq": dead["seq"]})
    assert answer.status_code == 503 and answer.json()["err"] == "busy" and "Retry-After" in answer.headers
    assert redrive(hub, stream, all=True) == {"stream": stream, "redriven": 0, "gone": 0, "remaining": 1}
    assert letters(hub, stream) == [dead]


def test_redrives_that_are_none(hub, endpoint, stream):
    for body in ({}, {"all": False}, {"seq": 0}, {"seq": -1}, {"seq": "1"}, {"seq": 1, "all": True}, {"all": "yes"},
                 {"other": 1}, [], {"seq": 1.5}):
        assert hub.admin("POST", f"/v1/streams/{stream}/redrive", json=body).status_code == 400, body
    assert "no such stream" in redrive(hub, "nobody", 404, all=True)["description"]
    assert redrive(hub, stream, all=True)["redriven"] == 0
    for action in ("redrive", "rewind"):
        path = f"/v1/streams/{stream}/{action}"
        assert hub.request("POST", path, json={"all": True}).status_code == 401
        assert hub.request("POST", path, json={"all": True}, headers={
            "Authorization": f"Bearer token-{stream[2:]}"}).status_code == 403
    for args in (("redrive",), ("redrive", stream), ("redrive", stream, "x"), ("redrive", stream, "1", "--all"),
                 ("redrive", stream, "1", "--stream", stream), ("--all",)):
        assert hub.cli("deadletters", *args, status=2).startswith("usage:"), args


# --- rewinding ----------------------------------------------------------------------------------


def test_a_stream_is_rewound_to_an_event(hub, endpoint, stream):
    sent = [hub.emit(sub) for sub in "abc"]
    endpoint.wait(3)
    settled(hub, stream)
    second = hub.sql("select seq from event where txn = %s", sent[1])[0][0]
    assert hub.cli("streams", "rewind", stream, "--to", str(second)) == f"{stream}: read again from {second}\n"
    again = endpoint.wait(5)[3:]
    assert sorted(p.txn for p in again) == sorted(sent[1:])
    assert len({p.jti for p in endpoint.pushes}) == 3
    settled(hub, stream)
    hub.kill9()
    hub.start()
    hub.emit("d")
    assert len(endpoint.wait(6)) == 6


def test_a_stream_is_rewound_to_a_time(hub, poll_stream):
    hub.emit("a")
    between = hub.sql("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")[0][0]
    time.sleep(0.002)   # it is cut to a millisecond
    hub.emit("b")
    sets = poll_stream.wait(2)
    poll_stream.poll(ack=list(sets))
    settled(hub, poll_stream.id)
    done = hub.cli("streams", "rewind", poll_stream.id, "--to", between)
    assert done.startswith(f"{poll_stream.id}: read again from ")
    assert list(poll_stream.wait(1)) == list(sets)[1:]
    rewind(hub, poll_stream.id, time="2020-01-01T00:00:00+01:00")
    assert set(poll_stream.wait(2)) >= set(sets), "also to before the stream was made"


def test_what_is_under_way_is_stopped_and_nothing_is_skipped(hub, endpoint, stream):
    hub.emit("a")
    endpoint.wait(1)
    settled(hub, stream)
    hold = threading.Event()
    endpoint.decide = lambda push: Answer(202, hold=hold)
    txns = [hub.emit("a"), hub.emit("b"), hub.emit("b")]
    endpoint.wait_pushes(3)
    attempts = len(endpoint.pushes)
    endpoint.decide = None
    last = hub.sql("select seq from event where txn = %s", txns[-1])[0][0]
    rewind(hub, stream, seq=last)   # the ones before have not been settled, either
    pushes = [p for p in endpoint.wait(4) if p.txn in txns]
    assert [p.txn for p in pushes if p.claims["sub_id"]["sub"] == "b"] == txns[1:], "in their order"
    assert {p.txn for p in pushes} == set(txns) and len(endpoint.pushes) >= attempts + 3
    hold.set()
    settled(hub, stream)


def test_dead_letters_from_there_on_are_read_again(hub, endpoint, stream):
    first, second, third = refuse(hub, endpoint, stream, "a", "b", "c")
    redrive(hub, stream, seq=third["seq"])
    endpoint.wait(1)
    # at once: that the first one is settled may not be saved yet
    rewind(hub, stream, seq=second["seq"])
    assert [p.jti for p in endpoint.wait(3)][1:] in ([second["jti"], third["jti"]], [third["jti"], second["jti"]])
    settled(hub, stream)
    assert letters(hub, stream) == [first] and hub.stream_status(stream)["dead_letters"] == 1


def test_a_paused_stream_is_rewound(hub, endpoint, stream):
    hub.emit("a")
    (first,) = endpoint.wait(1)
    settled(hub, stream)
    set_status(hub, stream, "paused")
    endpoint.wait(2)
    rewind(hub, stream, seq=hub.sql("select seq from event where txn = %s", first.txn)[0][0])
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 1, what="it is held")
    set_status(hub, stream, "enabled")
    wait_until(lambda: [p.jti for p in endpoint.accepted()].count(first.jti) == 2, what="it is sent again")


def test_b8_a_rewind_that_fails_changes_nothing(hub, endpoint, stream):
    (dead,) = refuse(hub, endpoint, stream, "a")
    for sub in "abc":
        hub.emit(sub)
    endpoint.wait(3)
    settled(hub, stream)
    before, attempts = state(hub, stream), len(endpoint.pushes)
    newest = hub.sql("select max(seq) from event")[0][0]
    future = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).isoformat()
    for body in ({}, {"seq": 0}, {"seq": -3}, {"seq": newest + 1}, {"seq": 2 ** 62}, {"seq": "1"}, {"seq": 1.0},
                 {"seq": 1, "time": "2026-01-01T00:00:00Z"}, {"time": "yesterday"}, {"time": "2026-02-30T00:00:00Z"},
                 {"time": 0}, {"time": future}, {"jti": dead["jti"]}, {"seq": 1, "to": 2}, "1", []):
        assert hub.admin("POST", f"/v1/streams/{stream}/rewind", json=body).status_code == 400, body
    for to in ("yesterday", str(newest + 1), "", "9" * 30):
        assert hub.cli("streams", "rewind", stream, "--to", to, status=1), to
    assert rewind(hub, "nobody", 404, seq=1)["err"] == "not_found"
    for args in (("rewind", stream), ("rewind", "--to", "1"), ("--to", "1"), ("test", stream, "--to", "1")):
        assert hub.cli("streams", *args, status=2).startswith("usage:"), args
    assert state(hub, stream) == before
    hub.emit("d")
    endpoint.wait(4)
    assert len(endpoint.pushes) == attempts + 1, "nothing was sent again"


def test_a_disabled_stream_is_not_rewound(hub, poll_stream):
    """It keeps nothing, so it would lose the events again."""
    hub.emit("a")
    sets = poll_stream.wait(1)
    poll_stream.poll(ack=list(sets))
    settled(hub, poll_stream.id)
    set_status(hub, poll_stream.id, "disabled")
    before = state(hub, poll_stream.id)[0][0][3]
    assert "disabled" in rewind(hub, poll_stream.id, 409, seq=1)["description"]
    assert state(hub, poll_stream.id)[0][0][3] == before


# --- backlogs -----------------------------------------------------------------------------------


def updates(hub, stream):
    """[(status, reason)] of stream-updated events."""
    return [(body["status"], body.get("reason")) for (body,) in hub.sql(
        "select body from event where origin = %s and type = %s order by seq", "stream:" + stream, STREAM_UPDATED)]


def wait_status(hub, stream, status):
    return wait_until(lambda: (s := hub.stream_status(stream))["status"] == status and s, what=f"it is {status}")


def test_a_stream_whose_backlog_is_too_large_is_paused_once(hub, endpoint):
    stream = hub.push_stream(endpoint, backlog_limit=3)
    endpoint.decide = lambda push: Answer(503)
    txns = [hub.emit(str(i)) for i in range(3)]
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 3)
    assert hub.stream_status(stream)["backlog_limit"] == 3
    assert updates(hub, stream) == []
    txns.append(hub.emit("3"))
    shown = wait_status(hub, stream, "paused")
    assert shown["backlog"] >= 4 and not shown["healthy"]
    assert hub.get(f"/v1/streams/{stream}/health")["status_reason"] == "backlog"
    txns += [hub.emit(str(i)) for i in range(4, 8)]
    hub.restart()
    endpoint.decide = None
    (told,) = endpoint.wait(1)
    assert told.claims["events"] == {STREAM_UPDATED: {"status": "paused", "reason": "backlog"}}
    assert updates(hub, stream) == [("paused", "backlog")], "exactly once"
    answer = hub.request("POST", "/ssf/status", json={"stream_id": stream, "status": "enabled"},
                         headers={"Authorization": f"Bearer token-{stream[2:]}"})
    assert answer.status_code == 200, "the receiver says that it is back"
    pushes = endpoint.wait(1 + len(txns))
    assert sorted(p.txn for p in pushes[1:]) == sorted(txns), "nothing was lost"
    settled(hub, stream)
    assert updates(hub, stream) == [("paused", "backlog")] and hub.stream_status(stream)["status"] == "enabled"


def test_a_stream_that_is_enabled_above_its_limit_gets_a_chance(hub, poll_stream):
    stream = poll_stream.id
    hub.apply({**hub.form(f"/v1/stream/{stream}"), "backlog_limit": 3})
    for i in range(5):
        hub.emit(str(i))
    wait_status(hub, stream, "paused")
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 6, what="five and stream-updated")
    set_status(hub, stream, "enabled")
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 7, what="told of that, too")
    hub.restart()
    wait_until(lambda: wait_status(hub, stream, "enabled")["backlog"] == 7, what="it was stored")
    for i in range(4):
        hub.emit(str(i))
    wait_status(hub, stream, "paused")
    assert [u[0] for u in updates(hub, stream)] == ["paused", "enabled", "paused"]
    set_status(hub, stream, "enabled")
    while sets := poll_stream.poll()[0]:
        poll_stream.poll(ack=list(sets))
    for i in range(4):
        hub.emit(str(i))   # it has been below
    wait_status(hub, stream, "paused")


def test_a_backlog_behind_the_window_is_counted(hub, poll_stream):
    """The window holds 256; what is behind it is not read, and a restart does not forget the count."""
    stream = poll_stream.id
    hub.apply({**hub.form(f"/v1/stream/{stream}"), "backlog_limit": 300})
    for _ in range(280 // 8):
        hub.emit("a", events=EIGHT)
    shown = wait_until(lambda: (s := hub.stream_status(stream))["backlog"] == 280 and s)
    assert shown["waiting_events"] == 256
    hub.restart()
    assert wait_until(lambda: (s := hub.stream_status(stream))["waiting_events"] and s)["backlog"] == 280
    assert hub.stream_status(stream)["status"] == "enabled"
    for _ in range(2):
        hub.emit("a", events=EIGHT)
    for _ in range(5):
        hub.emit("a")
    wait_status(hub, stream, "paused")
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 302, what="with stream-updated")
    hub.apply({**hub.form(f"/v1/stream/{stream}"), "status": "enabled", "backlog_limit": 0})
    got = set()

    def has_all():
        sets = poll_stream.poll()[0]
        got.update(sets)
        poll_stream.poll(ack=list(sets))
        return len(got) >= 280 + 21 + 2
    wait_until(has_all, what="it gets all of them")
    assert len(got) == 280 + 21 + 2
    assert hub.stream_status(stream)["backlog"] == 0


def test_a_paused_stream_is_told_whatever_it_holds(new_hub, endpoint):
    """More waits than the window has room for; the news stands behind it in the log."""
    hub = new_hub().use_idp()
    stream = hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(503)
    for i in range(270):
        hub.emit(str(i), events=EIGHT)
    set_status(hub, stream, "paused")
    # what is stored while nobody serves the stream is not counted (backlog.c)
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 270 * 8 + 1, what="the news is counted")
    hub.restart()   # nobody had been told
    endpoint.decide = None
    (told,) = endpoint.wait(1)
    assert told.claims["events"] == {STREAM_UPDATED: {"status": "paused"}}
    seq = hub.sql("select seq from event where txn = %s", told.txn)[0][0]
    wait_until(lambda: hub.sql("select acked @> %s::bigint and cursor < %s from stream_positions() where stream_id = %s",
                               seq, seq, stream) == [(True,)], what="it is settled, and the rest is not")
    hub.kill9()
    hub.start()
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 270 * 8, what="it is served, and counts")
    answer = hub.admin("POST", f"/v1/streams/{stream}/test")
    assert answer.status_code == 200 and answer.json()["delivered"], "what is tested is, too"
    assert hub.stream_status(stream)["backlog"] == 270 * 8
    assert len(endpoint.accepted()) == 2, "the paused one holds the rest"
    set_status(hub, stream, "enabled")
    endpoint.wait(2 + 270 * 8 + 1)
    settled(hub, stream)
    pushes = endpoint.accepted()
    assert len({p.jti for p in pushes}) == len(pushes) == 2 + 270 * 8 + 1, "each once"


def test_news_of_a_paused_stream_that_its_window_comes_to_is_not_passed(new_hub, endpoint):
    """It was to go before what it stands behind, and had to wait; then nothing stands before it any more."""
    hub = new_hub().use_idp()
    stream = hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(503)
    set_status(hub, stream, "paused")
    hub.emit("a", events=dict(list(EIGHT.items())[:7]))
    for i in range(255):   # with stream-updated as many as the window has room for
        hub.emit(str(i), events=EIGHT)
    wait_until(lambda: hub.stream_status(stream)["waiting_events"] == 2048, what="it is full")
    assert hub.admin("POST", f"/v1/streams/{stream}/test", json={"wait_ms": 100}).status_code == 200
    wait_until(lambda: hub.stream_status(stream)["waiting_events"] == 2049, what="it is beside the window")
    endpoint.decide = lambda push: Answer(503) if push.event == VERIFICATION else None
    endpoint.wait(1)
    status = wait_until(lambda: (s := hub.stream_status(stream))["unread_seqs"] == 0 and s, what="all is in the window")
    assert status["waiting_events"] == 2048 and status["backlog"] == 2048
    wait_until(lambda: hub.sql("select 1 from stream_positions() where stream_id = %s and cursor = %s", stream,
                               status["cursor"]), what="it is stored")
    hub.kill9()
    endpoint.decide = None
    hub.start()
    assert [p.event for p in endpoint.wait(2)] == [STREAM_UPDATED, VERIFICATION]
    wait_until(lambda: hub.stream_status(stream)["backlog"] == 2047, what="the rest is kept")


def test_a_limit_that_is_none(hub):
    for limit in (-1, 1_000_000_001, "5", 1.5):
        answer = hub.try_apply({"kind": "client", "id": "c-limit", "audience": "https://l.example", "token": "token-limit"},
                               {"kind": "stream", "id": "s-limit", "client": "c-limit", "backlog_limit": limit,
                                "delivery": {"method": "urn:ietf:rfc:8936"}})
        assert answer.status_code == 400 and "backlog_limit" in answer.json()["description"], limit


# --- health -------------------------------------------------------------------------------------


def test_health_is_told_to_the_owner_of_the_stream(hub, endpoint, stream):
    def ask(id_, token):
        return hub.request("GET", f"/ssf/health?stream_id={id_}", headers={"Authorization": "Bearer " + token})
    mine = "token-" + stream[2:]
    (dead,) = refuse(hub, endpoint, stream, "a")
    hub.emit("a")
    endpoint.wait(1)
    settled(hub, stream)
    hub.sql("insert into stream_dropped (stream_id, from_seq, to_seq, at, reason) values (%s, 1, 7, now(), 'retention')",
            stream)
    answer = ask(stream, mine)
    assert answer.status_code == 200
    told = answer.json()
    assert is_now(told.pop("last_success_at")) and is_now(told.pop("last_error_at"))
    assert told.pop("cursor") >= dead["seq"]
    (dropped,) = told.pop("dropped")
    assert (dropped["from_seq"], dropped["to_seq"], dropped["reason"]) == (1, 7, "retention")
    assert told == {"stream_id": stream, "method": "push", "status": "enabled", "waiting_events": 0,
                    "unread_seqs": 0, "backlog": 0, "backlog_limit": 1_000_000, "oldest_age_s": 0,
                    "dead_letters": 1, "healthy": True, "circuit": "closed", "last_error": "refused: invalid_request"}
    assert set(hub.get(f"/v1/streams/{stream}/health")) == set(answer.json())
    assert hub.cli("streams", "health", stream).count("\n") > 10
    assert ask(stream, "nobody").status_code == 401
    assert ask("nobody", mine).status_code == 404
    other = hub.poll_stream()
    assert ask(stream, other.token).status_code == 404
    assert hub.request("GET", "/ssf/health", headers={"Authorization": "Bearer " + mine}).status_code == 400
    hub.apply({**hub.form(f"/v1/client/c-{stream[2:]}"), "scopes": ["ssf.manage.poll"]})
    assert ask(stream, mine).status_code == 403
    assert hub.admin("GET", "/v1/streams/nobody/health").status_code == 404


def test_a_stream_that_fails_still_does_after_a_restart(hub, endpoint, stream):
    (_,) = refuse(hub, endpoint, stream, "a")
    hub.restart()
    assert wait_until(lambda: "last_error" in (s := hub.stream_status(stream)) and s)["healthy"], "it was only refused"
    assert hub.stream_status(stream)["dead_letters"] == 1
    endpoint.decide = lambda push: Answer(503)
    hub.emit("b")
    wait_until(lambda: not hub.stream_status(stream)["healthy"])
    hub.proc.wait_log("deliver.push.failed")
    wait_until(lambda: hub.sql("select failing from stream_positions() where stream_id = %s", stream) == [(True,)])
    hold = threading.Event()
    endpoint.decide = lambda push: Answer(202, hold=hold)
    hub.kill9()
    hub.start()
    wait_until(lambda: "last_error" in hub.stream_status(stream))
    assert hub.stream_status(stream)["healthy"] is False
    hold.set()
    wait_until(lambda: hub.stream_status(stream)["healthy"], what="it is well again")
