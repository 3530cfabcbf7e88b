# SPDX-License-Identifier: Apache-2.0
"""ssf-receive against a real Redis and a stand-in for the hub (JWKS, metadata, poll endpoint)."""
import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import http.server
import json
import queue
import signal
import socket
import ssl
import subprocess
import threading
import time
import types
import uuid

import pytest
from jwcrypto import jwk, jws

import harness
from harness import wait_until

AUDIENCE = "https://api.example"
AUTHORIZATION = "Bearer push-secret"
REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
SET_TYPE = "application/secevent+jwt"
RULES = [{
    "subject": {"format": "iss_sub"},
    "keys": ["sess:${sub}"],
    "index_sets": ["agent-sessions:${sub}"],
    "patterns": ["cache:${sub}:*"],
    "set": [{"key": "deny:iat:${sub}", "value": "${event_timestamp|iat}", "ttl_s": 86400}],
}]

RSA_KEY = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa-1")
EC_KEY = jwk.JWK.generate(kty="EC", crv="P-256", kid="ec-1")
OTHER_KEY = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa-1")  # same kid, not the hub's
NEXT_KEY = jwk.JWK.generate(kty="EC", crv="P-256", kid="ec-2")


CREDENTIAL_TYPES = ("password", "pin", "x509", "fido2-platform", "fido2-roaming", "fido-u2f",
                    "verifiable-credential", "phone-voice", "phone-sms", "app")
must = pytest.mark.must   # ids of conformance/musts.tsv


def certificate(tls, folder, name, days):
    """Of the test CA, for a name or address of its own; days < 0: it has expired."""
    made = types.SimpleNamespace(cert=str(folder / "other.pem"), key=str(folder / "other.key"))
    request, extensions = folder / "other.csr", folder / "other.ext"
    extensions.write_text(f"subjectAltName={name}\nbasicConstraints=critical,CA:FALSE\n")
    tls._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                 made.key, "-out", str(request), "-subj", "/CN=other")
    tls._openssl("x509", "-req", "-in", str(request), "-CA", tls.ca, "-CAkey",
                 str(tls.folder / "ca.key"), "-CAcreateserial", "-days", str(days), "-extfile",
                 str(extensions), "-out", made.cert)
    return made


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class HubStub:
    """HTTPS server that answers as the hub does, as far as a receiver sees it."""

    def __init__(self, tls):
        stub = self
        self.keys = [RSA_KEY, EC_KEY]
        self.jwks_gets = 0
        self.metadata_issuer = None
        self.metadata_path = "/.well-known/ssf-configuration"
        self.polls = queue.Queue()       # bodies of polls, as they came
        self.answers = queue.Queue()     # what to answer; held until there is one
        self.stopping = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def reply(self, status, body, headers=()):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                if self.path == "/jwks.json":
                    stub.jwks_gets += 1
                    keys = [json.loads(k.export_public()) for k in stub.keys]
                    self.reply(200, {"keys": keys})
                elif self.path == stub.metadata_path:
                    self.reply(200, {"issuer": stub.metadata_issuer or stub.issuer,
                                     "jwks_uri": stub.metadata_jwks})
                else:
                    self.reply(404, {})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.polls.put((body, dict(self.headers)))
                if self.headers["Authorization"] != "Bearer poll-secret":
                    self.reply(401, {})
                    return
                if body.get("returnImmediately"):
                    self.reply(200, {"sets": {}})
                    return
                while not stub.stopping.is_set():
                    try:
                        status, answer = stub.answers.get(timeout=0.05)
                    except queue.Empty:
                        continue
                    try:
                        self.reply(status, answer)
                    except OSError:
                        pass
                    return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert, tls.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.issuer = f"https://localhost:{self.port}"
        self.metadata_jwks = self.issuer + "/jwks.json"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True,
                                       kwargs={"poll_interval": 0.05})
        self.thread.start()

    def next_poll(self, timeout=60):
        return self.polls.get(timeout=timeout)

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()

    def claims(self, who="ada", event=REVOKED, event_claims=None, **changes):
        claims = {
            "iss": self.issuer, "aud": AUDIENCE, "iat": int(time.time()),
            "jti": uuid.uuid4().hex, "txn": "txn-1",
            "sub_id": {"format": "iss_sub", "iss": "https://idp.example", "sub": who},
            "events": {event: event_claims or {}},
        }
        claims.update(changes)
        return {k: v for k, v in claims.items() if v is not None}

    def set(self, key=RSA_KEY, header=None, **kwargs):
        return sign(self.claims(**kwargs), key, **(header or {}))


def sign(claims, key=RSA_KEY, **header):
    alg = "RS256" if key["kty"] == "RSA" else "ES256"
    token = jws.JWS(json.dumps(claims))
    protected = {"typ": "secevent+jwt", "alg": alg, "kid": key["kid"], **header}
    protected = {k: v for k, v in protected.items() if v is not None}
    token.add_signature(key, None, json.dumps(protected))
    return token.serialize(compact=True)


