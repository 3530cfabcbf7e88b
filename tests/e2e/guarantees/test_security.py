# SPDX-License-Identifier: Apache-2.0
"""What must not get in, and what must not get out."""
import base64
import json
import socket
import ssl
import subprocess

import pytest
from jwcrypto import jwk
from cryptography.hazmat.primitives.asymmetric import ec

import harness
from harness import KINDS, POLL, PUSH, b64url, sign_set, wait_until


@pytest.fixture(scope="module", autouse=True)
def registered(module_hub, registry):
    module_hub.apply(*registry)


def head(hub):
    return hub.sql("select coalesce(max(seq), 0), count(*) from event")[0]


# --- B9: where pushes may go --------------------------------------------------------------------

BAD_URLS = [
    "https://localhost/x", "https://localhost:8443/x", "https://LOCALHOST./x",
    "https://127.0.0.1/x", "https://127.1/x", "https://0x7f.1/x", "https://2130706433/x",
    "https://0177.0.0.1/x", "https://[::1]/x", "https://[::ffff:127.0.0.1]/x",
    "https://[::ffff:7f00:1]/x", "https://0.0.0.0/x", "https://[::]/x",
    "https://169.254.169.254/latest/meta-data/", "https://[::ffff:169.254.169.254]/x",
    "https://[fe80::1]/x", "https://[fd00:ec2::254]/x", "https://[64:ff9b::a9fe:a9fe]/x",
    "https://[2002:a9fe:a9fe::]/x", "https://10.0.0.1/x", "https://172.16.0.1/x",
    "https://172.31.255.255/x", "https://192.168.1.1/x", "https://100.64.0.1/x",
    "https://224.0.0.1/x", "https://255.255.255.255/x", "https://198.18.0.1/x",
    "http://93.184.216.34/x", "file:///etc/passwd", "file://localhost/etc/passwd",
    "gopher://93.184.216.34/x", "ftp://93.184.216.34/x", "//93.184.216.34/x", "93.184.216.34/x",
    "https://user:password@93.184.216.34/x", "https://93.184.216.34@localhost/x",
    "https://93.184.216.34/x#fragment", "https:///x", "https://93.184.216.34:0/x",
    "https://93.184.216.34:99999/x", "https://93.184.216.34/x y", "https://93.184.216.34/\nx",
    "https://93.184.216.34\\@localhost/x", "https://%6c%6fcalhost/x", "javascript:alert(1)", "",
    "https://93.184.216.34/" + "x" * 3000,
]


def push_to(url, stream="bad"):
    return [{"kind": "client", "id": "bad", "audience": "https://bad.example",
             "token": "token-of-the-bad-one"},
            {"kind": "stream", "id": stream, "client": "bad",
             "delivery": {"method": PUSH, "endpoint_url": url}}]


@pytest.fixture(scope="module")
def strict_hub(tls, hub_template):
    """A hub whose operator has allowed no networks."""
    hub = hub_template.new_hub(tls, "--push-allow", "")
    try:
        yield hub.use_idp()
    finally:
        hub.close()


@pytest.mark.parametrize("url", BAD_URLS)
def test_b9_bad_push_addresses_are_refused_at_set_up(strict_hub, url):
    answer = strict_hub.try_apply(*push_to(url))
    assert answer.status_code in (400, 403), answer.text
    assert "endpoint_url" in answer.json()["description"]
    assert strict_hub.get("/v1/stream") == [] and strict_hub.get("/v1/client") == []


def test_b9_good_address_is_taken(strict_hub):
    """The table above fails for what it says, and not for everything."""
    strict_hub.apply(*push_to("https://93.184.216.34:8443/events?x=y", "good"))
    strict_hub.cli("delete", "stream", "good")
    strict_hub.cli("delete", "client", "bad")


