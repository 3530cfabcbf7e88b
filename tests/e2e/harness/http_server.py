# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server in a thread of the test, whose answers a function decides."""
import http.server
import json
import ssl
import threading
import time


class Request:
    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.at = time.monotonic()


class Answer:
    """An answer to a request. hold: an Event to wait for first; close: close without an answer."""

    def __init__(self, status=200, body=b"", headers=None, hold=None, close=False):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = headers or {}
        self.hold = hold
        self.close = close


class Server:
    """HTTPS on loopback with a certificate of the test CA; handle(Request) returns the Answer."""

    def __init__(self, tls, handle, port=0):
        self.stopping = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 60

            def log_message(self, *args):
                pass

            def do_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = handle(Request(self.command, self.path, self.headers, body))
                while answer.hold is not None and not answer.hold.wait(0.05):
                    if server.stopping.is_set():
                        answer.close = True
                        break
                if answer.close:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_DELETE = do_any

        class Listener(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a test may kill the hub at any time

        self.server = Listener(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert, tls.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True,
                         kwargs={"poll_interval": 0.05}).start()

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