def raw_token(header, claims, signature=b""):
    first = b64url(json.dumps(header).encode()) + "." + b64url(json.dumps(claims).encode())
    return first + "." + b64url(signature(first.encode()) if callable(signature) else signature)


class Receiver:
    """A running ssf-receive."""

    def __init__(self, env, proc):
        self.env = env
        self.proc = proc
        self.url = proc.wait_stdout("ssf-receive: ").split()[-1]
        self.port = None

    def push(self, token, path="/events", method="POST", timeout=60, sent=lambda sock: None, **headers):
        wanted = {"Content-Type": SET_TYPE, "Accept": "application/json",
                  "Authorization": AUTHORIZATION}
        wanted.update({k.replace("_", "-"): v for k, v in headers.items()})
        host = self.url.split("/")[2]
        if self.url.startswith("https://"):
            context = ssl.create_default_context(cafile=self.env.tls.ca)
            conn = http.client.HTTPSConnection(host, timeout=timeout, context=context)
        else:
            conn = http.client.HTTPConnection(host, timeout=timeout)
        try:
            conn.request(method, path, body=token,
                         headers={k: v for k, v in wanted.items() if v is not None})
            sent(conn.sock)
            answer = conn.getresponse()
            answer.text = answer.read().decode()
            return answer
        finally:
            conn.close()

    def begin_push(self, token):
        """A push that ssf-receive has read and cannot answer yet. Returns a function that waits for the
        answer."""
        read = threading.Event()

        def sent(sock):
            harness.wait_read(sock)
            read.set()
        pushed = concurrent.futures.ThreadPoolExecutor(1).submit(self.push, token, sent=sent)
        assert read.wait(60)
        assert not pushed.done(), pushed.result()
        return pushed.result

    def ready(self):
        """Redis is connected and the keys are there."""
        self.proc.wait_log("event=redis.ready")
        self.proc.wait_log("event=receiver.keys.fetched")
        return self


class Env:
    def __init__(self, tmp_path, tls, redis_server, procs):
        self.tmp_path = tmp_path
        self.tls = tls
        self.redis = redis_server
        self.procs = procs
        self.hub = HubStub(tls)
        procs.append(self.hub)
        self.starts = 0

    def config(self, **changes):
        config = {
            "hub": {"issuer": self.hub.issuer, "jwks_url": self.hub.issuer + "/jwks.json",
                    "ca_file": self.tls.ca},
            "audience": AUDIENCE,
            "push": {"listen": "127.0.0.1:0", "path": "/events", "authorization": AUTHORIZATION},
            "redis": {"address": "unix:" + self.redis.path},
            "purge": RULES,
        }
        config.update(changes)
        return {k: v for k, v in config.items() if v is not None}

    def poll_config(self, **changes):
        token = self.tmp_path / "token"
        token.write_text("poll-secret\n")
        poll = {"url": self.hub.issuer + "/streams/x/poll", "token_file": str(token), "wait_s": 20,
                "max_events": 10}
        return self.config(push=None, poll=poll, **changes)

    def write(self, config):
        self.starts += 1
        path = self.tmp_path / f"receive-{self.starts}.json"
        path.write_text("// written by the test\n" + json.dumps(config, indent=1))
        return str(path)

    def start(self, config=None):
        path = self.write(config or self.config())
        proc = harness.Proc([harness.program("receivers/ssf-receive"), "--config", path,
                             "--log-level", "debug"], self.tmp_path, f"ssf-receive-{self.starts}")
        self.procs.append(proc)
        return Receiver(self, proc)

    def db(self):
        return self.redis.client()


@pytest.fixture
def env(tmp_path, tls, redis_server, procs):
    return Env(tmp_path, tls, redis_server, procs)


@pytest.fixture
def receiver(env):
    return env.start().ready()


def assert_refused(answer, err, what=""):
    assert answer.status == 400, f"{what} {answer.text}"
    assert answer.getheader("Content-Type").startswith("application/json")
    assert answer.getheader("Content-Language") == "en"
    body = json.loads(answer.text)
    assert body["err"] == err and body["description"], f"{what} {body}"


def assert_accepted(answer):
    assert (answer.status, answer.text) == (202, "")


# ---- what is purged ----

@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["RS256", "ES256"])
def test_purges_keys_index_and_patterns(env, receiver, key):
    db = env.db()
    members = [f"sess:web:{i}" for i in range(2000)]
    db.set("sess:ada", 1)
    db.mset({m: 1 for m in members})
    db.sadd("agent-sessions:ada", *members, "sess:gone")
    db.mset({f"cache:ada:{i}": 1 for i in range(3000)})
    others = {"sess:bob": "1", "cache:bob:1": "1", "cache:adam:1": "1", "cache:ada": "1"}
    db.mset(others)
    db.sadd("agent-sessions:bob", "sess:bob")

    assert_accepted(receiver.push(env.hub.set(key=key, jti="purge-1", txn="txn-9",
                                              event_claims={"event_timestamp": 1700000000})))

    left = set(db.keys("*"))
    assert left == set(others) | {"agent-sessions:bob", "deny:iat:ada"}
    assert db.get("deny:iat:ada") == "1700000000"
    assert 86300 < db.ttl("deny:iat:ada") <= 86400
    receiver.proc.wait_log("event=receiver.purged jti=purge-1 txn=txn-9 keys=5001 us=")