def test_b9_address_is_checked_again_at_connect(new_hub, endpoint):
    """A stream that was set up when it was allowed; the next start allows nothing."""
    hub = new_hub().use_idp()
    stream = hub.push_stream(endpoint)
    endpoint.wait(1, txn=hub.emit())
    hub.argv += ["--push-allow", ""]
    hub.restart()
    hub.emit()
    wait_until(lambda: hub.stream_status(stream).get("last_error"), what="the push is refused")
    assert "loopback" in hub.stream_status(stream)["last_error"]
    wait_until(lambda: hub.metric("ssfhub_push_retries_total") >= 3)
    assert len(endpoint.pushes) == 1, "nothing has been connected to"


def test_b9_allowed_networks_do_not_open_the_metadata_address(new_hub):
    hub = new_hub("--push-allow", "private")
    assert hub.try_apply(*push_to("https://10.0.0.1/x", "s")).status_code == 200
    for url in ("https://169.254.169.254/x", "https://[fe80::1]/x", "https://224.0.0.1/x"):
        assert hub.try_apply(*push_to(url)).status_code in (400, 403), url


# --- B10: forgery --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def rsa_idp(module_hub):
    key = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa-idp")
    module_hub.apply({"kind": "transmitter", "id": "rsa", "issuer": "https://rsa.example",
                      "jwks": {"keys": [json.loads(key.export_public())]}})
    return key


def raw(header, claims, signature=b""):
    return ".".join([b64url(json.dumps(header).encode()), b64url(json.dumps(claims).encode()),
                     b64url(signature)])


