# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests share: processes, ports, waiting, Redis, certificates, a hub, receivers of
its SETs, and a stand-in for GitHub. Loopback only."""
import base64
import collections
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

import psycopg2
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwk, jws

import openapi

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SSF_BUILD", ROOT / "build" / "dev")).resolve()

SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
                   "runtime error:", "UndefinedBehaviorSanitizer")


def program(path):
    """A built program by its path in the build folder: program("receivers/ssf-receive")."""
    full = BUILD / path
    assert full.is_file(), f"{full} is not built (SSF_BUILD names the build folder)"
    return str(full)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_until(cond, timeout=10.0, what=None):
    """Calls cond until it gives something true, and returns that; fails after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = cond()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or cond}"
        time.sleep(0.01)


class Proc:
    """A process of ours. stdout and stderr go to files; stop() or close() ends it, by its pid."""

    def __init__(self, argv, folder, name=None, env=None, cwd=None):
        self.name = name or os.path.basename(argv[0])
        self.stdout_path = pathlib.Path(folder) / f"{self.name}.out"
        self.stderr_path = pathlib.Path(folder) / f"{self.name}.err"
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                          env={**os.environ, **(env or {})}, cwd=cwd)
        self.pid = self.popen.pid

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def log(self):
        return self.stderr_path.read_text(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def wait_stdout(self, text, timeout=10.0):
        """The first line of stdout that holds text."""
        def line():
            found = [ln for ln in self.stdout().splitlines() if text in ln]
            assert found or self.alive(), f"{self.name} ended: {self.log()}"
            return found
        return wait_until(line, timeout, f"{self.name} prints {text!r}")[0]

    def wait_log(self, text, timeout=10.0, count=1):
        wait_until(lambda: self.log().count(text) >= count, timeout,
                   f"{self.name} logs {text!r} {count} times; log:\n{self.log()}")

    def send_signal(self, signo):
        os.kill(self.pid, signo)

    def stop(self, signo=signal.SIGTERM, timeout=15.0):
        """Asks it to end; the exit status."""
        if self.alive():
            self.send_signal(signo)
        return self.popen.wait(timeout)

    def check(self):
        """Nothing in the log that a sanitizer wrote."""
        log = self.log()
        for mark in SANITIZER_MARKS:
            assert mark not in log, f"{self.name}: {log}"

    def close(self, timeout=15.0):
        """For teardown: ends it, in an orderly way if it can (leaks are reported only then), also
        when it is stopped; then check()."""
        if self.alive():
            self.send_signal(signal.SIGCONT)
            self.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(10)
        self.check()


class Redis:
    """A real redis-server without persistence, on a unix socket and, if asked, a loopback port."""

    def __init__(self, folder, port=0, password=None):
        self.folder = pathlib.Path(folder)
        self.path = str(self.folder / "redis.sock")
        self.port = port
        self.password = password
        self.proc = None
        self.starts = 0
        self.start()

    def start(self):
        self.starts += 1
        argv = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket",
                self.path, "--save", "", "--appendonly", "no", "--dir", str(self.folder),
                "--daemonize", "no"]
        if self.password:
            argv += ["--requirepass", self.password]
        self.proc = Proc(argv, self.folder, f"redis-{self.starts}")
        wait_until(self._answers, 10, "redis-server answers")

    def _answers(self):
        import redis
        try:
            return self.client().ping()
        except redis.exceptions.ConnectionError:
            assert self.proc.alive(), self.proc.stdout()
            return False

    def client(self):
        import redis
        return redis.Redis(unix_socket_path=self.path, password=self.password,
                           decode_responses=True)

    def pause(self):
        self.proc.send_signal(signal.SIGSTOP)

    def resume(self):
        self.proc.send_signal(signal.SIGCONT)

    def kill(self):
        self.proc.popen.kill()
        self.proc.popen.wait(10)

    def close(self):
        self.proc.close()


