# SPDX-License-Identifier: Apache-2.0
"""B20: receivers that say 401, hang, or are slow, for SSF_SOAK_SECONDS (tests/soak.sh: minutes)."""
import json
import os
import pathlib
import time

import pytest

import harness
from harness import PUSH, REVOKED, wait_until

SECONDS = float(os.environ.get("SSF_SOAK_SECONDS") or 8)
RATE = 50                # events a second meanwhile
EVENTS_BEFORE = 6_000    # fill what the hub holds in memory: its tail of the log, its windows
RETRY = ("--retry-min", "100ms", "--retry-max", "2s", "--push-timeout", "1s")
# 64 of a stream were under way when it began to fail; each is tried again after 1 s on average
ATTEMPTS_A_SECOND = 100
FDS = 8                  # more or fewer connections
GROWTH_KIB = 4096
# a sanitizer that keeps what was freed for a while would look like a leak
ENV = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}


def drafts(count, when):
    return json.dumps([{
        "origin": "issuer:https://idp.example", "origin_id": f"{when}-{n}", "type": REVOKED,
        "txn": f"soak-{when}-{n}",
        "sub_id": {"format": "iss_sub", "iss": "https://idp.example", "sub": f"s{n}"},
        "body": {"event_timestamp": int(time.time())}} for n in range(count)])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


@pytest.fixture
def receivers(tmp_path, procs):
    """{name: (machine, path)}: each misbehaves in its own way, the last does not."""
    ways = {"unauthorized": "/status/401", "hanging": "/hang", "slow": "/slow/50", "well": "/ok"}
    made = {name: (harness.CountingReceiver(tmp_path, name), path) for name, path in ways.items()}
    procs.extend(machine for machine, _ in made.values())
    return made


def came(receivers, name):
    machine, path = receivers[name]
    return machine.counts().get(path, {"jtis": {}, "seconds": {}})


def load(hub, receivers):
    """RATE events a second; [(descriptors, KiB)] of the hub, once a second."""
    began, sent, seen = time.monotonic(), 0, []
    while time.monotonic() < began + SECONDS:
        hub.sql("select append_events(%s)", drafts(RATE, f"at-{sent}"))
        sent += RATE
        time.sleep(max(0.0, began + sent / RATE - time.monotonic()))   # the pace of the load
        seen.append((descriptors(hub.proc.pid), resident_kib(hub.proc.pid)))
    wait_until(lambda: len(came(receivers, "well")["jtis"]) == EVENTS_BEFORE + sent,
               what="the well one has all")
    return seen


def test_b20_no_storm_no_leak(new_hub, receivers):
    """Attempts a second are bounded; memory and descriptors do not grow; the well one gets all."""
    hub = new_hub("--push-allow-http", *RETRY, env=ENV)
    for name, (machine, path) in receivers.items():
        hub.apply({"kind": "client", "id": name, "audience": f"https://{name}.example",
                   "token": f"token-of-{name}"},
                  {"kind": "stream", "id": name, "client": name, "alg": "ES256",
                   "delivery": {"method": PUSH, "endpoint_url": machine.url + path}})
    for n in range(EVENTS_BEFORE // 500):
        hub.sql("select append_events(%s)", drafts(500, f"before-{n}"))
    wait_until(lambda: len(came(receivers, "well")["jtis"]) == EVENTS_BEFORE,
               what="the well one has what was before")
    began = int(time.monotonic()) + 1
    seen = load(hub, receivers)
    for name in ("unauthorized", "hanging"):
        seconds = {int(s): n for s, n in came(receivers, name)["seconds"].items()}
        assert sum(n for s, n in seconds.items() if s >= began) > 0, f"{name} is asked again"
        assert max(n for s, n in seconds.items() if s >= began) <= ATTEMPTS_A_SECOND, (name, seconds)
        assert hub.stream_status(name)["status"] == "enabled"
        assert hub.get(f"/v1/deadletters?stream={name}") == []
    half = len(seen) // 2
    for what, grows in ((0, FDS), (1, GROWTH_KIB)):
        before, after = ([s[what] for s in part] for part in (seen[:half], seen[half:]))
        assert max(after) <= max(before) + grows, (before, after)
    for name in ("well", "slow"):   # on a busy machine a push to them may time out, too
        assert set(came(receivers, name)["jtis"].values()) == {1} or \
            f"event=deliver.push.failed stream={name} " in hub.log()
