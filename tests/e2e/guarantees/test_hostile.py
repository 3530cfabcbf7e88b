# SPDX-License-Identifier: Apache-2.0
"""What a hostile review broke: senders, receivers, operators, signals and a database that mean ill,
or have bad luck. Each test says what went wrong once."""
import contextlib
import json
import random
import signal
import socket
import ssl
import threading
import time
import uuid

import pytest
import requests

import harness
from harness import PUSH, REVOKED, Answer, sign_set, wait_until

HUB_ARGS = ("--retry-min", "100ms", "--retry-max", "60s", "--crypto-threads", "1",
            "--poll-wait", "1s", "--push-timeout", "1s", "--drain-timeout", "1s")
SEED = 20240907
STORM_S = 8
HELD = "select pg_advisory_lock(7236520, 1)"   # what everybody takes who appends to the log
WAITING = ("select count(*) from pg_locks where locktype = 'advisory' and classid = 7236520 "
           "and objid = 1 and not granted and database = (select oid from pg_database where "
           "datname = current_database())")
KILL_ALL = ("select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database()")


@pytest.fixture
def hub(hub):
    """The module's hub, without the streams and rules of the tests before."""
    yield hub
    if hub.proc.alive():
        for kind in ("stream", "rules"):
            for one in hub.get(f"/v1/{kind}"):
                assert hub.admin("DELETE", f"/v1/{kind}/{one['id']}").status_code == 204


@contextlib.contextmanager
def log_held(hub):
    """Nothing can be appended meanwhile; gives a function that counts who waits for it."""
    with contextlib.closing(hub.connect()) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(HELD)
        yield lambda: hub.sql(WAITING)[0][0]


def in_background(*functions):
    """Runs them in threads, all at once; gives a function that waits and gives what they gave."""
    gave = [None] * len(functions)

    def run(n):
        gave[n] = functions[n]()
    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(functions))]
    for t in threads:
        t.start()

    def finish():
        for t in threads:
            t.join(60)
            assert not t.is_alive()
        return gave
    return finish


def rule(*actions, id="hostile.rule"):
    return {"kind": "rules", "id": "hostile", "text": json.dumps({"hrl": 1, "rules": [{
        "id": id, "title": "t", "severity": "high", "mode": "enforce", "on": [REVOKED],
        "match": {"subject": {"sub": [{"exists": True}]}}, "actions": list(actions)}]})}


REVOKE_SUBJECT = {"revoke": "token", "target": "${subject.sub}", "reason": "said so"}


def revoked(hub):
    return {r["target"]: r for r in hub.get("/v1/revocations")}


# --- the database has one owner -------------------------------------------------------------------

def test_what_somebody_else_has_stored_is_known(hub):
    """Whatever wrote it: another process, or an operator by hand."""
    hub.apply({"kind": "person", "id": "gone", "name": "x"})
    hub.sql("select write_resources(%s)", json.dumps([
        {"kind": "person", "id": "late", "spec": {"name": "x"}, "actor": "other"},
        {"kind": "person", "id": "gone", "spec": None, "actor": "other"}]))
    wait_until(lambda: hub.admin("GET", "/v1/person/late").status_code == 200, what="it is known")
    assert hub.get("/v1/person/late")["name"] == "x"
    assert hub.admin("GET", "/v1/person/gone").status_code == 404
    hub.apply({"kind": "person", "id": "later", "name": "x"})


# --- senders --------------------------------------------------------------------------------------

def test_numbers_that_the_database_prints_in_another_way(hub):
    """jsonb gave 1e20 back as 21 digits: jansson refused the row, and all that followed it."""
    poll = hub.poll_stream()
    first = hub.emit("a", events={REVOKED: {"event_timestamp": 1, "x": 1e20}})
    second = hub.emit("b")
    assert [c["txn"] for c in poll.wait(2).values()] == [first, second]
    hub.apply({"kind": "person", "id": "ada", "name": "x"},
              {"kind": "agent", "id": "big", "owner": "ada", "purpose": "p",
               "environment": "prod", "labels": {"n": 1e20}})
    hub.restart()
    assert hub.get("/v1/agent/big")["labels"]["n"] == 1e20
    assert hub.get(f"/v1/explain/{first}")["events"][0]["body"]["x"] == 1e20
    assert len(poll.wait(2)) == 2


