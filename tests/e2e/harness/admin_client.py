# SPDX-License-Identifier: Apache-2.0
"""The operator of a hub: its HTTP API and its commands."""
import json
import subprocess
import urllib.parse
import uuid

import requests

from . import exposition, openapi
from .paths import program
from .poll import wait_until
from .poll_stream import PollStream
from .process import SANITIZER_MARKS
from .sets import POLL, PUSH

KINDS = ("person", "agent", "credential", "source", "transmitter", "issuer", "client", "stream",
         "rules")


class AdminClient:
    """Part of Hub, which sets url, issuer, data (the data directory), session and admin_token."""

    def new_session(self):
        """A session with the hub; threads must not share one. Every answer is checked against
        the OpenAPI document."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.data / "ca.pem")
        session.hooks["response"].append(self._check_answer)
        return session

    def _check_answer(self, answer, **_):
        try:
            openapi.DOCUMENT.check(answer, urllib.parse.urlsplit(self.issuer).path.rstrip("/"))
        except AssertionError as e:
            self.undocumented.append(str(e))   # the error is lost if this thread is not the test's
            raise

    def request(self, method, path, timeout=60, **kwargs):
        return self.session.request(method, self.url + path, timeout=timeout, **kwargs)

    def admin(self, method, path, **kwargs):
        headers = {"Authorization": f"Bearer {self.admin_token}", **kwargs.pop("headers", {})}
        return self.request(method, path, headers=headers, **kwargs)

    def get(self, path):
        answer = self.admin("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def form(self, path):
        """A resource without its version, so that it can be applied again and again."""
        return {k: v for k, v in self.get(path).items() if k != "version"}

    def apply(self, *resources, query=""):
        """Writes resources: dicts, or one text that is the whole body."""
        answer = self.try_apply(*resources, query=query)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()["applied"]

    def try_apply(self, *resources, query=""):
        body = resources[0] if isinstance(resources[0], str) else json.dumps(list(resources))
        return self.admin("POST", "/v1/apply" + query, data=body.encode())

    def cli(self, *args, status=0):
        """Runs `ssfhub ARGS`; its stdout, or its stderr if it is to fail."""
        done = subprocess.run([program("hub/ssfhub"), *args, "--data", str(self.data)],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
        for mark in SANITIZER_MARKS:
            assert mark not in done.stderr, done.stderr
        return done.stdout if status == 0 else done.stderr

    def push_stream(self, endpoint, **changes):
        """Makes a new client with a stream to the endpoint; the stream's id."""
        n = uuid.uuid4().hex[:12]
        delivery = {"method": PUSH, "endpoint_url": endpoint.url}
        if "authorization_header" in changes:
            delivery["authorization_header"] = changes.pop("authorization_header")
        self.apply({"kind": "client", "id": "c-" + n, "audience": f"https://{n}.example",
                    "token": "token-" + n},
                   {"kind": "stream", "id": "s-" + n, "client": "c-" + n, "delivery": delivery,
                    **changes})
        return "s-" + n

    def poll_stream(self, **changes):
        """Makes a new client with a poll stream."""
        n = uuid.uuid4().hex[:12]
        self.apply({"kind": "client", "id": "c-" + n, "audience": f"https://{n}.example",
                    "token": "token-" + n},
                   {"kind": "stream", "id": "s-" + n, "client": "c-" + n,
                    "delivery": {"method": POLL}, **changes})
        made = PollStream(self, "s-" + n, "token-" + n, f"https://{n}.example")
        wait_until(lambda: made.post({"maxEvents": 0}).status_code == 200, what="it is loaded")
        return made

    def metric(self, name, **labels):
        """A sample of the hub's metrics now; 0 if there is none."""
        answer = self.admin("GET", "/metrics")
        assert answer.status_code == 200, answer.text
        return exposition.Scrape(answer.text)(name, **labels)

    def stream_status(self, stream):
        return next(s for s in self.get("/v1/status")["streams"] if s["id"] == stream)
