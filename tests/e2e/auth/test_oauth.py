# SPDX-License-Identifier: Apache-2.0
"""OAuth: the token endpoint, access tokens of the hub and of other issuers, scopes, rate limits."""
import base64
import concurrent.futures
import hashlib
import hmac
import http.client
import json
import ssl
import threading
import time
import types
import uuid

import pytest
from jwcrypto import jwk, jws

from harness import Answer, Server, b64url, part_of, wait_until

HUB_ARGS = ("--token-lifetime", "2s")
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES = "ssf.read ssf.manage"


def jwt(key, claims, typ="JWT", **header):
    alg = {"RSA": "RS256", "EC": "ES256"}[key["kty"]]
    token = jws.JWS(json.dumps(claims))
    token.add_signature(key, None, json.dumps({"typ": typ, "alg": alg, "kid": key.get("kid"), **header}))
    return token.serialize(compact=True)


def ec_key(kid):
    return jwk.JWK.generate(kty="EC", crv="P-256", kid=kid)


def public(*keys):
    return {"keys": [json.loads(k.export_public()) for k in keys]}


class Client:
    def __init__(self, hub, **resource):
        self.hub = hub
        self.id = "c-" + uuid.uuid4().hex[:8]
        self.secret = "secret-" + uuid.uuid4().hex
        self.resource = {"kind": "client", "id": self.id, "audience": f"https://{self.id}.example",
                         "secret": self.secret, **resource}
        if self.resource["secret"] is None:
            del self.resource["secret"]
        hub.apply(self.resource)

    def ask(self, auth="basic", headers=None, **form):
        form.setdefault("grant_type", "client_credentials")
        headers = dict(headers or {})
        if auth == "basic":
            pair = base64.b64encode(f"{self.id}:{self.secret}".encode()).decode()
            headers["Authorization"] = "Basic " + pair
        elif auth == "post":
            form.update(client_id=self.id, client_secret=self.secret)
        return self.hub.request("POST", "/oauth2/token", data={k: v for k, v in form.items() if v is not None},
                                headers=headers)

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": self.id, "sub": self.id, "aud": self.hub.issuer, "iat": now, "exp": now + 60,
                  "jti": uuid.uuid4().hex, **changes}
        return {k: v for k, v in claims.items() if v is not None}

    def assert_with(self, key, typ="JWT", **changes):
        return self.ask(None, client_assertion_type=ASSERTION,
                        client_assertion=jwt(key, self.claims(**changes), typ))

    def token(self, **form):
        answer = self.ask(**form)
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]


@pytest.fixture
def client(hub):
    return Client(hub)


def call(hub, token, method="GET", path="/ssf/streams", body=None):
    return hub.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})


# --- metadata -------------------------------------------------------------------------------------

def test_rfc8414_metadata(hub):
    doc = hub.request("GET", "/.well-known/oauth-authorization-server").json()
    assert doc["issuer"] == hub.issuer
    assert doc["token_endpoint"] == hub.issuer + "/oauth2/token"
    assert doc["grant_types_supported"] == ["client_credentials"]
    assert set(doc["token_endpoint_auth_methods_supported"]) == {
        "client_secret_basic", "client_secret_post", "private_key_jwt"}
    assert set(doc["token_endpoint_auth_signing_alg_values_supported"]) == {"RS256", "ES256"}
    assert {"ssf.read", "ssf.manage", "ssf.manage.poll"} <= set(doc["scopes_supported"])
    assert hub.request("GET", doc["jwks_uri"][len(hub.issuer):]).status_code == 200
    assert hub.request("GET", "/.well-known/oauth-authorization-server/other").status_code == 404


def test_rfc9728_metadata(hub):
    doc = hub.request("GET", "/.well-known/oauth-protected-resource").json()
    assert doc["resource"] == hub.issuer
    assert doc["authorization_servers"][0] == hub.issuer
    assert doc["bearer_methods_supported"] == ["header"]
    refused = hub.request("GET", "/ssf/streams")
    assert refused.status_code == 401
    assert (f'resource_metadata="{hub.issuer}/.well-known/oauth-protected-resource"'
            in refused.headers["WWW-Authenticate"])
    assert "error=" not in refused.headers["WWW-Authenticate"]   # RFC 6750 section 3.1: the request had no token


