# SPDX-License-Identifier: Apache-2.0
"""The database: what is unique, and that no statement of the hub scans a large table."""
import json
import re

import psycopg2
import pytest

from harness import ROOT
from harness.statements import python_form, schema_sql, statements

EVENTS = 20_000
STREAMS = 5_000
LARGE = ("event_p0", "stream_state", "stream_subject", "attribution", "dead_letter", "stream_dropped", "rule_hit_p0", "revocation",
         "resource_history")


def draft(**changes):
    return {"origin": "source:new", "origin_id": "x1", "type": "secret.leaked", "txn": "new", "cause": None,
            "agent_id": None, "body": {}, "sub_id": None, "evidence": "00" * 32, "trace": None, "lookup": True,
            **changes}


def columns(*drafts):
    """The arguments of append_events(): an array for each column."""
    return [[json.dumps(d[name]) if isinstance(d[name], dict) else d[name] for d in drafts] for name in COLUMNS]


ME = "00000000-0000-4000-8000-000000000001"
COLUMNS = ("origin", "origin_id", "type", "txn", "cause", "agent_id", "sub_id", "body", "evidence", "trace", "lookup")

PARAMS = {
    "append_events": columns(draft(), draft(origin="source:filler", origin_id="77"), draft(cause=5)),
    "event_upkeep": [1000, 10**12],
    "event_after": [EVENTS - 10, 64], "event_control": ["s77", 5],
    "event_page": [EVENTS - 10, 64], "event_unattributed": [0, 100],
    "owner_join": [ME, "http://127.0.0.1:1", 0, 0], "owner_tick": [ME, 1, 1, "false"],
    "owner_release": ["{1,2}"], "owner_leave": [ME], "owner_say": ["e"], "owner_applied": [ME, 1, 1],
    "owner_others": [ME],
    "rules_commit": [ME, 1, 0, 5, [draft()], [{
        "seq": 5, "rule_id": "r", "file_id": "f", "digest": "d", "mode": "enforce",
        "severity": "high", "trace": [], "actions": []}], [{
            "effect": "revoke", "target_kind": "agent", "target": "t77", "not_before":
            "2026-01-01T00:00:00Z", "reason": "r", "rule_id": "r", "seq": 5, "txn": "txn-5"}]],
    "attribution_due": [16], "attribution_retry": [77, 1000],
    "attribution_commit": [ME, 1, 77, [draft()]],
    "resource_changes": [0, 500],
    "resource_put": [[{"kind": "client", "id": "c77", "spec": {}, "actor": "test"},
                      {"kind": "stream", "id": "s77", "spec": {"client": "c77"}, "actor": "test"},
                      {"kind": "stream", "id": "s78", "spec": None, "actor": "test"}], ME],
    "stream_positions": ["{s77,s78}"], "stream_subjects": ["s77", b"k", 100],
    "stream_active": ["s77"], "stream_active_at": ["s77"],
    "stream_subject_put": [ME, 1, "s77", "00ff", {"format": "opaque", "id": "x"}, "true", None,
                           "false"],
    "stream_checkpoint": [ME, 1, "{1,2}", "{1,1}", {"s77": {"rewound": 77, "cursor": 100}},
                          {"s77": {"rewound": 77, "paid": "{[5,6)}"}}, "{s9}"],
    "revocation_lift": ["revoke", "agent", "t77", "id-1"],
    "bury_event": [ME, 1, "s77", 0, 1000077, "jti", "why"], "dead_letters": ["s77", 100, 100],
    "dead_letters_of": ["s77", 100, 100], "redrive": [ME, 1, "s77", None, 1000], "stream_owed": ["s77"],
    "stream_rewind": [ME, 1, "s77", 1000077, None, None], "stream_dropped": ["s77"],
    "revocations": [""], "explain_txn": ["txn-77"],
    "client_assertion_take": ["00ff", 4000000000],
    "signing_keys_rotate": [[], 1000], "signing_key_revoke": ["k", {"kid": "l", "public": {}, "sealed": "00"}],
}
# The planner expects so many rows of an array that it scans 5,000 rows. Here sequential scans are disabled,
# as in the hub's connections.
GUESSED = {"stream_positions", "stream_checkpoint", "explain_txn", "stream_rewind", "event_upkeep"}


@pytest.fixture
def filled(with_rows):
    """The connection with its rows, whatever earlier tests did with it."""
    with with_rows.cursor() as c:
        c.execute("savepoint test")
        yield with_rows
        c.execute("rollback to savepoint test")


