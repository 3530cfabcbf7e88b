# SPDX-License-Identifier: Apache-2.0
"""The partitions of the log: how they begin and how they are dropped, and that no stream loses events
without being told."""
import contextlib
import json
import threading
import uuid

import pytest

from harness import REVOKED, STREAM_UPDATED, sign_set, wait_until
from harness.exposition import Scrape

HOUR = 3_600_000
NEVER = 10**12   # a retention or a period


def upkeep(hub, retention=NEVER, period=NEVER):
    """Runs the upkeep until there is nothing left to do: [(did, k, from, to, streams)]."""
    steps = []
    while True:
        for _ in range(2):   # the hub itself may be running it
            step = hub.sql("select did, k, from_seq, to_seq, streams from event_upkeep(%s, %s)", retention, period)
            if step:
                break
        else:
            return steps
        steps += step
        if step[0][0] == "held":
            return steps


def begin(hub):
    """From now on events go into a new partition."""
    assert upkeep(hub) == []
    assert [s[0] for s in upkeep(hub, period=HOUR)] == []   # not old enough yet
    hub.sql("update event set appended_at = appended_at - interval '2 hours'")
    steps = upkeep(hub, period=HOUR)
    assert [s[0] for s in steps] == ["begun", "added"]
    return steps[0][1]


def append(hub, *drafts):
    """Appends as the hub does, without the hub. Its log follows within a second."""
    return [r[0] for r in hub.sql("select seq from append_events(%s::jsonb) order by ord", json.dumps([
        {"origin": "operator", "origin_id": uuid.uuid4().hex, "type": REVOKED, "txn": "t", "body": {"event_timestamp": 1},
         "sub_id": {"format": "opaque", "id": "x"}, **d} for d in drafts]))]


def partitions(hub):
    return [r[0] for r in hub.sql("select k from event_partitions()")]


def settled(hub, stream):
    return wait_until(lambda: hub.stream_status(stream)["cursor"] >= hub.get("/v1/status")["log"]["head"])


def rules_pass(hub, seq):
    """Waits until the rules have passed an event. They save their cursor every few seconds only;
    another event makes them save it."""
    hub.sql("update consumer set cursor = greatest(cursor, %s) where name = 'rules'", seq)


# --- beginning ------------------------------------------------------------------------------------

def test_partitions_begin_by_time_and_events_stay_in_order(hub, endpoint):
    stream = hub.push_stream(endpoint)
    before = [hub.emit(f"a{i}") for i in range(3)]
    k = begin(hub)
    after = [hub.emit(f"b{i}") for i in range(3)]
    rows = hub.sql("select txn, seq, tableoid::regclass::text from event where txn = any (%s) order by seq", before + after)
    assert [r[0] for r in rows] == before + after
    assert {r[2] for r in rows[:3]} == {f"event_p{k - 1}"} and {r[2] for r in rows[3:]} == {f"event_p{k}"}
    assert rows[3][1] == k * 10**9
    assert {p.txn for p in endpoint.wait(6)} == set(before + after)
    settled(hub, stream)
    assert hub.stream_status(stream)["unread_seqs"] == 0


def test_unread_events_are_counted_without_the_gaps_between_partitions(hub):
    poll = hub.poll_stream()
    n = 256 + 10   # more than the window of a stream
    append(hub, *[{}] * n)
    begin(hub)
    append(hub, *[{}] * 5)
    wait_until(lambda: hub.stream_status(poll.id)["waiting_events"] == 256)
    wait_until(lambda: hub.stream_status(poll.id)["unread_seqs"] == 15, what="15 events are unread")
    head = hub.get("/v1/status")["log"]["head"]
    assert head - hub.stream_status(poll.id)["cursor"] > 10**8


def test_concurrent_upkeep_does_each_step_once(hub):
    hub.emit()
    with contextlib.closing(hub.connect()) as one, one.cursor() as c:
        hub.sql("update event set appended_at = appended_at - interval '2 hours'")
        c.execute("select did from event_upkeep(%s, %s)", (NEVER, HOUR))
        assert c.fetchall() == [("begun",)]
        assert hub.sql("select did from event_upkeep(%s, %s)", NEVER, HOUR) == []
        one.commit()
    assert [s[0] for s in upkeep(hub, period=HOUR)] == ["added"]


