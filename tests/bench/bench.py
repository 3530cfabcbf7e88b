#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the hub, prints "name value unit" for each figure, and writes build/bench.json.

A goal that is missed is said, and is no error. What could not be measured is: exit status 1.
run.sh has built what this needs.
"""
import argparse
import contextlib
import dataclasses
import datetime
import json
import operator
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))   # for its harness

import figures  # noqa: E402
import machine  # noqa: E402
from world import Unmeasured, World, profile_shares  # noqa: E402

OUT = ROOT / "build" / "bench.json"
PROFILES = ROOT / "build" / "profiles.json"
MEETS = {">=": operator.ge, "<=": operator.le}


@dataclasses.dataclass
class Figure:
    name: str
    unit: str
    goal: str            # "" for a figure that only explains another
    measure: callable
    quick: bool = True

    def meets(self, value):
        if not self.goal:
            return None
        sign, limit = self.goal.split()
        return MEETS[sign](value, float(limit))


latency = figures.latencies("ES256", True, "latency")
latency_rs256 = figures.latencies("RS256", True, "latency_rs256")
latency_set = figures.latencies("ES256", False, "latency_set")

FIGURES = [
    Figure("ingest_vs_pgbench", "ratio", ">= 1.0", figures.ingest),
    Figure("push_rs256_vs_signing", "ratio", ">= 0.7", figures.rs256),
    Figure("rs256_cpu_ratio", "ratio", "<= 1.25", figures.rs256),
    Figure("es256_cpu_us", "us", "<= 60", figures.es256),
    Figure("es256_cpu_ratio", "ratio", "", figures.es256),
    Figure("slow_receiver", "SETs/s", ">= 950", figures.slow_receiver),
    Figure("db_rows_per_event", "rows", "<= 1.1", figures.rows),
    Figure("latency_p50_ms", "ms", "<= 3", latency),
    Figure("latency_p99_ms", "ms", "<= 15", latency),
    Figure("latency_rs256_p50_ms", "ms", "", latency_rs256, quick=False),
    Figure("latency_rs256_p99_ms", "ms", "", latency_rs256, quick=False),
    Figure("latency_set_p50_ms", "ms", "", latency_set, quick=False),
    Figure("latency_set_p99_ms", "ms", "", latency_set, quick=False),
    Figure("fanout_10k_s", "s", "<= 1.0", figures.fanout_poll),
    Figure("waiter_kib", "KiB", "<= 24", figures.fanout_poll),
    Figure("latency_quiet_ms", "ms", "<= 0.75", figures.latency_quiet),
    Figure("streams_10k", "%", "<= 2", figures.streams_10k, quick=False),
    Figure("ack_10k", "ratio", "<= 1.5", figures.ack_10k, quick=False),
    Figure("memory_100", "MiB", "<= 40", figures.memory_100, quick=False),
    Figure("fanout_1k_clients_s", "ratio", "<= 1.6", figures.fanout_push),
    Figure("scale_events", "ratio", "<= 1.1", figures.scale, quick=False),
    Figure("failover_s", "s", "<= 2", figures.failover, quick=False),
]


def measure(world, wanted, quick, profiles):
    """Each measurement once, in the order of the table; gives (figure, value or None, raw or reason,
    seconds that it took)."""
    for function in dict.fromkeys(f.measure for f in wanted):
        mine, began = [f for f in wanted if f.measure is function], time.monotonic()
        try:
            found = function(world, quick)
            world.end_figure()
            if world.profile and pathlib.Path(world.profile).exists():
                profiles[mine[0].name] = profile_shares(world.profile)
        except (Unmeasured, AssertionError, OSError, subprocess.SubprocessError) as e:
            traceback.print_exc()
            found = {f.name: (None, f"{type(e).__name__}: {e}"[-600:]) for f in mine}
            try:
                world.end_figure()
            except Unmeasured as e2:
                print(f"bench: {e2}", file=sys.stderr)
        for figure in mine:
            yield figure, *found[figure.name], time.monotonic() - began


def report(figure, value, raw, took):
    """Prints one line; the entry of bench.json."""
    entry = {"name": figure.name, "value": value, "unit": figure.unit, "goal": figure.goal,
             "measuring_s": round(took, 1)}
    if value is None:
        print(f"{figure.name} unmeasured: {raw.splitlines()[-1]}", flush=True)
        return {**entry, "met": False, "reason": raw}
    print(f"{figure.name} {value:.4g} {figure.unit}", flush=True)
    return {**entry, "met": figure.meets(value), "raw": raw}


def revision():
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                          capture_output=True, text=True)
    return done.stdout.strip()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true",
                        help="under 90 s, without the figures that take long")
    parser.add_argument("--only", action="append", metavar="NAME",
                        choices=[f.name for f in FIGURES],
                        help="this figure; may be given several times")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--profile", metavar="FILE", help="perf record of the hub while it is measured")
    how.add_argument("--profiles", action="store_true",
                     help="no figures, but what the hub does meanwhile: into build/profiles.json")
    return parser.parse_args()


def profile_all(args, wanted):
    profiles = {}
    with tempfile.TemporaryDirectory() as folder:
        world = World(pathlib.Path(folder) / "perf.data", 40_000)
        try:
            for _ in measure(world, wanted, args.quick, profiles):
                pathlib.Path(world.profile).unlink(missing_ok=True)
        finally:
            world.close()
    PROFILES.write_text(json.dumps({"revision": revision(), "shares": profiles}, indent=1) + "\n")
    for name, shares in profiles.items():
        most = sorted(shares.items(), key=operator.itemgetter(1), reverse=True)[:6]
        print(f"{name}: " + ", ".join(f"{dso} {share:.0%}" for dso, share in most))
    return 0


def raise_limits():
    """Of descriptors, for all that is started: 10,000 polls are as many in the hub, and here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError):   # who may not raise the hard limit has what there is
        if hard != resource.RLIM_INFINITY and hard < 65536:
            resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
            return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    args = parse()
    raise_limits()
    wanted = [f for f in FIGURES if (f.name in args.only if args.only else f.quick or not args.quick)]
    if args.profiles:
        return profile_all(args, wanted)
    began = datetime.datetime.now(datetime.timezone.utc)
    world = World(args.profile, 40_000 if args.quick else 100_000)
    try:
        entries = [report(*found) for found in measure(world, wanted, args.quick, {})]
        facts = machine.facts(world)
    finally:
        world.close()
    OUT.write_text(json.dumps({"at": began.isoformat(timespec="seconds"), "revision": revision(),
                               "quick": args.quick, "machine": facts, "figures": entries}, indent=1) + "\n")
    for e in entries:
        if e["met"] is False and e["value"] is not None:
            print(f"goal missed: {e['name']} is {e['value']:.4g}, not {e['goal']}")
    unmeasured = [e["name"] for e in entries if e["value"] is None]
    if unmeasured:
        print(f"not measured: {', '.join(unmeasured)}")
    return 1 if unmeasured else 0


if __name__ == "__main__":
    sys.exit(main())
