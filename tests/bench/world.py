# SPDX-License-Identifier: Apache-2.0
"""What is measured and what measures it: a PostgreSQL, hubs, receivers, load, and clocks."""
import contextlib
import json
import mmap
import os
import pathlib
import re
import shutil
import signal
import statistics
import struct
import subprocess
import tempfile
import time

import psycopg2
import requests

import harness
from harness import POLL, PUSH, program

TICK = os.sysconf("SC_CLK_TCK")
ISSUER = "https://idp.bench.example"
AUDIENCE = "https://hub.bench.example"
APPLY_MAX = 60   # push streams in one request


class Unmeasured(Exception):
    """A figure that could not be had, and why."""


# --- clocks -----------------------------------------------------------------------------------

def processes():
    """{pid: (parent, processor seconds of its own, of its ended children)} of all that run now."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        own, ended = ((int(a) + int(b)) / TICK for a, b in (fields[11:13], fields[13:15]))
        found[int(entry.parent.name)] = (int(fields[1]), own, ended)
    return found


def cpu_seconds(pid):
    """Processor time of a process, all its threads, and all processes that it has started."""
    table = processes()
    if pid not in table:
        raise Unmeasured(f"process {pid} has ended")
    family = {pid}
    while True:
        more = {p for p, (parent, *_) in table.items() if parent in family} - family
        if not more:
            return sum(table[p][1] + table[p][2] for p in family)
        family |= more


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise Unmeasured(f"process {pid} has no memory")


def pss_kib(pid):
    """Resident memory, of what several processes share the proportional part."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise Unmeasured(f"process {pid} has no memory")


def median(values):
    return statistics.median(list(values))


def percentile(values, share):
    """The least value that so much of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def wait(get, wanted, timeout, what, tool=None):
    """Until get() is at least what is wanted; a tool must not end before."""
    deadline = time.monotonic() + timeout
    while (now := get()) < wanted:
        if time.monotonic() > deadline or (tool and tool.popen.poll() is not None):
            raise Unmeasured(f"{what}: {now} of {wanted} within {timeout} s")
        time.sleep(0.005)


# --- load tools -------------------------------------------------------------------------------

class Counters:
    """share.h, struct counters: what a load tool has counted so far."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(40))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 40)

    NAMES = ("count", "open", "failed", "first_ns", "last_ns")

    def __getattr__(self, name):
        return struct.unpack("QQQqq", self.map)[self.NAMES.index(name)]

    def wait(self, count, timeout, what):
        """Until so many were counted."""
        wait(lambda: self.count, count, timeout, what)