def test_ssf_metadata_names_oauth(hub):
    schemes = hub.request("GET", "/.well-known/ssf-configuration").json()["authorization_schemes"]
    assert {"spec_urn": "urn:ietf:rfc:6749"} in schemes


# --- tokens ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("auth", ["basic", "post"])
def test_client_secret(hub, client, auth):
    answer = client.ask(auth)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["Pragma"] == "no-cache"
    body = answer.json()
    assert body["token_type"] == "Bearer" and 0 < body["expires_in"] <= 3600 and body["scope"] == SCOPES
    assert call(hub, body["access_token"]).json() == []
    header, claims = part_of(body["access_token"], 0), part_of(body["access_token"], 1)
    assert header["typ"] == "at+jwt"
    assert claims["iss"] == claims["aud"] == hub.issuer and claims["client_id"] == claims["sub"] == client.id


def test_an_expired_token_is_401(hub, client):
    token = client.token()
    assert call(hub, token).status_code == 200
    wait_until(lambda: call(hub, token).status_code == 401, what="the token expires")
    refused = call(hub, token)
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert refused.json()["err"] == "authentication_failed"
    assert part_of(token, 1)["exp"] <= time.time()


def test_streams_belong_to_the_client_not_to_the_token(hub, client):
    made = call(hub, client.token(), "POST", body={}).json()
    assert [s["stream_id"] for s in call(hub, client.token()).json()] == [made["stream_id"]]
    assert call(hub, Client(hub).token()).json() == []


def test_a_change_of_the_client_voids_its_tokens(hub, client):
    token, other = client.token(), Client(hub).token()
    assert call(hub, token).status_code == 200   # also for later requests
    hub.apply({**client.resource, "name": "renamed"})
    assert call(hub, token).status_code == 401
    assert call(hub, other).status_code == 200
    token = client.token()
    hub.admin("DELETE", f"/v1/client/{client.id}")
    assert call(hub, token).status_code == 401
    hub.apply(client.resource)   # a new client with the same id is another client
    assert call(hub, token).status_code == 401


def test_a_revoked_signing_key_voids_the_tokens_that_it_signed(new_hub):
    """Also tokens that were verified before: whoever has the key may have made them."""
    hub = new_hub("--token-lifetime", "1h")
    client = Client(hub)
    token = client.token()
    assert call(hub, token).status_code == 200
    assert hub.admin("DELETE", f"/v1/keys/{part_of(token, 0)['kid']}").status_code == 204
    assert call(hub, token).status_code == 401
    assert call(hub, client.token()).status_code == 200


def test_tokens_outlive_a_restart_and_kill_9(new_hub):
    hub = new_hub("--token-lifetime", "1h")
    token = Client(hub).token()
    hub.restart()
    assert call(hub, token).status_code == 200
    hub.kill9()
    hub.start()
    assert call(hub, token).status_code == 200


def test_a_token_in_the_query_is_refused(hub, client):
    answer = hub.request("GET", f"/ssf/streams?access_token={client.token()}")
    assert answer.status_code == 401


def test_a_set_is_not_an_access_token(hub):
    """SETs and access tokens are signed with the same keys; typ keeps them apart."""
    stream = hub.poll_stream(alg="ES256")
    hub.emit()
    (token,) = [t for t in wait_until(
        lambda: stream.post({"returnImmediately": True}).json()["sets"].values())]
    assert call(hub, token).status_code == 401
    forged = part_of(Client(hub).token(), 1)
    assert call(hub, jwt(ec_key(part_of(token, 0)["kid"]), forged, "at+jwt")).status_code == 401


@pytest.mark.parametrize("change, error, status", [
    ({"grant_type": None}, "invalid_request", 400),
    ({"grant_type": "password"}, "unsupported_grant_type", 400),
    ({"scope": "ssf.read admin"}, "invalid_scope", 400),
    ({"scope": "ssfhub.emit"}, "invalid_scope", 400),
    ({"client_id": "somebody-else"}, "invalid_request", 400),
    ({"client_secret": "x" * 30}, "invalid_request", 400),
    ({"client_assertion": "x"}, "invalid_request", 400),
])
def test_rfc6749_5_2_errors(hub, client, change, error, status):
    answer = client.ask(**change)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["Cache-Control"] == "no-store"
    assert "access_token" not in answer.text