@pytest.fixture(scope="module")
def with_rows(hub_template):
    """A connection to a database with many rows, which are never committed. No hub uses this database:
    it would wait for the commit."""
    connection = psycopg2.connect(hub_template.new_database())
    with connection.cursor() as c:
        c.execute(schema_sql())
        connection.commit()
        c.execute("set statement_timeout = '60s'")
        c.execute("""
            insert into event (seq, origin, origin_id, type, txn, agent_id, sub_id, body)
            select n, 'source:filler', n::text,
                case when n % 3 = 0 then 'secret.leaked' else 'x' end,
                'txn-' || n, case when n % 2 = 0 then 'agent:a' end, '{"format":"opaque"}', '{}'
            from generate_series(1000000, 1000000 + %s) n;
            select setval('event_seq', 2000000);
            insert into stream_subject (stream_id, key, subject, wanted)
                select 's' || n % 5000, decode(md5(n::text), 'hex'), '{}', true from generate_series(1, 20000) n;
            insert into stream_state (stream_id, cursor) select 's' || n, n
            from generate_series(1, %s) n;
            insert into attribution (seq, next_at) select n, clock_timestamp() + interval '1 day'
            from generate_series(1000000, 1000000 + %s) n;
            insert into dead_letter (stream_id, seq, jti, reason)
            select 's' || (n %% 1000), n, 'j', 'r'
            from generate_series(1, %s) n;
            insert into stream_dropped (stream_id, from_seq, to_seq, at, reason)
            select 's' || (1 + n %% 1000), n, n + 1, now(), 'retention' from generate_series(1, %s) n;
            insert into rule_hit (seq, rule_id, file_id, digest, mode, severity, trace, actions)
            select n, 'r', 'f', 'd', 'enforce', 'high', '[]', '[]' from generate_series(1, %s) n;
            insert into revocation (effect, target_kind, target, not_before, reason, rule_id,
                seq, txn)
            select 'revoke', 'agent', 't' || n, now(), 'r', 'r', n, 'txn-' || n
            from generate_series(1, %s) n;
            insert into resource_history (kind, id, version, spec, actor, change)
            select 'stream', 's' || n, 1, '{}', 'test', n from generate_series(1, %s) n;
            insert into signing_key (kid, alg, public, sealed) values ('k', 'RS256', '{}', '');
            update ownership set epochs = array_fill(1::bigint, '{66}'),
                owners = array_fill('00000000-0000-4000-8000-000000000001'::uuid, '{66}');
            insert into checkpoint (owner, state) select '00000000-0000-4000-8000-000000000001',
                jsonb_object_agg(stream_id, jsonb_build_object('rewound', rewound, 'cursor', 5)) from stream_state;
            update consumer set cursor = 0""".replace("n % ", "n %% "),
                  (EVENTS, STREAMS, STREAMS, EVENTS, EVENTS, EVENTS, EVENTS, STREAMS))
        for table in (*LARGE, "event"):   # also the empty partition of the log
            c.execute("analyze " + table)
        c.execute("load 'auto_explain'")
        for setting in ("log_min_duration = 0", "log_nested_statements = on",
                        "log_format = 'text'"):
            c.execute("set local auto_explain." + setting)
    yield connection
    connection.rollback()
    connection.close()


def plans(connection, sql, params, seqscan=None):
    """The plans of a statement, and of everything in the functions that it calls."""
    with connection.cursor() as c:
        c.execute("savepoint before")
        if seqscan is not None:
            c.execute("set local enable_seqscan = " + seqscan)
        c.execute("set local client_min_messages = log")
        connection.notices.clear()
        try:
            c.execute(sql, params)
        finally:
            found = [n for n in connection.notices if "plan:" in n]
            c.execute("rollback to savepoint before")
    return found


@pytest.mark.parametrize("name", sorted(statements()))
def test_b13_no_statement_scans_a_large_table(filled, name):
    count, sql = statements()[name]
    with filled.cursor() as c:
        c.execute("savepoint plain")
        c.execute(f"prepare check_{name} as {sql}")   # it parses, and everything that it names exists
        c.execute("rollback to savepoint plain")
        c.execute(f"deallocate check_{name}")
    values = PARAMS.get(name, [])
    assert len(values) == count, f"the test knows no parameters for {name}"
    params = {f"p{i + 1}": json.dumps(v) if isinstance(v, (list, dict)) and name != "append_events" else v
              for i, v in enumerate(values)}
    found = plans(filled, python_form(sql), params, "off" if name in GUESSED else "on")
    assert found, "no plan was logged"
    through = {m for plan in found for m in re.findall(r"Seq Scan on (\w+)", plan)} & set(LARGE)
    assert not through, f"{through} in\n" + "\n".join(found)