def test_txn_that_fits_into_no_index(hub):
    """6400 random digits as txn were a 500, for ever: the sender could only try again."""
    long = "".join(uuid.uuid4().hex for _ in range(200))
    answer = hub.send(sign_set(hub.idp, hub.claims(txn=long)))
    assert answer.status_code == 413 and "txn" in answer.json()["description"]
    assert hub.send(sign_set(hub.idp, hub.claims(txn="x" * 257))).status_code == 413
    assert hub.send(sign_set(hub.idp, hub.claims(txn="x" * 256))).status_code == 202


def test_event_too_large_for_a_receiver(hub):
    """An event was taken that made a SET of more than any receiver takes."""
    poll = hub.poll_stream()

    def send(size):
        events = {REVOKED: {"event_timestamp": 1, "x": "y" * size}}
        return hub.send(sign_set(hub.idp, hub.claims(events=events))).status_code
    assert send(150000) == 413
    assert send(98000) == 202
    (claims,) = poll.wait(1).values()
    assert len(claims["events"][REVOKED]["x"]) == 98000


def test_one_delivery_many_times_at_once(hub):
    """Repeats that get into one batch with the first are one event, and are told its txn."""
    hub.apply({"kind": "source", "id": "gh", "type": "github", "secret": "webhook-secret"})
    delivery, body = str(uuid.uuid4()), harness.alert_body()
    text = json.dumps(body).encode()
    headers = harness.webhook_headers("webhook-secret", text, delivery=delivery)

    def send():
        with hub.new_session() as session:
            answer = session.post(hub.url + "/in/gh", data=text, headers=headers, timeout=60)
            return answer.status_code, answer.json()["txn"]
    with log_held(hub) as waiting:
        finish = in_background(*[send] * 6)
        wait_until(lambda: waiting() == 1 and
                   hub.get("/v1/status")["log"]["waiting_to_be_stored"] >= 6, what="all wait")
    answers = set(finish())
    assert len(answers) == 1 and answers.pop()[0] == 202, "all are told the same txn"
    assert hub.sql("select count(*) from event where origin = 'source:gh'") == [(1,)]


def test_statement_timeout_asks_the_source_to_try_again(new_hub):
    """The database took too long: that was a 504, which GitHub and others take for an end."""
    hub = new_hub("--database-timeout", "1s").use_idp()
    hub.apply({"kind": "source", "id": "gh", "type": "github", "secret": "webhook-secret"})
    text = json.dumps(harness.alert_body()).encode()
    headers = harness.webhook_headers("webhook-secret", text)
    claims = hub.claims()
    token = sign_set(hub.idp, claims)

    def webhook():
        with hub.new_session() as session:
            return session.post(hub.url + "/in/gh", data=text, headers=headers, timeout=60)

    def push():
        with hub.new_session() as session:
            return hub.send(token, session)
    with log_held(hub):
        for answer in in_background(webhook, push)():
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
    for again in (webhook, push):
        wait_until(lambda: again().status_code == 202, what="it is taken")
    stored = hub.sql("select count(*) from event where origin = 'source:gh' or txn = %s",
                     claims["txn"])
    assert stored == [(2,)], "each once, even if the first try was stored after all"


# --- rules ----------------------------------------------------------------------------------------

def test_target_that_fits_into_no_index(hub):
    """A target of 3500 bytes could not be stored, and no rule ever ran again."""
    hub.apply(rule(REVOKE_SUBJECT))
    long = "".join(uuid.uuid4().hex for _ in range(110))
    refused = hub.emit(long)
    hub.emit("after-the-long-one")
    wait_until(lambda: "after-the-long-one" in revoked(hub), what="the rules go on")
    assert long not in revoked(hub)
    (hit,) = hub.get(f"/v1/explain/{refused}")["rules"]
    assert "target" in hit["actions"][0]["error"]