def test_rfc6749_5_2_invalid_client(hub, client):
    wrong = Client(hub, secret="y" * 30)
    ways = [client.ask(None), client.ask(None, client_id=client.id),
            client.ask(None, client_id=client.id, client_secret="x" * 40),
            client.ask(None, client_id="nobody", client_secret="x" * 40),
            client.ask(None, client_id=client.id + "x" * 200, client_secret="x" * 40),
            client.ask(None, headers={"Authorization": "Bearer x"}),
            client.ask(None, headers={"Authorization": "Basic !"}), wrong.ask()]
    for answer in ways:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert len({a.text for a in ways}) == 1, "all answers are the same"
    # no secret fits a client without one
    bare = Client(hub, secret=None, token="token-" + uuid.uuid4().hex)
    assert bare.ask(None, client_id=bare.id, client_secret="").status_code == 401
    assert bare.ask(None, client_id=bare.id, client_secret="\0" * 32).status_code == 400


def test_secrets_and_tokens_do_not_appear_in_clear_text(hub, client):
    """They are in no answer of the API, not in the database, and not in the log."""
    token = client.token()
    client.ask(None, client_id=client.secret, client_secret=client.id)   # the secret as the token, and the token as the secret
    dump = json.dumps(hub.get(f"/v1/client/{client.id}")) + hub.log()
    dump += str(hub.sql("select spec from resource")) + str(hub.sql("select * from resource_history"))
    for value in (client.secret, token, token.split(".")[2]):
        assert value not in dump
    assert hashlib.sha256(client.secret.encode()).hexdigest() in dump


def test_body_limits_of_the_token_endpoint(hub, client):
    assert client.ask(x="y" * 40000).status_code == 413
    assert client.ask(**{f"f{i}": "1" for i in range(40)}).status_code == 413
    answer = hub.request("POST", "/oauth2/token", json={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert hub.request("GET", "/oauth2/token").status_code == 405


# --- private_key_jwt ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def rsa():
    return jwk.JWK.generate(kty="RSA", size=2048, kid="rsa-1")


@pytest.mark.parametrize("typ", ["JWT", "client-authentication+jwt"])
def test_private_key_jwt(hub, rsa, typ):
    for key in (rsa, ec_key("k1")):
        client = Client(hub, secret=None, jwks=public(key))
        answer = client.assert_with(key, typ)
        assert answer.status_code == 200, answer.text
        assert call(hub, answer.json()["access_token"]).status_code == 200
        # the URL of the token endpoint is an audience, too
        assert client.assert_with(key, typ, aud=[hub.issuer + "/oauth2/token"]).status_code == 200


def test_private_key_jwt_refused(hub, rsa):
    key, other = ec_key("k1"), ec_key("k1")
    client = Client(hub, secret=None, jwks=public(key, rsa))
    now = int(time.time())
    for changes in ({"iss": "x"}, {"sub": "x"}, {"aud": "https://other.example"}, {"aud": None},
                    {"aud": [hub.issuer, "https://other.example"]}, {"exp": None}, {"exp": now - 100},
                    {"exp": now + 86400}, {"exp": "soon"}, {"jti": None}, {"jti": ""}, {"nbf": now + 600},
                    {"iat": now + 600}, {"iss": "nobody", "sub": "nobody"}):
        answer = client.assert_with(key, **changes)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), changes
    assert client.assert_with(other).status_code == 401
    assert Client(hub).assert_with(key).status_code == 401, "the client has no keys"
    good = client.claims()
    for token in (jwt(key, good, alg="ES256")[:-4] + "AAAA", jwt(key, good).replace(".", ".."), "x", "a.b.c",
                  hs256(rsa, good), none(good), jwt(key, good, kid="rsa-1")):
        answer = client.ask(None, client_assertion_type=ASSERTION, client_assertion=token)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), token
    assert client.ask(None, client_assertion_type="x", client_assertion=jwt(key, good)).status_code == 400
    assert client.ask(None, client_id="other", client_assertion_type=ASSERTION,
                      client_assertion=jwt(key, good)).status_code == 401
    # none of the refused assertions has used the jti
    assert client.ask(None, client_assertion_type=ASSERTION, client_assertion=jwt(key, good)).status_code == 200