# --- dropping -------------------------------------------------------------------------------------

@pytest.fixture
def old(hub):
    """The hub, with nothing in its log but what the test appends, in a partition that has just begun."""
    for stream in hub.get("/v1/status")["streams"]:
        assert hub.admin("DELETE", f"/v1/stream/{stream['id']}").status_code == 204
    append(hub, {})
    begin(hub)
    rules_pass(hub, hub.sql("select max(seq) from event")[0][0])
    assert {s[0] for s in upkeep(hub, retention=HOUR)} == {"dropped"}
    assert hub.sql("select count(*) from event") == [(0,)]
    return hub


def test_what_is_dropped_with_a_partition(old):
    (first, last) = append(old, {"origin_id": "1", "txn": "gone"}, {"origin_id": "2", "txn": "gone"})
    old.sql("insert into rule_hit (seq, rule_id, file_id, digest, mode, severity, trace, actions) "
            "values (%s, 'r', 'f', 'd', 'enforce', 'high', '[]', '[]')", first)
    old.sql("insert into dead_letter (stream_id, seq, jti, reason, at) values "
            "('s', %s, 'j', 'old', now() - interval '3 hours'), ('s', %s, 'j', 'new', now())", first, last)
    old.sql("insert into revocation values ('revoke', 'agent', 'a', now(), null, 'r', 'r', %s, 'gone')", first)
    k = begin(old)
    (kept,) = append(old, {"origin_id": "3", "txn": "kept"})
    old.sql("insert into dead_letter (stream_id, seq, jti, reason) values ('s', %s, 'j', 'kept')", kept)
    rules_pass(old, last)
    assert [(s[0], s[3], s[4]) for s in upkeep(old, retention=HOUR)] == [("dropped", last, 0)]
    assert partitions(old) == [k, k + 1]
    assert old.sql("select txn from event") == [("kept",)]
    assert old.sql("select count(*) from rule_hit") == [(0,)]
    # a dead letter is kept as long as an event, from the time when it was made
    assert old.sql("select seq from dead_letter order by seq") == [(last,), (kept,)]
    old.sql("delete from dead_letter")
    assert old.sql("select seq from revocation") == [(first,)]   # the revocation stays in force without its cause
    assert old.admin("GET", "/v1/explain/gone").status_code == 404
    # repeats are recognized within the retention: a dropped event is new
    assert append(old, {"origin_id": "3"}, {"origin_id": "1"}) == [kept, kept + 1]


def test_the_last_event_of_a_partition_decides(old):
    (first,) = append(old, {})
    k = begin(old)
    (second,) = append(old, {})
    rules_pass(old, second)
    assert upkeep(old, retention=3 * HOUR) == []
    old.sql("update event set appended_at = appended_at - interval '9 hours'")
    # the partition in use stays, however old it is
    assert [(s[0], s[3]) for s in upkeep(old, retention=3 * HOUR)] == [("dropped", first)]
    # an empty log continues its numbers
    assert [s[0] for s in upkeep(old, period=HOUR)] == ["begun", "added"]
    assert [s[0] for s in upkeep(old, retention=HOUR)] == ["dropped"]
    assert old.sql("select count(*) from event") == [(0,)]
    old.proc.stop()
    old.start()
    old.emit()
    assert old.sql("select seq from event") == [((k + 1) * 10**9,)]
    wait_until(lambda: old.get("/v1/status")["rules"]["cursor"] == (k + 1) * 10**9)


def test_events_that_rules_or_attribution_have_not_read_are_not_dropped(old):
    (seq,) = append(old, {})
    begin(old)
    rules_pass(old, seq)
    old.sql("insert into attribution (seq, next_at) values (%s, now() + interval '1 day')", seq)
    assert [(s[0], s[3]) for s in upkeep(old, retention=HOUR)] == [("held", seq)]
    old.sql("delete from attribution")
    old.sql("insert into consumer values ('another', %s)", seq - 1)
    assert [s[0] for s in upkeep(old, retention=HOUR)] == ["held"]
    assert old.sql("select seq from event") == [(seq,)]
    old.sql("delete from consumer where name = 'another'")
    assert [s[0] for s in upkeep(old, retention=HOUR)] == ["dropped"]