def test_the_check_of_plans_finds_a_scan(filled):
    """It finds a scan in a query, and in a function."""
    (plan,) = plans(filled, "select count(*) from event where body->>'x' = 'y'", {})
    assert "Seq Scan on event_p0" in plan
    assert len(plans(filled, python_form(statements()["append_events"][1]),
                     {f"p{i + 1}": v for i, v in enumerate(columns(draft()))})) >= 2


def session_sql():
    (strings,) = re.findall(r"#define SESSION_SQL \\\n((?:.*\\\n)*.*)\n", (ROOT / "hub/db/db.c").read_text())
    return "".join(json.loads(s) for s in re.findall(r'"(?:[^"\\]|\\.)*"', strings))


@pytest.mark.parametrize("name", ["append_events", "event_after"])
def test_the_hubs_sessions_read_an_empty_partition_by_index(filled, name):
    """The partition may be full before its plan is made again."""
    params = {f"p{i + 1}": v for i, v in enumerate(PARAMS[name])}
    sql = python_form(statements()[name][1])
    assert "Seq Scan on event_p1" in "".join(plans(filled, "select from event where origin_id = 'x'", {}))
    with filled.cursor() as c:
        c.execute("savepoint session")
        c.execute(session_sql())
        assert c.fetchall() == [(True,)]
        found = "".join(plans(filled, sql, params))
        c.execute("rollback to savepoint session")
    assert "event_p1" in found and "Seq Scan on event_p" not in found


def duplicate(connection, sql):
    with connection.cursor() as c:
        c.execute("savepoint attempt")
        try:
            with pytest.raises(psycopg2.errors.UniqueViolation) as e:
                c.execute(sql)
        finally:
            c.execute("rollback to savepoint attempt")
    return e.value.diag.constraint_name


def test_b13_an_event_is_unique_by_origin_and_origin_id(filled):
    copy = ("insert into event (seq, origin, origin_id, type, txn, body) "
            "select 5, origin, origin_id, 'other', 'other', '{}' from event where seq = 1000077")
    assert duplicate(filled, copy) == "event_p0_origin_key"
    assert duplicate(filled, "insert into event (seq, origin, origin_id, type, txn, body) "
                             "values (1000077, 'o', 'i', 't', 'x', '{}')") == "event_p0_pkey"


def test_b13_an_event_is_unique_in_all_partitions(filled):
    """append_events() alone guarantees it across partitions; within each a unique index does, too."""
    with filled.cursor() as c:
        c.execute("select setval('event_seq', event_width(), false)")
        new = append(filled, draft(origin="source:filler", origin_id="1000077"), draft(origin_id="n"))
        assert new[0][0] == 1000077 and not new[0][2]
        c.execute("select event_width(), nextval('event_seq')")
        width, after = c.fetchone()
        assert new[1] == (width, "new", True, new[1][3]) and after == width + 1
        assert append(filled, draft(origin_id="n", txn="other"))[0][:3] == (width, "new", False)
        c.execute("select indexdef from pg_indexes where indexname = 'event_p1_origin_key'")
        assert "UNIQUE" in c.fetchone()[0] and append(filled, draft(origin_id="m"))[0][2]
    assert duplicate(filled, "insert into event (seq, origin, origin_id, type, txn, body) values "
                             f"({width + 9}, 'source:new', 'n', 't', 'x', '{{}}')") == "event_p1_origin_key"


def test_a_batch_is_in_one_partition(filled):
    """So that a duplicate within the batch violates the unique index."""
    with filled.cursor() as c:
        c.execute("select setval('event_seq', event_width() - 2)")
        c.execute("select event_width()")
        width = c.fetchone()[0]
    rows = append(filled, *(draft(origin_id=f"n{i}") for i in range(3)))
    assert [r[0] for r in rows] == [width, width + 1, width + 2]


