# SPDX-License-Identifier: Apache-2.0
"""Several processes on one database, of one hub and of several: each stream has one owner, and gets
another one within two seconds when that is gone; nothing is lost, and nothing that was handed over is
sent twice."""
import collections
import contextlib
import http.client
import json
import os
import re
import signal
import threading
import time

import psycopg2
import pytest
import requests

import harness
from harness import REVOKED, Answer, Load, busy_factor, check_all_arrived, wait_until

HUB_ARGS = ("--processes", "2")
OWNERS = ("select s.stream_id, u.owner::text from stream_state s join unit u on u.id = s.shard")


@pytest.fixture
def database(hub_template):
    """The conninfo of an empty database."""
    return hub_template.new_database()


@pytest.fixture
def ask(database):
    """Asks the database."""
    def run(text, *params):
        connection = psycopg2.connect(database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(text, params)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()
    return run


def hubs_on(database, new_hub):
    """Two hubs on one database, as on two machines."""
    first = new_hub("--database", database).use_idp()
    return first, new_hub("--database", database, like=first)


@pytest.fixture
def two(new_hub, database):
    return hubs_on(database, new_hub)


def shared(ask, count=2):
    """So many processes own the units, each its share."""
    def owners():
        found = dict(ask("select owner::text, count(*) from unit where owner in "
                         "(select owner from member) group by owner"))
        return found if len(found) == count and max(found.values()) <= -(-66 // count) else None
    return wait_until(owners, what=f"{count} processes share the units")


def spread(hub, ask, sink, owners, each=2):
    """Push streams until each owner has some: {owner: [(stream, endpoint)]}."""
    found = collections.defaultdict(list)
    while any(len(found[o]) < each for o in owners):
        endpoint = sink.endpoint()
        stream = hub.push_stream(endpoint)
        found[dict(ask(OWNERS))[stream]].append((stream, endpoint))
    return found


# --- one hub of two processes ---------------------------------------------------------------------

def test_every_process_answers_for_every_stream(hub):
    polls = [hub.poll_stream() for _ in range(8)]
    sent = [hub.emit(sub=f"s{i}") for i in range(10)]
    for poll in polls:
        for _ in range(6):   # each on a connection of its own: any process may get it
            with hub.new_session() as session:
                answer = poll.post({"returnImmediately": True}, session=session)
            assert answer.status_code == 200, answer.text
        assert [c["txn"] for c in poll.wait(10).values()] == sent
        sets, _ = poll.poll()
        with hub.new_session() as session:
            left = poll.post({"ack": list(sets), "returnImmediately": True}, session=session).json()
        assert left["sets"] == {}
    status = hub.get("/v1/status")
    assert status["processes"] == 2
    assert {p.id for p in polls} <= {s["id"] for s in status["streams"]}
    assert all(s["waiting_events"] == 0 for s in status["streams"])
    owners = dict(hub.sql(OWNERS))
    assert len({owners[p.id] for p in polls}) == 2, "both own some of them"
    metrics = lambda: hub.request("GET", "/metrics", headers={
        "Authorization": "Bearer " + (hub.data / "metrics.token").read_text().strip()}).text
    wait_until(lambda: "\nssfhub_units_owned 66\n" in metrics(), what="all units, of both")
    answered = re.search(r'\nssfhub_forwarded_requests_total{result="ok"} (\d+)\n', metrics())
    assert int(answered[1]) > 0


def test_what_one_process_stores_all_know_when_it_answers(hub):
    """Without that, a client that comes back on another connection would find nothing."""
    for n in range(15):
        with hub.new_session() as session:
            headers = {"Authorization": f"Bearer {hub.admin_token}"}
            answer = session.post(hub.url + "/v1/apply", headers=headers, json=[
                {"kind": "person", "id": f"p{n}", "name": "x"}])
            assert answer.status_code == 200
        for _ in range(4):
            with hub.new_session() as session:
                assert session.get(hub.url + f"/v1/person/p{n}", headers=headers).status_code == 200


def test_a_stream_is_asked_at_its_owner(hub, sink):
    """Subjects, verification and tests: what is asked of any process is done by the owner."""
    endpoints = [sink.endpoint() for _ in range(6)]
    streams = [hub.push_stream(e, default_subjects="NONE") for e in endpoints]
    subject = {"format": "iss_sub", "iss": "https://idp.example", "sub": "ada"}
    for stream, endpoint in zip(streams, endpoints):
        token = {"Authorization": "Bearer token-" + stream[2:]}
        with hub.new_session() as session:
            added = session.post(hub.url + "/ssf/subjects:add", headers=token,
                                 json={"stream_id": stream, "subject": subject})
        assert added.status_code == 200, added.text
        with hub.new_session() as session:
            asked = session.post(hub.url + "/ssf/verify", headers=token,
                                 json={"stream_id": stream, "state": "s"})
        assert asked.status_code == 204, asked.text
        with hub.new_session() as session:
            tested = session.post(hub.url + f"/v1/streams/{stream}/test", timeout=60,
                                  headers={"Authorization": f"Bearer {hub.admin_token}"})
        assert tested.status_code == 200 and tested.json()["delivered"], tested.text
        with hub.new_session() as session:
            health = session.get(hub.url + f"/ssf/health?stream_id={stream}", headers=token)
        assert health.status_code == 200 and health.json()["healthy"], health.text
    txn = hub.emit("ada")
    other = hub.emit("eve")
    for endpoint in endpoints:
        endpoint.wait(1, txn=txn)
        assert not [p for p in endpoint.pushes if p.txn == other]


def test_dead_letters_and_rewinding_at_any_process(hub, sink):
    admin = {"Authorization": f"Bearer {hub.admin_token}"}
    for _ in range(4):
        endpoint = sink.endpoint()
        stream = hub.push_stream(endpoint)
        endpoint.script(400)
        first, second = hub.emit(), hub.emit()
        endpoint.wait(1, txn=second)
        (letter,) = wait_until(lambda s=stream: hub.get(f"/v1/deadletters?stream={s}"), what="a dead letter")
        with hub.new_session() as session:
            done = session.post(hub.url + f"/v1/streams/{stream}/redrive", headers=admin, json={"all": True})
        assert done.status_code == 200 and done.json()["redriven"] == 1, done.text
        endpoint.wait(1, txn=first)
        with hub.new_session() as session:
            done = session.post(hub.url + f"/v1/streams/{stream}/rewind", headers=admin, json={"seq": letter["seq"]})
        assert done.status_code == 200, done.text
        endpoint.wait(2, txn=first)
        endpoint.wait(2, txn=second)
        assert len({p.token for p in endpoint.pushes}) == 2


def test_activity_counts_whichever_process_sees_it(hub, sink):
    """A receiver that only reads its stream, by any process, is not inactive."""
    streams = [hub.push_stream(sink.endpoint(), inactivity_timeout=3) for _ in range(4)]
    idle = hub.push_stream(sink.endpoint(), inactivity_timeout=3)
    status = lambda stream: hub.get(f"/v1/stream/{stream}").get("status", "enabled")
    began = time.monotonic()
    while status(idle) == "enabled" or time.monotonic() - began < 5:
        for stream in streams:
            with hub.new_session() as session:
                got = session.get(hub.url + f"/ssf/streams?stream_id={stream}",
                                  headers={"Authorization": "Bearer token-" + stream[2:]})
            assert got.status_code == 200
        assert time.monotonic() - began < 60
    assert {status(s) for s in streams} == {"enabled"}
    for stream in [*streams, idle]:
        hub.admin("DELETE", f"/v1/stream/{stream}")


def test_long_polls_are_woken_across_processes(hub):
    """A wait that is held by one process for another one ends when the event is there, not later."""
    for _ in range(6):
        poll = hub.poll_stream()
        with hub.begin("POST", f"/streams/{poll.id}/poll", b"{}",
                       Authorization=f"Bearer {poll.token}") as waiting:
            txn = hub.emit()
            answer = http.client.HTTPResponse(waiting)
            answer.begin()
            sets = json.loads(answer.read())["sets"]
        (token,) = sets.values()   # at the end of the wait it would be empty
        assert harness.part_of(token, 1)["txn"] == txn
        poll.post({"ack": list(sets), "maxEvents": 0})


def test_nothing_is_sent_after_a_stream_is_deleted(hub, sink):
    """Whichever process is asked to."""
    failing = sink.endpoint()   # on the same schedule of retries: it tells how much time has passed
    failing.decide = lambda push: Answer(503)
    hub.push_stream(failing)
    for _ in range(6):
        endpoint = sink.endpoint()
        stream = hub.push_stream(endpoint)
        endpoint.decide = lambda push: Answer(503)
        hub.emit()
        endpoint.wait_pushes(2)
        with hub.new_session() as session:
            gone = session.delete(hub.url + f"/v1/stream/{stream}", timeout=60,
                                  headers={"Authorization": f"Bearer {hub.admin_token}"})
        assert gone.status_code == 204
        count = len(endpoint.pushes)
        hub.emit()
        failing.wait_pushes(len(failing.pushes) + 3)
        assert len(endpoint.pushes) <= count + 1, "at most one that was on its way"


def test_a_revoked_key_is_gone_everywhere(hub):
    """When the revocation is answered no process publishes the key, and none signs by it."""
    headers = {"Authorization": f"Bearer {hub.admin_token}"}
    for _ in range(3):
        kid = next(k["kid"] for k in hub.get("/v1/keys") if k["state"] == "signing" and k["alg"] == "RS256")
        with hub.new_session() as session:
            assert session.delete(hub.url + f"/v1/keys/{kid}", headers=headers).status_code == 204
        for _ in range(8):
            with hub.new_session() as session:
                assert kid not in {k["kid"] for k in session.get(hub.url + "/jwks.json").json()["keys"]}


def test_other_processes_are_recognized(hub):
    """The listener for them takes nothing that is not signed by one of them."""
    urls = [url for (url,) in hub.sql("select url from member")]
    assert len(urls) == 2 and all(u.startswith("http://127.0.0.1:") for u in urls)
    poll = hub.poll_stream()
    for url in urls:
        for headers in ({}, {"X-Ssfhub-Caller": "admin"},
                        {"X-Ssfhub-Caller": "admin", "X-Ssfhub-Peer": f"{int(time.time())}.{'00' * 32}"},
                        {"Authorization": f"Bearer {hub.admin_token}"},
                        {"Authorization": f"Bearer {poll.token}"}):
            for method, path in (("GET", "/v1/status"), ("POST", f"/streams/{poll.id}/poll"),
                                 ("GET", "/healthz"), ("DELETE", f"/v1/stream/{poll.id}")):
                answer = requests.request(method, url + path, headers=headers, timeout=60)
                assert answer.status_code == 401, f"{method} {path} {headers}: {answer.text}"


def test_the_port_is_not_taken_twice(hub):
    """Two hubs must not share it by chance, though processes of one do."""
    other = hub.folder / "other"
    for processes in ("1", "2"):
        argv = [a.replace(str(hub.data), str(other)) for a in hub.argv] + [
            "--processes", processes]
        proc = harness.Proc(argv, hub.folder, "taken-" + processes)
        assert proc.popen.wait(60) == 1
        assert "Address already in use" in proc.log()


# --- a process dies ----------------------------------------------------------------------------------

@pytest.mark.serial
def test_streams_of_a_killed_process_move_within_two_seconds(hub, sink):
    """Under load, the other process goes on with them; the parent starts another in its place."""
    hub.expected.add("process.exited")
    shared(hub.sql)
    members = hub.members()
    found = spread(hub, hub.sql, sink, members)
    load = Load(hub)
    try:
        load.wait(40)
        for _, endpoint in sum(found.values(), []):
            endpoint.wait(10)
        victim = next(iter(members))
        moved = [endpoint for _, endpoint in found[victim]]
        os.kill(members[victim], signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda: victim not in dict(hub.sql(OWNERS)).values(), what="the units have moved")
        first = wait_until(lambda: next((p.at for p in moved[0].accepted() if p.at > killed + 0.05), None), what="the stream goes on")
        assert first - killed < 2 * busy_factor(), f"{first - killed} s"
        hub.proc.wait_log("event=hub.ready", count=3)
        load.wait(40)
    finally:
        accepted = load.finish()
    for _, endpoint in sum(found.values(), []):
        check_all_arrived(hub, endpoint, accepted)
    shared(hub.sql)
    assert set(hub.members().values()) - {members[victim]}, "there are two again"


def test_connections_go_to_those_that_run(new_hub):
    """While a process is away, no connection waits for it."""
    hub = new_hub(*HUB_ARGS)
    hub.expected.add("process.exited")

    def started():
        return re.findall(r"event=process.started number=2 pid=(\d+)", hub.proc.log())

    def answers_meanwhile(times):
        """Connections that are answered until process 2 is started again."""
        count = 0
        while True:
            with contextlib.closing(hub.new_session()) as session:
                assert session.get(hub.url + "/healthz", timeout=60).status_code == 200
            if len(started()) > times:
                return count
            count += 1
    for times in range(1, 9):   # it is started again after 50 ms, and twice as much each time
        wait_until(lambda t=times: len(started()) == t, what="it is started again")
        os.kill(int(started()[-1]), signal.SIGKILL)
        hub.proc.wait_log("event=process.exited", count=times)
        # half of them would wait, and so be the last
        if answers_meanwhile(times) >= 15:
            break
    else:
        pytest.fail("it waits for the process that is away")
    hub.proc.wait_log("event=hub.ready process=2", count=2)


def test_processes_end_with_the_hub(hub):
    pids = list(hub.members().values())
    assert len(set(pids)) >= 2
    hub.kill9()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), what="they are gone")
    hub.start()
    txn = hub.emit()   # and all begins again
    poll = hub.poll_stream()
    assert txn not in {c["txn"] for c in poll.poll()[0].values()}