class TLS:
    """A certificate authority and a server certificate for localhost and 127.0.0.1."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ca = str(self.folder / "ca.pem")
        self.cert = str(self.folder / "server.pem")
        self.key = str(self.folder / "server.key")
        ca_key = str(self.folder / "ca.key")
        request = str(self.folder / "server.csr")
        extensions = self.folder / "server.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n"
                              "basicConstraints=critical,CA:FALSE\n"
                              "extendedKeyUsage=serverAuth\n")
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._openssl("req", "-x509", *ec, "-keyout", ca_key, "-out", self.ca, "-days", "2",
                      "-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign")
        self._openssl("req", *ec, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                      "-CAcreateserial", "-days", "2", "-extfile", str(extensions),
                      "-out", self.cert)

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)


def have(*names):
    return all(shutil.which(name) for name in names)


# --- what the hub says and gets ---------------------------------------------------------------

SET_TYPE = "application/secevent+jwt"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
STREAM_UPDATED = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
REVOKED = CAEP + "session-revoked"
PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
KINDS = ("person", "agent", "credential", "source", "transmitter", "issuer", "client", "stream",
         "rules")


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part_of(token, n):
    """Part n (0: header, 1: claims) of a compact JWS, not verified."""
    part = token.split(".")[n]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def lint(token):
    """What is wrong with a SET that the hub sends (SSF 1.0 section 4.1); [] if nothing."""
    wrong = []
    header, claims = part_of(token, 0), part_of(token, 1)
    if header.get("typ") != "secevent+jwt":
        wrong.append(f"typ {header.get('typ')}")
    if header.get("alg") not in ("RS256", "ES256") or not header.get("kid"):
        wrong.append(f"header {header}")
    if set(claims) != {"iss", "aud", "jti", "txn", "iat", "sub_id", "events"}:
        wrong.append(f"claims {sorted(claims)}")  # exp, sub, nbf are not for SETs
    if not isinstance(claims.get("iat"), int) or claims["iat"] > time.time() + 1:
        wrong.append(f"iat {claims.get('iat')}")
    if "format" not in claims.get("sub_id", {}):
        wrong.append("sub_id without format")
    events = claims.get("events", {})
    if len(events) != 1:
        wrong.append(f"{len(events)} events")
    for uri, event in events.items():
        if not uri.startswith("https://schemas.openid.net/secevent/"):
            wrong.append(f"event {uri}")
        if not isinstance(event, dict) or "subject" in event:
            wrong.append(f"{uri}: not an object, or a subject in it")
    return wrong


class Push:
    """One POST that a receiver got."""

    def __init__(self, request):
        self.token = request.body.decode()
        self.headers = request.headers
        self.at = request.at
        self.status = None   # what was answered

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


class Request:
    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.at = time.monotonic()


class Answer:
    """What a server of ours answers. hold: an Event to wait for first; close: no answer at all."""

    def __init__(self, status=200, body=b"", headers=None, hold=None, close=False):
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = headers or {}
        self.hold = hold
        self.close = close


class Server:
    """HTTPS on loopback with a certificate of the test CA; handle(Request) gives the Answer."""

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
                pass  # the hub may be killed at any time

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


class Endpoint:
    """One push address of a Receiver: what it answers and what it got."""

    def __init__(self, receiver, path):
        self.receiver = receiver
        self.url = receiver.server.url + path
        self.lock = threading.Lock()
        self.pushes = []
        self.answers = collections.deque()
        self.decide = None   # a function of Push that gives an Answer, or None

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

    def wait(self, count, timeout=20, txn=None):
        """The accepted pushes (of one txn) once there are count of them."""
        def enough():
            found = [p for p in self.accepted() if txn is None or p.txn == txn]
            return found if len(found) >= count else None
        return wait_until(enough, timeout, f"{count} pushes at {self.url}; "
                          f"there are {[(p.event, p.status) for p in self.pushes]}")

    def wait_pushes(self, count, timeout=20):
        """All pushes, however they were answered, once there are count of them."""
        wait_until(lambda: len(self.pushes) >= count, timeout, f"{count} attempts at {self.url}")
        return list(self.pushes)


class Receiver:
    """A push sink with as many addresses as wanted. Whatever comes must be a proper SET."""

    def __init__(self, tls, port=0):
        self.endpoints = {}
        self.problems = []
        self.strays = []     # requests to paths that nobody asked for
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


class Counting:
    """counting_receiver.py: a push receiver for thousands a second, which only counts."""

    def __init__(self, folder, name="counting"):
        self.proc = Proc([sys.executable, "-B", str(ROOT / "tests/e2e/counting_receiver.py")], folder,
                         name)
        self.url = f"http://127.0.0.1:{self.proc.wait_stdout('port ').split()[1]}"

    def counts(self):
        """{path: {"jtis": {jti: how often}, "seconds": {second of time.monotonic(): how many}}}"""
        return requests.get(self.url, timeout=30).json()

    def close(self):
        self.proc.close()


class GitHub:
    """Stands in for api.github.com: alerts with their secrets, and the partner program's keys."""

    def __init__(self, tls, token):
        self.token = token
        self.alerts = {}     # (repository, number): what the answer says
        self.answers = collections.deque()   # before the alerts
        self.hold_keys = None
        self.asked = []
        self.key_gets = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_id = "test-key-1"
        self.server = Server(tls, self._handle)
        self.url = self.server.url
        self.keys_url = self.url + "/meta/public_keys/secret_scanning"

    def keys(self):
        pem = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        return {"public_keys": [{"key_identifier": self.key_id, "key": pem, "is_current": True}]}

    def _handle(self, request):
        if request.path == "/meta/public_keys/secret_scanning":
            self.key_gets += 1
            return Answer(200, self.keys(), hold=self.hold_keys)
        self.asked.append(request)
        if self.answers:
            return self.answers.popleft()
        if request.headers["Authorization"] != "Bearer " + self.token:
            return Answer(401, {"message": "Bad credentials"})
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)/secret-scanning/alerts/(\d+)", request.path)
        alert = self.alerts.get((found[1], int(found[2]))) if found else None
        return Answer(200, alert) if alert else Answer(404, {"message": "Not Found"})

    def leak(self, repository, number, secret):
        self.alerts[(repository, number)] = {
            "number": number, "secret": secret, "secret_type": "acme_api_token",
            "validity": "active", "resolution": None,
            "html_url": f"https://github.com/{repository}/security/secret-scanning/{number}"}

    def sign(self, body, key=None):
        signature = (key or self.key).sign(body, ec.ECDSA(hashes.SHA256()))
        return {"Github-Public-Key-Identifier": self.key_id,
                "Github-Public-Key-Signature": base64.b64encode(signature).decode()}

    def close(self):
        self.server.close()