def hs256(key, claims):
    """The attack on libjwt: an HMAC whose secret is the public key as PEM."""
    head = b64url(json.dumps({"typ": "JWT", "alg": "HS256", "kid": key["kid"]}).encode())
    text = f"{head}.{b64url(json.dumps(claims).encode())}"
    return f"{text}.{b64url(hmac.new(key.export_to_pem(), text.encode(), hashlib.sha256).digest())}"


def none(claims):
    return f"{b64url(json.dumps({'alg': 'none'}).encode())}.{b64url(json.dumps(claims).encode())}."


def test_an_assertion_is_good_once(new_hub):
    hub = new_hub()
    hub.use_idp()
    key = ec_key("k1")
    client, other = (Client(hub, secret=None, jwks=public(key)) for _ in range(2))
    claims = client.claims()
    form = {"client_assertion_type": ASSERTION, "client_assertion": jwt(key, claims)}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: client.ask(None, **form).status_code, range(8)))
    assert sorted(statuses) == [200] + [401] * 7
    assert "oauth.assertion.replayed" in hub.log()
    hub.kill9()
    hub.start()
    assert client.ask(None, **form).status_code == 401, "a crash does not forget it"
    # the jti counts, not the signature; another client may use the same jti
    assert client.ask(None, **{**form, "client_assertion": jwt(key, claims)}).status_code == 401
    assert other.assert_with(key, jti=claims["jti"]).status_code == 200
    assert hub.sql("select count(*) from client_assertion")[0][0] == 2


def test_used_assertions_are_deleted_after_they_have_expired(hub):
    key = ec_key("k1")
    client = Client(hub, secret=None, jwks=public(key))
    hub.sql("insert into client_assertion select sha256(n::text::bytea), now() - interval '1 s'"
            " from generate_series(1, 20) n")
    for _ in range(4):
        assert client.assert_with(key).status_code == 200
    assert hub.sql("select count(*) from client_assertion where expires_at < now()")[0][0] == 0


@pytest.fixture
def jwks_server(tls):
    class Keys:
        document = {"keys": []}
        asked = 0
        hold = None

        def held(self, f):
            """Calls f() in a thread until it fetches its keys. Returns its future, and a function that
            releases the keys."""
            asked, self.hold, result = self.asked, threading.Event(), []
            thread = threading.Thread(target=lambda: result.append(f()))
            thread.start()
            wait_until(lambda: self.asked > asked, what="the hub fetches the keys")

            def release():
                self.hold.set()
                thread.join(60)
                self.hold = None
                return result[0]
            return release

        def __init__(self):
            self.server = Server(tls, self.handle)
            self.url = self.server.url + "/jwks"

        def handle(self, request):
            self.asked += 1
            return Answer(200, self.document, {"Content-Type": "application/json"}, self.hold)
    made = Keys()
    yield made
    made.server.close()


def test_private_key_jwt_by_jwks_url(hub, jwks_server):
    key = ec_key("k1")
    jwks_server.document = public(key)
    client = Client(hub, secret=None, jwks_url=jwks_server.url)
    assert client.assert_with(key).status_code == 200
    assert client.assert_with(key).status_code == 200
    assert jwks_server.asked == 1
    # an unknown kid fetches the keys again, but not too often
    for _ in range(3):
        assert client.assert_with(ec_key("k2")).status_code == 401
    assert jwks_server.asked <= 2


def test_a_client_that_changes_during_the_key_lookup_gets_no_token(hub, jwks_server):
    """A token is for the client as it was when its assertion was checked, not for what it has become
    since."""
    key = ec_key("k1")
    jwks_server.document = public(key)
    client = Client(hub, secret=None, jwks_url=jwks_server.url)
    release = jwks_server.held(lambda: client.assert_with(key))
    hub.apply({**{k: v for k, v in client.resource.items() if k != "jwks_url"}, "jwks": public(ec_key("k2"))})
    answer = release()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text


# --- scopes -----------------------------------------------------------------------------------------