def hs256(secret, header, claims):
    import hashlib
    import hmac
    text = raw(header, claims).rsplit(".", 1)[0]
    return text + "." + b64url(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def forgeries(hub, rsa):
    """Names of forged SETs, and the tokens."""
    idp, claims = hub.idp, hub.claims()
    rsa_claims = hub.claims(iss="https://rsa.example")
    wrong_rsa = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa-idp")
    wrong_ec = jwk.JWK.generate(kty="EC", crv="P-256", kid="idp-1")
    pem = rsa.export_to_pem()
    typ = {"typ": "secevent+jwt"}
    good = sign_set(idp, claims)
    head_, body, signature = good.split(".")
    yield "another RSA key", sign_set(wrong_rsa, rsa_claims)
    yield "another EC key", sign_set(wrong_ec, claims)
    for alg in ("none", "None", "NONE", ""):
        yield f"alg {alg!r}", raw({**typ, "alg": alg}, claims)
        yield f"alg {alg!r} with kid", raw({**typ, "alg": alg, "kid": "idp-1"}, claims)
    yield "no alg", raw({**typ, "kid": "idp-1"}, claims, b"x" * 64)
    for name, secret in (("PEM", pem), ("PEM, stripped", pem.strip()), ("empty", b""),
                         ("modulus", base64.urlsafe_b64decode(json.loads(rsa.export_public())["n"]
                                                              + "=="))):
        yield f"HS256 with the RSA public key: {name}", hs256(
            secret, {**typ, "alg": "HS256", "kid": "rsa-idp"}, rsa_claims)
    yield "RS256 named, ES256 made", raw({**typ, "alg": "RS256", "kid": "idp-1"}, claims, b"x" * 64)
    yield "zero signature", head_ + "." + body + "." + b64url(bytes(64))
    yield "empty signature", head_ + "." + body + "."
    yield "cut signature", good[:-8]
    yield "other claims", head_ + "." + b64url(json.dumps(
        {**claims, "jti": "other"}).encode()) + "." + signature
    yield "unknown kid", sign_set(idp, claims, kid="nobody")
    yield "no kid, other key", sign_set(wrong_ec, claims, kid=None)
    yield "key in the header", sign_set(wrong_ec, claims,
                                        jwk=json.loads(wrong_ec.export_public()))
    yield "key by URL", sign_set(wrong_ec, claims, jku="https://evil.example/jwks")
    yield "crit", sign_set(idp, claims, crit=["b64"], b64=True)
    yield "key of another issuer", sign_set(idp, rsa_claims)
    yield "another issuer's claims", sign_set(rsa, claims)
    yield "unknown issuer", sign_set(idp, hub.claims(iss="https://evil.example"))
    yield "our own issuer", sign_set(idp, hub.claims(iss=hub.issuer))
    yield "issuer with a slash", sign_set(idp, hub.claims(iss="https://idp.example/"))
    yield "wrong aud", sign_set(idp, hub.claims(aud="https://other.example"))
    yield "aud with a slash", sign_set(idp, hub.claims(aud=hub.issuer + "/"))


def test_b10_forged_sets_are_refused(hub, rsa_idp):
    before = head(hub)
    for name, token in forgeries(hub, rsa_idp):
        answer = hub.send(token)
        assert answer.status_code == 400, f"{name}: {answer.status_code}"
        assert answer.json()["err"] in ("invalid_key", "invalid_request", "invalid_issuer",
                                        "invalid_audience"), name
    # who sends it, or what a header says, does not matter
    evil = sign_set(jwk.JWK.generate(kty="EC", crv="P-256", kid="idp-1"), hub.claims())
    for headers in ({"Authorization": "Bearer " + hub.admin_token},
                    {"X-Forwarded-User": "idp", "X-Issuer": "https://idp.example"}):
        assert hub.send(evil, **headers).status_code == 400
    assert head(hub) == before
    # the test's tools can make good ones
    assert hub.send(sign_set(hub.idp, hub.claims())).status_code == 202
    assert hub.send(sign_set(rsa_idp, hub.claims(iss="https://rsa.example"))).status_code == 202


def test_b10_set_of_the_hub_itself_is_not_taken_back(hub, endpoint):
    stream = hub.push_stream(endpoint)
    (push,) = endpoint.wait(1, txn=hub.emit())
    answer = hub.send(push.token)
    assert answer.status_code == 400 and answer.json()["err"] == "invalid_issuer"
    hub.cli("delete", "stream", stream)


def test_b10_forged_webhooks_and_reports_are_refused(hub, github, secret):
    before = head(hub)
    body = json.dumps([{"token": secret.leaked, "type": "t", "url": "u"}]).encode()
    other = ec.generate_private_key(ec.SECP256R1())
    good = github.sign(body)
    key_header, signature_header = good
    ways = [
        {}, {key_header: github.key_id}, {signature_header: good[signature_header]},
        github.sign(body, other), github.sign(body + b" "),
        {**good, key_header: "nobody"}, {**good, signature_header: "AAAA"},
        {**good, signature_header: base64.b64encode(bytes(70)).decode()},
        {**good, signature_header: good[signature_header][:-8]},
        {"X-Hub-Signature-256": harness.webhook_headers(secret.webhook, body)
         ["X-Hub-Signature-256"]},
    ]
    for headers in ways:
        answer = hub.request("POST", "/in/ghp", data=body, headers=headers)
        assert answer.status_code in (401, 503), (headers, answer.status_code)
    for name in ("gh", "gh-plain"):
        text = json.dumps(harness.alert_body()).encode()
        for headers in ({}, good, harness.webhook_headers("guess", text),
                        {**harness.webhook_headers(secret.webhook, text),
                         "X-Hub-Signature-256": "sha256=" + "f" * 64}):
            assert hub.request("POST", f"/in/{name}", data=text,
                               headers=headers).status_code == 401
    assert head(hub) == before
    assert hub.request("POST", "/in/ghp", data=body, headers=good).status_code == 202


# --- who may do what ------------------------------------------------------------------------------

ADMIN_PATHS = [("POST", "/v1/apply"), ("GET", "/v1/status"), ("GET", "/v1/explain/x"),
               ("GET", "/v1/events"), ("GET", "/v1/unattributed"), ("GET", "/v1/revocations"),
               ("GET", "/v1/deadletters?stream=x"), ("GET", "/v1/stream"), ("GET", "/v1/stream/x"),
               ("DELETE", "/v1/stream/x")]


@pytest.mark.parametrize("method, path", ADMIN_PATHS)
def test_admin_api_needs_the_admin_token(hub, method, path):
    poll = hub.poll_stream()
    token = hub.admin_token
    for header in (None, "", "Bearer", "Bearer ", f"Basic {token}", f"Bearer {token[:-1]}",
                   f"Bearer {token}x", f"Bearer {token.upper()}", token,
                   "Bearer " + "x" * 5000):
        headers = {} if header is None else {"Authorization": header}
        answer = hub.request(method, path, headers=headers, data=b"{}")
        assert answer.status_code == 401, (header, answer.status_code)
    answer = hub.request(method, path, headers={"Authorization": f"Bearer {poll.token}"},
                         data=b"{}")
    assert answer.status_code == 403, "a client's token is not the admin's"
    assert hub.request(method, path, headers={"Authorization": f"bearer {token}"},
                       data=b"{}").status_code not in (401, 403)


def test_what_anybody_may_read(hub):
    meta = hub.request("GET", "/.well-known/ssf-configuration")
    assert meta.status_code == 200
    assert meta.headers["Content-Type"] == "application/json"
    assert meta.json() == {"spec_version": "1_0", "issuer": hub.issuer,
                           "jwks_uri": hub.issuer + "/jwks.json",
                           "delivery_methods_supported": [PUSH, POLL],
                           "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"},
                                                         {"spec_urn": "urn:ietf:rfc:6750"}],
                           "default_subjects": "ALL",
                           "configuration_endpoint": hub.issuer + "/ssf/streams",
                           "status_endpoint": hub.issuer + "/ssf/status",
                           "verification_endpoint": hub.issuer + "/ssf/verify",
                           "add_subject_endpoint": hub.issuer + "/ssf/subjects:add",
                           "remove_subject_endpoint": hub.issuer + "/ssf/subjects:remove"}
    keys = hub.request("GET", "/jwks.json").json()["keys"]
    assert {k["kty"] for k in keys} == {"RSA", "EC"}
    assert len({k["kid"] for k in keys}) == len(keys)
    for k in keys:
        assert set(k) <= {"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"}, "public alone"
    rsa = next(k for k in keys if k["kty"] == "RSA")
    assert len(base64.urlsafe_b64decode(rsa["n"] + "==")) >= 256


