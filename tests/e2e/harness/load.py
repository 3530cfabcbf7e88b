# SPDX-License-Identifier: Apache-2.0
"""Load on a hub that may be killed while it lasts."""
import collections
import contextlib
import threading

import requests

from .poll import wait_until
from .sets import sign_set

STORED = "select count(*), count(distinct origin_id) from event where origin like 'issuer:%%'"


class Load:
    """Threads that send SETs. Each SET is sent again until it is accepted, even if the hub is killed."""

    def __init__(self, hub, threads=4):
        self.hub = hub
        self.accepted = []
        self.refused = collections.Counter()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]
        for t in self.threads:
            t.start()

    def _run(self, n):
        with contextlib.closing(self.hub.new_session()) as session:
            number = 0
            while not self.stopping.is_set():
                number += 1
                subject = {"format": "iss_sub", "iss": "https://idp.example", "sub": f"s{n}"}
                claims = self.hub.claims(txn=f"load-{n}-{number}", sub_id=subject)
                self._send(session, claims)

    def _send(self, session, claims):
        token = sign_set(self.hub.idp, claims)
        while True:
            try:
                answer = self.hub.send(token, session)
            except requests.exceptions.RequestException:
                status = None   # the hub was killed: it may have accepted the SET or not
            else:
                status = answer.status_code
            with self.lock:
                if status == 202:
                    self.accepted.append(claims["txn"])
                    return
                self.refused[status] += 1
            assert status in (None, 500, 503, 504), f"{status} {answer.text}"
            if self.stopping.wait(0.01):
                return

    def wait(self, more):
        target = len(self.accepted) + more
        wait_until(lambda: len(self.accepted) >= target, what=f"{target} are accepted")

    def finish(self):
        self.stopping.set()
        for t in self.threads:
            t.join(120)
            assert not t.is_alive()
        return list(self.accepted)


def check_all_arrived(hub, endpoint, accepted):
    wait_until(lambda: set(accepted) <= {p.txn for p in endpoint.accepted()},
               what="everything that was accepted is delivered")
    by_txn = collections.defaultdict(set)
    for p in endpoint.pushes:
        by_txn[p.txn].add(p.token)
    assert all(len(tokens) == 1 for tokens in by_txn.values()), "a repeat is the same SET"
    counted, distinct = hub.sql(STORED)[0]
    assert counted == distinct, "each is stored once"
    jtis = {p.jti for p in endpoint.pushes}
    assert len(jtis) == len(by_txn)
    order = collections.defaultdict(list)
    for p in endpoint.accepted():
        if p.txn not in order[p.claims["sub_id"]["sub"]]:
            order[p.claims["sub_id"]["sub"]].append(p.txn)
    for txns in order.values():
        numbers = [int(t.rsplit("-", 1)[1]) for t in txns]
        assert numbers == sorted(numbers), "first arrivals of a subject are in order"
