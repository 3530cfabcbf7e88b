# SPDX-License-Identifier: Apache-2.0
"""Stands in for api.github.com: answers what the hub asks about one secret scanning alert.

    github_api.py SECRET_FILE TOKEN      serves on a free loopback port and prints its URL
"""
import http.server
import json
import pathlib
import sys

ALERT = "/repos/acme/app/secret-scanning/alerts/42"


def main(secret_file, token):
    secret = pathlib.Path(secret_file).read_text(encoding="ascii").strip()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.headers["Authorization"] != f"Bearer {token}":
                self.answer(401, {"message": "Bad credentials"})
            elif self.path.split("?")[0] != ALERT:
                self.answer(404, {"message": "Not Found"})
            else:
                self.answer(200, {"number": 42, "state": "open", "resolution": None,
                                  "secret_type": "acme_api_token", "secret": secret,
                                  "publicly_leaked": True, "validity": "active"})

        def answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"ready at http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


main(*sys.argv[1:])