@pytest.mark.parametrize("table, key", [
    ("resource", "kind, id"), ("resource_history", "kind, id, version"), ("event", "seq"),
    ("stream_state", "stream_id"), ("dead_letter", "stream_id, seq"),
    ("rule_hit", "seq, file_id, rule_id"), ("revocation", "effect, target_kind, target"),
    ("attribution", "seq"), ("consumer", "name"), ("signing_key", "kid"),
])
def test_primary_keys(filled, table, key):
    with filled.cursor() as c:
        c.execute("select pg_get_constraintdef(oid) from pg_constraint "
                  "where conrelid = %s::regclass and contype = 'p'", (table,))
        assert c.fetchall() == [(f"PRIMARY KEY ({key})",)]


def append(connection, *drafts):
    """[(seq, txn, appended, at_ms)]"""
    with connection.cursor() as c:
        c.execute(python_form(statements()["append_events"][1]),
                  {f"p{i + 1}": v for i, v in enumerate(columns(*drafts))})
        return c.fetchall()


def test_append_returns_rows_in_order_and_marks_duplicates(filled):
    batch = [draft(origin_id="a"), draft(origin="source:filler", origin_id="1000077"),
             draft(origin_id="b"), draft(origin_id="a", txn="second"),
             draft(origin="source:new2", origin_id="a", lookup=False)]
    with filled.cursor() as c:
        c.execute("select last_value + is_called::int from event_seq")
        (first,) = c.fetchone()
        rows = append(filled, *batch)
        # the same event twice in one batch: both get the one row
        assert [r[:3] for r in rows] == [
            (first, "new", True), (1000077, "txn-1000077", False), (first + 1, "new", True), (first, "new", False),
            (first + 2, "new", True)]
        c.execute("select seq, origin, origin_id, (extract(epoch from appended_at) * 1000)::bigint from event "
                  "where seq between %s and %s order by seq", (first, first + 9))
        assert c.fetchall() == [(first, "source:new", "a", rows[0][3]), (first + 1, "source:new", "b", rows[0][3]),
                                (first + 2, "source:new2", "a", rows[0][3])]
        c.execute("select seq from attribution where seq between %s and %s order by seq", (first, first + 9))
        assert c.fetchall() == [(first,), (first + 1,)]
        # the same as JSON objects, for functions in the database
        objects = [{**batch[0], "origin_id": "c"}, batch[0]]
        c.execute("select ord, seq, appended from append_events(%s::jsonb)", (json.dumps(objects),))
        assert c.fetchall() == [(1, first + 3, True), (2, first, False)]
        c.execute("select * from append_events('[]'::jsonb)")
        assert c.fetchall() == []


def test_the_cursor_of_the_rules_moves_only_from_its_value(filled):
    with filled.cursor() as c:
        c.execute("savepoint attempt")
        with pytest.raises(psycopg2.errors.SerializationFailure):
            c.execute("select rules_commit(%s, 1, 3, 9, '[]', '[]', '[]')", (ME,))
        c.execute("rollback to savepoint attempt")
        c.execute("select rules_commit(%s, 1, 0, 9, '[]', '[]', '[]')", (ME,))
        c.execute("select cursor from consumer where name = 'rules'")
        assert c.fetchall() == [(9,)]


# --- who owns what, and what an owner writes -------------------------------------------------------

OTHER = "00000000-0000-4000-8000-000000000002"


def rows(c, sql, *params):
    c.execute(sql, params)
    return c.fetchall()


def refused(c, sql, *params):
    c.execute("savepoint attempt")
    with pytest.raises(psycopg2.errors.SerializationFailure):
        c.execute(sql, params)
    c.execute("rollback to savepoint attempt")


def stream_of(c, shard):
    ((stream, rewound),) = rows(c, "select stream_id, rewound from stream_state where shard = %s limit 1", shard)
    return stream, rewound


def save(c, me, nth, shard, epoch, entries, paid=None, gone="{}"):
    return [r[0] for r in rows(
        c, "select save_checkpoint(%s::uuid, %s, array[%s]::smallint[], array[%s]::bigint[], %s, %s, %s)",
        me, nth, shard, epoch, json.dumps(entries), json.dumps(paid) if paid else None, gone)]


