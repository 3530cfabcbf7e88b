# SPDX-License-Identifier: Apache-2.0
"""How each figure is measured. A measurement takes (world, quick) and gives {figure: (value, raw)}; raw
is what the value was made of, the machine's own limits included."""
import base64
import collections
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import machine
from harness import REVOKED
from machine import CPUS, mean
from world import Unmeasured, median, percentile, pss_kib, wait, write_requests

STREAMS = 10
AHEAD = 100     # events that streams may be behind: enough that all cores are always busy, and that
                # little is left to wait for when the load ends


def deliver_one(hub, sink, sets, streams, number=0):
    """One event to all streams, so that they are loaded, connected and idle when it counts."""
    load = hub.world.ingest(hub, sets.path, connections=1, skip=number, count=1).begin()
    load.end()
    sink.counters.wait((number + 1) * streams, 60, "the first events arrive")


# --- push: throughput and processor time ---------------------------------------------------------

class Pushing:
    """A hub with ten streams of ten clients, which pushes as much as it can. Events come in by POST
    /events all the while, as fast as they go out ten times: the price of taking them in is part of
    the figures. A backlog that was there before would be read from the database instead, once for
    each stream, which is not what a hub does that keeps up."""

    def __init__(self, world, alg):
        self.world = world
        self.sets = world.signed()
        self.hub = world.hub()
        self.hub.know(self.sets)
        self.sink = world.sink(addresses=STREAMS)
        self.hub.push_streams(self.sink, STREAMS, alg)
        deliver_one(self.hub, self.sink, self.sets, STREAMS)
        self.sent = 1

    def round(self, seconds):
        """What happens in so many seconds, after half a second for the window to fill."""
        counters = self.sink.counters
        load = self.world.ingest(self.hub, self.sets.path, connections=16, skip=self.sent,
                                 ms=int(seconds * 1000) + 1000, ahead=AHEAD, copies=STREAMS,
                                 counters=counters.path).begin()
        time.sleep(0.5)
        with self.world.profiled(self.hub):
            count, cpu, began = counters.count, self.hub.cpu(), time.monotonic()
            sink_cpu = self.sink.cpu()
            time.sleep(seconds)
            count, cpu = counters.count - count, self.hub.cpu() - cpu
            sink_cpu = self.sink.cpu() - sink_cpu
            took = time.monotonic() - began
        self.sent += load.end()["sent"]
        counters.wait(self.sent * STREAMS, 60, "pushes that arrive")
        if count == 0:
            raise Unmeasured("nothing was pushed")
        return {"pushed": count, "seconds": took, "pushed_per_s": count / took, "hub_cpu_s": cpu,
                "hub_cpu_us_per_set": cpu / count * 1e6,
                "receiver_cpu_us_per_set": sink_cpu / count * 1e6}


def rs256(world, quick):
    pushing = Pushing(world, "RS256")
    alone = [machine.signatures("RS256", 1)]
    found = machine.paired(lambda: machine.signatures("RS256", 1, CPUS),
                           lambda: pushing.round(2.5 if quick else 5), 2 if quick else 6)
    if not quick:
        alone.append(machine.signatures("RS256", 1))
    one_us = 1e6 / mean(alone)
    raw = {"rounds": [r for r, _ in found], "signs_per_s_all_cores": [limit for _, limit in found],
           "sign_cpu_us": one_us}
    cpu_us = sum(r["hub_cpu_s"] for r, _ in found) / sum(r["pushed"] for r, _ in found) * 1e6
    return {"push_rs256_vs_signing": (median(r["pushed_per_s"] / limit for r, limit in found), raw),
            "rs256_cpu_ratio": (cpu_us / one_us, {**raw, "hub_cpu_us_per_set": cpu_us})}


def es256(world, quick):
    """Beside it the floor: one signature by openssl, and one POST of its size to the same receiver by
    libcurl with nothing around it."""
    one_us = 1e6 / machine.signatures("ES256", 1 if quick else 3)
    pushing = Pushing(world, "ES256")
    curl = [machine.curl_us(pushing.sink.port, STREAMS)]
    raw = pushing.round(3 if quick else 15)
    curl.append(machine.curl_us(pushing.sink.port, STREAMS))
    raw["sign_cpu_us"], raw["curl_cpu_us"] = one_us, mean(curl)
    return {"es256_cpu_us": (raw["hub_cpu_us_per_set"], raw),
            "es256_cpu_ratio": (raw["hub_cpu_us_per_set"] / one_us, raw)}


