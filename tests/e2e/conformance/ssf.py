# SPDX-License-Identifier: Apache-2.0
"""The client side of the conformance tests, written from the specifications alone: a client of a
transmitter (discovery, OAuth, stream management, poll), a push sink, and the checks of a SET. It knows
nothing about a transmitter but the fields of `Transmitter`, so it can be pointed at any other."""
import collections
import dataclasses
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwk, jws

must = pytest.mark.must   # @must("SSF-8.1.1.3-2"): the rows of musts.tsv that a test covers

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
SET_TYPE = "application/secevent+jwt"
EVENT = "https://schemas.openid.net/secevent/"
REVOKED = EVENT + "caep/event-type/session-revoked"
CREDENTIAL_CHANGE = EVENT + "caep/event-type/credential-change"
DISABLED = EVENT + "risc/event-type/account-disabled"
VERIFICATION = EVENT + "ssf/event-type/verification"
STREAM_UPDATED = EVENT + "ssf/event-type/stream-updated"
MEMBERS = {"stream_id", "iss", "aud", "events_supported", "events_requested", "events_delivered",
           "delivery", "min_verification_interval", "description", "inactivity_timeout"}


def wait_for(get, what, timeout=60):
    """Calls get() until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while not (value := get()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)
    return value


def new_subject():
    return {"format": "email", "email": f"{uuid.uuid4().hex}@example.com"}


def well_known(issuer, name):
    """SSF 1.0 section 7.2 and RFC 8414 section 3: the well-known part is between host and path, without
    a "/" at the end."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{parts.path.rstrip('/')}"


# --- the transmitter under test, and receivers of it ------------------------------------------


@dataclasses.dataclass
class Credentials:
    """The credentials of one receiver: a token, or what it takes to get one from the authorization
    server."""
    audience: str
    token: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