def test_a_member_added_to_the_index_later_is_kept_there(env, receiver):
    db = env.db()
    db.sadd("agent-sessions:ada", "sess:a")
    assert_accepted(receiver.push(env.hub.set()))
    assert not db.exists("agent-sessions:ada")
    db.sadd("agent-sessions:ada", "sess:b")
    assert db.smembers("agent-sessions:ada") == {"sess:b"}


def test_index_members_added_during_the_purge_are_not_lost(env, receiver):
    """Sessions keep being made meanwhile: whatever exists afterwards must still be in the index."""
    db = env.db()
    stop = threading.Event()
    made = []

    def keep_adding():
        mine = env.db()
        while not stop.is_set():
            name = f"sess:new:{len(made)}"
            mine.pipeline(transaction=True).sadd("agent-sessions:ada", name).set(name, 1).execute()
            made.append(name)

    thread = threading.Thread(target=keep_adding)
    thread.start()
    try:
        for _ in range(20):
            assert_accepted(receiver.push(env.hub.set()))
    finally:
        stop.set()
        thread.join()
    assert made
    assert set(db.keys("sess:new:*")) == db.smembers("agent-sessions:ada")


def test_watermark_keeps_the_maximum(env, receiver):
    db = env.db()
    for stamp, want in ((2000, "2000"), (1000, "2000"), (3000, "3000")):
        token = env.hub.set(event_claims={"event_timestamp": stamp})
        assert_accepted(receiver.push(token))
        assert db.get("deny:iat:ada") == want
    db.expire("deny:iat:ada", 10 * 86400)
    assert_accepted(receiver.push(env.hub.set(event_claims={"event_timestamp": 4000})))
    assert db.get("deny:iat:ada") == "4000" and db.ttl("deny:iat:ada") > 9 * 86400


@pytest.mark.parametrize("sub", ["*", "a*", "?da", "[a-z]da", "ad[^x]", "\\", "ada\\"])
def test_glob_characters_do_not_widen_the_purge(env, receiver, sub):
    db = env.db()
    db.mset({"cache:ada:1": 1, "cache:bob:1": 1, f"cache:{sub}:1": 1})
    assert_accepted(receiver.push(env.hub.set(who=sub)))
    assert set(db.keys("cache:*")) == {"cache:ada:1", "cache:bob:1"}


def test_subject_that_fits_no_rule_is_accepted(env, receiver):
    env.db().set("sess:ada", 1)
    subject = {"format": "email", "email": "ada@example.com"}
    assert_accepted(receiver.push(env.hub.set(sub_id=subject)))
    receiver.proc.wait_log("event=receiver.not_applicable")
    assert "ada@example.com" not in receiver.proc.log()
    assert env.db().exists("sess:ada")


def test_rule_that_cannot_be_filled_is_skipped(env):
    receiver = env.start(env.config(purge=[{"keys": ["a:${user.sub}"]}, {"keys": ["b:${sub}"]}]))
    receiver.ready()
    env.db().mset({"a:ada": 1, "b:ada": 1})
    assert_accepted(receiver.push(env.hub.set()))
    assert env.db().keys("*") == ["a:ada"]
    receiver.proc.wait_log("event=receiver.rule.skipped")


def test_unknown_event_type_is_accepted_and_purges(env, receiver):
    env.db().set("sess:ada", 1)
    assert_accepted(receiver.push(env.hub.set(event="https://example.com/event/new")))
    assert not env.db().exists("sess:ada")


def test_verification_is_accepted_without_redis(env, receiver):
    env.redis.kill()
    receiver.proc.wait_log("event=redis.away")
    token = env.hub.set(event=VERIFICATION, event_claims={"state": "s3cret-state"},
                        sub_id={"format": "opaque", "id": "stream-1"})
    assert_accepted(receiver.push(token))
    receiver.proc.wait_log("event=receiver.control")
    assert "s3cret-state" not in receiver.proc.log()


# ---- 202 only after Redis ----

def test_no_202_until_redis_has_confirmed(env, receiver):
    db = env.db()
    db.set("sess:ada", 1)
    answers = []
    env.redis.pause()
    thread = threading.Thread(target=lambda: answers.append(receiver.push(env.hub.set())))
    thread.start()
    thread.join(1.0)
    assert thread.is_alive() and not answers
    env.redis.resume()
    thread.join(60)
    assert_accepted(answers[0])
    assert not db.exists("sess:ada")