def slow_receiver(world, quick):
    """Over the middle of the time in which 1,000 a second are offered."""
    seconds = 4 if quick else 20
    sets = world.signed()
    hub = world.hub()
    hub.know(sets)
    sink = world.sink(delay_us=20_000)
    hub.push_streams(sink, 1, "RS256")
    deliver_one(hub, sink, sets, 1)
    load = world.ingest(hub, sets.path, skip=1, rate=1000, ms=(seconds + 2) * 1000).begin()
    time.sleep(1)
    with world.profiled(hub):
        count, began = sink.counters.count, time.monotonic()
        time.sleep(seconds)
        count, took = sink.counters.count - count, time.monotonic() - began
    said = load.end()
    return {"slow_receiver": (count / took, {
        "pushed": count, "seconds": took, "events_sent": said["sent"],
        "connections": sink.counters.open})}


# --- ingest --------------------------------------------------------------------------------------

def ingest(world, quick):
    """As many clients as pgbench has, each with one SET under way, over TLS. RS256: what transmitters
    use. There are no streams: what an event costs afterwards is other figures' business; the rules'
    consumer reads along, as it always does."""
    seconds, rounds, sent = 2 if quick else 3, 2 if quick else 4, 0
    sets = world.signed()
    bench = machine.Pgbench(world)
    hub = world.hub()
    hub.know(sets)

    def work():
        nonlocal sent
        load = world.ingest(hub, sets.path, connections=bench.CLIENTS, ms=seconds * 1000, skip=sent,
                            count=sets.count // rounds)
        with world.profiled(hub):
            hub_s, postgres_s = hub.cpu(), world.postgres_cpu()
            said = load.begin().end()
            hub_s, postgres_s = hub.cpu() - hub_s, world.postgres_cpu() - postgres_s
        count, took = said["accepted"], (said["last_ns"] - said["began_ns"]) / 1e9
        sent += said["sent"]
        return {"accepted": count, "seconds": took, "accepted_per_s": count / took,
                "hub_cpu_us_per_set": hub_s / count * 1e6,
                "postgres_cpu_us_per_set": postgres_s / count * 1e6}

    found = machine.paired(lambda: bench.tps(seconds), work, rounds)
    (stored,) = hub.sql("select count(*) from event")[0]
    if stored != sent:
        raise Unmeasured(f"{sent} were accepted and {stored} stored")
    return {"ingest_vs_pgbench": (median(r["accepted_per_s"] / tps for r, tps in found), {
        "rounds": [r for r, _ in found], "pgbench_tps": [tps for _, tps in found]})}


# --- latency -------------------------------------------------------------------------------------

AGENTS = 100
LEAK_RULE = {"hrl": 1, "rules": [{
    "id": "leak.bench", "title": "The secret of an agent leaked", "severity": "critical",
    "mode": "enforce", "on": ["secret.leaked"], "match": {"$agent": {"known": [True]}},
    "actions": [{"emit": "caep:session-revoked", "subject": "agent"}]}]}


def secret_of(agent):
    return f"acme_{hashlib.sha256(f'agent {agent}'.encode()).hexdigest()}"


def leak_reports(world, hub, count):
    """Has the hub know agents, their secrets, and who reports them; gives a file of reports to send.
    One report is one leaked secret, and by the rule one event of the agent it belongs to."""
    folder = world.new_folder()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(serialization.Encoding.PEM,
                                        serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    (folder / "keys.json").write_text(json.dumps(
        {"public_keys": [{"key_identifier": "bench", "key": pem, "is_current": True}]}))
    hub.apply({"kind": "source", "id": "partner", "type": "github-partner",
               "keys_file": str(folder / "keys.json")},
              {"kind": "person", "id": "ada", "name": "Ada", "email": "ada@acme.example"},
              {"kind": "rules", "id": "leak", "text": json.dumps(LEAK_RULE)},
              *({"kind": "agent", "id": f"agent:{i}", "owner": "ada", "purpose": "is measured",
                 "environment": "prod"} for i in range(AGENTS)),
              *({"kind": "credential", "id": f"credential-{i}", "agent": f"agent:{i}",
                 "type": "api-token", "secret": secret_of(i)} for i in range(AGENTS)))
    reports = []
    for i in range(count):
        body = json.dumps([{
            "token": secret_of(i % AGENTS), "type": "acme_api_token", "source": "commit",
            "url": f"https://github.com/acme/app/blob/{i:040x}/config"}]).encode()
        signature = base64.b64encode(key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()
        head = ["POST /in/partner HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                "Github-Public-Key-Identifier: bench", f"Github-Public-Key-Signature: {signature}",
                f"Content-Length: {len(body)}", "", ""]
        reports.append("\r\n".join(head).encode() + body)
    write_requests(folder / "reports", reports)
    return folder / "reports"


RATE = 200


def latency(world, seconds, alg, webhook, rate=RATE, streams=STREAMS):
    """From when a request was due to be sent to each receiver's 202, in milliseconds. The first second
    is not counted: connections are made then."""
    count = (1 + seconds) * rate
    hub = world.hub()
    sink = world.sink(addresses=streams, record=True)
    if webhook:
        requests_file = leak_reports(world, hub, count)
    else:
        sets = world.signed()
        hub.know(sets)
        requests_file = sets.path
    hub.push_streams(sink, streams, alg)
    hub.idle()
    load = world.ingest(hub, requests_file, connections=64, rate=rate, count=count, times=True).begin()
    time.sleep(1)
    with world.profiled(hub):
        load.end()
    sink.counters.wait(count * streams, 30, "pushes that arrive")
    times = list(load.times())
    number = {txn: i for i, (_, _, txn) in enumerate(times)}   # of webhooks; a SET's txn says it
    accepted = [(answered - due) / 1e6 for due, answered, _ in times[rate:]]
    pushed = []
    for ns, _, _, txn in sink.records():
        i = number[txn] if webhook else int(txn[-8:])
        if i >= rate:
            pushed.append((ns - times[i][0]) / 1e6)
    return pushed, {"pushes": len(pushed), "alg": alg, "seconds": seconds,
                    "p50_ms": percentile(pushed, 50), "p90_ms": percentile(pushed, 90),
                    "p99_ms": percentile(pushed, 99), "max_ms": max(pushed),
                    "request_p50_ms": percentile(accepted, 50),
                    "request_p99_ms": percentile(accepted, 99)}


def latencies(alg, webhook, prefix):
    def measure(world, quick):
        pushed, raw = latency(world, 8 if quick else 30, alg, webhook)
        return {f"{prefix}_p{p}_ms": (percentile(pushed, p), raw) for p in (50, 99)}
    return measure


def latency_quiet(world, quick):
    """One stream, 100 SETs a second, RS256: each event has the hub to itself."""
    pushed, raw = latency(world, 8 if quick else 30, "RS256", False, rate=100, streams=1)
    return {"latency_quiet_ms": (percentile(pushed, 50), raw)}


# --- rows ----------------------------------------------------------------------------------------

ROWS_AHEAD = 10   # deliveries are what takes time


def rows_written(hub):
    """Of each table so far, once the hub has ended and nothing is left to be counted; by name, those of
    values that are too large for a row among them."""
    hub.stop()
    wait(lambda: hub.sql("select count(*) from pg_stat_activity where datname = current_database()")
         == [(1,)], True, 20, "the hub's connections end")
    return collections.Counter(dict(hub.sql("""
        select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables union all
        select c.relname || ' (toast)', t.n_tup_ins + t.n_tup_upd + t.n_tup_del
        from pg_class c join pg_stat_all_tables t on t.relid = c.reltoastrelid
        where c.relnamespace = 'public'::regnamespace""")))


def rows(world, quick):
    """1,000 push streams of one client, all of which want every event and acknowledge it. All that is
    written from the first event to the orderly end counts, checkpoints and the rules' cursor
    included; what a start and an end write without any event is taken off."""
    streams, seconds = 1000, 4 if quick else 20
    sets = world.signed()
    hub = world.hub()
    hub.know(sets)
    sink = world.sink(addresses=streams)
    hub.push_streams(sink, streams, "ES256", clients=1)
    deliver_one(hub, sink, sets, streams)
    made = rows_written(hub)
    hub.start()
    hub.idle()
    idle = rows_written(hub)
    hub.start()
    began = time.monotonic()
    load = world.ingest(hub, sets.path, skip=1, ms=seconds * 1000, ahead=ROWS_AHEAD, copies=streams,
                        counters=sink.counters.path).begin()
    events = load.end()["accepted"]
    sink.counters.wait((1 + events) * streams, 300, "pushes that arrive")
    took = time.monotonic() - began
    after = rows_written(hub)
    after.subtract(idle)
    idle.subtract(made)
    after.subtract(idle)
    written = {table: n for table, n in after.items() if n and not table.endswith("(toast)")}
    return {"db_rows_per_event": (sum(written.values()) / events, {
        "events": events, "streams": streams, "seconds": took, "rows": written,
        "toast": {table: n for table, n in after.items() if n and table.endswith("(toast)")}})}


# --- fan-out -------------------------------------------------------------------------------------

def fanout_push(world, quick):
    """One event to 1,000 clients at 1,000 addresses, from the request that brings it to the last 202;
    the median of three, some rounds. Connections are there: the first two events, by which curl finds the
    addresses and the hub makes its own, do not count."""
    clients, rounds = 1000, 1 if quick else 4
    sets = world.signed()
    hub = world.hub()
    hub.know(sets)
    sink = world.sink(addresses=clients)
    hub.push_streams(sink, clients, "RS256")
    deliver_one(hub, sink, sets, clients)
    sent = 1

    def once():
        nonlocal sent
        hub.idle()
        with world.profiled(hub):
            load = world.ingest(hub, sets.path, connections=1, skip=sent, count=1).begin()
            began = load.end()["began_ns"]
            sent += 1
            sink.counters.wait(sent * clients, 60, "pushes that arrive")
        return (sink.counters.last_ns - began) / 1e9

    once()
    found = machine.paired(lambda: machine.signatures("RS256", 1, CPUS),
                           lambda: median(once() for _ in range(3)), rounds)
    return {"fanout_1k_clients_s": (median(s / (clients / limit) for s, limit in found), {
        "seconds": [s for s, _ in found], "signs_per_s_all_cores": [limit for _, limit in found]})}


POLLS = 10_000


def fanout_poll(world, quick):
    """One event to a fleet that waits, to the last byte of the last answer; the median of some rounds.
    Those who have their answer poll again when all have."""
    rounds = 3 if quick else 7
    sets, began = world.signed(), time.monotonic()
    hub = world.hub("--max-connections", str(2 * POLLS), "--poll-wait", "600s")
    hub.know(sets)
    hub.poll_streams(POLLS, "RS256")
    hub.idle()
    loaded, before = time.monotonic(), hub.rss()
    polls = world.polls(hub, POLLS)
    polls.wait_open(POLLS, 120)
    hub.idle()
    raw = {"rss_kib_without": before, "rss_kib_waiting": hub.rss(), "waiting": POLLS,
           "streams_made_in_s": loaded - began, "connected_in_s": time.monotonic() - loaded}
    found = {"waiter_kib": ((raw["rss_kib_waiting"] - before) / POLLS, raw)}
    times = []
    with world.profiled(hub):
        for i in range(rounds):
            load = world.ingest(hub, sets.path, connections=1, skip=i, count=1).begin()
            began = load.end()["began_ns"]
            polls.counters.wait((1 + i) * POLLS, 60, "answers")
            times.append((polls.counters.last_ns - began) / 1e9)
            polls.tell()
            polls.wait_open(POLLS, 60)
            hub.idle()
    found["fanout_10k_s"] = (median(times), {"seconds": times, "rss_kib_after": hub.rss()})
    return found


# --- many streams ----------------------------------------------------------------------------------

STREAMS_10K = 10_000
ACK_RATE = 10   # a second: each event has been handed to all streams long before the next one


def streams_10k(world, quick):
    """The processor time of a hub with 10,000 push streams that has nothing to do, as a share of one
    core."""
    seconds = 10 if quick else 60
    hub = world.hub()
    sink = world.sink()
    hub.push_fleet(sink, STREAMS_10K, "ES256")
    hub.idle()
    time.sleep(5)   # the last checkpoints
    with world.profiled(hub):
        began, cpu, postgres = time.monotonic(), hub.cpu(), world.postgres_cpu()
        time.sleep(seconds)
        cpu, postgres = hub.cpu() - cpu, world.postgres_cpu() - postgres
        took = time.monotonic() - began
    return {"streams_10k": (cpu / took * 100, {
        "streams": STREAMS_10K, "seconds": took, "hub_cpu_s": cpu, "postgres_cpu_s": postgres,
        "rss_kib": hub.rss()})}


class Acks:
    """A hub with so many poll streams that take every event, and do not poll: an event stays in the
    window of each."""

    def __init__(self, world, streams):
        self.world = world
        self.sets = world.signed()
        self.hub = world.hub()
        self.hub.know(self.sets)
        self.hub.poll_streams(streams, "ES256")
        self.hub.idle()
        self.sent = 0

    def round(self, count):
        """Milliseconds from each request to its 202."""
        load = self.world.ingest(self.hub, self.sets.path, connections=1, rate=ACK_RATE, skip=self.sent,
                                 count=count, times=True).begin()
        load.end()
        self.sent += count
        return [(answered - due) / 1e6 for due, answered, _ in load.times()]


def ack_10k(world, quick):
    """How much longer the 202 to an event takes that 10,000 streams get than to one that ten get. The
    two hubs take turns."""
    few, many = Acks(world, STREAMS), Acks(world, STREAMS_10K)
    acks = {few: [], many: []}
    for _ in range(2 if quick else 6):   # 240 events at most: a window has 256
        for hub in acks:
            with world.profiled(hub.hub):
                acks[hub] += hub.round(40)
    p99 = {hub: percentile(ms, 99) for hub, ms in acks.items()}
    return {"ack_10k": (p99[many] / p99[few], {
        "streams": [STREAMS, STREAMS_10K], "events": len(acks[few]),
        "p50_ms": [percentile(ms, 50) for ms in acks.values()],
        "p99_ms": [percentile(ms, 99) for ms in acks.values()]})}


def memory_100(world, quick):
    """The hub and its private PostgreSQL, with 100 push streams that have had an event: the proportional
    share of all their processes, in MiB."""
    streams = 100
    sets = world.signed()
    hub = world.hub(private=True)
    hub.know(sets)
    sink = world.sink(addresses=streams)
    hub.push_streams(sink, streams, "RS256")
    deliver_one(hub, sink, sets, streams)
    time.sleep(5)
    parts = {pid: (pss_kib(pid), name) for pid, name in hub.family().items()}
    total = sum(kib for kib, _ in parts.values())
    return {"memory_100": (total / 1024, {
        "streams": streams, "processes": len(parts), "hub_kib": parts[hub.proc.pid][0],
        "postgres_kib": total - parts[hub.proc.pid][0],
        "parts": sorted(([name, kib] for kib, name in parts.values()), key=lambda p: -p[1])})}


# --- a large log ---------------------------------------------------------------------------------

FEW, MANY = 10_000, int(os.environ.get("SSF_BENCH_EVENTS", 10_000_000))
SCALE_EVENTS = 3000


def fill(hub, count):
    """Events of long ago, in the way append_events() writes them, but for the JSON between: in the
    order of seq, under the lock, ids that no other event has and that come in no order, as jti of
    others do."""
    for first in range(1, count + 1, 500_000):
        hub.sql("""with held as materialized (select append_lock())
            insert into event (seq, origin, origin_id, type, txn, sub_id, body)
            select nextval('event_seq'), 'issuer:https://old.bench.example', md5('jti' || n), %s,
                md5('txn' || n), jsonb_build_object('format', 'iss_sub', 'iss',
                    'https://old.bench.example', 'sub', 'user-' || n),
                jsonb_build_object('initiating_entity', 'policy', 'event_timestamp', 1700000000 + n)
            from held, generate_series(%s, %s) n""", REVOKED, first, min(count, first + 499_999))
    hub.sql("update consumer set cursor = (select max(seq) from event)")   # rules had their turn
    hub.sql("vacuum analyze event")


class Scaled:
    """A hub whose log has so many events, and ten streams."""

    def __init__(self, world, count):
        self.world = world
        self.sets = world.signed()
        self.hub = world.hub()
        self.hub.stop()
        fill(self.hub, count)
        self.hub.start()
        self.hub.know(self.sets)
        self.sink = world.sink(addresses=STREAMS)
        self.hub.push_streams(self.sink, STREAMS, "ES256")
        self.sent = 0

    def round(self):
        """Processor time an event, in microseconds: the hub's, and PostgreSQL's."""
        self.hub.idle()
        hub, postgres = self.hub.cpu(), self.world.postgres_cpu()
        load = self.world.ingest(self.hub, self.sets.path, skip=self.sent, count=SCALE_EVENTS,
                                 ahead=AHEAD, copies=STREAMS,
                                 counters=self.sink.counters.path).begin()
        load.end()
        self.sent += SCALE_EVENTS
        self.sink.counters.wait(self.sent * STREAMS, 120, "pushes that arrive")
        self.hub.idle()
        return [(self.hub.cpu() - hub) / SCALE_EVENTS * 1e6,
                (self.world.postgres_cpu() - postgres) / SCALE_EVENTS * 1e6]


def scale(world, quick):
    """From SET to ten pushes, the processor time of the hub and of PostgreSQL. Two logs take turns,
    and the least of some rounds counts for each: what disturbs a round only adds to it."""
    few, many = Scaled(world, FEW), Scaled(world, MANY)
    rounds = {"few": [], "many": []}
    few.round()
    many.round()   # the first is for caches
    for _ in range(4):
        rounds["few"].append(few.round())
        rounds["many"].append(many.round())
    best = {name: min(map(sum, found)) for name, found in rounds.items()}
    return {"scale_events": (best["many"] / best["few"], {
        "events": [FEW, MANY], "cpu_us_hub_and_postgres": rounds, "best_us": best})}


# --- failover ------------------------------------------------------------------------------------

def owners(port):
    """{process: addresses that it has connections to} of those who push to this port."""
    mine = {}
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        host, its_port = fields[2].split(":")
        if int(its_port, 16) == port and fields[3] == "01":
            mine[fields[9]] = ".".join(str(b) for b in reversed(bytes.fromhex(host)))
    found = collections.defaultdict(set)
    for fd in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            target = os.readlink(fd)
            if target.startswith("socket:[") and target[8:-1] in mine:
                found[int(fd.parts[2])].add(mine[target[8:-1]])
    return found


def move(world):
    """Kills the process that pushes, under load, and gives how long each of its streams was without."""
    sets = world.signed()
    first = world.hub()
    second = world.hub(like=first)
    first.know(sets)
    sink = world.sink(addresses=STREAMS, record=True)
    first.push_streams(sink, STREAMS, "ES256")
    for number in range(2):   # by curl, and then on connections that are kept
        deliver_one(first, sink, sets, STREAMS, number)
    pushing = owners(sink.port)
    if not pushing:
        raise Unmeasured("nobody pushes")
    victim = max(pushing, key=lambda pid: len(pushing[pid]))
    other = second if victim == first.proc.pid else first   # who takes events in must outlive it
    load = world.ingest(other, sets.path, skip=2, rate=100, ms=8000).begin()
    wait(lambda: sink.counters.count, 100 * STREAMS, 30, "pushes before the kill")
    streams = {int(a.split(".")[2]) * 250 + int(a.split(".")[3]) - 1 for a in owners(sink.port)[victim]}
    killed = time.monotonic_ns()
    os.kill(victim, signal.SIGKILL)
    load.end()
    sink.counters.wait((2 + 100 * 8) * STREAMS, 60, "all pushes, none of them lost")
    again = {}
    for ns, opened, stream, _ in sink.records():
        if opened > killed and stream in streams:
            again.setdefault(stream, (ns - killed) / 1e9)
    if set(again) != streams:
        raise Unmeasured(f"streams {streams} were pushed to, {set(again)} again after the kill")
    world.end_figure()
    return sorted(again.values())


def failover(world, quick):
    """The slowest stream of the slowest round: each had to be pushed to again."""
    rounds = [move(world) for _ in range(3)]
    return {"failover_s": (max(max(r) for r in rounds), {"seconds": rounds})}
