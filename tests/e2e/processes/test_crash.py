# SPDX-License-Identifier: Apache-2.0
"""Processes are killed at any instant: what was accepted is delivered all the same."""
import os
import random
import signal
import threading
import time

import pytest

import harness
from harness import Answer, Load, check_all_arrived, sign_set, wait_until

SEED = 20240611


def test_kill_between_ingest_and_delivery(new_hub, endpoint, registry, github, secret):
    """Accepted while the receiver is down, killed, started again: all of it arrives."""
    hub = new_hub().use_idp()
    hub.apply(*registry)
    stream = hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(503)
    txns = [hub.emit(sub=f"s{i}") for i in range(10)]
    leak = hub.webhook("gh-plain", secret.webhook, harness.alert_body("acme/app", 1)).json()["txn"]
    endpoint.wait_pushes(1)
    hub.kill9()
    failed = list(endpoint.pushes)
    endpoint.decide = None
    hub.start()
    endpoint.wait(10 + 3)
    assert {p.txn for p in endpoint.accepted()} == {*txns, leak}
    assert {p.event for p in endpoint.wait(3, txn=leak)} == harness.THREE
    jti = {(p.txn, p.event): p.token for p in endpoint.accepted()}
    assert all(jti[(p.txn, p.event)] == p.token for p in failed), "the retry is the same SET"
    assert hub.get(f"/v1/deadletters?stream={stream}") == []


def test_kill_with_an_attribution_under_way(new_hub, endpoint, registry, github, secret):
    """The question to GitHub is in the database: the next start asks it."""
    hub = new_hub()
    hub.apply(*registry)
    hub.push_stream(endpoint)
    github.leak("acme/crash", 3, secret.leaked)
    hold = threading.Event()
    github.answers.append(Answer(500, hold=hold))
    asked = len(github.asked)
    txn = hub.webhook("gh", secret.webhook, harness.alert_body("acme/crash", 3)).json()["txn"]
    wait_until(lambda: len(github.asked) > asked, what="GitHub is asked")
    hub.kill9()
    hold.set()
    hub.start()
    assert {p.event for p in endpoint.wait(3, txn=txn)} == harness.THREE
    assert hub.get(f"/v1/explain/{txn}")["events"][1]["agent"] == "agent:builder"


def test_b5_kill_loop_under_load(new_hub, endpoint):
    """kill -9 at moments that a seed decides; accepted minus delivered is nothing."""
    hub = new_hub().use_idp()
    hub.push_stream(endpoint)
    rng = random.Random(SEED)
    failing = [False]
    endpoint.decide = lambda push: Answer(503) if failing[0] else None
    load = Load(hub)
    try:
        for round_ in range(4):
            failing[0] = round_ % 2 == 1   # now and then nothing is delivered before the kill
            load.wait(rng.randrange(5, 60))
            hub.kill9()
            hub.start()
        failing[0] = False
        load.wait(20)
    finally:
        accepted = load.finish()
    assert len(accepted) > 40
    check_all_arrived(hub, endpoint, accepted)


@pytest.mark.parametrize("signo", [signal.SIGQUIT, signal.SIGKILL])
def test_database_killed_under_load(new_hub, endpoint, signo):
    """The hub's own PostgreSQL dies, immediately or without any word, and is started again."""
    hub = new_hub(private=True).use_idp()
    hub.expected.add("cluster.exited")
    hub.push_stream(endpoint)
    load = Load(hub)
    try:
        for _ in range(2):
            load.wait(30)
            before = hub.postgres_pid()
            os.kill(before, signo)
            wait_until(lambda: hub.log().count("event=cluster.exited") > _)
            load.wait(30)
            assert hub.postgres_pid() != before
    finally:
        accepted = load.finish()
    assert hub.proc.alive() and len(hub.starts) == 1, "the hub itself went on"
    check_all_arrived(hub, endpoint, accepted)
    wait_until(lambda: hub.request("GET", "/readyz").status_code == 200)


def test_frozen_database_is_no_end(new_hub, endpoint):
    """PostgreSQL does not answer for a while: refused in time, or accepted; never lost."""
    hub = new_hub("--database-timeout", "500ms", private=True).use_idp()
    hub.push_stream(endpoint)
    hub.emit(txn="load-0-0")
    pids = [p for p in hub.processes() if p != hub.proc.pid]
    backends = [r[0] for r in hub.sql("select pid from pg_stat_activity where backend_type = "
                                      "'client backend' and pid <> pg_backend_pid()")]
    assert len(backends) >= 2
    for pid in [*backends, *pids]:
        os.kill(pid, signal.SIGSTOP)
    try:
        token = sign_set(hub.idp, hub.claims(txn="load-0-1"))
        # for ever, if --database-timeout did not end it
        assert hub.send(token).status_code in (503, 504)
    finally:
        for pid in [*pids, *backends]:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: hub.send(token).status_code == 202, what="the database is used again")
    check_all_arrived(hub, endpoint, ["load-0-0", "load-0-1"])


# --- a database that is somebody else's ---------------------------------------------------------

