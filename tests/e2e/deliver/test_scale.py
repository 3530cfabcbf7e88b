# SPDX-License-Identifier: Apache-2.0
"""What does not grow with a number that may be large."""
import os

from harness import REVOKED, wait_until

EVENTS = 4000
ROUNDS = 4


def cpu_seconds(hub):
    with open(f"/proc/{hub.proc.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def append(hub, count, subject):
    """Events in one commit, without the API between. Waits until the hub's streams have read them."""
    (last,) = hub.sql("""select max(seq) from append_events((select jsonb_agg(jsonb_build_object(
        'origin', 'client:scale', 'origin_id', gen_random_uuid()::text, 'type', %s::text,
        'txn', gen_random_uuid()::text, 'body', '{}'::jsonb,
        'sub_id', jsonb_build_object('format', 'opaque', 'id', %s || n))) from generate_series(1, %s) n))""",
                      REVOKED, subject, count)[0]

    def read():
        status = hub.get("/v1/status")
        return status["log"]["head"] >= last and all(s["unread_seqs"] == 0 for s in status["streams"])
    wait_until(read, what="all is read")


def stream_with(hub, subjects):
    """A poll stream that starts with no subjects, and so many added ones."""
    stream = hub.poll_stream(default_subjects="NONE")
    hub.sql("""insert into stream_subject (stream_id, key, subject, wanted)
        select %s, sha256(n::text::bytea), jsonb_build_object('format', 'opaque', 'id', 'added' || n), true
        from generate_series(1, %s) n""", stream.id, subjects)
    hub.restart()
    append(hub, 1, "added")   # "added1": it is loaded, and matches
    assert [s["sub_id"]["id"] for s in stream.wait(1).values()] == ["added1"]
    return stream


def test_added_subjects_do_not_slow_an_event_that_matches_none(new_hub):
    """100,000 against 10, by the processor time that the hub takes; the least of some rounds each."""
    hubs = {}
    for count in (10, 100_000):
        hubs[count] = new_hub()
        stream_with(hubs[count], count)
        append(hubs[count], EVENTS, "nobody")   # warm
    best = {}
    for _ in range(ROUNDS):
        for count, hub in hubs.items():
            before = cpu_seconds(hub)
            append(hub, EVENTS, "nobody")
            best[count] = min(best.get(count, 1e9), cpu_seconds(hub) - before)
    ratio = best[100_000] / best[10]
    print(f"100,000 added subjects: {ratio:.2f} times the cost of 10 "
          f"({best[100_000] / EVENTS * 1e6:.0f} us of processor time an event, all included)")
    assert ratio < 2
