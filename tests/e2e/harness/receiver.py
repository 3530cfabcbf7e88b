# SPDX-License-Identifier: Apache-2.0
"""Receivers of pushes (RFC 8935): one that a test scripts, and a fast one that only counts."""
import collections
import sys
import threading
import uuid

import requests

from .http_server import Answer, Server
from .paths import PROGRAMS
from .poll import wait_until
from .process import Proc
from .sets import SET_TYPE, lint, part_of


class Push:
    """One POST that a receiver got."""

    def __init__(self, request):
        self.token = request.body.decode()
        self.headers = request.headers
        self.at = request.at
        self.status = None   # of the answer; None: no answer, or a held one

    @property
    def claims(self):
        return part_of(self.token, 1)

    @property
    def jti(self):
        return self.claims["jti"]

    @property
    def txn(self):
        return self.claims["txn"]

    @property
    def event(self):
        return next(iter(self.claims["events"]))


class Endpoint:
    """One push address of a Receiver: how it answers and what it got."""

    def __init__(self, receiver, path):
        self.receiver = receiver
        self.url = receiver.server.url + path
        self.lock = threading.Lock()
        self.pushes = []
        self.answers = collections.deque()
        self.decide = None   # a function of Push that returns an Answer, or None

    def script(self, *answers):
        """The next answers, one a push: a status or an Answer. After them: 202."""
        with self.lock:
            self.answers.extend(a if isinstance(a, Answer) else Answer(a) for a in answers)

    def on_push(self, request):
        push = Push(request)
        with self.lock:
            answer = self.answers.popleft() if self.answers else None
            if answer is None and self.decide is not None:
                answer = self.decide(push)
            answer = answer or Answer(202)
            push.status = None if answer.close or answer.hold else answer.status
            self.pushes.append(push)
        return answer

    def accepted(self):
        with self.lock:
            return [p for p in self.pushes if p.status is not None and 200 <= p.status < 300]

    def wait(self, count, *, txn=None):
        """Waits for count accepted pushes (of one txn), and returns all that there are."""
        def enough():
            found = [p for p in self.accepted() if txn is None or p.txn == txn]
            return found if len(found) >= count else None
        try:
            return wait_until(enough)
        except AssertionError as e:
            raise AssertionError(f"{self.url}: {count} pushes expected, there are "
                                 f"{[(p.event, p.status) for p in self.pushes]}") from e

    def wait_pushes(self, count):
        """Waits for count pushes, whatever their answers were, and returns all that there are."""
        wait_until(lambda: len(self.pushes) >= count, what=f"{count} attempts at {self.url}")
        return list(self.pushes)


class Receiver:
    """A push receiver with any number of addresses. It notes every request that is not a proper SET."""

    def __init__(self, tls, port=0):
        self.endpoints = {}
        self.problems = []
        self.strays = []     # requests to paths that no Endpoint has
        self.server = Server(tls, self._handle, port)

    def _handle(self, request):
        endpoint = self.endpoints.get(request.path)
        if endpoint is None or request.method != "POST":
            self.strays.append(request)
            return Answer(404)
        try:
            wrong = lint(request.body.decode())
        except Exception as e:
            wrong = [f"not a SET: {e}"]
        if request.headers.get_all("Content-Type") != [SET_TYPE]:
            wrong.append(f"Content-Type {request.headers.get_all('Content-Type')}")
        if request.headers.get_all("Accept") != ["application/json"]:
            wrong.append(f"Accept {request.headers.get_all('Accept')}")
        self.problems += wrong
        return endpoint.on_push(request)

    def endpoint(self):
        path = f"/{uuid.uuid4().hex[:12]}"
        self.endpoints[path] = Endpoint(self, path)
        return self.endpoints[path]

    def check(self):
        problems, self.problems = self.problems, []
        assert not problems, problems

    def close(self):
        self.server.close()


class CountingReceiver:
    """programs/counting_receiver.py: takes thousands of pushes a second, and only counts them."""

    def __init__(self, folder, name="counting"):
        self.proc = Proc([sys.executable, "-B", str(PROGRAMS / "counting_receiver.py")], folder,
                         name)
        self.url = f"http://127.0.0.1:{self.proc.wait_stdout('port ').split()[1]}"

    def counts(self):
        """{path: {"jtis": {jti: count}, "seconds": {second of time.monotonic(): count}}}"""
        return requests.get(self.url, timeout=60).json()

    def close(self):
        self.proc.close()