# --- two hubs -------------------------------------------------------------------------------------------

@pytest.mark.serial
def test_a_killed_hub_is_followed_within_two_seconds(two, ask, sink):
    first, second = two
    shared(ask)
    (owner,) = first.members()
    found = spread(first, ask, sink, [owner, *second.members()])
    load = Load(second)
    try:
        load.wait(40)
        moved = found[owner][0][1]
        moved.wait(10)
        first.kill9()
        killed = time.monotonic()
        seen = wait_until(lambda: next((p.at for p in moved.accepted() if p.at > killed + 0.05), None),
                          what="the stream goes on")
        assert seen - killed < 2 * busy_factor(), f"{seen - killed} s"
        load.wait(40)
    finally:
        accepted = load.finish()
    for _, endpoint in sum(found.values(), []):
        check_all_arrived_of(ask, endpoint, accepted)


def check_all_arrived_of(ask, endpoint, accepted):
    """check_all_arrived() for hubs whose database is not their own."""
    class Asked:
        sql = staticmethod(ask)
    check_all_arrived(Asked, endpoint, accepted)


def test_b11_b12_a_stale_owner_is_refused_and_stops(two, ask, sink):
    """A hub is stopped in the middle of its work and loses its session, which it cannot know. What it
    owned goes on elsewhere; when it wakes up, nothing of what it believes is taken."""
    first, second = two
    shared(ask)
    (owner,), (other,) = first.members(), second.members()
    found = spread(second, ask, sink, [owner, other])
    stream, endpoint = found[owner][0]
    hold = threading.Event()
    endpoint.decide = lambda push: Answer(202, hold=hold)   # the stale owner waits for this answer
    txn = second.emit("one")
    endpoint.wait_pushes(1)
    epoch = ask("select u.id, u.epoch from unit u join stream_state s on s.shard = u.id where "
                "s.stream_id = %s", stream)[0]
    first.proc.send_signal(signal.SIGSTOP)
    try:
        ask("select pg_terminate_backend(l.pid, 5000) from member m join owner_lock l on l.id = m.number and "
            "l.class = 7236522 where m.owner = %s::uuid", owner)
        endpoint.decide = None
        wait_until(lambda: dict(ask(OWNERS))[stream] == other, what="it has another owner")
        endpoint.wait(1, txn=txn)
        wait_until(lambda: ask("select cursor >= (select seq from event where txn = %s) from stream_positions() "
                               "where stream_id = %s", txn, stream)[0][0], what="its acknowledgement is saved")
    finally:
        first.proc.send_signal(signal.SIGCONT)
    hold.set()   # now the stale owner gets its 202, and believes that it has delivered
    first.proc.wait_log("event=owner.session.lost")
    with pytest.raises(psycopg2.errors.SerializationFailure):
        ask("select save_checkpoint(%s::uuid, 1000000, array[%s]::smallint[], array[%s]::bigint[], '{}', null, '{}')",
            owner, *epoch)
    # it takes part again, with what it may: two own the streams, and each event arrives once more
    shared(ask)
    count = len(endpoint.pushes)
    last = second.emit("two")
    endpoint.wait(1, txn=last)
    assert len(endpoint.pushes) == count + 1, "one owner sends it"
    assert {p.token for p in endpoint.pushes if p.txn == txn} == {endpoint.pushes[0].token}


