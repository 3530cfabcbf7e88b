# SPDX-License-Identifier: Apache-2.0
"""The crash campaign: load, and whatever takes part in it is killed at moments that a seed decides,
while connections are reset in between. Nothing that got a 202 may be missing at a receiver.

  /usr/bin/python3 -B tests/e2e/processes/campaign.py [--rounds N] [--seed S] [--external] [--hubs N] [--processes N]

tests/soak.sh runs the long one. SSF_BUILD names the build folder.

Sources send SETs and GitHub webhooks through a proxy, each until it gets a 202. Receivers
(durable_receiver.py, a process each, push and poll) write down what they get before they say so. A
round is one or two faults, each at its moment:

  hub           SIGKILL of a hub, which is started again
  process       SIGKILL of one of several processes of a hub
  postgres      immediate stop, or SIGKILL, of the cluster; or SIGKILL of one of its backends
  session       one session with the database ends, perhaps while a process of a hub is stopped
  stream        its operator pauses a stream for a while, or changes it
  push, poll    SIGKILL of a receiver, which is started again
  reset         some connections of sources or receivers get a TCP reset; some only when an answer
                comes, so that one side has acted and the other does not hear of it

check() holds what receivers have written down against the log in the database.
"""
import argparse
import asyncio
import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import sys
import threading
import time
import uuid

import psycopg2
import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import harness  # noqa: E402
from harness import POLL, PUSH, part_of, sign_set, wait_until  # noqa: E402

WINDOW = 256             # docs/architecture.md, "Bounds": events of a stream that are under way
SETTLING_S = 5           # a push that is under way at a fault, and what is not saved yet
SUBJECTS = 3             # of the SETs; webhooks are about two agents
RECEIVER = harness.PROGRAMS / "durable_receiver.py"
NOT_NOW = (None, 429, 500, 503, 504)   # None: no answer. A source sends it again
SETTINGS = ("--checkpoint", "200ms", "--retry-max", "500ms", "--poll-wait", "2s",
            "--database-timeout", "5s")
KINDS = {"hub": 4, "postgres": 3, "session": 2, "stream": 2, "push": 2, "poll": 2}   # of faults, and how often


# --- connections ----------------------------------------------------------------------------------