def test_redis_that_does_not_answer_gives_503(env, receiver):
    env.redis.pause()
    answer = receiver.push(env.hub.set(jti="stuck"))
    assert answer.status == 503 and int(answer.getheader("Retry-After")) > 0
    env.redis.resume()
    receiver.proc.wait_log("event=redis.ready", count=2)
    assert_accepted(receiver.push(env.hub.set(jti="stuck")))


def test_redis_away_gives_503_and_works_again_later(env, receiver):
    token = env.hub.set()
    env.redis.kill()
    receiver.proc.wait_log("event=redis.away")
    answer = receiver.push(token)
    assert answer.status == 503 and int(answer.getheader("Retry-After")) > 0
    env.redis.start()
    env.db().set("sess:ada", 1)
    receiver.proc.wait_log("event=redis.ready", count=2)
    assert_accepted(receiver.push(token))
    assert not env.db().exists("sess:ada")


def test_redis_lost_during_a_purge_gives_503(env, receiver):
    env.redis.pause()
    answer = receiver.begin_push(env.hub.set())
    env.redis.kill()
    assert answer().status == 503


def test_command_error_gives_503(env, receiver):
    env.db().set("agent-sessions:ada", "not a set")
    answer = receiver.push(env.hub.set())
    assert answer.status == 503
    receiver.proc.wait_log("WRONGTYPE")
    env.db().delete("agent-sessions:ada")
    assert_accepted(receiver.push(env.hub.set()))


def test_redis_that_became_a_replica_is_left_and_tried_again(env, receiver):
    db = env.db()
    db.replicaof("127.0.0.1", 1)
    assert receiver.push(env.hub.set(jti="moved")).status == 503
    receiver.proc.wait_log("event=redis.away error=READONLY")
    db.replicaof("NO", "ONE")
    receiver.proc.wait_log("event=redis.ready", count=2)
    assert_accepted(receiver.push(env.hub.set(jti="moved")))


def test_starts_before_redis_and_hub_are_there(env):
    env.redis.kill()
    keys, env.hub.keys = env.hub.keys, []
    receiver = env.start()
    receiver.proc.wait_log("event=redis.away")
    receiver.proc.wait_log("event=receiver.keys.failed")
    assert receiver.push(env.hub.set()).status == 503
    env.hub.keys = keys
    env.redis.start()
    token = env.hub.set()
    assert_accepted(wait_until(lambda: (a := receiver.push(token)).status != 503 and a))


def test_duplicate_is_accepted_and_not_purged_again(env, receiver):
    token = env.hub.set(jti="twice")
    assert_accepted(receiver.push(token))
    env.db().set("sess:ada", "made later")
    assert_accepted(receiver.push(token))
    assert env.db().exists("sess:ada")
    receiver.proc.wait_log("event=receiver.duplicate")


def test_duplicate_during_the_first_waits_for_redis_too(env, receiver):
    token = env.hub.set(jti="at-once")
    env.redis.pause()
    answers = [receiver.begin_push(token) for _ in range(3)]
    env.redis.resume()
    assert [answer().status for answer in answers] == [202] * 3


def test_many_at_once(env, receiver):
    db = env.db()
    db.mset({f"sess:u{i}": 1 for i in range(64)})
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(
        receiver.push(env.hub.set(key=EC_KEY, who=f"u{i}")).status)) for i in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [202] * 64
    assert not db.keys("sess:*")


# ---- what is refused ----

def test_forged_tokens_are_refused(env, receiver):
    hub = env.hub
    env.db().set("sess:ada", 1)
    good = hub.set()
    head, body, signature = good.split(".")
    other_body = b64url(json.dumps(hub.claims(who="bob")).encode())
    public_pem = RSA_KEY.export_to_pem()
    hs256 = raw_token({"typ": "secevent+jwt", "alg": "HS256", "kid": "rsa-1"}, hub.claims(),
                      lambda first: hmac.new(public_pem, first, hashlib.sha256).digest())
    cases = {
        "other key": sign(hub.claims(), OTHER_KEY),
        "changed claims": f"{head}.{other_body}.{signature}",
        "no signature": f"{head}.{body}.",
        "alg none": raw_token({"typ": "secevent+jwt", "alg": "none"}, hub.claims()),
        "alg none with kid": raw_token({"typ": "secevent+jwt", "alg": "none", "kid": "rsa-1"},
                                       hub.claims()),
        "HS256 with the public key": hs256,
        "alg of another key": raw_token({"typ": "secevent+jwt", "alg": "ES256", "kid": "rsa-1"},
                                        hub.claims(), b"x" * 64),
    }
    for name, token in cases.items():
        assert_refused(receiver.push(token), "invalid_key", name)
    assert env.db().exists("sess:ada")
    assert_accepted(receiver.push(good))


