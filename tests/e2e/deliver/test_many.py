# SPDX-License-Identifier: Apache-2.0
"""Many deliveries without any fault."""
import json
import time

import harness
from harness import PUSH, REVOKED, wait_until

EVENTS = 10_000
STREAMS = 10
SUBJECTS = 500


def drafts(first, count):
    """For append_events(): what an issuer's SETs would be stored as."""
    return json.dumps([{
        "origin": "issuer:https://idp.example", "origin_id": str(n), "type": REVOKED, "txn": f"txn-{n}",
        "sub_id": {"format": "iss_sub", "iss": "https://idp.example", "sub": f"s{n % SUBJECTS}"},
        "body": {"event_timestamp": int(time.time())}} for n in range(first, first + count)])


def test_b6_100_000_deliveries_without_faults_and_none_twice(new_hub, tmp_path, procs):
    receiver = harness.CountingReceiver(tmp_path)
    procs.append(receiver)
    hub = new_hub("--push-allow-http")
    hub.apply({"kind": "client", "id": "c", "audience": "https://c.example", "token": "token-of-c"},
              *({"kind": "stream", "id": f"s{n}", "client": "c", "alg": "ES256",
                 "delivery": {"method": PUSH, "endpoint_url": f"{receiver.url}/ok/{n}"}}
                for n in range(STREAMS)))
    for first in range(0, EVENTS, 500):
        hub.sql("select append_events(%s)", drafts(first, 500))

    # Counted at the receiver first: the hub's status knows the log as far as it was told of it.
    def all_arrived():
        return len(paths := receiver.counts()) == STREAMS and \
            all(len(of["jtis"]) == EVENTS for of in paths.values())

    def all_settled():
        streams = hub.get("/v1/status")["streams"]
        return all(s["waiting_events"] == 0 and s["unread_seqs"] == 0 for s in streams)
    # asking costs the hub time
    wait_until(all_arrived, timeout=300, what="all is delivered", interval=0.2)
    wait_until(all_settled, what="all is settled", interval=0.2)
    jtis = {path: count["jtis"] for path, count in receiver.counts().items()}
    assert {path: len(of) for path, of in jtis.items()} == \
        {f"/ok/{n}": EVENTS for n in range(STREAMS)}
    twice = {path: [j for j, n in of.items() if n > 1] for path, of in jtis.items()}
    assert sum(map(len, twice.values())) == 0, twice