@dataclasses.dataclass
class Transmitter:
    """Everything that the suite is told. emit(type, subject, claims) lets an event happen.
    change_status(stream_id, status) changes a stream's status as its operator, not its receiver."""
    issuer: str
    ca_file: str
    emit: Callable
    change_status: Callable

    def __post_init__(self):
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = self.ca_file
        self.known_keys = {}

    def get(self, url, **kwargs):
        return self.http.get(url, timeout=60, allow_redirects=False, **kwargs)

    def metadata(self):
        answer = self.get(well_known(self.issuer, "ssf-configuration"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def keys(self):
        answer = self.get(self.metadata()["jwks_uri"])
        assert answer.status_code == 200, answer.text
        return answer.json()["keys"]

    def key(self, kid):
        """The published key with this kid. Like a receiver, it fetches the keys again if it does not
        know the kid."""
        if kid not in self.known_keys:
            self.known_keys = {k["kid"]: jwk.JWK(**k) for k in self.keys()}
        return self.known_keys[kid]

    def authorization_server(self):
        """RFC 9728, or else the issuer itself; then RFC 8414."""
        answer = self.get(well_known(self.issuer, "oauth-protected-resource"))
        server = answer.json()["authorization_servers"][0] if answer.ok else self.issuer
        answer = self.get(well_known(server, "oauth-authorization-server"))
        assert answer.status_code == 200, f"no authorization server: {answer.status_code}"
        return answer.json()

    def ask_token(self, credentials, **form):
        return self.http.post(self.authorization_server()["token_endpoint"], timeout=60,
                              auth=(credentials.client_id, credentials.client_secret),
                              data={"grant_type": "client_credentials", **form})

    def token(self, credentials, **form):
        answer = self.ask_token(credentials, **form)
        assert answer.status_code == 200, f"no token: {answer.status_code} {answer.text}"
        return answer.json()["access_token"]

    def verify_set(self, token, audience):
        """The claims of a SET, after checking it against SSF 1.0 section 4.1 and its signature against
        the published keys."""
        checked = jws.JWS()
        checked.allowed_algs = ["RS256", "ES256"]
        checked.deserialize(token)
        header = checked.jose_header
        assert header["typ"] == "secevent+jwt"
        checked.verify(self.key(header["kid"]))
        claims = json.loads(checked.payload)
        assert claims["iss"] == self.issuer
        assert audience in ([claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"])
        assert claims["jti"] and isinstance(claims["iat"], int)
        assert "sub" not in claims and "exp" not in claims
        assert claims["sub_id"]["format"]
        assert len(claims["events"]) == 1
        return claims


class Receiver:
    """Calls the endpoints in the transmitter's metadata with one receiver's token."""

    def __init__(self, transmitter, credentials):
        self.transmitter = transmitter
        self.credentials = credentials
        self.audience = credentials.audience
        self.metadata = transmitter.metadata()
        self.token = credentials.token or transmitter.token(credentials)

    def call(self, method, endpoint, body=None, token=None, query=None, **kwargs):
        """endpoint: a name in the metadata, or a URL. body: JSON."""
        kwargs.setdefault("headers", {"Authorization": f"Bearer {token or self.token}"})
        if body is not None:
            kwargs["json"] = body
        return self.transmitter.http.request(
            method, self.metadata.get(endpoint, endpoint), params=query, timeout=60,
            allow_redirects=False, **kwargs)

    def json(self, status, method, endpoint, body=None, query=None):
        answer = self.call(method, endpoint, body, query=query)
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        return answer.json()

    def empty(self, status, method, endpoint, body=None, query=None):
        answer = self.call(method, endpoint, body, query=query)
        assert answer.status_code == status, f"{answer.status_code} {answer.text}"
        assert answer.content == b""

    # section 8.1.1

    def create(self, **body):
        return self.json(201, "POST", "configuration_endpoint", body)

    def read(self, stream):
        return self.json(200, "GET", "configuration_endpoint", query=id_of(stream))

    def streams(self):
        return self.json(200, "GET", "configuration_endpoint")

    def update(self, stream, **body):
        return self.json(200, "PATCH", "configuration_endpoint", id_of(stream) | body)

    def replace(self, stream, **body):
        return self.json(200, "PUT", "configuration_endpoint", id_of(stream) | body)

    def delete(self, stream):
        self.empty(204, "DELETE", "configuration_endpoint", query=id_of(stream))

    # sections 8.1.2 to 8.1.4

    def status(self, stream):
        return self.json(200, "GET", "status_endpoint", query=id_of(stream))

    def set_status(self, stream, status, **more):
        return self.json(200, "POST", "status_endpoint", id_of(stream) | {"status": status} | more)

    def add(self, stream, subject, **more):
        self.empty(200, "POST", "add_subject_endpoint",
                   id_of(stream) | {"subject": subject} | more)

    def remove(self, stream, subject):
        self.empty(204, "POST", "remove_subject_endpoint", id_of(stream) | {"subject": subject})

    def ask_verification(self, stream, **state):
        self.empty(204, "POST", "verification_endpoint", id_of(stream) | state)

    # RFC 8936

    def poll(self, stream, **body):
        """The answer; its SETs are verified: jti -> claims."""
        body.setdefault("returnImmediately", True)
        answer = wait_for(lambda: self.try_poll(stream, body), "the endpoint is ready")
        answer["sets"] = {jti: self.transmitter.verify_set(token, self.audience)
                          for jti, token in answer["sets"].items()}
        return answer

    def try_poll(self, stream, body):
        """None if the transmitter asks to come back later (RFC 9110 section 15.6.4)."""
        url = stream["delivery"]["endpoint_url"]
        answer = self.call("POST", url, body)
        if answer.status_code == 503 and "Retry-After" in answer.headers:
            return None
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        return answer.json()

    def sets(self, stream, count):
        """Waits for count SETs, and returns the claims of all; none is acknowledged."""
        return wait_for(lambda: len(got := list(self.poll(stream)["sets"].values())) >= count
                        and got, f"{count} SETs")

    def acknowledge(self, stream, sets):
        self.poll(stream, ack=[s["jti"] for s in sets], maxEvents=0)

    def flushed(self, stream):
        """All SETs up to a verification event that is requested now; all are acknowledged. No sleep:
        what has not arrived before the verification will not arrive."""
        state = uuid.uuid4().hex
        self.ask_verification(stream, state=state)
        got = {}

        def seen():
            sets = self.poll(stream)["sets"]
            if sets:
                self.poll(stream, ack=list(sets), maxEvents=0)
            got.update(sets)
            return any(s["events"].get(VERIFICATION, {}).get("state") == state
                       for s in sets.values())
        wait_for(seen, "the verification")
        return [s for s in got.values() if s["events"].get(VERIFICATION, {}).get("state") != state]


def id_of(stream):
    return {"stream_id": stream if isinstance(stream, str) else stream["stream_id"]}


# --- a push sink ------------------------------------------------------------------------------


class Authority:
    """Signs certificates for sinks; the transmitter trusts it."""

    def __init__(self, cert_file, key_file):
        with open(cert_file, "rb") as f:
            self.cert = x509.load_pem_x509_certificate(f.read())
        with open(key_file, "rb") as f:
            self.key = serialization.load_pem_private_key(f.read(), None)

    def issue(self, folder, name="localhost", days=2):
        """A PEM file with certificate and key. days < 0: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            other = [x509.IPAddress(ipaddress.ip_address(name))]
        except ValueError:
            other = [x509.DNSName(name)]
        now = datetime.datetime.utcnow()
        cert = (x509.CertificateBuilder()
                .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
                .issuer_name(self.cert.subject).public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=10))
                .not_valid_after(now + datetime.timedelta(days=days))
                .add_extension(x509.SubjectAlternativeName(other), False)
                .add_extension(x509.BasicConstraints(False, None), True)
                .sign(self.key, hashes.SHA256()))
        path = folder / f"{uuid.uuid4().hex}.pem"
        path.write_bytes(cert.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        return str(path)


class Push:
    def __init__(self, path, headers, body):
        self.path = path
        self.headers = headers
        self.body = body


class Sink:
    """An HTTPS server that remembers each POST. answers: statuses (or (status, body)) for the next
    pushes to a path; 202 when there are none left. context: a change of its TLS settings."""

    def __init__(self, pem_file, context=lambda context: None):
        self.pushes = collections.defaultdict(list)
        self.answers = collections.defaultdict(collections.deque)
        self.connections = 0
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def setup(self):
                sink.connections += 1
                super().setup()

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                sink.pushes[self.path].append(Push(self.path, self.headers, body))
                waiting = sink.answers[self.path]
                status, answer = as_answer(waiting.popleft() if waiting else 202)
                self.send_response(status)
                if answer:
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Language", "en")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem_file)
        context(tls)
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True,
                                             do_handshake_on_connect=False)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True,
                         kwargs={"poll_interval": 0.05}).start()

    def endpoint(self, *answers):
        """A new address. answers: see Sink."""
        path = "/" + uuid.uuid4().hex
        self.answers[path].extend(answers)
        return self.url + path

    def at(self, url):
        return self.pushes[urlsplit(url).path]

    def wait(self, url, count):
        wait_for(lambda: len(self.at(url)) >= count, f"{count} pushes")
        return list(self.at(url))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def as_answer(given):
    status, body = given if isinstance(given, tuple) else (given, None)
    return status, b"" if body is None else json.dumps(body).encode()


def push_to(url, **more):
    return {"method": PUSH, "endpoint_url": url, **more}
