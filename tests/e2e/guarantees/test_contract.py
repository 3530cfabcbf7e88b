# SPDX-License-Identifier: Apache-2.0
"""What the hub promises to its sources and receivers, one test a clause (docs/lessons-tests.md)."""
import collections
import contextlib
import threading

import psycopg2
import pytest
import requests

import harness
from harness import STREAM_UPDATED, Answer, sign_set, wait_until

HUB_ARGS = ("--push-timeout", "1s")
NEVER = "60s"   # a checkpoint that does not come before the hub is killed
APPEND_LOCK = "select pg_advisory_lock(7236520, 1)"   # sql, append_lock()


@pytest.fixture
def stream(hub, endpoint):
    made = hub.push_stream(endpoint)
    yield made
    hub.cli("delete", "stream", made)


def txns(pushes):
    return [p.txn for p in pushes]


# --- 1: a 2xx to a source is a committed event, and all that follows comes from what is committed ---

def test_clause1_no_202_before_the_commit(postgres, new_hub, endpoint):
    """Somebody else appends and does not come to an end: there is no answer, and after a kill there
    was no event; the same SET is taken then."""
    hub = new_hub("--database", postgres.conninfo).use_idp()
    hub.push_stream(endpoint)
    token = sign_set(hub.idp, hub.claims(txn="txn-waits"))
    answers = []

    def send():
        try:
            answers.append(hub.send(token).status_code)
        except requests.exceptions.ConnectionError:
            answers.append(None)
    sender = threading.Thread(target=send)
    with contextlib.closing(psycopg2.connect(postgres.conninfo)) as blocker, blocker.cursor() as cursor:
        cursor.execute(APPEND_LOCK)
        sender.start()

        def waiting():
            cursor.execute("select pid from pg_locks where locktype = 'advisory' and not granted")
            return cursor.fetchall()
        wait_until(lambda: len(waiting()) == 1, what="the event waits for its commit")
        assert answers == []
        hub.kill9()
        sender.join(60)
        # it does not look for its client while it waits, and would go on to its commit
        cursor.execute("select pg_terminate_backend(%s)", waiting()[0])
        wait_until(lambda: not waiting(), what="it waits no more")
        cursor.execute("select count(*) from event where txn = 'txn-waits'")
        assert cursor.fetchall() == [(0,)]
    assert answers == [None]
    hub.start()
    assert hub.send(token).status_code == 202
    assert txns(endpoint.wait(1)) == ["txn-waits"]


def test_clause1_all_follows_from_what_is_committed(new_hub, endpoint, registry, secret):
    """Killed as soon as there was a 202: attribution, rules and every stream go on from the log."""
    hub = new_hub()
    hub.apply(*registry)
    hub.push_stream(endpoint)
    poll = hub.poll_stream()
    for number in (1, 2, 3):
        answer = hub.webhook("gh-plain", secret.webhook, harness.alert_body("acme/app", number))
        assert answer.status_code == 202, answer.text
        txn = answer.json()["txn"]
        hub.kill9()
        hub.start()
        wait_until(lambda t=txn: {p.event for p in endpoint.accepted() if p.txn == t} == harness.THREE)
    told = {(c["txn"], next(iter(c["events"]))) for c in poll.wait(9).values()}
    assert told == {(p.txn, p.event) for p in endpoint.accepted()}


# --- 2: at least once, to each enabled or paused stream, until it is acknowledged or given up ---------

def test_clause2_kept_until_acknowledged_or_given_up(new_hub, endpoint):
    """One stream that is enabled and fails, one that is paused, one that polls and does not
    acknowledge: what they are to get stays over restarts. What is given up is on view."""
    hub = new_hub().use_idp()
    failing = hub.push_stream(endpoint)
    paused = hub.poll_stream()
    polling = hub.poll_stream()
    hub.apply({**hub.form(f"/v1/stream/{paused.id}"), "status": "paused"})
    endpoint.decide = lambda push: Answer(503)
    sent = [hub.emit(sub="a"), hub.emit(sub="a"), hub.emit(sub="b")]

    def told(poll):
        return [c["txn"] for c in poll.poll()[0].values() if STREAM_UPDATED not in c["events"]]
    polling.wait(3)
    for restart in (hub.kill9, hub.stop):
        restart()
        hub.start()
        wait_until(lambda: told(polling) == sent, what="not acknowledged: still there")
        assert told(paused) == []
    endpoint.decide = lambda push: Answer(400, {"err": "invalid_request"}) \
        if push.txn == sent[0] else None
    assert sorted(txns(endpoint.wait(2))) == sorted(sent[1:])
    assert [(d["stream"], d["seq"]) for d in hub.get(f"/v1/deadletters?stream={failing}")] == \
        [(failing, hub.sql("select seq from event where txn = %s", sent[0])[0][0])]
    hub.apply({**hub.form(f"/v1/stream/{paused.id}"), "status": "enabled"})
    wait_until(lambda: told(paused) == sent, what="kept while it was paused")
    polling.poll(ack=list(polling.poll()[0]))
    hub.restart()
    assert told(polling) == []


# --- 3: no duplicate, unless nobody knows what became of a send ---------------------------------------

def test_clause3_twice_only_when_the_outcome_is_unknown(hub, endpoint, stream):
    """An answer that does not come, a connection that breaks: again, and the same SET. An answer
    that came: never again."""
    endpoint.script(Answer(hold=threading.Event()), Answer(close=True), Answer(202))
    unknown = hub.emit(sub="a")
    endpoint.wait(1, txn=unknown)
    known = [hub.emit(sub=f"s{n}") for n in range(20)]
    endpoint.wait(21)
    hub.restart()
    last = hub.emit()
    endpoint.wait(1, txn=last)
    assert collections.Counter(txns(endpoint.pushes)) == {
        unknown: 3, last: 1, **{txn: 1 for txn in known}}
    assert len({p.token for p in endpoint.pushes if p.txn == unknown}) == 1