def leaks(hub, name, *repositories):
    """Applies the rules for leaks, an agent a repository; functions that leak by it."""
    hub.apply({"kind": "person", "id": "ada", "name": "Ada"},
              {"kind": "source", "id": name, "type": "github", "secret": "webhook-secret"},
              {"kind": "rules", "id": name, "text": harness.rules()},
              *[{"kind": "agent", "id": "agent:" + r, "owner": "ada", "purpose": "p",
                 "environment": "prod", "repositories": [f"acme/{r}"]} for r in repositories])

    def leak(repository):
        text = json.dumps(harness.alert_body(f"acme/{repository}")).encode()
        with hub.new_session() as session:
            answer = session.post(f"{hub.url}/in/{name}", data=text, timeout=60,
                                  headers=harness.webhook_headers("webhook-secret", text))
        assert answer.status_code == 202, answer.text
        return answer.json()["txn"]
    return [lambda r=r: leak(r) for r in repositories]


def test_outcome_that_the_database_refuses_does_not_stop_the_rules(hub):
    """The step was tried again for ever; nothing that came later was acted on."""
    hub.expected.add("rules.poison")
    one, poison, two, three = leaks(hub, "poison", "one", "poison", "two", "three")
    hub.sql("alter table revocation add constraint refuse check (target <> 'agent:poison')")
    try:
        with log_held(hub) as waiting:
            finish_one = in_background(one)
            wait_until(lambda: waiting() == 1, what="the first waits for the log")
            # so that these come as one batch, and the rules get them in one step
            finish_rest = in_background(poison, two)
            wait_until(lambda: hub.get("/v1/status")["log"]["waiting_to_be_stored"] >= 3)
        (txn_one,), (txn_poison, txn_two) = finish_one(), finish_rest()
        wait_until(lambda: {"agent:one", "agent:two"} <= set(revoked(hub)), what="others are done")
        wait_until(lambda: hub.get(f"/v1/explain/{txn_poison}")["rules"], what="it is explained")
        txn_three = three()
        wait_until(lambda: "agent:three" in revoked(hub), what="the next leak is acted on")
    finally:
        hub.sql("alter table revocation drop constraint if exists refuse")
    explained = hub.get(f"/v1/explain/{txn_poison}")
    (hit,) = explained["rules"]
    assert hit["mode"] == "error" and hit["severity"] == "critical"
    assert "could not be stored" in hit["actions"][0]["error"]
    assert explained["revocations"] == [] and "agent:poison" not in revoked(hub)
    assert not [e for e in explained["events"] if e["origin"] == "rules"], "all of it or nothing"
    for txn in (txn_one, txn_two, txn_three):
        explained = hub.get(f"/v1/explain/{txn}")
        assert [h["mode"] for h in explained["rules"]] == ["enforce"]
        assert {e["type"] for e in explained["events"] if e["origin"] == "rules"} == harness.THREE
    assert hub.log().count("event=rules.poison") == 1
    hub.restart()
    assert "agent:poison" not in revoked(hub), "it is settled: a restart does not try it again"
    assert len(hub.get(f"/v1/explain/{txn_poison}")["rules"]) == 1