class Pair:
    """A connection to a proxy, and the one that it has made for it."""

    def __init__(self, writer):
        self.writers = [writer]
        self.doomed = False   # to be reset when an answer comes

    def reset(self):
        for writer in self.writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Passes bytes on, but for the connections that are reset."""
    loop = None   # of all of them, in a thread of its own

    def __init__(self, port):
        self.target = port
        self.pairs = set()
        self.resets = []      # when
        if Proxy.loop is None:
            Proxy.loop = asyncio.new_event_loop()
            threading.Thread(target=Proxy.loop.run_forever, daemon=True).start()
        self.server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]

    @staticmethod
    def _call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, Proxy.loop).result(60)

    async def _serve(self, reader, writer):
        pair = Pair(writer)
        self.pairs.add(pair)
        try:
            answers, out = await asyncio.open_connection("127.0.0.1", self.target)
            pair.writers.append(out)
            pumps = [asyncio.ensure_future(self._pump(reader, out)),
                     asyncio.ensure_future(self._pump(answers, writer, pair))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pair.reset()   # nobody is there
        finally:
            self.pairs.discard(pair)
            for one in pair.writers:
                one.close()

    async def _pump(self, reader, writer, pair=None):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if pair is not None and pair.doomed:
                    self._reset(pair)
                    return
                writer.write(data)
                await writer.drain()

    def _reset(self, pair):
        self.resets.append(time.monotonic())
        pair.reset()

    async def _reset_some(self, rng):
        for pair in [p for p in self.pairs if rng.random() < 0.5]:
            if rng.random() < 0.5:
                pair.doomed = True
            else:
                self._reset(pair)

    def reset(self, rng):
        """About half of the connections, now or at their next answer."""
        self._call(self._reset_some(rng))

    def close(self):
        Proxy.loop.call_soon_threadsafe(self.server.close)


# --- who takes part --------------------------------------------------------------------------------

class Receiver:
    """A durable_receiver.py with its journal."""

    def __init__(self, name, folder, *args):
        self.name = name
        self.folder = folder
        self.journal = folder / f"{name}.journal"
        self.args = args
        self.proc = None
        self.start()

    def start(self):
        self.proc = harness.Proc([sys.executable, "-B", str(RECEIVER), self.name.split("-")[0],
                                  str(self.journal), *map(str, self.args)], self.folder, self.name)

    def kill(self):
        assert self.proc.alive(), self.proc.log()
        self.proc.popen.kill()
        self.proc.popen.wait(60)

    def receipts(self):
        """[(when in s, SET)] in order. What has no end of line is not written yet, or never will be."""
        if not self.journal.exists():
            return []
        lines = [line.split() for line in self.journal.read_text().split("\n")[:-1]]
        return [(int(when) / 1e9, token) for when, token in lines]


class Sources:
    """Threads that send what happens, each until it is accepted, whatever becomes of the hubs."""

    def __init__(self, campaign, sets=3, hooks=1):
        self.campaign = campaign
        self.accepted = []            # txns
        self.answers = collections.Counter()
        self.failed = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(self._set, n))
                        for n in range(sets)]
        self.threads += [threading.Thread(target=self._run, args=(self._hook, n))
                         for n in range(hooks)]
        for t in self.threads:
            t.start()

    def _run(self, make, n):
        number = 0
        try:
            while not self.stopping.is_set():
                number += 1
                self._until_accepted(*make(n, number))
                self.stopping.wait(0.01)
        except Exception as e:
            self.failed.append(repr(e))
            raise

    def _set(self, n, number):
        hub = self.campaign.hubs[0]
        claims = hub.claims(txn=f"set-{n}-{number}", sub_id={
            "format": "iss_sub", "iss": "https://idp.example", "sub": f"s{n}-{number % SUBJECTS}"})
        return "/events", sign_set(hub.idp, claims).encode(), {"Content-Type": harness.SET_TYPE}

    def _hook(self, n, number):
        body = json.dumps(harness.alert_body(f"acme/app-{number % 2}", number)).encode()
        return "/in/gh-plain", body, harness.webhook_headers(
            self.campaign.hook_secret, body, delivery=f"{n}-{number}-{uuid.uuid4()}")

    def _until_accepted(self, path, body, headers):
        session, way = None, 0
        while True:
            session = session or self.campaign.session()
            proxy = self.campaign.ways_in[way % len(self.campaign.ways_in)]
            try:
                answer = session.post(f"https://localhost:{proxy.port}{path}", data=body,
                                      timeout=60, headers=headers)
                status = answer.status_code
            except requests.exceptions.RequestException:
                status = None
            self.answers[status] += 1
            if status == 202:
                break
            assert status in NOT_NOW, f"{status} {answer.text}"
            way += 1   # perhaps another hub can
            if self.stopping.wait(0.02):
                return
        with self.lock:
            self.accepted.append(answer.json()["txn"] if path != "/events" else
                                 part_of(body.decode(), 1)["txn"])

    def finish(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)
            assert not t.is_alive(), "a source that does not end"
        assert not self.failed, self.failed


def runs(pid, name):
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name
    return False


# --- the campaign ------------------------------------------------------------------------------------

Fault = collections.namedtuple("Fault", "name began ended cost")


class Campaign:
    """external: the database is a cluster of ours, not the hub's own. hubs: so many on it, each of so
    many processes."""

    def __init__(self, tls, seed, external=False, hubs=1, processes=1, settings=(), say=print):
        self.seed = seed
        self.rng = random.Random(seed)
        self.say = say
        self.folder = harness.new_folder("ssf-campaign-")
        self.rounds = 0
        self.faults = []
        self.given_up = 0
        self.hook_secret = uuid.uuid4().hex
        self.patience = 120   # seconds for what was accepted to arrive
        self.hubs, self.ways_in, self.ways_out = [], [], {}
        self.receivers, self.streams, self.sources = [], {}, None
        self.kinds = dict(KINDS, process=3 if processes > 1 else 0)
        self.closers = [lambda: shutil.rmtree(self.folder, ignore_errors=True)]
        try:
            self._start(tls, external, hubs, (*settings, "--processes", str(processes)))
        except BaseException:
            self.close()
            raise

    def _start(self, tls, external, hubs, settings):
        self.postgres = harness.Postgres() if external or hubs > 1 else None
        args = (*SETTINGS, *settings)
        if self.postgres:
            self.closers.append(self.postgres.close)
            args += ("--database", self.postgres.conninfo)
        for _ in range(hubs):
            hub = harness.Hub(tls, *args,
                              like=self.hubs[0] if self.hubs else None)
            hub.expected |= {"cluster.exited", "process.exited"}   # what faults make it say
            self.closers.append(hub.close)
            self.hubs.append(hub)
            self.ways_in.append(Proxy(hub.port))
            if len(self.hubs) == 1:
                hub.use_idp()
        self._registry()
        self._push_receiver(tls, "push-1", failing=0.0)
        self._push_receiver(tls, "push-2", failing=0.05)
        self._poll_receiver("poll-1", self.ways_in[0])
        self.sources = Sources(self)

    # what there is

    def _registry(self):
        agents = [{"kind": "agent", "id": f"agent:a{n}", "owner": "ada", "purpose": "builds",
                   "environment": "prod", "repositories": [f"acme/app-{n}"]} for n in range(2)]
        self.hubs[0].apply(
            {"kind": "person", "id": "ada", "name": "Ada", "email": "ada@acme.example"}, *agents,
            {"kind": "source", "id": "gh-plain", "type": "github", "secret": self.hook_secret},
            {"kind": "rules", "id": "leaked-secret", "text": harness.rules()})

    def _stream(self, name, delivery, **more):
        self.streams[name] = {"kind": "stream", "id": "s-" + name, "client": "c-" + name,
                              "delivery": delivery, **more}
        self.hubs[0].apply(
            {"kind": "client", "id": "c-" + name, "audience": f"https://{name}.example",
             "token": "token-of-" + name}, self.streams[name])

    def _change(self, name, **changes):
        """Of a stream; until it is stored, since whoever is away comes back."""
        def stored():
            self._look_after()
            try:
                answer = self.hubs[0].try_apply({**self.streams[name], **changes})
            except requests.exceptions.RequestException:
                return False
            assert answer.status_code in (200, *NOT_NOW), answer.text
            return answer.status_code == 200
        wait_until(stored, what=f"{name} becomes {changes}")

    def _push_receiver(self, tls, name, failing):
        port = harness.free_port()
        self.ways_out[name] = Proxy(port)
        self.receivers.append(Receiver(name, self.folder, port, tls.cert, tls.key, failing))
        self._stream(name, {"method": PUSH,
                            "endpoint_url": f"https://localhost:{self.ways_out[name].port}/"})

    def _poll_receiver(self, name, way):
        self._stream(name, {"method": POLL}, alg="ES256")
        self.receivers.append(Receiver(
            name, self.folder, f"https://localhost:{way.port}/streams/s-{name}/poll",
            self.hubs[0].data / "ca.pem", "token-of-" + name))

    def session(self):
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.hubs[0].data / "ca.pem")
        return session

    def sql(self, text):
        connection = psycopg2.connect(self.postgres.conninfo) if self.postgres else \
            self.hubs[0].connect()
        with contextlib.closing(connection), connection.cursor() as c:
            c.execute(text)
            return c.fetchall()

    # faults. Each gives how many duplicates it may lead to

    def fault_hub(self):
        hub = self.rng.choice(self.hubs)
        hub.kill9()
        time.sleep(self.rng.uniform(0, 0.3))
        hub.start(wait=False)
        return WINDOW * len(self.receivers)

    def fault_process(self):
        """One of several of a hub, which starts another one."""
        hub = self.rng.choice(self.hubs)
        mine = sorted(p for p in hub.processes() if p != hub.proc.pid and runs(p, "ssfhub"))
        self._signal(self.rng.choice(mine) if mine else None, signal.SIGKILL)
        return WINDOW * len(self.receivers)

    def fault_postgres(self):
        how = self.rng.choice((signal.SIGQUIT, signal.SIGKILL, "backend"))
        if how == "backend":   # PostgreSQL ends all sessions then, and recovers
            self._signal(self._backend(), signal.SIGKILL)
        elif self.postgres:
            self.postgres.popen.send_signal(how)
            self.postgres.popen.wait(60)
            time.sleep(self.rng.uniform(0, 0.5))
            self.postgres.start()
        else:
            with contextlib.suppress(OSError, ValueError, IndexError):   # it is away, or starting
                self._signal(self.hubs[0].postgres_pid(), how)
        return WINDOW * len(self.receivers)

    def _backend(self):
        """One of a hub's sessions; None while the database is away."""
        with contextlib.suppress(psycopg2.Error):
            pids = self.sql("select pid from pg_stat_activity where backend_type = "
                            "'client backend' and pid <> pg_backend_pid() order by pid")
            return self.rng.choice(pids)[0] if pids else None
        return None

    @staticmethod
    def _signal(pid, signo):
        with contextlib.suppress(ProcessLookupError):
            if pid is not None:
                os.kill(pid, signo)

    def fault_session(self):
        """A session ends. A hub that sleeps meanwhile wakes up with what it believed before."""
        hub = self.rng.choice(self.hubs)
        sleeper = self.rng.choice((None, *sorted(p for p in hub.processes() if runs(p, "ssfhub"))))
        self._signal(sleeper, signal.SIGSTOP)
        try:
            self._signal(self._backend(), signal.SIGTERM)
            if sleeper is not None:
                time.sleep(self.rng.uniform(0.5, 3))
        finally:
            self._signal(sleeper, signal.SIGCONT)
        return WINDOW * len(self.receivers)

    def fault_stream(self):
        """No fault, but what is under way stops all the same."""
        name = self.rng.choice(sorted(self.streams))
        self._change(name, **self.rng.choice(({"status": "paused"}, {"description": str(self.rounds)})))
        time.sleep(self.rng.uniform(0, 0.5))
        self._change(name)
        return WINDOW

    def fault_push(self):
        self._kill_receiver([r for r in self.receivers if r.name.startswith("push")])
        return WINDOW

    def fault_poll(self):
        self._kill_receiver([r for r in self.receivers if r.name.startswith("poll")])
        return WINDOW

    def _kill_receiver(self, of):
        receiver = self.rng.choice(of)
        receiver.kill()
        time.sleep(self.rng.uniform(0, 0.5))
        receiver.start()

    def fault_reset(self):
        self.rng.choice([*self.ways_in, *self.ways_out.values()]).reset(self.rng)
        return 0   # counted when it happens

    # rounds

    def _look_after(self):
        """As a supervisor does: a hub whose database is killed while it starts gives up. One that was
        ready ends by no fault but its own kill."""
        for hub in self.hubs:
            if not hub.proc.alive():
                assert "ready at" not in hub.proc.stdout(), f"a hub ended: {hub.proc.log()[-3000:]}"
                self.given_up += 1
                hub.start(wait=False)

    def _wait(self, cond, timeout, what):
        def looked_after():
            self._look_after()
            return cond()
        began = time.monotonic()
        value = wait_until(looked_after, timeout, what)
        if time.monotonic() - began > 15:
            self.say(f"  it took {time.monotonic() - began:.0f} s: {what}")
        return value

    def _inject(self, name):
        began = time.monotonic()
        cost = getattr(self, "fault_" + name)()
        self.faults.append(Fault(name, began, time.monotonic(), cost))

    def round(self):
        rng = self.rng
        names = rng.choices(*zip(*self.kinds.items()), k=rng.choice((1, 1, 2)))
        names += ["reset"] * rng.randrange(4)
        rng.shuffle(names)
        more = rng.randrange(3, 25)
        for name in names:
            time.sleep(rng.uniform(0, 0.15))
            self._inject(name)
        self.rounds += 1
        target = len(self.sources.accepted) + more
        self._wait(lambda: len(self.sources.accepted) >= target or self.sources.failed, 120,
                   f"{target} are accepted after {names}")
        assert not self.sources.failed, self.sources.failed

    def run(self, rounds):
        for _ in range(rounds):
            self.round()

    # what has come of it

    def events(self):
        """What receivers have to have, in the order of the log: {(txn, type): (seq, subject)}."""
        rows = self.sql("select seq, txn, type, sub_id::text from event where sub_id is not null "
                        "and origin not like 'stream:%' order by seq")
        return {(txn, kind): (seq, subject) for seq, txn, kind, subject in rows}

    def check(self):
        """Waits until everything has arrived; then what must hold of it. The numbers."""
        events = self._wait(self._database_answers, 60, "all that follows is in the log")
        accepted = list(self.sources.accepted)
        stored = {txn for txn, _ in events}
        lost = [txn for txn in accepted if txn not in stored]
        assert not lost, f"accepted, and no event: {lost[:10]}"
        found = collections.Counter(accepted=len(accepted), events=len(events))
        for receiver in self.receivers:
            found.update(self._check_receiver(receiver, events))
        # a connection carries one request at a time: HTTP/1.1
        bound = sum(f.cost for f in self.faults) + len(self._resets())
        assert found["duplicates"] <= bound, f"{found['duplicates']} duplicates, at most {bound}"
        return {**found, "bound": bound}

    def _database_answers(self):
        """All that follows from what was accepted is there: three events of each webhook."""
        with contextlib.suppress(psycopg2.Error):
            events = self.events()
            of = collections.Counter(txn for txn, _ in events)
            if all(of[txn] == (1 if txn.startswith("set-") else 3) for txn in self.sources.accepted):
                return events
        return None

    def _check_receiver(self, receiver, events):
        def missing():
            have = {key for _, key, _ in self._parsed(receiver)}
            return [key for key in events if key not in have]
        try:
            self._wait(lambda: not missing(), self.patience, f"all is at {receiver.name}")
        except AssertionError:
            gone = missing()
            self.say(f"{receiver.name}: {json.dumps(self.hubs[0].get('/v1/status'))}")
            raise AssertionError(f"{receiver.name}: accepted minus received is {len(gone)}: "
                                 f"{[(events[k][0], k) for k in gone[:10]]}") from None
        order, first, by_jti = collections.defaultdict(list), {}, {}
        duplicates = unexplained = 0
        for when, key, token in self._parsed(receiver):
            payload = token.split(".")[1]
            assert by_jti.setdefault(part_of(token, 1)["jti"], payload) == payload, \
                f"{receiver.name}: one jti, and two things said under it: {key}"
            if key in first:
                duplicates += 1
                if not self._is_explained(receiver, first[key], when):
                    unexplained += 1
                    self.say(f"  {receiver.name}: {key} at {first[key]} and again at {when}")
            elif key in events:   # accepted since: the next check
                seq, subject = events[key]
                order[subject].append(seq)
            first.setdefault(key, when)
        assert len(by_jti) == len(first), f"{receiver.name}: one event under two jtis"
        for subject, seqs in order.items():
            assert seqs == sorted(seqs), f"{receiver.name}: {subject} came as {seqs}"
        assert unexplained == 0, f"{receiver.name}: {unexplained} duplicates without a fault"
        # what nobody was told is accepted may still lead to more, after the look at the log
        return {"receipts": sum(key in events for key in first) + duplicates, "duplicates": duplicates,
                f"duplicates at {receiver.name}": duplicates}

    @staticmethod
    def _parsed(receiver):
        found = []
        for when, token in receiver.receipts():
            claims = part_of(token, 1)
            found.append((when, (claims["txn"], next(iter(claims["events"]))), token))
        return found

    def _resets(self):
        return [when for proxy in [*self.ways_in, *self.ways_out.values()] for when in proxy.resets]

    def _is_explained(self, receiver, first, again):
        """A fault between the two, or while the first was under way."""
        mine = {"hub", "process", "postgres", "session", "stream", receiver.name.split("-")[0]}
        times = [(f.began, f.ended) for f in self.faults if f.name in mine]
        times += [(when, when) for when in self._resets()]
        return any(began <= again and ended >= first - SETTLING_S for began, ended in times)

    def story(self):
        """How to have it again, and what has happened."""
        counted = collections.Counter(f.name for f in self.faults)
        counted["reset"] = len(self._resets())
        if self.given_up:
            counted["start without a database"] = self.given_up
        return (f"seed {self.seed}, {self.rounds} rounds; " +
                ", ".join(f"{n} {name}" for name, n in sorted(counted.items())) + "; answers: " +
                ", ".join(f"{n} times {status or 'none'}"
                          for status, n in sorted(self.sources.answers.items(), key=str)))

    def keep(self):
        """What there is to find out by: journals and logs. They stay, in the folder that it gives."""
        del self.closers[0]
        for n, hub in enumerate(self.hubs):
            for path in hub.folder.glob("*.err"):
                shutil.copy(path, self.folder / f"{n}-{path.name}")
        (self.folder / "faults").write_text("".join(f"{f}\n" for f in self.faults))
        return self.folder

    def finish(self):
        """The last check, with nothing under way."""
        self.sources.finish()
        return self.check()

    def close(self):
        failed = []
        if self.sources:
            self.sources.stopping.set()
        for receiver in self.receivers:
            receiver.proc.popen.kill()
            receiver.proc.popen.wait(60)
        for proxy in [*self.ways_in, *self.ways_out.values()]:
            proxy.close()
        for close in reversed(self.closers):
            try:
                close()
            except AssertionError as e:
                failed.append(str(e))
        assert not failed, "\n".join(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--external", action="store_true", help="a database that is not the hub's")
    parser.add_argument("--hubs", type=int, default=1, help="so many on one database")
    parser.add_argument("--processes", type=int, default=1, help="so many of each hub")
    parser.add_argument("--check-every", type=int, default=20, metavar="ROUNDS")
    options, settings = parser.parse_known_args()   # the rest are settings of the hub
    seed = options.seed if options.seed is not None else random.randrange(1 << 31)
    again = " ".join([f"--seed {seed} --rounds {options.rounds}",
                      *(["--external"] if options.external else []),
                      *([f"--hubs {options.hubs}"] if options.hubs > 1 else []),
                      *([f"--processes {options.processes}"] if options.processes > 1 else []),
                      *settings])
    print(f"campaign: {again}", flush=True)
    tls = harness.TLS(harness.new_folder("ssf-tls-"))
    campaign = None
    try:
        campaign = Campaign(tls, seed, options.external, options.hubs, options.processes, settings)
        rounds(campaign, options.rounds, options.check_every)
    except BaseException:
        print(f"campaign: FAILED: to repeat it: {again}", flush=True)
        if campaign:
            print(f"campaign: {campaign.story()}\ncampaign: kept: {campaign.keep()}", flush=True)
        raise
    finally:
        if campaign:
            campaign.close()
        shutil.rmtree(tls.folder, ignore_errors=True)


def rounds(campaign, count, check_every):
    while campaign.rounds < count:
        campaign.run(min(check_every, count - campaign.rounds))
        found = campaign.check()
        print(f"  after {campaign.rounds} rounds: {found['accepted']} accepted, "
              f"{found['receipts']} received, {found['duplicates']} of them again "
              f"(at most {found['bound']})", flush=True)
    found = campaign.finish()
    print(f"campaign: {campaign.story()}")
    print(f"campaign: {found['accepted']} accepted, {found['events']} events for each of "
          f"{len(campaign.receivers)} receivers, accepted minus received: 0; "
          f"{found['duplicates']} duplicates, at most {found['bound']}", flush=True)


if __name__ == "__main__":
    main()