def test_clause3_after_a_crash_the_same_jti_and_claims(new_hub, endpoint):
    """What was settled after the last checkpoint is sent again. ES256 signs anew: the claims are
    the same all the same."""
    hub = new_hub("--checkpoint", NEVER).use_idp()
    hub.push_stream(endpoint, alg="ES256")
    sent = [hub.emit(sub=f"s{n}") for n in range(5)]
    endpoint.wait(5)
    hub.kill9()
    hub.start()
    again = endpoint.wait(10)
    assert collections.Counter(txns(again)) == {txn: 2 for txn in sent}
    assert len({(p.jti, str(p.claims)) for p in again}) == 5
    hub.stop()   # which saves
    hub.start()
    endpoint.wait(1, txn=hub.emit())
    assert len(endpoint.pushes) == 11


# --- 4: order of each stream and subject, none across subjects -----------------------------------------

def test_clause4_order_by_subject_and_a_dead_letter_lets_go(hub, endpoint, stream):
    """The first of a subject holds up its own and nobody else's; given up, it lets the next go, and
    that is recorded."""
    endpoint.decide = lambda push: Answer(503) if push.txn == "txn-4-first" else None
    held = [hub.emit(sub="held", txn=f"txn-4-{n}") for n in ("first", "second", "third")]
    free = [hub.emit(sub="free", txn=f"txn-4-free-{n}") for n in range(3)]
    assert txns(endpoint.wait(3)) == free
    assert not set(held[1:]) & set(txns(endpoint.pushes)), "they wait for the first"
    endpoint.decide = lambda push: Answer(400, {"err": "invalid_request"}) \
        if push.txn == "txn-4-first" else None
    assert txns(endpoint.wait(5)) == free + held[1:]
    (letter,) = hub.get(f"/v1/deadletters?stream={stream}")
    # pushes of different subjects are parallel: which of them arrived first says nothing
    jti = next(p.jti for p in endpoint.pushes if p.txn == held[0])
    assert letter["jti"] == jti and letter["reason"] == "refused: invalid_request"
    state = {d["stream"]: d["state"] for d in hub.get(f"/v1/explain/{held[0]}")["deliveries"]}
    assert state[stream] == "dead-lettered"


# --- 5: one event of an issuer and jti, or of a source and delivery -------------------------------------

def test_clause5_the_same_twice_is_202_twice_and_one_event(hub, endpoint, stream, secret):
    """At once, later, after a kill; a SET and a webhook."""
    hub.apply({"kind": "source", "id": "gh-5", "type": "github", "secret": secret.webhook})
    token = sign_set(hub.idp, hub.claims(txn="txn-5"))
    body = harness.alert_body("acme/nobody", 5)

    def both():
        hook = hub.webhook("gh-5", secret.webhook, body, delivery="delivery-5")
        assert hook.status_code == 202
        assert hub.send(token).status_code == 202
        return hook.json()["txn"]
    first = [both(), both()]
    hub.kill9()
    hub.start()
    assert {*first, both()} == {first[0]}
    endpoint.wait(1, txn=hub.emit())
    # of what the kill may have repeated, it is the same SET
    assert len({p.token for p in endpoint.pushes if p.txn == "txn-5"}) == 1
    assert hub.sql("select count(*) from event where txn = 'txn-5'") == [(1,)]
    assert hub.sql("select count(*) from event where origin = 'source:gh-5'") == [(1,)]


# --- 6: who disables a stream ---------------------------------------------------------------------------

@pytest.mark.parametrize("answer", [
    *(Answer(n) for n in (200, 204, 301, 400, 401, 403, 404, 410, 418, 429, 500, 501, 503)),
    Answer(400, {"err": "invalid_audience"}), Answer(close=True),
    Answer(202, headers={"Content-Type": "text/html"}),
], ids=lambda a: "hangs-up" if a.close else f"{a.status}{'-err' if a.body else ''}{len(a.headers)}")
def test_clause6_no_answer_disables_a_stream(hub, endpoint, stream, answer):
    endpoint.script(*[answer] * 4)
    sent = [hub.emit(sub=f"s{n}") for n in range(4)]
    endpoint.wait_pushes(4)
    endpoint.wait(1, txn=hub.emit())
    wait_until(lambda: hub.stream_status(stream)["waiting_events"] == 0)
    assert hub.stream_status(stream)["status"] == "enabled"
    assert "status" not in hub.form(f"/v1/stream/{stream}"), "and nothing of it is stored"
    assert set(sent) <= set(txns(endpoint.pushes))


def test_clause6_its_operator_and_its_receiver_disable_a_stream(hub):
    stream = hub.poll_stream()

    def disable(asked):
        assert asked.status_code == 200, asked.text
        wait_until(lambda: hub.stream_status(stream.id)["status"] == "disabled")
    spec = hub.form(f"/v1/stream/{stream.id}")
    disable(hub.try_apply({**spec, "status": "disabled"}))
    hub.apply({**spec, "status": "enabled"})
    where = hub.request("GET", "/.well-known/ssf-configuration").json()["status_endpoint"]
    disable(hub.request("POST", where.removeprefix(hub.issuer),
                        json={"stream_id": stream.id, "status": "disabled"},
                        headers={"Authorization": f"Bearer {stream.token}"}))
    hub.cli("delete", "stream", stream.id)
