# SPDX-License-Identifier: Apache-2.0
"""A push receiver (RFC 8935, plain HTTP) that takes thousands a second: it only counts. A process of
its own, so that it does not share its core with the test.

  counting_receiver.py     prints its port

POST /ok/... is 202, /status/N/... is N, /slow/MS/... is 202 after so long, /hang/... gets no answer.
GET / gives what came: {path: {"jtis": {jti: how often}, "seconds": {CLOCK_MONOTONIC: how many}}}
"""
import asyncio
import base64
import collections
import json
import re
import time

JTI = re.compile(rb'"jti":"([^"]+)"')
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)


class Count:
    def __init__(self):
        self.jtis = collections.Counter()
        self.seconds = collections.Counter()


received = collections.defaultdict(Count)


def answer_text(status, body=b""):
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            length = LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < whole:
                return
            body, self.buffer = self.buffer[end + 4:whole], self.buffer[whole:]
            method, path = head.split(b" ", 2)[:2]
            if method == b"POST":
                self.take(path.decode(), body)
            else:
                self.report()

    def report(self):
        self.write(answer_text(200, json.dumps({path: vars(count) for path, count in
                                                received.items()}).encode()))

    def take(self, path, body):
        payload = body.split(b".")[1]
        claims = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
        received[path].jtis[JTI.search(claims)[1].decode()] += 1
        received[path].seconds[int(time.monotonic())] += 1
        how = path.split("/")[1:]
        if how[0] == "slow":
            asyncio.get_running_loop().call_later(int(how[1]) / 1e3, self.write, answer_text(202))
        elif how[0] != "hang":
            self.write(answer_text(int(how[1]) if how[0] == "status" else 202))

    def write(self, text):
        if not self.transport.is_closing():
            self.transport.write(text)


async def main():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=128)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