def test_b12_a_write_under_an_old_epoch_is_refused(filled):
    """Every write of a lease holder: checkpoints, the rules, attribution, subjects."""
    with filled.cursor() as c:
        stream, rewound = stream_of(c, 7)
        entry = {stream: {"rewound": rewound, "cursor": 9, "acked": "{[11,12)}", "delivered": 3}}
        save(c, ME, 1, 7, 1, entry)
        assert rows(c, "select cursor, acked::text, delivered from stream_positions() where stream_id = %s",
                    stream) == [(9, "{[11,12)}", 3)]
        for unit in (7, 64, 65):
            c.execute("update ownership set epochs[%s] = 2, owners[%s] = %s", (unit + 1, unit + 1, OTHER))
        for me, epoch in ((ME, 1), (ME, 2), (OTHER, 1)):
            refused(c, "select save_checkpoint(%s::uuid, 2, '{7}', array[%s]::bigint[], '{}', null, '{}')", me, epoch)
            refused(c, "select rules_commit(%s::uuid, %s::bigint, 0, 9, '[]', '[]', '[]')", me, epoch)
            refused(c, "select attribution_commit(%s::uuid, %s::bigint, 77, '[]')", me, epoch)
            refused(c, "select write_subject(%s::uuid, %s, %s, '\\x00', '{}', true, null, false)", me, epoch, stream)
        # one stale epoch of several is enough
        refused(c, "select save_checkpoint(%s::uuid, 2, '{6,7}', '{1,1}', '{}', null, '{}')", ME)
        save(c, OTHER, 1, 7, 2, entry)
        c.execute("select rules_commit(%s::uuid, 2, 0, 9, '[]', '[]', '[]')", (OTHER,))


def test_a_checkpoint_is_one_row_however_many_streams(filled):
    """A checkpoint that arrives after a later one changes nothing."""
    with filled.cursor() as c:
        stream, rewound = stream_of(c, 3)
        for nth, cursor in ((2, 20), (1, 10), (3, 30)):
            save(c, ME, nth, 3, 1, {stream: {"rewound": rewound, "cursor": cursor}})
            assert rows(c, "select count(*), max(n) from checkpoint") == [(1, max(2, nth))]
        assert rows(c, "select cursor from stream_positions() where stream_id = %s", stream) == [(30,)]
        others = rows(c, "select count(*) from stream_positions() where cursor = 5")[0][0]
        assert others == STREAMS - 1, "the other streams have not moved"
        save(c, ME, 4, 3, 1, {}, gone="{%s}" % stream)
        assert rows(c, "select state ? %s from checkpoint", stream) == [(False,)]


def test_a_checkpoint_of_an_earlier_life_of_a_stream_does_not_count(filled):
    """A stream that was rewound, or deleted and made again, is where its row says, whatever an owner
    saves that does not know yet. The owner is told."""
    with filled.cursor() as c:
        stream, rewound = stream_of(c, 3)
        c.execute("update stream_state set cursor = 2, rewound = nextval('stream_rewound') where stream_id = %s "
                  "returning rewound", (stream,))
        ((again,),) = c.fetchall()
        assert save(c, ME, 2, 3, 1, {stream: {"rewound": rewound, "cursor": 50}}) == [stream]
        assert rows(c, "select cursor from stream_positions() where stream_id = %s", stream) == [(2,)]
        assert save(c, ME, 3, 3, 1, {stream: {"rewound": again, "cursor": 3}}) == []
        assert rows(c, "select cursor from stream_positions() where stream_id = %s", stream) == [(3,)]
        assert save(c, ME, 4, 3, 1, {"nobody": {"rewound": 1, "cursor": 3}}) == ["nobody"]


def test_a_new_owner_continues_where_the_previous_one_stopped(filled):
    with filled.cursor() as c:
        stream, rewound = stream_of(c, 3)
        save(c, ME, 2, 3, 1, {stream: {"rewound": rewound, "cursor": 44, "delivered": 7}})
        before = dict(rows(c, "select stream_id, cursor from stream_positions()"))
        c.execute("select owner_join(%s::uuid, 'http://127.0.0.1:1', 0, 0)", (OTHER,))
        taken = rows(c, "select acquire_units(%s::uuid, 66)", OTHER)[0][0]
        assert sorted(t["unit"] for t in taken) == list(range(66))
        assert {t["epoch"] for t in taken} == {2}
        assert dict(rows(c, "select stream_id, cursor from stream_positions()")) == before
        refused(c, "select save_checkpoint(%s::uuid, 3, array[%s]::smallint[], '{1}', '{}', null, '{}')", ME,
                taken[0]["unit"])
        c.execute("select owner_leave(%s::uuid)", (OTHER,))