NEEDS = [("GET", "/ssf/streams", "ssf.read"), ("GET", "/ssf/status?stream_id=x", "ssf.read"),
         ("POST", "/ssf/streams", "ssf.manage.create"), ("PATCH", "/ssf/streams", "ssf.manage.update"),
         ("PUT", "/ssf/streams", "ssf.manage.update"), ("DELETE", "/ssf/streams", "ssf.manage.delete"),
         ("POST", "/ssf/status", "ssf.manage.status"), ("POST", "/ssf/verify", "ssf.manage.verify"),
         ("POST", "/ssf/subjects:add", "ssf.manage.subjects"),
         ("POST", "/ssf/subjects:remove", "ssf.manage.subjects"),
         ("POST", "/streams/x/poll", "ssf.manage.poll"), ("POST", "/v1/events", "ssfhub.emit")]


@pytest.mark.parametrize("method, path, scope", NEEDS)
def test_each_operation_needs_its_scope(new_scopes, hub, method, path, scope):
    """A scope allows its operations, and all other scopes together do not."""
    everything = sorted({s for _, _, s in NEEDS})
    allowed = call(hub, new_scopes(scope), method, path, {"x": 1})
    assert allowed.status_code not in (401, 403), allowed.text
    refused = call(hub, new_scopes(" ".join(s for s in everything if s != scope)), method, path, {"x": 1})
    assert refused.status_code == 403
    assert refused.json()["err"] == "insufficient_scope"
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]
    assert f'scope="{scope}"' in refused.headers["WWW-Authenticate"]


@pytest.fixture
def new_scopes(hub):
    client = Client(hub, scopes=sorted({s for _, _, s in NEEDS}))
    return lambda scope: client.token(scope=scope)


def test_a_static_token_has_the_scopes_of_its_client(hub):
    n = uuid.uuid4().hex
    hub.apply({"kind": "client", "id": "reader-" + n, "audience": "https://r.example", "token": "token-" + n,
               "scopes": ["ssf.read"]})
    assert call(hub, "token-" + n).status_code == 200
    assert call(hub, "token-" + n, "POST", body={}).status_code == 403


def test_a_client_emits_with_an_access_token(hub):
    program = Client(hub, scopes=["ssfhub.emit"])
    stream = hub.poll_stream()
    answer = call(hub, program.token(), "POST", "/v1/events", {
        "type": "caep:session-revoked", "subject": {"format": "opaque", "id": "x"}, "reason": "test"})
    assert answer.status_code == 202, answer.text
    (claims,) = stream.wait(1).values()
    assert claims["txn"] == answer.json()["txn"]
    (event,) = hub.get(f"/v1/explain/{claims['txn']}")["events"]
    assert event["origin"] == f"client:{program.id}"
    assert call(hub, program.token(), "GET", "/v1/events").status_code == 403


# --- access tokens of others ------------------------------------------------------------------------

@pytest.fixture
def idp(hub, jwks_server):
    """An authorization server of another party, whose tokens a client here may use."""
    class Idp:
        key = ec_key("as-1")
        issuer = f"https://{uuid.uuid4().hex}.example"

        def token(self, typ="at+jwt", key=None, **changes):
            now = int(time.time())
            claims = {"iss": self.issuer, "sub": "0oa1", "client_id": "0oa1", "aud": hub.issuer, "iat": now,
                      "exp": now + 600, "jti": uuid.uuid4().hex, "scope": SCOPES, **changes}
            return jwt(key or self.key, {k: v for k, v in claims.items() if v is not None}, typ)
    made = Idp()
    jwks_server.document = public(made.key)
    made.id = "as-" + uuid.uuid4().hex[:8]
    made.client = f"ext-{made.id}"
    hub.apply({"kind": "issuer", "id": made.id, "issuer": made.issuer, "jwks_url": jwks_server.url},
              {"kind": "client", "id": made.client, "audience": "https://ext.example", "issuer": made.id,
               "subject": "0oa1"})
    return made


def test_rfc9068_access_tokens_of_another_issuer(hub, idp, jwks_server):
    made = call(hub, idp.token(), "POST", body={})
    assert made.status_code == 201, made.text
    token = idp.token(scope="ssf.read")
    assert [s["stream_id"] for s in call(hub, token).json()] == [made.json()["stream_id"]]
    assert call(hub, token, "POST", body={}).status_code == 403
    assert call(hub, idp.token(scope=None, scp=["ssf.read"])).status_code == 200
    assert call(hub, idp.token(scope="openid")).status_code == 403
    assert jwks_server.asked == 1
    servers = hub.request("GET", "/.well-known/oauth-protected-resource").json()["authorization_servers"]
    assert idp.issuer in servers