# --- what is sent to the hub ------------------------------------------------------------------

def alert_body(repository="acme/app", number=42, action="created", **alert):
    return {"action": action,
            "alert": {"number": number, "secret_type": "acme_api_token", "resolution": None,
                      "validity": "unknown", **alert},
            "repository": {"id": 1, "full_name": repository},
            "organization": {"login": "acme"}, "sender": {"login": "somebody"}}


def webhook_headers(secret, body, event="secret_scanning_alert", delivery=None, hook="7"):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery or str(uuid.uuid4()), "X-GitHub-Hook-ID": hook,
            "X-Hub-Signature-256": "sha256=" + digest}


def sign_set(key, claims, **header):
    """Compact JWS. alg goes by the key; header members that are None are left out."""
    alg = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key["kty"]]
    protected = {"typ": "secevent+jwt", "alg": alg, "kid": key.get("kid"), **header}
    token = jws.JWS(json.dumps(claims))
    token.allowed_algs = ["RS256", "ES256", "HS256"]
    token.add_signature(key, None, json.dumps({k: v for k, v in protected.items() if v}))
    return token.serialize(compact=True)


class Hub:
    """A hub with its own data directory and, unless args name a database, its own PostgreSQL."""

    def __init__(self, tls, *args, env=None, private=True):
        # not below pytest's folder: the database's user has to get through
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ssf-e2e-", dir="/tmp"))
        self.folder.chmod(0o711)
        self.data = self.folder / "data"
        self.port = free_port()
        self.issuer = self.url = f"https://localhost:{self.port}"
        if "--issuer" in args:
            self.issuer = args[args.index("--issuer") + 1]
        self.argv = [program("hub/ssfhub"), "serve", "--data", str(self.data),
                     "--listen", f"127.0.0.1:{self.port}", "--ca-file", tls.ca,
                     "--push-allow", "127.0.0.0/8,::1/128",
                     "--retry-min", "50ms", "--retry-max", "1s", *args]
        self.env = env
        self.private = private
        self.starts = []
        self.expected = set()   # events of errors that the test has provoked
        self.told = set()       # errors that a check has failed for already
        self.undocumented = []  # answers that are not as hub/api/openapi.json says
        self.idp = None
        self.start()

    # processes

    def start(self, wait=True):
        proc = Proc(self.argv, self.folder, f"hub-{len(self.starts) + 1}", env=self.env)
        self.starts.append(proc)
        if wait:
            try:
                proc.wait_stdout("ssfhub: ready at ", 60)
            except AssertionError:
                self._end()
                raise
            self.session = self.new_session()
            self.admin_token = (self.data / "admin.token").read_text().strip()
        return self

    @property
    def proc(self):
        return self.starts[-1]

    def kill9(self):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.popen.wait(10)

    def stop(self):
        status = self.proc.stop(timeout=40)
        assert status == 0, f"exit status {status}:\n{self.proc.log()}"

    def restart(self):
        if self.proc.alive():
            self.stop()
        return self.start()

    def log(self):
        return "".join(p.log() for p in self.starts)

    def postgres_pid(self):
        return int((self.data / "pg" / "postmaster.pid").read_text().split()[0])

    def processes(self):
        """Of this hub, its PostgreSQL included: by the data directory on their command line."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                args = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if any(a.startswith(bytes(self.data)) for a in args):
                found.append(int(entry.parent.name))
        return found

    def check(self):
        for proc in self.starts:
            proc.check()
        errors = [line for line in self.log().splitlines() if " level=error " in line and
                  line not in self.told and
                  not any(f" event={e} " in line + " " for e in self.expected)]
        self.told.update(errors)
        wrong, self.undocumented = self.undocumented, []
        assert not errors + wrong, "\n".join(errors + wrong)

    def _end(self):
        for pid in [p.pid for p in self.starts if p.alive()]:
            os.kill(pid, signal.SIGKILL)
        for p in self.starts:
            p.popen.wait(10)
        if (self.data / "pg" / "postmaster.pid").exists():
            pid = self.postgres_pid()
            if pid in self.processes():
                os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: not self.processes(), 30, f"{self.data}: its processes end")

    def close(self):
        """For teardown: a hub that still runs has to end well, and to leave nothing behind."""
        failed = []
        try:
            if self.proc.alive():
                self.stop()
                left = self.processes()
                assert not left, f"processes left behind: {left}"
            self.check()
        except (AssertionError, subprocess.TimeoutExpired) as e:
            failed.append(str(e))
        finally:
            self._end()
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not failed, "\n".join(failed)

    # asking it

    def new_session(self):
        """To ask it; they are not to be shared by threads. Every answer is held against the
        document of the interface."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.data / "ca.pem")
        session.hooks["response"].append(self._check_answer)
        return session

    def _check_answer(self, answer, **_):
        try:
            openapi.DOCUMENT.check(answer, urllib.parse.urlsplit(self.issuer).path.rstrip("/"))
        except AssertionError as e:
            self.undocumented.append(str(e))   # nobody may listen to the thread that this is in
            raise

    def request(self, method, path, timeout=30, **kwargs):
        return self.session.request(method, self.url + path, timeout=timeout, **kwargs)

    def begin(self, method, path, body, **headers):
        """A request that the hub has read to its end and not answered. Gives the connection; the
        answer is had by http.client.HTTPResponse."""
        context = ssl.create_default_context(cafile=str(self.data / "ca.pem"))
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=30),
                                server_hostname="localhost")
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}",
                 *[f"{k}: {v}" for k, v in headers.items()]]
        s.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        mine, its = f":{s.getsockname()[1]:04X}", f":{self.port:04X}"

        def read():
            """Nothing is left in the hub's receive queue: it acts on what it reads at once."""
            with open("/proc/net/tcp", encoding="ascii") as f:
                fields = [line.split() for line in f]
            (queues,) = [c[4] for c in fields if c[1].endswith(its) and c[2].endswith(mine)]
            (unsent,) = [c[4] for c in fields if c[1].endswith(mine) and c[2].endswith(its)]
            return queues.endswith(":00000000") and unsent.startswith("00000000:")
        wait_until(read, 10, "the hub reads the request")
        return s

    def admin(self, method, path, **kwargs):
        headers = {"Authorization": f"Bearer {self.admin_token}", **kwargs.pop("headers", {})}
        return self.request(method, path, headers=headers, **kwargs)

    def get(self, path):
        answer = self.admin("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def form(self, path):
        """A resource without its version: it can be applied again and again."""
        return {k: v for k, v in self.get(path).items() if k != "version"}

    def apply(self, *resources, query=""):
        """Puts resources; each a dict, or the whole body as a text."""
        body = resources[0] if isinstance(resources[0], str) else json.dumps(list(resources))
        answer = self.admin("POST", "/v1/apply" + query, data=body.encode())
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()["applied"]

    def try_apply(self, *resources, query=""):
        body = resources[0] if isinstance(resources[0], str) else json.dumps(list(resources))
        return self.admin("POST", "/v1/apply" + query, data=body.encode())

    def cli(self, *args, status=0):
        done = subprocess.run([program("hub/ssfhub"), *args, "--data", str(self.data)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
        for mark in SANITIZER_MARKS:
            assert mark not in done.stderr, done.stderr
        return done.stdout if status == 0 else done.stderr

    def sql(self, text, *params):
        with contextlib.closing(self.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(text, params)
                return cursor.fetchall() if cursor.description else None

    def connect(self):
        return psycopg2.connect(host=str(self.data / "run"), user="ssfhub", dbname="ssfhub")

    # events

    def webhook(self, source, secret, body, **kwargs):
        text = json.dumps(body).encode()
        return self.request("POST", f"/in/{source}", data=text,
                            headers=webhook_headers(secret, text, **kwargs))

    def partner(self, source, github, tokens, key=None):
        body = json.dumps([{"token": t, "type": "acme_api_token", "source": "commit",
                            "url": "https://github.com/acme/app/blob/main/x"}
                           for t in tokens]).encode()
        return self.request("POST", f"/in/{source}", data=body,
                            headers={"Content-Type": "application/json",
                                     **github.sign(body, key)})

    def claims(self, **changes):
        """Of a SET to the hub, by the transmitter that use_idp() has registered."""
        n = uuid.uuid4().hex
        claims = {"iss": "https://idp.example", "aud": self.issuer, "jti": n, "txn": "txn-" + n,
                  "iat": int(time.time()),
                  "sub_id": {"format": "iss_sub", "iss": "https://idp.example", "sub": "ada"},
                  "events": {REVOKED: {"event_timestamp": int(time.time())}}}
        claims.update(changes)
        return {k: v for k, v in claims.items() if v is not None}

    def use_idp(self):
        self.idp = jwk.JWK.generate(kty="EC", crv="P-256", kid="idp-1")
        self.apply({"kind": "transmitter", "id": "idp", "issuer": "https://idp.example",
                    "jwks": {"keys": [json.loads(self.idp.export_public())]}})
        return self

    def send(self, token, session=None, **headers):
        return (session or self.session).post(
            self.url + "/events", data=token, timeout=30,
            headers={"Content-Type": SET_TYPE, "Accept": "application/json", **headers})

    def emit(self, sub="ada", txn=None, **changes):
        """An event of a registered transmitter; its txn, which the SETs that follow have too."""
        claims = self.claims(sub_id={"format": "iss_sub", "iss": "https://idp.example", "sub": sub},
                             **changes)
        claims["txn"] = txn or claims["txn"]
        answer = self.send(sign_set(self.idp, claims))
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return claims["txn"]

    def push_stream(self, endpoint, **changes):
        """A new client with a stream to the endpoint; the stream's id."""
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
        """A new client with a poll stream."""
        n = uuid.uuid4().hex[:12]
        self.apply({"kind": "client", "id": "c-" + n, "audience": f"https://{n}.example",
                    "token": "token-" + n},
                   {"kind": "stream", "id": "s-" + n, "client": "c-" + n,
                    "delivery": {"method": POLL}, **changes})
        made = PollStream(self, "s-" + n, "token-" + n, f"https://{n}.example")
        wait_until(lambda: made.post({"maxEvents": 0}).status_code == 200, 10, "it is loaded")
        return made

    def stream_status(self, stream):
        return next(s for s in self.get("/v1/status")["streams"] if s["id"] == stream)

    # checking

    def verify(self, token, audience):
        """Against the keys that the hub publishes, by jwcrypto; the claims."""
        assert lint(token) == []
        published = self.request("GET", "/jwks.json").json()["keys"]
        kid = part_of(token, 0)["kid"]
        key = jwk.JWK(**next(k for k in published if k["kid"] == kid))
        checked = jws.JWS()
        checked.deserialize(token, key, alg=part_of(token, 0)["alg"])
        claims = json.loads(checked.payload)
        assert claims["iss"] == self.issuer
        assert claims["aud"] == audience
        return claims


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
        """{jti: claims} and moreAvailable; every SET has been verified."""
        body.setdefault("returnImmediately", True)
        answer = self.post(body)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        assert set(answer.json()) == {"sets", "moreAvailable"}
        sets = {}
        for jti, token in answer.json()["sets"].items():
            sets[jti] = self.hub.verify(token, self.audience)
            assert sets[jti]["jti"] == jti
        return sets, answer.json()["moreAvailable"]

    def wait(self, count, timeout=20):
        """{jti: claims} once that many are there; they are not acknowledged."""
        def enough():
            sets, _ = self.poll()
            return sets if len(sets) >= count else None
        return wait_until(enough, timeout, f"{count} SETs to poll")


class Postgres:
    """A PostgreSQL of the test's own, for hubs that are given --database."""

    def __init__(self, *settings, base="/tmp"):
        self.settings = settings or ("fsync=off",)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ssf-e2e-pg-", dir=base))
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"),
                          key=lambda p: int(p.parent.name))
        self.bindir = versions[-1]
        self.popen = None
        self._run("initdb", "-D", str(self.folder / "pg"), "-U", "ssfhub", "-A", "trust", "-E",
                  "UTF8", "--locale=C", "--no-sync")
        self.conninfo = f"host={self.folder} user=ssfhub dbname=ssfhub"
        self.start()
        self._run("createdb", "-h", str(self.folder), "-U", "ssfhub", "ssfhub")

    def _extra(self):
        return {"user": self.user, "group": self.user, "extra_groups": [],
                "cwd": "/"} if self.user else {"cwd": "/"}

    def _run(self, name, *args):
        subprocess.run([self.bindir / name, *args], check=True, capture_output=True, timeout=60,
                       **self._extra())

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.popen = subprocess.Popen(
                [self.bindir / "postgres", "-D", str(self.folder / "pg"), "-k", str(self.folder),
                 "-c", "listen_addresses=", *(f"--{s}" for s in self.settings)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._extra())
        wait_until(self._answers, 30, "postgres answers")

    def _answers(self):
        done = subprocess.run([self.bindir / "pg_isready", "-q", "-h", str(self.folder)])
        assert self.popen.poll() is None, (self.folder / "log").read_text()
        return done.returncode == 0

    def stop(self):
        self.popen.send_signal(signal.SIGINT)   # fast shutdown
        self.popen.wait(30)

    def close(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGQUIT)
            self.popen.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


# --- rules ------------------------------------------------------------------------------------

def rules(mode="enforce"):
    """An agent's secret leaked: its credential is void, its sessions end."""
    return json.dumps({
        "hrl": 1,
        "rules": [{
            "id": "leak.of-agent", "title": "The secret of an agent leaked",
            "severity": "critical", "mode": mode, "on": ["secret.leaked"],
            "match": {"$agent": {"known": [True]}},
            "actions": [
                {"revoke": "credential", "target": "${detail.credential}",
                 "reason": "leaked in ${detail.repository|a public place}"},
                {"revoke": "agent", "target": "${subject.agent_id}", "reason": "leak"},
                {"emit": "caep:credential-change", "subject": "agent",
                 "claims": {"credential_type": "${$credential.type|api-token}",
                            "change_type": "revoke"}},
                {"emit": "risc:credential-compromise", "subject": "agent",
                 "claims": {"credential_type": "${$credential.type|api-token}"}},
                {"emit": "caep:session-revoked", "subject": "agent"}]}]})


THREE = {CAEP + "credential-change", RISC + "credential-compromise", REVOKED}