def test_a_checkpoint_from_before_a_rewind_is_not_saved(filled):
    """A checkpoint from before the rewind that arrives after it; and a redelivery is done once."""
    def state(c, stream):
        return rows(c, "select cursor, acked::text, owed::text, rewound from stream_positions() where stream_id = %s",
                    stream)[0]
    with filled.cursor() as c:
        stream, was = stream_of(c, 3)
        c.execute("update stream_state set owed = '{[5,6),[7,8)}' where stream_id = %s", (stream,))
        entry = {"rewound": was, "cursor": 1000077, "acked": "{[1000079,1000080)}", "delivered": 4}
        save(c, ME, 2, 3, 1, {stream: entry})
        assert state(c, stream) == (1000077, "{[1000079,1000080)}", "{[5,6),[7,8)}", was)
        c.execute("select outcome, first from rewind_stream(%s::uuid, 1, %s, 1000050, null, null)", (ME, stream))
        assert c.fetchone() == ("done", 1000050)
        before = state(c, stream)
        now = before[3]
        assert before[:3] == (1000049, "{}", "{[5,6),[7,8)}") and now != was
        assert rows(c, "select delivered from stream_positions() where stream_id = %s", stream) == [(4,)]
        paid = {stream: {"rewound": was, "paid": "{[5,6)}"}}
        assert save(c, ME, 3, 3, 1, {stream: {**entry, "cursor": 1000100}}, paid) == [stream]
        assert state(c, stream) == before
        paid[stream]["rewound"] = now
        assert save(c, ME, 4, 3, 1, {stream: {**entry, "rewound": now, "cursor": 1000100, "acked": "{}"}}, paid) == []
        assert state(c, stream) == (1000100, "{}", "{[7,8)}", now)
        # as the owner says, which is further than what is saved; what it has paid is not owed any more
        c.execute("select outcome, first from rewind_stream(%s::uuid, 1, %s, 1000200, null, %s)", (
            ME, stream, json.dumps({"rewound": now, "cursor": 1000150, "paid": "{[7,8)}", "delivered": 9})))
        assert c.fetchone() == ("done", 1000200)
        cursor, acked, owed, now = state(c, stream)
        assert (cursor, acked, owed) == (1000150, "{}", "{}")
        for rewound, answer in ((was, (False, False)), (now, (True, True)), (now, (True, False))):
            c.execute("select current, added from bury_event(%s::uuid, 1, %s, %s, 1000060, 'jti', 'why')",
                      (ME, stream, rewound))
            assert c.fetchone() == answer
        refused(c, "select rewind_stream(%s::uuid, 1, %s, 1000050, null, null)", OTHER, stream)
        refused(c, "select redrive_dead_letters(%s::uuid, 2, %s, null, 10)", ME, stream)
        refused(c, "select bury_event(%s::uuid, 2, %s, %s, 1000060, 'jti', 'why')", ME, stream, now)


def test_seq_at_finds_the_first_event_of_a_time(filled):
    """The bisection finds what a search through all events finds."""
    with filled.cursor() as c:
        c.execute("update event set appended_at = '2026-01-01'::timestamptz + (seq / 3) * interval '1 second'")
        c.execute("delete from event where seq % 5 = 0")
        c.execute("""
            select count(*) from generate_series(-2, 7000, 13) s,
                lateral (select to_timestamp(extract(epoch from '2026-01-01'::timestamptz) + 333333 + s) as at) t
            where (select min(seq) from event where seq >= seq_at(at))
                is distinct from (select min(seq) from event where appended_at >= at)""")
        assert c.fetchone() == (0,)


def test_later_watermark_of_one_target_wins(filled):
    def revocation(day, until):
        return {"effect": "revoke", "target_kind": "token", "target": "t", "not_before":
                f"2026-01-{day:02}T00:00:00Z", "until": until, "reason": f"day {day}",
                "rule_id": "r", "seq": day, "txn": "x"}

    def commit(c, at, *revocations):
        c.execute("select rules_commit(%s, 1, %s, %s, '[]', '[]', %s)", (ME, at, at + 1, json.dumps(revocations)))
        c.execute("select not_before::date::text, until::date::text, reason from revocation "
                  "where target_kind = 'token' and target = 't'")
        return c.fetchone()
    with filled.cursor() as c:
        c.execute("set local timezone = 'UTC'")
        first = commit(c, 0, revocation(5, "2026-02-01T00:00:00Z"),
                       revocation(3, "2026-03-01T00:00:00Z"))
        assert first[0] == "2026-01-05"
        assert commit(c, 1, revocation(4, None)) == ("2026-01-05", None, "day 4")
        assert commit(c, 2, revocation(7, "2026-02-01T00:00:00Z"))[0:2] == ("2026-01-07", None)