def test_an_attribution_that_is_refused_is_asked_again(new_hub, endpoint, registry, github, secret):
    """The unit has changed hands while GitHub was asked: the answer is not stored, and whoever has it asks."""
    hub = new_hub().use_idp()
    hub.apply(*registry)
    hub.push_stream(endpoint)
    github.leak("acme/app", 900, secret.leaked)
    hold = threading.Event()
    github.answers.append(Answer(200, github.alerts["acme/app", 900], hold=hold))
    asked = len(github.asked)
    txn = hub.webhook("gh", secret.webhook, harness.alert_body("acme/app", 900)).json()["txn"]
    wait_until(lambda: len(github.asked) > asked, what="GitHub is asked")
    hub.sql("update ownership set epochs[66] = epochs[66] + 1")
    hold.set()
    hub.proc.wait_log("event=owner.session.lost")
    assert {p.event for p in endpoint.wait(3, txn=txn)} == harness.THREE
    assert hub.sql("select count(*) from event where txn = %s and type = 'secret.leaked'", txn) == [(1,)]
    assert len(github.asked) == asked + 2


def test_a_stopped_hub_is_followed_and_takes_part_again(two, ask, sink):
    """Nobody ends its session from outside: its locks are free because it asks no more."""
    first, second = two
    shared(ask)
    (owner,), (other,) = first.members(), second.members()
    endpoints = [e for found in spread(second, ask, sink, [owner, other]).values() for _, e in found]
    before = second.emit("before")
    for endpoint in endpoints:
        endpoint.wait(1, txn=before)
    first.proc.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: ask("select distinct owner::text from unit") == [(other,)], what="the other has all units")
        meanwhile = second.emit("meanwhile")
        for endpoint in endpoints:
            endpoint.wait(1, txn=meanwhile)
    finally:
        first.proc.send_signal(signal.SIGCONT)
    awake = second.emit("awake")
    first.proc.wait_log("event=owner.session.lost")
    for endpoint in endpoints:
        endpoint.wait(1, txn=awake)
    shared(ask)
    last = first.emit("last")
    for endpoint in endpoints:
        endpoint.wait(1, txn=last)
        # what it had sent and not saved when it was stopped may come again; nothing else
        assert [sum(p.txn == t for p in endpoint.pushes) for t in (meanwhile, awake, last)] == [1, 1, 1]