@pytest.mark.parametrize("changes,err", [
    ({"iss": "https://other.example"}, "invalid_issuer"),
    ({"iss": None}, None),
    ({"aud": "https://other.example"}, "invalid_audience"),
    ({"aud": ["https://other.example"]}, "invalid_audience"),
    ({"aud": None}, None),
    ({"exp": 4000000000}, "invalid_request"),
    ({"sub": "ada"}, "invalid_request"),
    ({"iat": None}, "invalid_request"),
    ({"iat": 4000000000}, "invalid_request"),
    ({"jti": None}, "invalid_request"),
    ({"jti": "x" * 257}, "invalid_request"),
    ({"sub_id": None}, "invalid_request"),
    ({"sub_id": {"format": "iss_sub", "sub": "ada"}}, "invalid_request"),
    ({"events": {}}, "invalid_request"),
    ({"events": None}, "invalid_request"),
    ({"events": {REVOKED: 7}}, "invalid_request"),
])
def test_wrong_claims_are_refused(env, receiver, changes, err):
    env.db().set("sess:ada", 1)
    answer = receiver.push(env.hub.set(**changes))
    assert_refused(answer, err or json.loads(answer.text)["err"])
    assert env.db().exists("sess:ada")


def test_audience_among_several_is_accepted(env, receiver):
    assert_accepted(receiver.push(env.hub.set(aud=["https://other.example", AUDIENCE])))


@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt"])
def test_other_kinds_of_jwt_are_refused(env, receiver, typ):
    assert_refused(receiver.push(env.hub.set(header={"typ": typ})), "invalid_request")


@pytest.mark.parametrize("token", ["", "x", "a.b", "a.b.c", "a.b.c.d", "\x00" * 10, "{}"])
def test_what_is_not_a_token_is_refused(receiver, token):
    assert_refused(receiver.push(token), "invalid_request")


def test_endpoint_rules(env, receiver):
    token = env.hub.set()
    wrong = receiver.push(token, Authorization="Bearer wrong")
    assert wrong.status == 401 and wrong.getheader("WWW-Authenticate")
    assert receiver.push(token, Authorization=None).status == 401
    assert receiver.push(token, Authorization=AUTHORIZATION + "x").status == 401
    assert receiver.push(token, path="/other").status == 404
    got = receiver.push(None, method="GET")
    assert got.status == 405 and got.getheader("Allow") == "POST"
    assert receiver.push(token, Content_Type="application/json").status == 415
    assert receiver.push(token, Content_Type=SET_TYPE + "; charset=utf-8").status == 202
    assert receiver.push("x" * (300 * 1024)).status == 413
    assert "push-secret" not in receiver.proc.log()


def test_endpoint_over_tls_with_authorization_from_a_file(env, tmp_path):
    secret = tmp_path / "authorization"
    secret.write_text(AUTHORIZATION + "\n")
    push = {"listen": "127.0.0.1:0", "path": "/events", "authorization_file": str(secret),
            "tls_cert": env.tls.cert, "tls_key": env.tls.key}
    receiver = env.start(env.config(push=push)).ready()
    assert receiver.url.startswith("https://127.0.0.1:") and receiver.url.endswith("/events")
    assert_accepted(receiver.push(env.hub.set()))
    assert receiver.push(env.hub.set(), Authorization="Bearer wrong").status == 401


# ---- keys ----

def test_unknown_kid_fetches_once_and_rotation_works(env, receiver):
    gets = env.hub.jwks_gets
    env.hub.keys = [EC_KEY, NEXT_KEY]
    assert_accepted(receiver.push(env.hub.set(key=NEXT_KEY)))
    assert env.hub.jwks_gets == gets + 1
    # The withdrawn key is gone; asking again so soon is not done, so: try later.
    answer = receiver.push(env.hub.set(key=RSA_KEY))
    assert answer.status == 503 and answer.getheader("Retry-After")
    assert env.hub.jwks_gets == gets + 1


def test_unknown_kid_that_the_hub_does_not_know_is_refused(env, receiver):
    gets = env.hub.jwks_gets
    stranger = jwk.JWK.generate(kty="EC", crv="P-256", kid="made-up")
    assert_refused(receiver.push(env.hub.set(key=stranger)), "invalid_key")
    assert env.hub.jwks_gets == gets + 1


def test_foreign_issuer_does_not_make_us_fetch(env, receiver):
    gets = env.hub.jwks_gets
    stranger = jwk.JWK.generate(kty="EC", crv="P-256", kid="made-up")
    token = env.hub.set(key=stranger, iss="https://other.example")
    assert_refused(receiver.push(token), "invalid_issuer")
    assert env.hub.jwks_gets == gets


def test_discovery(env):
    hub = {"issuer": env.hub.issuer, "ca_file": env.tls.ca}
    receiver = env.start(env.config(hub=hub)).ready()
    assert_accepted(receiver.push(env.hub.set()))


def test_discovery_of_another_issuer_is_not_trusted(env):
    env.hub.metadata_issuer = "https://other.example"
    hub = {"issuer": env.hub.issuer, "ca_file": env.tls.ca}
    receiver = env.start(env.config(hub=hub))
    receiver.proc.wait_log("event=receiver.keys.failed")
    assert receiver.push(env.hub.set()).status == 503
    assert env.hub.jwks_gets == 0


