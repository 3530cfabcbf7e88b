# SPDX-License-Identifier: Apache-2.0
"""A push receiver (RFC 8935, plain HTTP) that takes thousands a second: it only counts. A process of
its own, so that it does not share its core with the test.

  counting_receiver.py     prints its port; GET / gives {path: {jti: how often}}
"""
import asyncio
import base64
import collections
import json
import re

JTI = re.compile(rb'"jti":"([^"]+)"')
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
TAKEN = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

received = collections.defaultdict(collections.Counter)


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
            self.answer(head.split(b" ", 2), body)

    def answer(self, line, body):
        if line[0] != b"POST":
            text = json.dumps(received).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            return
        payload = body.split(b".")[1]
        claims = base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
        received[line[1].decode()][JTI.search(claims)[1].decode()] += 1
        self.transport.write(TAKEN)


async def main():
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=128)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