def test_rfc9068_refused(hub, idp):
    now = int(time.time())
    for changes in ({"iss": "https://nobody.example"}, {"aud": "https://other.example"}, {"aud": None},
                    {"exp": now - 100}, {"exp": None}, {"nbf": now + 600}, {"client_id": "0oa2"},
                    {"client_id": None}):
        assert call(hub, idp.token(**changes)).status_code == 401, changes
    assert call(hub, idp.token("JWT")).status_code == 401, "an ID token is not an access token"
    assert call(hub, idp.token(key=ec_key("as-1"))).status_code == 401
    assert call(hub, idp.token(key=ec_key("as-9"))).status_code == 401
    assert call(hub, idp.token()).status_code == 200
    # it is valid as long as the client exists
    token = idp.token()
    assert call(hub, token).status_code == 200
    assert hub.admin("DELETE", f"/v1/issuer/{idp.id}").status_code == 409, "a client refers to the issuer"
    hub.admin("DELETE", f"/v1/client/{idp.client}")
    assert call(hub, token).status_code == 401


def test_other_claims_and_types_by_configuration(hub):
    key = ec_key("in-1")
    n = uuid.uuid4().hex[:8]
    hub.apply({"kind": "issuer", "id": "kc-" + n, "issuer": "https://kc.example/" + n, "jwks": public(key),
               "audience": "api://ssf", "typ": "JWT", "client_claim": "azp"},
              {"kind": "client", "id": "kc-client-" + n, "audience": "https://r.example", "issuer": "kc-" + n,
               "subject": "my-receiver"})
    now = int(time.time())
    claims = {"iss": "https://kc.example/" + n, "azp": "my-receiver", "aud": ["account", "api://ssf"],
              "exp": now + 60, "scope": "profile ssf.manage"}
    assert call(hub, jwt(key, claims), "POST", body={}).status_code == 201
    assert call(hub, jwt(key, {**claims, "aud": hub.issuer})).status_code == 401
    assert call(hub, jwt(key, claims, "at+jwt")).status_code == 401


def test_new_keys_of_an_issuer_apply_at_once(hub, idp):
    """Also for tokens that were verified before."""
    token = idp.token()
    assert call(hub, token).status_code == 200
    key, issuer = ec_key("as-2"), {"kind": "issuer", "id": idp.id, "issuer": idp.issuer}
    hub.apply({**issuer, "jwks": public(key)})
    assert call(hub, token).status_code == 401
    token = idp.token(key=key)
    assert call(hub, token).status_code == 200
    hub.apply({**issuer, "jwks": public(ec_key("as-3"))})
    assert call(hub, token).status_code == 401


def test_keys_from_the_former_url_of_an_issuer_are_not_used(hub, idp, jwks_server):
    release = jwks_server.held(lambda: call(hub, idp.token()))
    hub.apply({"kind": "issuer", "id": idp.id, "issuer": idp.issuer, "jwks": public(ec_key("as-2"))})
    assert release().status_code == 503
    assert call(hub, idp.token()).status_code == 401


def test_an_unreachable_authorization_server_is_503(hub, jwks_server):
    n = uuid.uuid4().hex[:8]
    jwks_server.server.close()
    hub.apply({"kind": "issuer", "id": "away-" + n, "issuer": "https://away.example/" + n,
               "jwks_url": jwks_server.url},
              {"kind": "client", "id": "away-client-" + n, "audience": "https://r.example",
               "issuer": "away-" + n, "subject": "s"})
    now = int(time.time())
    token = jwt(ec_key("k"), {"iss": "https://away.example/" + n, "client_id": "s", "aud": hub.issuer,
                              "exp": now + 60, "scope": SCOPES}, "at+jwt")
    answer = call(hub, token)
    assert answer.status_code == 503 and "Retry-After" in answer.headers


# --- limits ---------------------------------------------------------------------------------------------

def until_429(request, most):
    for n in range(most):
        answer = request()
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) >= 1
            return n, answer
        assert answer.status_code in (200, 400, 401), answer.text
    raise AssertionError(f"no limit within {most} requests")