def test_hub_with_an_untrusted_certificate_is_not_trusted(env):
    hub = {"issuer": env.hub.issuer, "jwks_url": env.hub.issuer + "/jwks.json"}
    receiver = env.start(env.config(hub=hub))
    receiver.proc.wait_log("event=receiver.keys.failed")
    assert receiver.push(env.hub.set()).status == 503
    assert env.hub.jwks_gets == 0


# ---- what the specifications ask of receivers besides ----

@must("SSF-7.2.1-2")
@pytest.mark.parametrize("path", ["/tenant", "/tenant/one/"])
def test_discovery_of_an_issuer_with_a_path(env, path):
    origin = env.hub.issuer
    env.hub.issuer = origin + path
    env.hub.metadata_path = "/.well-known/ssf-configuration" + path.rstrip("/")
    env.hub.metadata_jwks = origin + "/jwks.json"
    receiver = env.start(env.config(hub={"issuer": env.hub.issuer, "ca_file": env.tls.ca})).ready()
    assert_accepted(receiver.push(env.hub.set()))


@must("RFC8936-3-1", "RFC8936-4.3-3")
@pytest.mark.parametrize("name, days", [("DNS:other.example", 2), ("IP:127.0.0.2", 2),
                                        ("DNS:localhost", -1)], ids=["name", "address", "expired"])
def test_hub_whose_certificate_does_not_hold(env, tmp_path, name, days):
    """It is of a CA that is trusted."""
    hub = HubStub(certificate(env.tls, tmp_path, name, days))
    env.procs.append(hub)
    receiver = env.start(env.config(hub={"issuer": hub.issuer, "ca_file": env.tls.ca}))
    receiver.proc.wait_log("event=receiver.keys.failed")
    assert receiver.push(hub.set()).status == 503
    token = tmp_path / "poll-token"
    token.write_text("poll-secret\n")
    polling = env.start(env.config(
        hub={"issuer": env.hub.issuer, "ca_file": env.tls.ca}, push=None,
        poll={"url": hub.issuer + "/streams/x/poll", "token_file": str(token)}))
    polling.proc.wait_log("event=receiver.poll.failed")
    assert hub.jwks_gets == 0 and hub.polls.empty()


@must("RFC8935-5.3-3")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version, spoken", [
    (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True),
    (ssl.TLSVersion.TLSv1_3, True)])