def test_keys_stay_the_same_over_a_restart(hub):
    before = hub.request("GET", "/jwks.json").json()
    hub.restart()
    assert hub.request("GET", "/jwks.json").json() == before


def tls_to(hub, **options):
    """A TLS connection with these versions at most and at least; security level 0, or a client of
    today would not even offer the old ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(hub.data / "ca.pem")
    context.set_ciphers("ALL:@SECLEVEL=0")
    for name, version in options.items():
        setattr(context, name, version)
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as s:
        with context.wrap_socket(s, server_hostname="localhost") as tls:
            tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in tls.recv(4096)
            return tls.version()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_an_older_tls_offer_gets_an_alert_not_a_dropped_connection(hub, version):
    old = ssl.TLSVersion[version]
    for _ in range(20):   # an alert that is lost once in a while is a race with closing
        with pytest.raises(ssl.SSLError) as e:
            tls_to(hub, minimum_version=old, maximum_version=old)
        assert e.value.reason in ("TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE")


def test_tls_1_2_and_1_3(hub):
    v2, v3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    assert tls_to(hub, maximum_version=v2) == "TLSv1.2"
    assert tls_to(hub, minimum_version=v3) == "TLSv1.3"
    with socket.create_connection(("127.0.0.1", hub.port)) as s:
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(s, server_hostname="localhost")


def test_plain_http_at_the_tls_port_does_no_harm(hub):
    with socket.create_connection(("127.0.0.1", hub.port), timeout=60) as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"HTTP" not in s.recv(4096)
        except ConnectionResetError:
            pass
    assert hub.request("GET", "/healthz").status_code == 200


# --- B16 and canaries: what must not get out --------------------------------------------------

def forms(name, text):
    """A secret as it is, in hex, and in base64 at each of the three alignments."""
    data = text.encode()
    yield name, data
    yield name + " in hex", data.hex().encode()
    for shift in range(3):
        whole = base64.b64encode(b"x" * shift + data)
        yield name + " in base64", whole[4 if shift else 0:len(whole) // 4 * 4 - 4]


def find(canaries, where, data):
    lower = data.lower()
    return [f"{name} in {where}" for secret_name, text in canaries.items()
            for name, form in forms(secret_name, text)
            if form in data or (name.endswith("hex") and form in lower)]


@pytest.fixture(scope="module")
def played(tls, registry, github, secret, sink, tmp_path_factory):
    """A hub that has done the main job with all secrets in use; everything that it has said."""
    hub = harness.Hub(tls, "--log-level", "debug")
    try:
        hub.use_idp().apply(*registry)
        endpoint = sink.endpoint()
        hub.apply({"kind": "client", "id": "api", "audience": "https://api.example",
                   "token": secret.client},
                  {"kind": "stream", "id": "push", "client": "api", "delivery": {
                      "method": PUSH, "endpoint_url": endpoint.url,
                      "authorization_header": "Bearer " + secret.push}},
                  {"kind": "stream", "id": "poll", "client": "api", "delivery": {"method": POLL}})
        poll = harness.PollStream(hub, "poll", secret.client, "https://api.example")
        github.leak("acme/canary", 1, secret.leaked)
        txns = [
            hub.webhook("gh", secret.webhook, harness.alert_body("acme/canary", 1)).json()["txn"],
            hub.partner("ghp", github, [secret.leaked, "x" + secret.leaked]).json()["txn"]]
        # refused, with the secrets in it
        hub.send(secret.leaked)
        hub.request("POST", "/in/gh", data=secret.leaked, headers={"X-GitHub-Event": secret.api})
        hub.request("GET", "/v1/status", headers={"Authorization": "Bearer x" + secret.client})
        hub.request("POST", "/in/ghp", data=secret.leaked, headers=github.sign(
            secret.leaked.encode()))
        hub.try_apply({"kind": "credential", "id": "c", "agent": "nobody", "type": "t",
                       "secret": secret.leaked})
        hub.try_apply({"kind": "source", "id": "s", "type": "github", "secret": secret.webhook,
                       "api": {"url": "no", "token": secret.api}})
        hub.try_apply('{"kind":"client","id":"c","token":"' + secret.client + '",}x')
        for txn in txns:
            endpoint.wait(3, txn=txn)
        sets = list(poll.post({"returnImmediately": True}).json()["sets"].values())
        assert len(sets) == 6
        # through the crash recovery too
        hub.kill9()
        hub.start()
        said = {"a SET": "\n".join(sets + [p.token for p in endpoint.pushes]),
                "claims": json.dumps([harness.part_of(t, 1) for t in sets])}
        paths = [f"/v1/{k}" for k in KINDS]
        paths += [f"/v1/{k}/{r['id']}" for k in KINDS for r in hub.get(f"/v1/{k}")]
        paths += ["/v1/status", "/v1/events?limit=1000", "/v1/unattributed?limit=1000",
                  "/v1/revocations", "/v1/deadletters?stream=push", "/jwks.json", "/readyz",
                  "/.well-known/ssf-configuration", *[f"/v1/explain/{t}" for t in txns]]
        for path in paths:
            said[path] = hub.admin("GET", path).text
        for kind in KINDS:
            said[f"ssfhub get {kind}"] = hub.cli("get", kind)
        said["ssfhub status"] = hub.cli("status")
        yield hub, said
    finally:
        hub.close()


@pytest.fixture
def canaries(played, secret):
    return {**secret._asdict(), "admin": played[0].admin_token}


def test_forms_are_found(canaries):
    """The search itself works."""
    for name, text in canaries.items():
        for data in (text.encode(), b"<" + text.encode().hex().upper().encode() + b">",
                     base64.b64encode(text.encode()), base64.b64encode(b"ab" + text.encode()),
                     base64.b64encode(b'{"token":"' + text.encode() + b'"}')):
            assert [f for f in find(canaries, "x", data) if f.startswith(name)], data


def test_b16_secrets_do_not_come_back(played, canaries):
    hub, said = played
    assert [f for path, text in said.items() for f in find(canaries, path, text.encode())] == []
    source = hub.get("/v1/source/gh")
    assert source["secret"] == "(sealed)" and source["api"]["token"] == "(sealed)"
    assert hub.get("/v1/stream/push")["delivery"]["authorization_header"] == "(sealed)"
    client, credential = hub.get("/v1/client/api"), hub.get("/v1/credential/builder-token")
    assert "token" not in client and len(client["token_sha256"]) == 64
    assert "secret" not in credential and len(credential["fingerprint"]) == 64


def test_b16_canaries_are_not_in_logs(played, canaries, sink):
    hub, _ = played
    logs = [p for p in hub.folder.glob("hub-*")] + [hub.data / "postgres.log"]
    assert len(logs) >= 5 and any(b"ingest.accepted" in p.read_bytes() for p in logs)
    assert [f for p in logs for f in find(canaries, p.name, p.read_bytes())] == []


def test_canaries_are_not_in_the_database(played, canaries):
    hub, _ = played
    dump = subprocess.run(["pg_dump", "-h", str(hub.data / "run"), "-U", "ssfhub", "ssfhub"],
                          check=True, capture_output=True).stdout
    assert b"secret.leaked" in dump and b"builder-token" in dump
    assert find(canaries, "the dump", dump) == []


def test_canaries_are_not_in_files_of_the_data_directory(played, canaries):
    """PostgreSQL's own files too: what was written once, and deleted, is in its write-ahead log."""
    hub, _ = played
    hub.sql("checkpoint")
    found = []
    for path in hub.data.rglob("*"):
        if path.is_file() and path.name != "admin.token":
            data = path.read_bytes()
            found += [f"{name} in {path.relative_to(hub.data)}"
                      for name, text in canaries.items() if text.encode() in data]
    assert found == []


