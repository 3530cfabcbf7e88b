# SPDX-License-Identifier: Apache-2.0
"""The receiver of a poll stream (RFC 8936)."""
from .poll import wait_until


class PollStream:
    def __init__(self, hub, stream, token, audience):
        self.hub = hub
        self.id = stream
        self.token = token
        self.audience = audience

    def post(self, body, session=None, token=None, timeout=60):
        return (session or self.hub.session).post(
            f"{self.hub.url}/streams/{self.id}/poll", json=body, timeout=timeout,
            headers={"Authorization": f"Bearer {token or self.token}"})

    def poll(self, **body):
        """Returns {jti: claims} and moreAvailable; every SET has been verified."""
        body.setdefault("returnImmediately", True)
        # 503: the stream moves to another process, which may happen at any time on a busy machine
        answer = wait_until(lambda: (a := self.post(body)).status_code != 503 and a, what="it is polled")
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        assert set(answer.json()) == {"sets", "moreAvailable"}
        sets = {}
        for jti, token in answer.json()["sets"].items():
            sets[jti] = self.hub.verify(token, self.audience)
            assert sets[jti]["jti"] == jti
        return sets, answer.json()["moreAvailable"]

    def wait(self, count):
        """Polls until there are count SETs, and returns {jti: claims}; they are not acknowledged."""
        def enough():
            sets, _ = self.poll()
            return sets if len(sets) >= count else None
        return wait_until(enough, what=f"{count} SETs to poll")
