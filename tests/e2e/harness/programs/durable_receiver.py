# SPDX-License-Identifier: Apache-2.0
"""A receiver that may be killed at any instant: a SET is in its journal, on disk, before it says so.
A process of its own, which campaign.py starts, kills and starts again; only Python's own modules,
since it starts often.

  durable_receiver.py push JOURNAL PORT CERTIFICATE KEY FAILING   RFC 8935; FAILING: share of 503s
  durable_receiver.py poll JOURNAL URL CA TOKEN                   RFC 8936

A line of the journal is one receipt: when (CLOCK_MONOTONIC, ns), and the SET.
"""
import http.client
import http.server
import json
import os
import random
import ssl
import sys
import threading
import time
import urllib.parse


class Journal:
    def __init__(self, path):
        with open(path, "ab+") as file:   # half a line of one that was killed was never said to be taken
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
        self.file = open(path, "a", encoding="ascii")
        self.lock = threading.Lock()

    def add(self, tokens):
        with self.lock:
            now = time.monotonic_ns()   # lines are in the order of time
            self.file.write("".join(f"{now} {token}\n" for token in tokens))
            self.file.flush()
            os.fsync(self.file.fileno())


def push(journal, port, certificate, key, failing):
    """Takes whatever comes; how it is to be is checked where the journal is read."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            length = int(self.headers["Content-Length"])
            token = self.rfile.read(length).decode()
            if len(token) < length:   # the hub was killed, or the connection reset, half way
                self.close_connection = True
                return
            fails = random.random() < failing
            if not fails:
                journal.add([token])
            self.send_response(503 if fails else 202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    class Listener(http.server.ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass   # connections are reset all the time

    server = Listener(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    server.serve_forever()


class Poller:
    def __init__(self, journal, url, ca, token):
        self.journal = journal
        self.url = urllib.parse.urlsplit(url)
        self.context = ssl.create_default_context(cafile=ca)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.connection = None
        self.acks = []   # in the journal, and the hub may not know

    def _post(self, body):
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(
                self.url.hostname, self.url.port, timeout=30, context=self.context)
        self.connection.request("POST", self.url.path, json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(answer.status)
        return json.loads(text)["sets"]

    def turn(self):
        sets = self._post({"ack": self.acks, "returnImmediately": False})
        if sets:
            self.journal.add(sets.values())
        self.acks = list(sets)

    def run(self):
        while True:
            try:
                self.turn()
            except (OSError, http.client.HTTPException):
                if self.connection is not None:
                    self.connection.close()
                self.connection = None
                time.sleep(0.02)   # whoever is away: not in a circle without a rest


def main(how, path, *args):
    journal = Journal(path)
    if how == "push":
        port, certificate, key, failing = args
        push(journal, int(port), certificate, key, float(failing))
    else:
        Poller(journal, *args).run()


main(*sys.argv[1:])