def test_canaries_are_not_on_command_lines(played, canaries):
    hub, _ = played
    for pid in hub.processes():
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    data = f.read()
            except OSError:
                continue
            assert find(canaries, f"{name} of {pid}", data) == []


def test_signing_keys_are_sealed(played):
    hub, _ = played
    for (sealed,) in hub.sql("select sealed from signing_key"):
        assert b"PRIVATE" not in bytes(sealed)
    for kid, public in hub.sql("select kid, public from signing_key"):
        assert set(public) <= {"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"}, kid


def test_another_master_key_opens_nothing(new_hub, endpoint, registry, secret):
    """A backup that is put back with the wrong key: loud, and nothing is done with half of it."""
    hub = new_hub().use_idp()
    hub.apply(*registry)
    hub.push_stream(endpoint, authorization_header="Bearer of-the-receiver")
    keys = {k["kid"] for k in hub.request("GET", "/jwks.json").json()["keys"]}
    hub.stop()
    path = hub.data / "master.key"
    text = path.read_text()
    path.write_text("".join({"0": "1"}.get(c, "0") if c.isalnum() else c for c in text))
    hub.expected.add("keys.unseal.failed")
    hub.start(wait=False)
    wait_until(lambda: not hub.proc.alive(), what="the hub gives up")
    assert hub.proc.popen.returncode == 1
    assert "ssfhub: ready" not in hub.proc.stdout()
    assert hub.proc.log().count("event=keys.unseal.failed") == len(keys)
    assert "no stored signing key opens" in hub.proc.log()
    assert endpoint.pushes == []


# --- what the database says -----------------------------------------------------------------------

@pytest.mark.parametrize("sqlstate, status, description", [
    ("57014", 503, "the database is away"), ("53100", 503, "the database is away"),
    ("23514", 500, "internal error; see the log")])
def test_what_the_database_says_is_for_the_log(new_hub, sqlstate, status, description):
    """Its messages name hosts, users, tables and files."""
    hub = new_hub("--log-level", "debug")
    hub.expected.add("http.internal")
    hub.sql("create function said() returns trigger language plpgsql as $$ begin"
            f" raise exception 'on host 10.11.12.13' using errcode = '{sqlstate}'; end $$")
    hub.sql("create trigger said before insert on resource_history for each row execute function said()")
    answer = hub.try_apply({"kind": "person", "id": "p", "name": "n"})
    assert (answer.status_code, answer.json()["description"]) == (status, description)
    assert "10.11.12.13" not in answer.text
    line = next(x for x in hub.log().splitlines() if "event=db.statement.failed" in x)
    assert "10.11.12.13" in line and f"sqlstate={sqlstate}" in line
