# SPDX-License-Identifier: Apache-2.0
"""How each figure is measured. A measurement takes (world, quick) and gives {figure: (value, raw)}; raw
is what the value was made of, the machine's own limits included."""
import time

import machine
from machine import CPUS
from world import Unmeasured, median

SETS = 40_000        # signed for a run: no figure needs more
STREAMS = 10
AHEAD = 400          # events that streams may be behind: more than the window of one, less than the
                     # tail of the log that is in memory, so that the hub is always busy with live traffic


def deliver_one(hub, sink, sets, streams, number=0):
    """One event to all streams, so that they are loaded, connected and idle when it counts."""
    load = hub.world.ingest(hub, sets, connections=1, skip=number, count=1).begin()
    load.end()
    sink.counters.wait(streams, 60, "the first event arrives")


# --- push: throughput and processor time ---------------------------------------------------------

def push(world, alg, warm_s, seconds):
    """Pushes to ten streams of ten clients, as many as the hub can: what happened in the seconds after the
    first ones. Events come in by POST /events all the while, just as fast as they go out ten times:
    the price of taking them in is part of the figure."""
    sets = world.signed(SETS)
    hub = world.hub()
    hub.know(sets)
    sink = world.sink(addresses=STREAMS)
    hub.push_streams(sink, STREAMS, alg)
    deliver_one(hub, sink, sets, STREAMS)
    load = world.ingest(hub, sets, connections=16, skip=1, seconds=warm_s + seconds, ahead=AHEAD,
                        copies=STREAMS, counters=sink.counters.path).begin()
    time.sleep(warm_s)
    with world.profiled(hub):
        count, cpu, began = sink.counters.count, hub.cpu(), time.monotonic()
        time.sleep(seconds - 0.2)   # while the load still runs
        count, cpu, took = sink.counters.count - count, hub.cpu() - cpu, time.monotonic() - began
    said = load.end()
    if count == 0:
        raise Unmeasured("nothing was pushed")
    return {"pushed": count, "seconds": took, "pushed_per_s": count / took, "hub_cpu_s": cpu,
            "hub_cpu_us_per_set": cpu / count * 1e6, "events_sent": said["sent"],
            "lost_connections": sink.counters.failed}


def rs256(world, quick):
    """The machine signs before and after, and its mean counts: it may have become slower meanwhile."""
    seconds = 1 if quick else 3
    limits = [machine.signatures("RS256", seconds, CPUS)]
    alone = [machine.signatures("RS256", seconds)]
    raw = push(world, "RS256", 1, 6 if quick else 15)
    alone.append(machine.signatures("RS256", seconds))
    limits.append(machine.signatures("RS256", seconds, CPUS))
    limit, one_us = sum(limits) / 2, 2e6 / sum(alone)
    raw.update(signs_per_s_all_cores=limits, sign_cpu_us=one_us)
    return {"push_rs256_vs_signing": (raw["pushed_per_s"] / limit, raw),
            "rs256_cpu_ratio": (raw["hub_cpu_us_per_set"] / one_us, raw)}


def es256(world, quick):
    one_us = 1e6 / machine.signatures("ES256", 1 if quick else 3)
    raw = push(world, "ES256", 1, 5 if quick else 15)
    raw["sign_cpu_us"] = one_us
    return {"es256_cpu_us": (raw["hub_cpu_us_per_set"], raw),
            "es256_cpu_ratio": (raw["hub_cpu_us_per_set"] / one_us, raw)}


def slow_receiver(world, quick):
    """Over the middle of the time in which 1,000 a second are offered."""
    seconds = 6 if quick else 20
    sets = world.signed(SETS)
    hub = world.hub()
    hub.know(sets)
    sink = world.sink(delay_us=20_000)
    hub.push_streams(sink, 1, "RS256")
    deliver_one(hub, sink, sets, 1)
    load = world.ingest(hub, sets, skip=1, rate=1000, seconds=seconds + 2).begin()
    time.sleep(1)
    with world.profiled(hub):
        count, began = sink.counters.count, time.monotonic()
        time.sleep(seconds)
        count, took = sink.counters.count - count, time.monotonic() - began
    said = load.end()
    return {"slow_receiver": (count / took, {"pushed": count, "seconds": took, "events_sent": said["sent"],
                                             "connections": sink.counters.open})}
