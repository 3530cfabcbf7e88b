# SPDX-License-Identifier: Apache-2.0
"""The machine's own limits, by the tools that everybody has."""
import collections
import os
import pathlib
import re
import subprocess

from harness import program
from harness.postgres import bindir
from world import Unmeasured

CPUS = len(os.sched_getaffinity(0))
SPEED = {"RS256": ("rsa2048", r"rsa +2048 bits +\S+s +\S+s +([\d.]+) +([\d.]+)"),
         "ES256": ("ecdsap256", r"256 bits ecdsa \(nistp256\) +\S+s +\S+s +([\d.]+) +([\d.]+)")}


def run(*argv):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise Unmeasured(f"{argv[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout


# What was measured so far in this run: for facts()
seen = collections.defaultdict(list)


def signatures(alg, seconds, cores=None):
    """Signatures a second by openssl speed. With cores: of so many at once, by the clock on the wall,
    which is what the hub has too. Without: of one, by its processor time, so that others who want
    the processor do not count."""
    name, pattern = SPEED[alg]
    args = ["-elapsed", "-multi", str(cores)] if cores else []
    out = run("openssl", "speed", *args, "-seconds", str(seconds), name)
    found = re.search(pattern, out)
    if not found:
        raise Unmeasured(f"openssl speed says nothing about {name}: {out[-300:]}")
    seen[alg, cores].append(float(found[1]))
    return float(found[1])


def curl_us(port, addresses):
    """Processor time of one POST by libcurl to a receiver (bench-sink), microseconds."""
    return float(run(program("tests/bench/bench-curl"), "--port", port, "--addresses", addresses))


def mean(values):
    return sum(values) / len(values)


def paired(limit, work, rounds):
    """Work between two looks at the machine's limit, some times: (result, mean of the two limits) of
    each. So a machine that others slow down for a while does so to both."""
    before, found = limit(), []
    for _ in range(rounds):
        result, after = work(), limit()
        found.append((result, (before + after) / 2))
        before = after
    return found


class Pgbench:
    """Durable commits of one small row each, 64 clients: what the cluster can do at most."""

    CLIENTS = 64

    def __init__(self, world):
        self.world = world
        self.database = world.new_database()
        self.script = world.folder / "commit.sql"
        self.script.write_text("insert into bench_commit (body) values ('one row, one commit');\n")
        with world.connect(self.database) as connection:
            connection.cursor().execute(
                "create table bench_commit (id bigint generated always as identity primary key,"
                " body text)")

    def tps(self, seconds):
        postgres = self.world.postgres
        out = run(bindir() / "pgbench", "-n", "-M", "prepared", "-c", self.CLIENTS, "-j", CPUS,
                  "-T", seconds, "-f", self.script, "-h", postgres.folder, "-U", "ssfhub",
                  self.database.split("dbname=")[1])
        seen["pgbench"].append(float(re.search(r"tps = ([\d.]+)", out)[1]))
        return seen["pgbench"][-1]


def facts(world):
    """What the figures are to be read beside; limits that no figure has needed are measured now."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = re.search(r"MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text())
    for alg in SPEED:
        for cores in (None, CPUS):
            seen[alg, cores] or signatures(alg, 1, cores)
    seen["pgbench"] or Pgbench(world).tps(2)
    return {
        "cpus": CPUS,
        "cpu_model": model[1] if model else "unknown",
        "memory_mib": int(memory[1]) // 1024,
        "kernel": os.uname().release,
        "openssl": run("openssl", "version").strip(),
        "postgres": run(bindir() / "postgres", "--version").strip(),
        "rs256_signs_per_s": mean(seen["RS256", None]),
        "rs256_signs_per_s_all_cores": mean(seen["RS256", CPUS]),
        "es256_signs_per_s": mean(seen["ES256", None]),
        "es256_signs_per_s_all_cores": mean(seen["ES256", CPUS]),
        "pgbench_tps": mean(seen["pgbench"]),
    }
