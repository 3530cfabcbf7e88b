# SPDX-License-Identifier: Apache-2.0
"""Tells the hub of a leak, as GitHub would, and times how long the agent stays in Redis.

    leak.py URL CA_FILE BODY_FILE REDIS_SOCKET KEYS HEADER...

KEYS are separated by blanks, a HEADER is "Name: value". The clock starts before the hub is
connected to and stops when Redis says that none of the keys exists: TCP, TLS, everything
that the hub and the receiver do, and what this loop adds (about 0.2 ms). Prints milliseconds.
"""
import http.client
import pathlib
import socket
import ssl
import sys
import time
import urllib.parse

GIVE_UP_S = 20
BETWEEN_LOOKS_S = 0.0002


class Redis:
    """As much of the Redis protocol as is needed to count keys."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(GIVE_UP_S)
        self.socket.connect(path)
        self.answers = self.socket.makefile("rb")

    def count(self, keys):
        words = [b"EXISTS", *(key.encode() for key in keys)]
        self.socket.sendall(b"*%d\r\n" % len(words) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        answer = self.answers.readline()
        if not answer.startswith(b":"):
            sys.exit(f"Redis answered {answer!r}")
        return int(answer[1:])


def post(url, tls, body, headers):
    where = urllib.parse.urlsplit(url)
    hub = http.client.HTTPSConnection(where.hostname, where.port, context=tls, timeout=GIVE_UP_S)
    hub.request("POST", where.path, body, headers)
    answer = hub.getresponse()
    text = answer.read().decode(errors="replace")
    hub.close()
    return answer.status, text


def main(url, ca_file, body_file, redis_path, keys, *headers):
    keys = keys.split()
    headers = dict(header.split(": ", 1) for header in headers)
    body = pathlib.Path(body_file).read_bytes()
    tls = ssl.create_default_context(cafile=ca_file)
    redis = Redis(redis_path)
    if redis.count(keys) != len(keys):
        sys.exit("not all of the keys are in Redis to begin with")

    start = time.monotonic()
    status, text = post(url, tls, body, headers)
    if not 200 <= status < 300:
        sys.exit(f"{url} answered {status}: {text}")
    while redis.count(keys) > 0:
        if time.monotonic() - start > GIVE_UP_S:
            sys.exit(f"{redis.count(keys)} of the keys are still there after {GIVE_UP_S} s")
        time.sleep(BETWEEN_LOOKS_S)
    print(max(1, round((time.monotonic() - start) * 1000)))


main(*sys.argv[1:])