def test_each_client_has_its_own_rate_limit(new_hub):
    hub = new_hub("--rate-limit-client", "5", "--rate-limit-address", "0")
    one, two = Client(hub), Client(hub)
    tokens = [c.token() for c in (one, two)]
    began = time.monotonic()
    n, answer = until_429(lambda: call(hub, tokens[0]), 500)
    assert answer.json()["err"] == "too_many_requests"
    assert 9 <= n <= 9 + 5 * (time.monotonic() - began) + 1
    assert call(hub, tokens[1]).status_code == 200
    n, answer = until_429(lambda: one.ask(), 50)
    assert answer.json()["error"] == "too_many_requests"
    # the limit is per second
    wait_until(lambda: call(hub, tokens[0]).status_code == 200)


def test_each_address_has_its_own_rate_limit(new_hub):
    hub = new_hub("--rate-limit-address", "5", "--rate-limit-client", "0", "--forwarded-for")

    def guess(address):
        return hub.request("GET", "/ssf/streams", headers={
            "Authorization": "Bearer guess", "X-Forwarded-For": f"spoofed, {address}"})
    until_429(lambda: guess("192.0.2.1"), 500)
    assert guess("192.0.2.2").status_code == 401
    # an IPv6 /64 network counts as one address
    until_429(lambda: guess("2001:db8::1"), 500)
    assert guess("2001:db8::2").status_code == 429
    assert guess("2001:db8:0:1::2").status_code == 401
    # the operator, sources and transmitters are not counted
    assert hub.get("/v1/status")["ready"]


@pytest.mark.parametrize("method, path", [("GET", "/v1/status"), ("POST", "/v1/events"), ("GET", "/metrics")])
def test_wrong_tokens_of_an_address_are_limited_everywhere(new_hub, method, path):
    hub = new_hub("--rate-limit-address", "5", "--forwarded-for")

    def send(address, token):
        return hub.request(method, path, json={}, headers={"Authorization": f"Bearer {token}",
                                                           "X-Forwarded-For": address})
    for _ in range(30):     # requests with the right token are not counted
        assert send("192.0.2.1", hub.admin_token).status_code in (200, 400)
    n, answer = until_429(lambda: send("192.0.2.1", uuid.uuid4().hex), 500)
    assert n >= 9 and answer.json()["err"] == "too_many_requests"
    # the right token is refused too, or the answer would tell which guess was right
    assert send("192.0.2.1", hub.admin_token).status_code == 429
    assert send("192.0.2.2", hub.admin_token).status_code in (200, 400)
    # a request without a token is no guess
    for _ in range(30):
        assert hub.request(method, path, json={}, headers={"X-Forwarded-For": "192.0.2.3"}).status_code == 401
    wait_until(lambda: send("192.0.2.1", hub.admin_token).status_code in (200, 400), what="the limit is per second")


def test_two_x_forwarded_for_headers_are_ignored(new_hub):
    """A proxy that adds a second header instead of appending to the first lets its client claim any
    address."""
    hub = new_hub("--rate-limit-address", "5", "--rate-limit-client", "0", "--forwarded-for")

    context = ssl.create_default_context(cafile=str(hub.data / "ca.pem"))
    connection = http.client.HTTPSConnection("localhost", hub.port, timeout=60, context=context)

    def guess():
        connection.putrequest("GET", "/ssf/streams")
        connection.putheader("Authorization", "Bearer guess")
        connection.putheader("X-Forwarded-For", uuid.uuid4().hex)
        connection.putheader("X-Forwarded-For", "192.0.2.1")
        connection.endheaders()
        answer = connection.getresponse()
        return types.SimpleNamespace(status_code=answer.status, headers=answer.headers, text=answer.read())
    until_429(guess, 100)
    assert hub.request("GET", "/ssf/streams", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
    connection.close()


def test_x_forwarded_for_is_ignored_by_default(new_hub):
    hub = new_hub("--rate-limit-address", "5")
    n, _ = until_429(lambda: hub.request("GET", "/ssf/streams", headers={
        "Authorization": "Bearer guess", "X-Forwarded-For": uuid.uuid4().hex}), 500)
    assert n >= 9