def test_a_request_does_not_wait_for_an_owner_that_is_stopped(two, ask, sink):
    """What may be done twice is asked of the next owner; of the rest nobody knows whether it was done."""
    first, second = two
    shared(ask)
    (owner,) = first.members()
    stream = spread(second, ask, sink, [owner], each=1)[owner][0][0]
    answers = {}

    def request(method, path, body):
        with second.new_session() as session:
            answers[method] = session.request(method, f"{second.url}/v1/streams/{stream}/{path}", json=body, timeout=60,
                                              headers={"Authorization": f"Bearer {second.admin_token}"})
    first.proc.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        threads = [threading.Thread(target=request, args=args) for args in
                   (("GET", "health", None), ("POST", "redrive", {"all": True}))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        assert time.monotonic() - began < 20
    finally:
        first.proc.send_signal(signal.SIGCONT)
    assert answers["GET"].status_code == 200 and answers["GET"].json()["stream_id"] == stream
    assert answers["POST"].status_code == 503 and "Retry-After" in answers["POST"].headers
    shared(ask)


def no_duplicates(endpoints):
    for endpoint in endpoints:
        count = collections.Counter(p.jti for p in endpoint.pushes)
        assert not [j for j, n in count.items() if n > 1], f"{len(endpoint.pushes)} pushes"


def test_a_rolling_restart_loses_and_repeats_nothing(two, ask, sink):
    """One hub after the other ends, handing over what it has, and starts, while both are in use."""
    first, second = two
    shared(ask)
    endpoints = [e for found in spread(first, ask, sink, [*first.members(), *second.members()]).values()
                 for _, e in found]
    load, other = Load(second, threads=2), Load(first, threads=2)
    try:
        for hub, remaining in ((first, load), (second, other)):
            load.wait(20)
            hub.stop()
            stopped = time.monotonic()
            remaining.wait(20)
            wait_until(lambda: all(any(p.at > stopped for p in e.pushes) for e in endpoints),
                       what="the other one has all streams")
            hub.start()
            shared(ask)
        load.wait(20)
        other.wait(20)
    finally:
        count = len(load.finish()) + len(other.finish())
    for endpoint in endpoints:
        wait_until(lambda e=endpoint: len({p.jti for p in e.accepted()}) >= count, what="all arrived")
    no_duplicates(endpoints)


def test_rules_run_once_whoever_runs_them(two, ask, sink, registry, github, secret):
    """The consumer of the rules moves with its hub, and no event is acted on twice."""
    first, second = two
    first.apply(*registry)
    endpoint = sink.endpoint()
    first.push_stream(endpoint)
    shared(ask)
    txns = []
    for n in range(4):
        body = harness.alert_body("acme/app", 100 + n)
        hub = second if n != 1 else first
        txns.append(hub.webhook("gh-plain", secret.webhook, body).json()["txn"])
        if n == 1:
            first.kill9()   # it had the rules: they were there first
    for txn in txns:
        assert {p.event for p in endpoint.wait(3, txn=txn)} == harness.THREE
        assert ask("select count(*) from event where txn = %s and origin = 'rules'", txn) == [(3,)]


def test_a_database_that_restarts_changes_no_owner(new_hub, postgres, sink):
    """All sessions break at once: who had what is not decided by who comes back first alone."""
    two = first, second = hubs_on(postgres.conninfo, new_hub)
    shared(first.sql)
    endpoints = [sink.endpoint() for _ in range(4)]
    for endpoint in endpoints:
        first.push_stream(endpoint)
    before = second.emit("before")
    for endpoint in endpoints:
        endpoint.wait(1, txn=before)
    postgres.stop()
    for hub in two:
        wait_until(lambda: hub.request("GET", "/readyz").status_code == 503, what="not ready")
    postgres.start()
    for hub in two:
        wait_until(lambda: hub.request("GET", "/readyz").status_code == 200, what="ready again")
    after = first.emit("after")
    for endpoint in endpoints:
        endpoint.wait(1, txn=after)
    shared(first.sql)
    assert all(len([p for p in e.pushes if p.txn == after and p.event == REVOKED]) == 1 for e in endpoints)