def test_streams_that_lag_are_told_what_they_missed(old, endpoint):
    up_to_date, behind = old.push_stream(endpoint), old.poll_stream()
    other = old.poll_stream(events=["https://schemas.openid.net/secevent/caep/event-type/credential-change"])
    off = old.poll_stream(status="disabled")
    paused = old.poll_stream(status="paused", status_reason="by hand")
    seqs = append(old, *[{}] * 3)
    begin(old)
    append(old, {})
    endpoint.wait(4)
    for stream in (up_to_date, other.id, off.id):
        wait_until(lambda s=stream: old.sql("select cursor from stream_positions() where stream_id = %s", s)[0][0] >= seqs[2])
    rules_pass(old, seqs[2])
    assert [(s[0], s[4]) for s in upkeep(old, retention=HOUR)] == [("dropped", 2)]
    assert sorted(old.sql("select stream_id, from_seq, to_seq, reason from stream_dropped")) == sorted(
        (s.id, seqs[0], seqs[2], "retention") for s in (behind, paused))
    for stream, status in ((behind, "enabled"), (paused, "paused")):
        def told(stream=stream):
            return [c for c in stream.poll()[0].values() if STREAM_UPDATED in c["events"]]
        (claims,) = wait_until(told)
        event = claims["events"][STREAM_UPDATED]
        assert event["status"] == status
        assert f"events {seqs[0]} to {seqs[2]} were dropped" in event["reason"]
        assert claims["sub_id"] == {"format": "opaque", "id": stream.id}
    # they are told once, and the record goes with the stream
    assert upkeep(old, retention=HOUR) == []
    old.admin("DELETE", f"/v1/stream/{behind.id}")
    assert old.sql("select stream_id from stream_dropped") == [(paused.id,)]


# --- the hub does so itself -----------------------------------------------------------------------

class Sender(threading.Thread):
    """Sends SETs one after another until it is stopped. If one waited for the reader, it would be refused
    after --database-timeout."""

    def __init__(self, hub):
        super().__init__(daemon=True)
        self.hub, self.failed, self.ended = hub, [], threading.Event()
        self.tokens = [sign_set(hub.idp, hub.claims()) for _ in range(1500)]
        self.start()

    def run(self):
        for token in self.tokens:
            if self.ended.is_set():
                return
            answer = self.hub.send(token)
            if answer.status_code != 202:
                self.failed.append(answer.text)
            self.ended.wait(0.005)

    def stop(self):
        self.ended.set()
        self.join(60)
        assert self.failed == []


def test_partitions_are_dropped_during_ingest_once_a_long_reader_ends(new_hub):
    hub = new_hub("--retention", "2s", "--partition", "500ms").use_idp()
    hub.poll_stream(status="paused")   # it misses dropped events
    sender = Sender(hub)
    wait_until(lambda: hub.proc.log().count("event=partition.begun") >= 3)
    with contextlib.closing(hub.connect()) as reader, reader.cursor() as c:
        c.execute("select count(*) from event")   # the transaction stays open, as that of pg_dump would
        begun = hub.proc.log().count("event=partition.begun")
        # partitions still begin, and none is dropped
        hub.proc.wait_log("event=partition.begun", count=begun + 3)
        hub.proc.wait_log("event=partition.failed")
        gone = hub.proc.log().count("event=partition.dropped")
        hub.proc.wait_log("event=partition.failed", count=hub.proc.log().count("event=partition.failed") + 3)
        assert hub.proc.log().count("event=partition.dropped") == gone
        assert sender.is_alive()
    hub.proc.wait_log("event=partition.dropped", count=gone + 3)
    sender.stop()
    wait_until(lambda: len(partitions(hub)) < 12)
    wait_until(lambda: hub.sql("select now() - min(appended_at) < '10 s' from event") == [(True,)],
               what="the oldest event has gone")
    counted = Scrape(hub.admin("GET", "/metrics").text)
    assert counted("ssfhub_retention_partitions_dropped_total") >= gone + 3
    assert counted("ssfhub_retention_streams_missed_total") >= 1
    hub.check()