def test_tls_versions_of_the_endpoint(env, version, spoken):
    push = {"listen": "127.0.0.1:0", "path": "/events", "authorization": AUTHORIZATION,
            "tls_cert": env.tls.cert, "tls_key": env.tls.key}
    receiver = env.start(env.config(push=push)).ready()
    context = ssl.create_default_context(cafile=env.tls.ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    port = int(receiver.url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        try:
            with context.wrap_socket(raw, server_hostname="127.0.0.1"):
                assert spoken
        except ssl.SSLError:
            assert not spoken


@must("CAEPIOP-2.5-2", "CAEPIOP-2.4.2-1")
@pytest.mark.parametrize("subject", [
    {"format": "email", "email": "ada@example.com"},
    {"format": "iss_sub", "iss": "https://idp.example", "sub": "ada"},
    {"format": "opaque", "id": "ada"}], ids=lambda s: s["format"])
def test_subjects_of_the_interop_profile(env, subject):
    member = [m for m in ("email", "sub", "id") if m in subject][0]
    rules = [{"subject": {"format": subject["format"]}, "keys": ["sess:${" + member + "}"]}]
    receiver = env.start(env.config(purge=rules)).ready()
    env.db().mset({"sess:" + subject[member]: 1, "sess:bob": 1})
    assert_accepted(receiver.push(env.hub.set(sub_id=subject)))
    assert env.db().keys("sess:*") == ["sess:bob"]


@must("SSF-4.2.3-1")
def test_members_that_are_not_understood_are_ignored(env, receiver):
    env.db().set("sess:ada", 1)
    assert_accepted(receiver.push(env.hub.set(
        **{"https://example.com/claim": {"a": [1, None]}, "toe": 1},
        event_claims={"unheard-of": {"deep": [{}]}, "reason_admin": {"en": "x"}},
        sub_id={"format": "iss_sub", "iss": "https://idp.example", "sub": "ada", "more": "x"})))
    assert not env.db().exists("sess:ada")


@must("SSF-3.6-1")
def test_all_members_of_a_complex_subject_are_processed(env):
    rules = [{"subject": {"format": "complex"},
              "keys": ["${tenant.id}:user:${user.sub}", "${tenant.id}:device:${device.id}"]}]
    receiver = env.start(env.config(purge=rules)).ready()
    env.db().mset({"t1:user:ada": 1, "t1:device:d1": 1, "t2:user:ada": 1, "t1:device:d2": 1})
    assert_accepted(receiver.push(env.hub.set(sub_id={
        "format": "complex", "tenant": {"format": "opaque", "id": "t1"},
        "user": {"format": "iss_sub", "iss": "https://idp.example", "sub": "ada"},
        "device": {"format": "opaque", "id": "d1"}})))
    assert sorted(env.db().keys("*")) == ["t1:device:d2", "t2:user:ada"]


@must("CAEPIOP-3.2-3", "CAEPIOP-3.2-4")
def test_values_of_credential_change_can_be_told_apart(env):
    """All of CAEP 1.0 section 3.3 come to the rules as they are."""
    rules = [{"keys": ["${event.credential_type}:${event.change_type}"]}]
    receiver = env.start(env.config(purge=rules)).ready()
    pairs = [(t, c) for t in CREDENTIAL_TYPES for c in ("create", "revoke", "update", "delete")]
    env.db().mset({f"{t}:{c}": 1 for t, c in pairs})
    for left, (kind, change) in zip(range(len(pairs) - 1, -1, -1), pairs):
        assert_accepted(receiver.push(env.hub.set(
            event="https://schemas.openid.net/secevent/caep/event-type/credential-change",
            event_claims={"credential_type": kind, "change_type": change})))
        assert len(env.db().keys("*")) == left


# ---- poll ----

def start_polling(env):
    receiver = env.start(env.poll_config())
    assert receiver.url == env.hub.issuer + "/streams/x/poll"
    return receiver.ready()


def test_poll_purges_and_acknowledges(env):
    hub = env.hub
    receiver = start_polling(env)
    env.db().mset({"sess:ada": 1, "sess:bob": 1})
    body, headers = hub.next_poll()
    assert body == {"maxEvents": 10, "returnImmediately": False}
    assert headers["Authorization"] == "Bearer poll-secret"
    assert headers["Content-Type"] == "application/json"

    hub.answers.put((200, {"sets": {"j1": hub.set(jti="j1"), "j2": hub.set(jti="j2", who="bob")},
                           "moreAvailable": False}))
    body, _ = hub.next_poll()
    assert sorted(body["ack"]) == ["j1", "j2"] and "setErrs" not in body
    assert not env.db().keys("sess:*")
    hub.answers.put((200, {"sets": {}}))
    body, _ = hub.next_poll()
    assert "ack" not in body
    assert receiver.proc.stop() == 0


def test_poll_reports_errors(env):
    hub = env.hub
    start_polling(env)
    hub.next_poll()
    hub.answers.put((200, {"sets": {
        "good": hub.set(jti="good"), "forged": sign(hub.claims(jti="forged"), OTHER_KEY),
        "aud": hub.set(jti="aud", aud="https://other.example"), "junk": "junk", "number": 7}}))
    body, headers = hub.next_poll()
    assert body["ack"] == ["good"]
    assert {k: v["err"] for k, v in body["setErrs"].items()} == {
        "forged": "invalid_key", "aud": "invalid_audience", "junk": "invalid_request",
        "number": "invalid_request"}
    assert all(v["description"] for v in body["setErrs"].values())
    assert headers["Content-Language"] == "en"


def test_poll_acknowledges_a_repeat(env):
    hub = env.hub
    start_polling(env)
    token = hub.set(jti="again")
    for _ in range(2):
        hub.next_poll()
        hub.answers.put((200, {"sets": {"again": token}}))
    assert hub.next_poll()[0]["ack"] == ["again"]


def test_poll_does_not_acknowledge_what_redis_has_not_confirmed(env):
    hub = env.hub
    receiver = start_polling(env)
    hub.next_poll()
    env.redis.kill()
    receiver.proc.wait_log("event=redis.away")
    token = hub.set(jti="later")
    hub.answers.put((200, {"sets": {"later": token}}))
    body, _ = hub.next_poll()
    assert "ack" not in body and "setErrs" not in body
    env.redis.start()
    env.db().set("sess:ada", 1)
    receiver.proc.wait_log("event=redis.ready", count=2)
    hub.answers.put((200, {"sets": {"later": token}}))
    assert hub.next_poll()[0]["ack"] == ["later"]
    assert not env.db().exists("sess:ada")


def test_poll_keeps_acks_until_the_hub_has_them(env):
    hub = env.hub
    receiver = start_polling(env)
    hub.next_poll()
    hub.answers.put((200, {"sets": {"j1": hub.set(jti="j1")}}))
    assert hub.next_poll()[0]["ack"] == ["j1"]
    hub.answers.put((503, {}))
    assert hub.next_poll()[0]["ack"] == ["j1"]
    receiver.proc.wait_log("event=receiver.poll.failed")
    hub.answers.put((200, {"sets": {}}))
    assert "ack" not in hub.next_poll()[0]


def test_poll_survives_bad_answers(env):
    hub = env.hub
    start_polling(env)
    for answer in ({"sets": []}, {}, [], {"sets": "x"}):
        hub.next_poll()
        hub.answers.put((200, answer))
    hub.next_poll(timeout=60)
    hub.answers.put((200, {"sets": {"j": hub.set(jti="j")}}))
    assert hub.next_poll()[0]["ack"] == ["j"]


def test_poll_of_a_hub_that_does_not_hold_is_not_a_dead_loop(env):
    hub = env.hub
    start_polling(env)
    for _ in range(1000):
        hub.answers.put((200, {"sets": {}}))
    for _ in range(2):
        hub.next_poll()
    began = time.monotonic()
    hub.next_poll()
    assert time.monotonic() - began > 0.5


def test_poll_wrong_token_backs_off(env):
    config = env.poll_config()
    (env.tmp_path / "token").write_text("wrong")
    receiver = env.start(config)
    receiver.proc.wait_log("event=receiver.poll.failed", count=3)
    assert env.hub.polls.qsize() < 10


# ---- start and end ----

def run(env, *args):
    return subprocess.run([harness.program("receivers/ssf-receive"), *args], capture_output=True,
                          text=True, timeout=60)


def test_bad_configuration_exits_2_with_the_reason(env, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text('{\n  "hub": {"issuer": "https://a"},\n  "pushh": {}\n}\n')
    result = run(env, "--config", str(path))
    assert result.returncode == 2
    assert result.stderr == f'ssf-receive: {path}:3:12: the configuration: unknown member "pushh"\n'
    assert run(env, "--config", str(tmp_path / "absent.json")).returncode == 2
    assert run(env).returncode == 2
    assert run(env, "--nonsense").returncode == 2
    assert run(env, "--help").returncode == 0
    push = {"listen": "127.0.0.1:0", "path": "/", "tls_cert": "/absent.pem", "tls_key": "/absent"}
    result = run(env, "--config", env.write(env.config(push=push)))
    assert result.returncode == 2 and "absent" in result.stderr


def test_sigterm_exits_0(env, receiver):
    assert_accepted(receiver.push(env.hub.set()))
    assert receiver.proc.stop() == 0


def test_sigterm_lets_the_purge_under_way_finish(env, receiver):
    env.redis.pause()
    answer = receiver.begin_push(env.hub.set())
    receiver.proc.wait_log("event=receiver.verified")   # its purge waits for Redis
    receiver.proc.send_signal(signal.SIGTERM)
    receiver.proc.wait_log("event=receiver.draining")
    env.redis.resume()
    assert_accepted(answer())
    assert receiver.proc.stop() == 0


def test_sigterm_in_poll_mode_sends_the_last_acks(env):
    hub = env.hub
    receiver = start_polling(env)
    hub.next_poll()
    env.redis.pause()
    hub.answers.put((200, {"sets": {"last": hub.set(jti="last")}}))
    receiver.proc.wait_log("event=receiver.poll.answered sets=1")
    receiver.proc.send_signal(signal.SIGTERM)
    receiver.proc.wait_log("event=receiver.draining")
    env.redis.resume()
    body, _ = hub.next_poll()
    assert body == {"maxEvents": 0, "returnImmediately": True, "ack": ["last"]}
    assert receiver.proc.stop() == 0


# ---- Redis over TCP, with a password ----

@pytest.mark.parametrize("username", [None, "default"])
def test_redis_with_password_over_tcp(tmp_path, tls, procs, username):
    folder = tmp_path / "redis-tcp"
    folder.mkdir()
    server = harness.Redis(folder, port=harness.free_port(), password="redis-secret")
    procs.append(server)
    env = Env(tmp_path, tls, server, procs)
    password = tmp_path / "password"
    password.write_text("redis-secret\n")
    redis_conf = {"address": f"127.0.0.1:{server.port}", "password_file": str(password)}
    if username:
        redis_conf["username"] = username
    receiver = env.start(env.config(redis=redis_conf)).ready()
    env.db().set("sess:ada", 1)
    assert_accepted(receiver.push(env.hub.set()))
    assert not env.db().exists("sess:ada")
    assert "redis-secret" not in receiver.proc.log()

    password.write_text("wrong\n")
    refused = env.start(env.config(redis=redis_conf))
    refused.proc.wait_log("event=redis.away error=WRONGPASS")
    assert refused.push(env.hub.set()).status == 503


def test_documented_redis_permissions_are_enough(env, tmp_path):
    line = next(ln for ln in (harness.ROOT / "docs" / "reference" / "ssf-receive.md").read_text().splitlines()
                if "ACL SETUSER" in ln)
    env.db().execute_command(*line.replace("PASSWORD", "redis-secret").split())
    password = tmp_path / "password"
    password.write_text("redis-secret\n")
    receiver = env.start(env.config(redis={"address": "unix:" + env.redis.path,
                                           "username": "ssf-receive",
                                           "password_file": str(password)})).ready()
    db = env.db()
    db.mset({"sess:ada": 1, "sess:web": 1, "cache:ada:1": 1})
    db.sadd("agent-sessions:ada", "sess:web")
    for stamp in (2000, 1000):
        assert_accepted(receiver.push(env.hub.set(event_claims={"event_timestamp": stamp})))
    assert db.keys("*") == ["deny:iat:ada"]
