# SPDX-License-Identifier: Apache-2.0
"""Hubs that append at once. A reader that follows the log by "seq > last" never skips an event, because
commits are in the order of seq. Without the lock it skips one."""
import contextlib
import json
import threading

import psycopg2
import pytest

import harness
from harness import wait_until
from harness.statements import python_form, schema_sql, statements

READ = python_form(statements()["event_after"][1])
NO_LOCK = "create or replace function append_lock() returns void language sql as $$ select $$"
ME = "00000000-0000-4000-8000-000000000001"
# prepared before the sessions meet
PREPARED = f"""
    update ownership set owners = array_fill('{ME}'::uuid, '{{66}}'), epochs = array_fill(1::bigint, '{{66}}');
    insert into attribution (seq) values (1);
    insert into revocation (effect, target_kind, target, not_before, reason, rule_id, seq, txn)
        values ('revoke', 'agent', 'a', now(), 'r', 'r', 1, 't');
    insert into resource (kind, id, version, spec) values ('client', 'c', 1, '{{}}');
    insert into resource (kind, id, version, spec) values ('stream', 's', 1, '{{"client": "c"}}')"""


def draft(name):
    return {"origin": "source:append", "origin_id": name, "type": "x", "txn": name, "body": {}}


# every way in which a hub appends
WAYS = {
    "append_events": ("select * from append_events(%s)", [[draft("other")]]),
    "rules_commit": ("select rules_commit(%s, 1, 0, 1, %s, '[]', '[]')", [ME, [draft("other")]]),
    "attribution_commit": ("select attribution_commit(%s, 1, 1, %s)", [ME, [draft("other")]]),
    "lift_revocation": ("select lift_revocation('revoke', 'agent', 'a', %s)", ["other"]),
    "write_resources": ("select * from write_resources(%s)", [[{
        "kind": "stream", "id": "s", "actor": "admin",
        "spec": {"client": "c", "status": "paused"}}]]),
}


class Log:
    """A database with the hub's schema, sessions on it, and a reader that follows the log."""

    def __init__(self, server, name):
        self.conninfo = server.conninfo.replace("dbname=ssfhub", "dbname=" + name)
        with contextlib.closing(psycopg2.connect(server.conninfo)) as c:
            c.autocommit = True
            c.cursor().execute(f"create database {name}")
        self.sessions = []
        self.reader = self.session()
        self.reader.autocommit = True
        self.sql(schema_sql())
        self.sql(PREPARED)
        self.seen = []

    def session(self):
        self.sessions.append(psycopg2.connect(self.conninfo))
        return self.sessions[-1]

    def sql(self, text, params=None):
        with self.reader.cursor() as c:
            c.execute(text, params)
            return c.fetchall() if c.description else None

    def read_on(self):
        last = self.seen[-1] if self.seen else 0
        found = [row[0] for row in self.sql(READ, {"p1": last, "p2": 100})]
        self.seen += found
        return found

    def is_held_up(self, session):
        """Whether a session waits for another one that appends."""
        return self.sql("select wait_event from pg_stat_activity where pid = %s",
                        [session.info.backend_pid]) == [("advisory",)]

    def stored(self):
        return [row[0] for row in self.sql("select seq from event order by seq")]

    def close(self):
        for session in self.sessions:
            session.close()


@pytest.fixture(scope="module")
def server():
    postgres = harness.Postgres()
    yield postgres
    postgres.close()


@pytest.fixture
def new_log(server):
    made = []

    def make(name):
        made.append(Log(server, name))
        return made[-1]
    yield make
    for log in made:
        log.close()


def append(session, way):
    sql, params = WAYS[way]
    with session.cursor() as c:
        c.execute(sql, [json.dumps(p) if isinstance(p, list) else p for p in params])


def meet(log, way, end):
    """One session has appended and not committed. A second one appends and commits as soon as it can.
    The reader looks in between and afterwards. Returns whether the second had to wait for the first."""
    first, second = log.session(), log.session()
    with first.cursor() as c:
        c.execute("select * from append_events(%s)", [json.dumps([draft("first")])])

    def run():
        append(second, way)
        second.commit()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: log.is_held_up(second) or not thread.is_alive())
        waited = thread.is_alive()
        log.read_on()
    finally:
        end(first)
        thread.join(60)
    log.read_on()
    return waited


@pytest.mark.parametrize("way", WAYS)
def test_reader_skips_nothing_when_two_append_at_once(new_log, way):
    log = new_log("with_lock_" + way)
    assert meet(log, way, lambda first: first.commit()), "the second session had to wait"
    assert len(log.stored()) == 2
    assert log.seen == log.stored()


@pytest.mark.parametrize("way", WAYS)
def test_without_the_lock_the_reader_skips_one(new_log, way):
    """The counterpart of the test above: without the lock one event is never seen."""
    log = new_log("without_lock_" + way)
    log.sql(NO_LOCK)
    assert not meet(log, way, lambda first: first.commit())
    assert len(log.stored()) == 2
    assert log.seen == log.stored()[1:]


def test_reader_passes_the_gap_of_a_rolled_back_append(new_log):
    """A sequence does not take numbers back: a gap is not an event that is still to come."""
    log = new_log("with_gap")
    assert meet(log, "append_events", lambda first: first.rollback())
    assert log.seen == log.stored()
    assert len(log.seen) == 1 and log.seen[0] > 1


def test_reader_follows_sessions_that_append_concurrently(new_log):
    """The same without arrangement: four sessions append batches of every size, some of which are
    rolled back."""
    log = new_log("at_random")

    def run(session, n):
        for i in range(150):
            with session.cursor() as c:
                c.execute("select * from append_events(%s)", [json.dumps(
                    [draft(f"{n}-{i}-{k}") for k in range(1 + i % 7)])])
            session.rollback() if i % 11 == n else session.commit()
    threads = [threading.Thread(target=run, args=(log.session(), n)) for n in range(4)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        log.read_on()
    while log.read_on():
        pass
    assert len(log.seen) > 1000
    assert log.seen == log.stored()
