# SPDX-License-Identifier: Apache-2.0
"""A receiver that manages its streams itself."""
import uuid

from .poll import wait_until


class StreamClient:
    """A client of the hub with a token, and its calls of the stream management API (SSF 1.0 section 8)."""

    def __init__(self, hub):
        self.hub = hub
        self.id = "c-" + uuid.uuid4().hex[:8]
        self.token = "token-" + uuid.uuid4().hex
        self.audience = f"https://{self.id}.example"
        hub.apply({"kind": "client", "id": self.id, "audience": self.audience, "token": self.token})

    def call(self, method, path, body=None, token=None, **kwargs):
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return self.hub.request(method, path, json=body, headers=headers, **kwargs)

    def create(self, **body):
        answer = self.call("POST", "/ssf/streams", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def poll(self, stream, **body):
        body.setdefault("returnImmediately", True)
        answer = self.hub.request("POST", f"/streams/{stream['stream_id']}/poll", json=body,
                                  headers={"Authorization": f"Bearer {self.token}"})
        assert answer.status_code == 200, answer.text
        return [self.hub.verify(s, self.audience) for s in answer.json()["sets"].values()]

    def wait(self, stream, count):
        wait_until(lambda: len(self.poll(stream)) >= count, what=f"{count} SETs")
        return self.poll(stream)