@pytest.mark.parametrize("way", ["command", "request"])
def test_lifting_a_revocation(hub, way):
    """There was no way back from a revocation but SQL."""
    agent = f"lift-by-{way}"
    (leak,) = leaks(hub, "lift", agent)
    txn = leak()
    target = wait_until(lambda: revoked(hub).get("agent:" + agent))
    assert (target["effect"], target["kind"], target["txn"]) == ("revoke", "agent", txn)
    path = f"/v1/revocations/revoke/agent/agent:{agent}"
    assert hub.request("DELETE", path).status_code == 401
    for wrong in (path.replace("/revoke/", "/suspend/"), path.replace("/agent/", "/token/"),
                  path + "x"):
        assert hub.admin("DELETE", wrong).status_code == 404
    assert "agent:" + agent in revoked(hub)
    if way == "command":
        hub.cli("lift", "revoke", "agent", "agent:" + agent)
    else:
        answer = hub.admin("DELETE", path)
        assert (answer.status_code, answer.content) == (204, b"")
    assert "agent:" + agent not in revoked(hub)
    explained = hub.get(f"/v1/explain/{txn}")
    (lifted,) = [e for e in explained["events"] if e["type"] == "revocation.lifted"]
    assert lifted["origin"] == "operator" and lifted["agent"] == "agent:" + agent
    assert lifted["body"] == {"effect": "revoke", "kind": "agent", "target": "agent:" + agent,
                              "rule": "leak.of-agent"}
    assert lifted["cause"] in [h["seq"] for h in explained["rules"]]
    assert explained["revocations"] == []
    assert hub.admin("DELETE", path).status_code == 404, "the second time there is none"
    assert "nothing of the kind" in hub.cli("lift", "revoke", "agent", "agent:" + agent, status=1)
    events = hub.get(f"/v1/explain/{txn}")["events"]
    assert [e["type"] for e in events].count("revocation.lifted") == 1
    again = leak()
    wait_until(lambda: revoked(hub).get("agent:" + agent, {}).get("txn") == again,
               what="the next leak revokes it again")


# --- receivers ------------------------------------------------------------------------------------

def test_poll_clients_that_leave_while_their_sets_are_signed(hub):
    """Use after free: the signature came back to a poll that was gone."""
    polls = [hub.poll_stream() for _ in range(24)]
    context = ssl.create_default_context(cafile=str(hub.data / "ca.pem"))
    for _ in range(3):
        with contextlib.ExitStack() as leaving:
            for poll in polls:
                client = leaving.enter_context(context.wrap_socket(
                    socket.create_connection(("127.0.0.1", hub.port), timeout=60),
                    server_hostname="localhost"))
                client.sendall(f"POST /streams/{poll.id}/poll HTTP/1.1\r\nHost: localhost\r\n"
                               f"Authorization: Bearer {poll.token}\r\n"
                               "Content-Length: 2\r\n\r\n{}".encode())
            # what the polls wait for is read after them: it comes later, to the same loop
            sent = [hub.emit(f"x{i}") for i in range(3)]
        for poll in polls:
            claims = lambda: poll.post({"returnImmediately": True}).json()["sets"]
            sets = wait_until(lambda: len(s := claims()) == 3 and s, what="they are still there")
            assert [harness.part_of(t, 1)["txn"] for t in sets.values()] == sent
            assert poll.post({"ack": list(sets), "maxEvents": 0}).status_code == 200
        assert hub.proc.alive(), hub.proc.log()


def test_refusal_that_is_cut_inside_a_character(hub, endpoint):
    """The reason was cut to half a UTF-8 character: never stored, and pushed for ever."""
    stream = hub.push_stream(endpoint)
    answers = [{"err": "x" + "é" * 80}, {"err": "é" + "é" * 80},
               {"err": "invalid_request", "description": "x" + "é" * 900},
               {"err": "invalid_request", "description": "é" * 900}]
    endpoint.script(*[Answer(400, a) for a in answers])
    for i in range(len(answers)):
        hub.emit(f"s{i}")
    dead = wait_until(lambda: len(d := hub.get(f"/v1/deadletters?stream={stream}")) == 4 and d)
    assert all(d["reason"].startswith("refused: ") and "\ufffd" not in d["reason"] for d in dead)
    assert len(endpoint.pushes) == len(answers), "each was pushed once"