@pytest.fixture(scope="module")
def unreachable(tmp_path_factory):
    """A hub whose database does not exist. It gives up after half a minute."""
    folder = tmp_path_factory.mktemp("unreachable")
    proc = harness.Proc([harness.program("hub/ssfhub"), "serve", "--data", str(folder / "data"),
                         "--listen", "127.0.0.1:0", "--database",
                         f"host={folder} dbname=ssfhub user=ssfhub"], folder, "unreachable")
    yield proc
    proc.close()


@pytest.fixture(scope="module")
def rivals(tls, unreachable):
    """A hub, and another one that wants its data directory, for which it waits half a minute. Both fixtures
    are set up before either test, so that the time passes once."""
    hub = harness.Hub(tls)
    argv = [a.replace(f":{hub.port}", ":0") for a in hub.argv]
    second = harness.Proc(argv, hub.folder, "intruder")
    yield hub, second
    second.close()
    hub.close()


def test_b19_while_the_database_is_away(new_hub, postgres, endpoint, registry, secret):
    """Nothing is accepted into memory: 503 and Retry-After, on every way in, until it is back."""
    hub = new_hub("--database", postgres.conninfo).use_idp()
    hub.apply(*registry)
    hub.push_stream(endpoint)
    poll = hub.poll_stream()
    first = hub.emit()
    endpoint.wait(1, txn=first)
    postgres.stop()
    wait_until(lambda: hub.request("GET", "/readyz").status_code == 503, what="not ready")
    assert hub.request("GET", "/healthz").status_code == 200
    assert hub.get("/v1/status")["database"]["up"] is False
    assert "away" in hub.cli("status")
    token = sign_set(hub.idp, hub.claims(txn="txn-away"))
    body = harness.alert_body("acme/app", 2)
    for answer in (hub.send(token), hub.webhook("gh-plain", secret.webhook, body),
                   hub.try_apply({"kind": "person", "id": "x"}),
                   hub.admin("GET", "/v1/events"), hub.admin("GET", "/v1/explain/x")):
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) >= 1
    # what it owns it may own no more: nothing is handed out that an acknowledgement could not be stored of
    refused = poll.post({"returnImmediately": True})
    assert refused.status_code == 503 and int(refused.headers["Retry-After"]) >= 1
    postgres.start()
    wait_until(lambda: hub.request("GET", "/readyz").status_code == 200, what="ready again")
    assert [c["txn"] for c in poll.wait(1).values()] == [first]
    assert "txn-away" not in {e["txn"] for e in hub.get("/v1/events?limit=1000")}
    assert hub.send(token).status_code == 202
    endpoint.wait(1, txn="txn-away")
    # nothing of it is in a data directory of its own
    assert not (hub.data / "pg").exists()


@pytest.mark.slow
def test_second_hub_on_one_data_directory_does_not_start(rivals):
    hub, second = rivals
    assert second.popen.wait(60) == 1
    assert "another hub uses this folder" in second.log()
    assert hub.request("GET", "/readyz").status_code == 200


@pytest.mark.slow
def test_b19_refuses_to_start_without_its_database(unreachable):
    """No silent fallback to anything: the hub gives up and says why."""
    assert unreachable.popen.wait(120) == 1
    assert "ssfhub: database:" in unreachable.log()
    assert "ready" not in unreachable.stdout()


def test_a_stream_that_is_made_again_is_saved(new_hub, endpoint):
    """Between two checkpoints: the next one forgets the stream that was deleted, not this one."""
    hub = new_hub("--checkpoint", "2s").use_idp()
    stream = hub.push_stream(endpoint)
    form = hub.form(f"/v1/stream/{stream}")
    endpoint.wait(1, txn=hub.emit())
    wait_until(lambda: hub.sql("select 1 from checkpoint where state ? %s", stream), what="it was saved")
    hub.admin("DELETE", f"/v1/stream/{stream}")
    hub.apply(form)
    txn = hub.emit()
    endpoint.wait(1, txn=txn)
    wait_until(lambda: hub.sql("""select 1 from checkpoint, event where txn = %s and
        (state -> %s ->> 'cursor')::bigint >= seq""", txn, stream), what="the next checkpoint has it")
    hub.kill9()
    hub.start()
    endpoint.wait(1, txn=hub.emit())
    assert len([p for p in endpoint.pushes if p.txn == txn]) == 1, "it was settled before"


def test_a_hub_that_ends_waits_until_it_can_save(new_hub, endpoint):
    """With pauses: a database that refuses is not asked all the time."""
    hub = new_hub("--checkpoint", "60s", "--drain-timeout", "30s").use_idp()
    hub.push_stream(endpoint)
    txn = hub.emit()
    endpoint.wait(1, txn=txn)
    hub.sql("create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$")
    hub.sql("create trigger refuse before insert or update on checkpoint execute function refuse()")
    began = time.monotonic()
    hub.proc.send_signal(signal.SIGTERM)
    hub.proc.wait_log("event=deliver.checkpoint.failed", count=30)
    assert time.monotonic() - began > 0.3, "without a pause between the attempts"
    hub.sql("drop trigger refuse on checkpoint")
    hub.stop()
    assert "event=deliver.drain.late" not in hub.proc.log()
    hub.start()
    endpoint.wait(1, txn=hub.emit())
    assert len([p for p in endpoint.pushes if p.txn == txn]) == 1