class Tool:
    """A load tool; it ends when its stdin does."""

    def __init__(self, name, *args):
        self.name = name
        self.popen = subprocess.Popen([program(f"tests/bench/{name}"), *map(str, args)], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def cpu(self):
        return cpu_seconds(self.popen.pid)

    def line(self):
        line = self.popen.stdout.readline()
        if not line:
            raise Unmeasured(f"{self.name} ended with {self.popen.wait()}")
        return line.strip()

    def tell(self, text="\n"):
        self.popen.stdin.write(text)
        self.popen.stdin.flush()

    def close(self):
        self.popen.stdin.close()
        self.popen.wait(60)
        self.popen.stdout.close()


class Sink(Tool):
    """A receiver of pushes on so many loopback addresses."""

    def __init__(self, folder, addresses=1, delay_us=0, record=False):
        self.counters = Counters(folder / "sink.counters")
        self.record_path = folder / "sink.record"
        super().__init__("bench-sink", "--counters", self.counters.path, "--addresses", addresses,
                         "--delay-us", delay_us, *(["--record", self.record_path] if record else []))
        self.port = int(self.line().split()[1])

    def url(self, i):
        return f"http://127.1.{i // 250}.{i % 250 + 1}:{self.port}/{i}"

    def records(self):
        """Ends it: (answered, connection opened, stream's number, txn) of each request; nanoseconds."""
        self.close()
        for line in self.record_path.read_text().splitlines():
            ns, opened, path, txn = line.split(" ")
            yield int(ns), int(opened), int(path[1:]), txn


class Ingest(Tool):
    """Sends signed SETs to a hub; connected when it is made."""

    def __init__(self, hub, requests_file, **options):
        self.times_path = hub.folder / "ingest.times"
        if options.pop("times", False):
            options["times"] = self.times_path
        args = [a for k, v in options.items() for a in ("--" + k.replace("_", "-"), v)]
        super().__init__("bench-ingest", "--to", f"127.0.0.1:{hub.port}", "--ca", hub.data / "ca.pem",
                         "--requests", requests_file, *args)
        if self.line() != "ready":
            raise Unmeasured("bench-ingest is not ready")

    def begin(self):
        self.tell()
        return self

    def end(self):
        """What it says: sent, accepted, refused, unanswered, began_ns, last_ns."""
        said = json.loads(self.line())
        self.close()
        if said["refused"] or said["unanswered"]:
            raise Unmeasured(f"bench-ingest: {said}")
        return said

    def times(self):
        """After end(), of each request: when it was due, when answered (nanoseconds), the answer's
        txn."""
        for line in self.times_path.read_text().splitlines():
            due, answered, txn = line.split(" ")
            yield int(due), int(answered), txn


class Polls(Tool):
    """Long polls on all of the streams that hub.poll_streams() has made."""

    def __init__(self, folder, hub, count):
        self.counters = Counters(folder / "poll.counters")
        streams = folder / "poll.streams"
        streams.write_text("".join(f"poll-{i} token-of-fleet\n" for i in range(count)))
        super().__init__("bench-poll", "--to", f"127.0.0.1:{hub.port}", "--ca", hub.data / "ca.pem",
                         "--streams", streams, "--counters", self.counters.path)

    def wait_open(self, count, timeout):
        wait(lambda: self.counters.open, count, timeout, "polls that wait", self)


# --- hubs -------------------------------------------------------------------------------------

class Hub(harness.Hub):
    """A hub on a database of its own in the cluster of the run, or on that of another hub that it is
    like. Its settings are the defaults but for what a load on one machine needs: it may push to
    loopback and over plain HTTP, and one address may send as much as it likes."""

    def __init__(self, world, *args, like=None, private=False):
        self.world = world
        database = [] if private else ["--database", like.database if like else world.new_database()]
        super().__init__(world.tls, *database, "--push-allow-http", "--rate-limit-address", "0",
                         "--rate-limit-client", "0", *args, like=like, base="/tmp")

    def new_session(self):
        session = requests.Session()   # without the checks of tests
        session.trust_env = False
        session.verify = str(self.data / "ca.pem")
        return session

    def connect(self):
        return self.world.connect(self.database)

    def cpu(self):
        return cpu_seconds(self.proc.pid)

    def rss(self):
        return rss_kib(self.proc.pid)

    def family(self):
        """{pid: name} of its processes, its private PostgreSQL included."""
        table, family = processes(), {self.proc.pid, self.postgres_pid()}
        while more := {p for p, (parent, *_) in table.items() if parent in family} - family:
            family |= more
        return {p: pathlib.Path(f"/proc/{p}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()[:60]
                for p in family}

    def apply_all(self, resources):
        for i in range(0, len(resources), APPLY_MAX):
            self.apply(*resources[i:i + APPLY_MAX])

    def know(self, sets):
        """Takes the SETs that were signed for this run."""
        self.apply({"kind": "transmitter", "id": "idp", "issuer": ISSUER, "audience": AUDIENCE,
                    "jwks": {"keys": [sets.jwk]}})

    def push_streams(self, sink, count, alg, clients=None):
        """Streams to the addresses of a sink, for so many clients: each its own by default."""
        clients = clients or count
        self.apply_all([{"kind": "client", "id": f"client-{i}",
                         "audience": f"https://rp-{i}.bench.example",
                         "token": f"token-of-client-{i}"} for i in range(clients)])
        self.apply_all([{"kind": "stream", "id": f"stream-{i}", "client": f"client-{i % clients}",
                         "alg": alg, "delivery": {"method": PUSH, "endpoint_url": sink.url(i)}}
                        for i in range(count)])

    def poll_streams(self, count, alg):
        """A fleet: so many poll streams of one client."""
        self.apply({"kind": "client", "id": "fleet", "audience": "https://fleet.bench.example",
                    "token": "token-of-fleet"},
                   {"kind": "stream", "id": "poll-0", "client": "fleet", "alg": alg,
                    "delivery": {"method": POLL}})
        self.stop()   # the others are made like the first: so many by way of the API take their time
        self.sql("""insert into resource (kind, id, version, spec)
            select kind, 'poll-' || n, version, spec from resource, generate_series(1, %s) n
            where kind = 'stream' and id = 'poll-0'""", count - 1)
        self.sql("""insert into stream_state (stream_id, cursor) select 'poll-' || n, cursor
            from stream_state, generate_series(1, %s) n where stream_id = 'poll-0'""", count - 1)
        self.start()

    def push_fleet(self, sink, count, alg):
        """So many push streams of one client, each to a host of its own, made as poll_streams() does. They
        are not pushed to: the sink need not have the addresses."""
        self.apply({"kind": "client", "id": "fleet", "audience": "https://fleet.bench.example",
                    "token": "token-of-fleet"},
                   {"kind": "stream", "id": "push-0", "client": "fleet", "alg": alg,
                    "delivery": {"method": PUSH, "endpoint_url": sink.url(0)}})
        self.stop()
        self.sql("""insert into resource (kind, id, version, spec)
            select kind, 'push-' || n, version, jsonb_set(spec, '{delivery,endpoint_url}', to_jsonb(url))
            from resource, unnest(%s) with ordinality u(url, n) where kind = 'stream' and id = 'push-0'""",
                 [sink.url(i) for i in range(1, count)])
        self.sql("""insert into stream_state (stream_id, cursor) select 'push-' || n, cursor
            from stream_state, generate_series(1, %s) n where stream_id = 'push-0'""", count - 1)
        self.start()

    def idle(self, timeout=60):
        """Waits until it has next to nothing to do: less than a tenth of a processor for half a
        second."""
        deadline = time.monotonic() + timeout
        before = self.cpu()
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.cpu()
            if now - before < 0.05:
                return
            before = now
        raise Unmeasured(f"the hub is busy after {timeout} s")

    def close(self):
        try:
            super().close()
        except AssertionError as e:
            raise Unmeasured(str(e)[-500:]) from e


class Sets:
    """SETs that were signed before the run, as requests; kept in the build folder for the next run."""

    def __init__(self, alg, count):
        folder = harness.BUILD / "bench-sets"
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{alg}-{count}.requests"
        key = folder / f"{alg}-{count}.jwk"
        if not self.path.exists():
            new = self.path.with_suffix(".new")
            subprocess.run([program("tests/bench/bench-sign"), "--alg", alg, "--count", str(count),
                            "--iss", ISSUER, "--aud", AUDIENCE, "--out", new, "--jwk", key],
                           check=True)
            new.rename(self.path)
        self.count = count
        self.jwk = json.loads(key.read_text())


def write_requests(path, requests_):
    """As share.h, struct requests_head."""
    stride = max(map(len, requests_)) + 4
    with open(path, "wb") as f:
        f.write(struct.pack("8sII", b"ssfreq1", len(requests_), stride))
        for r in requests_:
            f.write(struct.pack("I", len(r)) + r.ljust(stride - 4, b"\0"))


class Profile:
    """perf record of a process while it is measured, if that was asked for."""

    def __init__(self, pid, path):
        self.path = path
        self.popen = path and subprocess.Popen(["perf", "record", "-q", "-F", "999", "-o", path,
                                                "-p", str(pid)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen:
            self.popen.send_signal(signal.SIGINT)
            self.popen.wait(60)


def profile_shares(path):
    """What of the samples was in the kernel and in each library: {name: share}."""
    done = subprocess.run(["perf", "report", "-i", path, "--no-children", "-g", "none", "--sort", "dso",
                           "--stdio"], capture_output=True, text=True, timeout=120)
    found = re.findall(r"^ +([\d.]+)% +(\S+)", done.stdout, re.M)
    if not found:
        raise Unmeasured(f"perf report: {done.stderr.strip()[-300:]}")
    return {dso.strip("[]").partition(".so")[0].partition("-2.1")[0]: float(share) / 100
            for share, dso in found}


class World:
    """The cluster of the run, and what is to be ended after a figure."""

    def __init__(self, profile=None, sets=100_000):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ssf-bench-", dir="/tmp"))
        self.tls = harness.TLS(self.folder)
        # on a disk, which /tmp need not be; settings as those of the private cluster, which are
        # PostgreSQL's own but for the number of connections
        self.postgres = harness.Postgres("max_connections=200", "fsync=on", "synchronous_commit=on",
                                         base="/var/tmp")
        self.databases = 0
        self.profile = profile
        self.started = []
        self.sets = Sets("RS256", sets)

    def new_database(self):
        self.databases += 1
        name = f"bench{self.databases}"
        with contextlib.closing(self.connect(self.postgres.conninfo)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"create database {name}")
        return f"host={self.postgres.folder} user=ssfhub dbname={name}"

    @staticmethod
    def connect(database):
        return psycopg2.connect(database)

    def postgres_cpu(self):
        return cpu_seconds(self.postgres.popen.pid)

    def signed(self):
        """As many as any figure needs; each figure's database is new, and takes them all."""
        return self.sets

    def start(self, make, *args, **kwargs):
        """Something with close(), which is closed when the figure is done."""
        self.started.append(make(*args, **kwargs))
        return self.started[-1]

    def hub(self, *args, **kwargs):
        return self.start(Hub, self, *args, **kwargs)

    def new_folder(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def sink(self, **kwargs):
        return self.start(Sink, self.new_folder(), **kwargs)

    def polls(self, hub, count):
        return self.start(Polls, self.new_folder(), hub, count)

    def ingest(self, hub, requests_file, **options):
        return self.start(Ingest, hub, requests_file, **options)

    def profiled(self, hub):
        return Profile(hub.proc.pid, self.profile)

    def end_figure(self):
        """Ends what it has started, the last first, whatever it was about."""
        failed = []
        while self.started:
            try:
                self.started.pop().close()
            except (Unmeasured, OSError, subprocess.SubprocessError) as e:
                failed.append(str(e))
        if failed:
            raise Unmeasured("; ".join(failed))

    def close(self):
        self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)