def test_stream_that_changes_while_an_event_is_given_up(hub, endpoint):
    """Use after free: the dead letter was stored for an entry that the change had dropped."""
    stream = hub.push_stream(endpoint)
    hold = threading.Event()
    endpoint.script(Answer(400, {"err": "invalid_request"}), Answer(202, hold=hold))
    waits = ("select count(*) from pg_locks where relation = 'dead_letter'::regclass "
             "and not granted")
    with contextlib.closing(hub.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("lock table dead_letter in exclusive mode")
        hub.emit("first")
        wait_until(lambda: hub.sql(waits) == [(1,)], what="the dead letter waits")
        hub.apply({**hub.get(f"/v1/stream/{stream}"), "description": "changed"})
        endpoint.wait_pushes(2)
    wait_until(lambda: hub.sql(waits) == [(0,)], what="the dead letter is stored")
    hold.set()
    assert endpoint.wait(1, txn=hub.emit("first"))
    assert hub.proc.alive(), hub.proc.log()


def test_event_that_always_fails_holds_up_its_own_subject_only(hub, endpoint):
    """One event that a receiver answers with 500 filled the window, and was tried at every turn."""
    hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(
        500 if push.claims["sub_id"]["sub"] == "poison" else 202)
    hub.emit("poison")
    endpoint.wait_pushes(1)
    for i in range(300):
        hub.emit(f"s{i % 50}")
    endpoint.wait(300)
    poisoned = [p for p in endpoint.pushes if p.claims["sub_id"]["sub"] == "poison"]
    assert len(poisoned) <= 12, "it backs off, however well the others do"
    assert len({p.jti for p in endpoint.accepted()}) == len(endpoint.accepted()) == 300
    behind = hub.emit("poison")
    last = hub.emit("after")
    endpoint.wait(1, txn=last)
    assert behind not in {p.txn for p in endpoint.pushes}, "behind the one that fails"
    assert len(endpoint.accepted()) == 301


def test_retry_after_is_for_the_whole_receiver(hub, endpoint):
    """Retry-After was kept for the one event that met it: it is the receiver that is spared."""
    hub.push_stream(endpoint)
    endpoint.script(Answer(429, headers={"Retry-After": "2"}))
    hub.emit("a")
    refused = endpoint.wait_pushes(1)[0]
    for i in range(20):
        hub.emit(f"s{i}")
    assert min(p.at for p in endpoint.wait(21)) - refused.at >= 1.9, "none comes before"
    assert len(endpoint.pushes) == 22


# --- operators ------------------------------------------------------------------------------------

def test_header_secrets_with_control_characters(hub):
    """A line break in authorization_header was a header of its own in every push."""
    hub.apply({"kind": "client", "id": "c", "audience": "https://x.example",
               "token": "token-1234567"})

    def stream(header):
        return {"kind": "stream", "id": "s", "client": "c",
                "delivery": {"method": PUSH, "endpoint_url": "https://localhost:1/x",
                             "authorization_header": header}}
    for bad in ("Bearer x\r\nX-Evil: 1", "Bearer x\n y", "Bearer abcdef\x01", "Bearer \x7fxyz"):
        answer = hub.try_apply(stream(bad))
        assert answer.status_code == 400 and "authorization_header" in answer.text
        assert "Evil" not in answer.text
        token = {"kind": "source", "id": "bad", "type": "github", "secret": "webhook-secret",
                 "api": {"url": "https://api.example", "token": bad}}
        answer = hub.try_apply(token)
        assert answer.status_code == 400 and "api.token" in answer.text
        assert "Evil" not in answer.text
    assert hub.get("/v1/stream") == []
    assert hub.try_apply(stream("Bearer abcdef")).status_code == 200


def test_plain_http_only_to_loopback(hub):
    """http://127.0.0.1.evil.example/ passed for loopback: keys would have come in the clear."""
    def apply(url):
        return hub.try_apply({"kind": "transmitter", "id": "t", "issuer": "https://i.example",
                              "jwks_url": url})
    for bad in ("http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/",
                "http://127.0.0.1:80@evil.example/", "https://127.0.0.1@evil.example/",
                "http://127.0.0.10/", "http://i.example/"):
        answer = apply(bad)
        assert answer.status_code == 400 and "jwks_url" in answer.json()["description"], bad
    for good in ("http://127.0.0.1/", "http://127.0.0.1:8080/x", "http://127.0.0.1",
                 "https://i.example/"):
        assert apply(good).status_code == 200, good


@pytest.mark.parametrize("path", ["/v1/explain/%ff", "/v1/revocations?after=%ff"])
def test_bytes_that_are_no_text(hub, path):
    """What the caller got wrong was an internal error, and one in the log."""
    answer = hub.admin("GET", path)
    assert answer.status_code == 400, f"{answer.status_code} {answer.text}"


# --- the end, and the beginning -------------------------------------------------------------------

def test_sigterm_while_a_sender_waits_for_the_database(hub):
    """A request whose event was still to be stored was never answered, and the hub hung on it."""
    token = sign_set(hub.idp, hub.claims())

    def send():
        with hub.new_session() as session:
            try:
                return hub.send(token, session).status_code
            except requests.exceptions.RequestException:
                return None   # cut off: not accepted either
    with log_held(hub) as waiting:
        finish = in_background(send)
        wait_until(lambda: waiting() == 1, what="it waits for the log")
        hub.proc.send_signal(signal.SIGTERM)
        assert hub.proc.popen.wait(60) == 0, hub.proc.log()
    assert finish() in ([503], [None])
    hub.start()
    assert hub.send(token).status_code == 202


def test_sigterm_while_it_starts(new_hub):
    """Until the loop ran, SIGTERM killed the hub: no exit 0, PostgreSQL and its files left."""
    hub = new_hub(private=True)
    hub.stop()
    made, fresh = hub.data, hub.folder / "fresh"
    for folder, file in ((fresh, "pg.new"), (made, "pg/postmaster.pid"), (made, "hub.url")):
        hub.data = folder
        hub.argv += ["--data", str(folder)]
        (folder / "hub.url").unlink(missing_ok=True)
        hub.start(wait=False)
        wait_until(lambda: (folder / file).exists(), what=f"{file} is there")
        hub.proc.send_signal(signal.SIGTERM)
        assert hub.proc.popen.wait(60) == 0, f"{file}: {hub.proc.log()}"
        assert not hub.processes() and not (folder / "pg" / "postmaster.pid").exists()
        assert "event=hub.stopped" in hub.proc.log()
    hub.start()
    assert hub.get("/v1/status")["ready"]


def test_connections_killed_under_load(hub, endpoint):
    """Every connection to the database dies again and again: 503, then accepted, then delivered."""
    hub.push_stream(endpoint)
    stopping = threading.Event()

    def kill():
        while not stopping.wait(0.15):
            hub.sql(KILL_ALL)
    finish = in_background(kill)
    accepted, refused = [], set()
    try:
        deadline = time.monotonic() + 120
        while len(accepted) < 60:
            claims = hub.claims()
            token = sign_set(hub.idp, claims)
            while (answer := hub.send(token)).status_code != 202:
                refused.add(answer.status_code)
                assert time.monotonic() < deadline
            accepted.append(claims["txn"])
    finally:
        stopping.set()
        finish()
    assert refused <= {503}
    wait_until(lambda: {p.txn for p in endpoint.accepted()} >= set(accepted))
    wait_until(lambda: hub.request("GET", "/readyz").status_code == 200)
    hub.apply({"kind": "person", "id": "z", "name": "zed"})


# --- all of it at once ----------------------------------------------------------------------------

class Storm:
    """Receivers that answer anything, pollers that leave, operators who change everything."""

    def __init__(self, hub, endpoints, seconds):
        self.hub = hub
        self.until = time.monotonic() + seconds
        self.endpoints = endpoints
        self.count = 0
        self.pushes = [hub.push_stream(e) for e in endpoints]
        self.polls = [hub.poll_stream() for _ in range(3)]
        self.specs = {s: hub.form(f"/v1/stream/{s}")
                      for s in [*self.pushes, *[p.id for p in self.polls]]}
        self.refused = []
        self.sent = 0
        self.polled = 0
        self.killed = 0

    def random(self):
        """One a thread, so that each does the same in every run."""
        self.count += 1
        return random.Random(SEED + self.count)

    def going(self):
        return time.monotonic() < self.until

    def receive(self, rng):
        answers = [Answer(202), Answer(202), Answer(500), Answer(400, {"err": "x"}),
                   Answer(503, headers={"Retry-After": "1"}), Answer(202, close=True)]
        return lambda push: rng.choice(answers)

    def poll(self, poll, rng):
        with self.hub.new_session() as session:
            while self.going():
                with contextlib.suppress(requests.exceptions.RequestException):
                    got = poll.post({}, session, timeout=rng.choice([.05, .5, 3]))
                    if got.status_code == 200:
                        jtis = list(got.json()["sets"])
                        self.polled += len(jtis)
                        poll.post({"maxEvents": 0, "ack": jtis[::2],
                                   "setErrs": {j: {"err": "bad"} for j in jtis[1:2]}},
                                  session, timeout=3)

    def emit(self):
        with self.hub.new_session() as session:
            while self.going():
                claims = self.hub.claims(sub_id={"format": "opaque", "id": f"s{self.sent % 7}"})
                answer = self.hub.send(sign_set(self.hub.idp, claims), session)
                if answer.status_code == 202:
                    self.sent += 1
                elif answer.status_code != 503:
                    self.refused.append((answer.status_code, answer.text))

    def change(self, rng):
        headers = {"Authorization": "Bearer " + self.hub.admin_token}
        with self.hub.new_session() as session:
            while self.going():
                stream = rng.choice(list(self.specs))
                spec = {**self.specs[stream], "alg": rng.choice(["RS256", "ES256"]),
                        "status": rng.choice(["enabled", "enabled", "paused", "disabled"])}
                answers = []
                if rng.random() < .2:
                    answers.append(session.delete(f"{self.hub.url}/v1/stream/{stream}",
                                                  headers=headers, timeout=60))
                answers.append(session.post(self.hub.url + "/v1/apply", data=json.dumps(spec),
                                            headers=headers, timeout=60))
                self.refused += [(a.status_code, a.text) for a in answers
                                 if a.status_code not in (200, 204, 404, 503)]
                time.sleep(rng.random() * .05)   # not to wait: how often they change it

    def kill(self, stopping):
        while not stopping.wait(2):
            self.hub.sql(KILL_ALL)
            self.killed += 1

    def run(self):
        stopping = threading.Event()
        for endpoint in self.endpoints:
            endpoint.decide = self.receive(self.random())
        killer = in_background(lambda: self.kill(stopping))
        finish = in_background(
            *[lambda p=p, r=self.random(): self.poll(p, r) for p in self.polls],
            *[lambda r=self.random(): self.change(r) for _ in range(2)], self.emit)
        try:
            finish()
        finally:
            stopping.set()
            killer()
            for endpoint in self.endpoints:
                endpoint.decide = None


def test_storm(hub, sink):
    """What each test above does alone has also crashed the hub all at once."""
    storm = Storm(hub, [sink.endpoint() for _ in range(3)], STORM_S)
    storm.run()
    assert hub.proc.alive(), hub.proc.log()
    sink.check()
    assert storm.refused == []
    assert storm.sent > 20 and storm.polled > 0 and storm.killed > 0, "there was a storm"
    assert all(e.pushes for e in storm.endpoints)
    # the last kill may have been just now
    wait_until(lambda: hub.try_apply(*storm.specs.values()).status_code == 200, what="the database is back")
    last = hub.emit("last")
    for endpoint in storm.endpoints:
        endpoint.wait(1, txn=last)
    for poll in storm.polls:
        def arrived():
            sets, _ = poll.poll()
            if last in {c["txn"] for c in sets.values()}:
                return True
            poll.post({"ack": list(sets), "maxEvents": 0})
            return False
        wait_until(arrived, what="polled")
