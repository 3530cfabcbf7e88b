# SPDX-License-Identifier: Apache-2.0
"""Every row of every error table of SSF 1.0 section 8.1: the status, the body, and that nothing has
changed. Tests are named by section and status."""
import contextlib
import itertools
import json
import secrets
import time
import uuid

import pytest
from jwcrypto import jwk, jws

import harness
from harness import POLL, PUSH, REVOKED

must = pytest.mark.must   # ids of conformance/musts.tsv

HUB_ARGS = ("--max-streams", "3", "--min-verification-interval", "1h", "--max-body", "512k")
SUBJECT = {"format": "email", "email": "eve@acme.example"}

# What a request may change; of stream_state without what delivery moves.
TABLES = {
    "resource": "*", "resource_history": "*", "stream_subject": "*", "event": "*",
    "stream_state": "stream_id",
}


def dump(hub):
    return {table: sorted(row[0] for row in hub.sql(
        f"select row_to_json(r)::text from (select {columns} from {table}) r"))
        for table, columns in TABLES.items()}


@contextlib.contextmanager
def nothing_changes(hub):
    before = dump(hub)
    yield
    assert dump(hub) == before


class Client:
    """A receiver. kwargs: more of the client resource."""

    def __init__(self, hub, **kwargs):
        self.hub = hub
        self.id = "c-" + uuid.uuid4().hex[:10]
        self.token = secrets.token_urlsafe(24)
        hub.apply({"kind": "client", "id": self.id, "audience": f"https://{self.id}.example",
                   "token": self.token, **kwargs})

    def call(self, method, path, body=None, token=None, data=None, headers=None):
        headers = {"Authorization": f"Bearer {token or self.token}"} | (headers or {})
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        return self.hub.request(method, path, json=body, data=data, headers=headers)

    def create(self, **body):
        answer = self.call("POST", "/ssf/streams", body)
        assert answer.status_code == 201, answer.text
        return answer.json()["stream_id"]


@pytest.fixture(scope="module")
def client(module_hub):
    return Client(module_hub)


@pytest.fixture(scope="module")
def stream(client):
    return client.create(description="as it was")


@pytest.fixture(scope="module")
def theirs(module_hub):
    return Client(module_hub).create()


def is_error(answer, status):
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    body = answer.json()
    assert set(body) == {"err", "description"}, body
    assert all(isinstance(v, str) and v for v in body.values()), body
    if status == 401:
        assert answer.headers["WWW-Authenticate"].split()[0] == "Bearer"


# --- endpoints: section -> method, path, valid body without stream_id, or None for a query ----

ENDPOINTS = {
    "8.1.1.1": ("POST", "/ssf/streams", {}),
    "8.1.1.2": ("GET", "/ssf/streams", None),
    "8.1.1.3": ("PATCH", "/ssf/streams", {"description": "changed"}),
    "8.1.1.4": ("PUT", "/ssf/streams", {"description": "changed"}),
    "8.1.1.5": ("DELETE", "/ssf/streams", None),
    "8.1.2.1": ("GET", "/ssf/status", None),
    "8.1.2.2": ("POST", "/ssf/status", {"status": "paused"}),
    "8.1.3.2": ("POST", "/ssf/subjects:add", {"subject": SUBJECT}),
    "8.1.3.3": ("POST", "/ssf/subjects:remove", {"subject": SUBJECT}),
    "8.1.4.2": ("POST", "/ssf/verify", {"state": "x"}),
}


def call(client, section, stream, token=None, **kwargs):
    """The valid request of a section, for a stream."""
    method, path, body = ENDPOINTS[section]
    if body is None:
        return client.call(method, f"{path}?stream_id={stream}", token=token, **kwargs)
    body = body if section == "8.1.1.1" else {"stream_id": stream} | body
    return client.call(method, path, body, token=token, **kwargs)


# --- 400 --------------------------------------------------------------------------------------

NOT_JSON = {
    "empty": b"", "cut": b'{"stream_id":', "no json": b"stream_id=x", "utf-8": b'{"a":"\xff"}',
    "array": b"[]", "null": b"null", "string": b'"x"', "number": b"1", "twice": b"{}{}",
    "same member twice": b'{"description":"a","description":"b"}',
    "NUL": b'{"description":"a\x00b"}', "deep": b'{"a":' * 50 + b"1" + b"}" * 50,
}
HUGE_SUBJECT = {"format": "complex",
                **{f"member{i}": {"format": "opaque", "id": "x"} for i in range(3000)}}
MANY_MEMBERS = dict(itertools.islice(HUGE_SUBJECT.items(), 200))
LONG = "x" * 20_000
WRONG_TYPES = [True, 1, [], None, {"a": 1}]

CONFIGURATIONS = [
    *({"events_requested": v} for v in ("all", 1, {}, [1], [None], [[REVOKED]])),
    *({"delivery": v} for v in ("push", 1, [], {}, {"method": 1}, {"method": "pigeon"},
                                {"method": PUSH}, {"method": PUSH, "endpoint_url": 1},
                                {"method": PUSH, "endpoint_url": "not a url"},
                                {"method": PUSH, "endpoint_url": "https://x.example/" + LONG},
                                {"method": POLL, "endpoint_url": "https://elsewhere.example"},
                                {"method": PUSH, "endpoint_url": "https://x.example/",
                                 "authorization_header": "a\r\nb: c"},
                                {"method": PUSH, "endpoint_url": "https://x.example/",
                                 "authorization_header": LONG},
                                {"method": PUSH, "endpoint_url": "https://x.example/",
                                 "authorization_header": 1})),
    *({"description": v} for v in (1, [], {}, True)),
    {"aud": "https://other.example"}, {"iss": "https://other.example"},
    {"events_supported": []}, {"events_delivered": ["urn:example:x"]},
    {"min_verification_interval": -1},
]


def names(value):
    return ascii(value)[:50]


def refused(hub, client, section, status=400, body=None, data=None):
    method, path, _ = ENDPOINTS[section]
    with nothing_changes(hub):
        is_error(client.call(method, path, body, data=data), status)


@pytest.fixture
def none_left(hub):
    """A client that makes streams in a test, and has none after it."""
    made = Client(hub)
    yield made
    for one in made.call("GET", "/ssf/streams").json():
        made.call("DELETE", f"/ssf/streams?stream_id={one['stream_id']}")


@must("SSF-8.1.1.1-E400")
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_8_1_1_1_create_400_not_an_object(hub, none_left, data):
    refused(hub, none_left, "8.1.1.1", data=data)


@must("SSF-8.1.1.1-E400")
@pytest.mark.parametrize("body", [*CONFIGURATIONS, {"stream_id": "mine"}], ids=names)
def test_8_1_1_1_create_400_wrong_values(hub, none_left, body):
    refused(hub, none_left, "8.1.1.1", body=body)


@must("SSF-8.1.1.3-E400")
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_8_1_1_3_update_400_not_an_object(hub, client, stream, data):
    refused(hub, client, "8.1.1.3", data=data)


@must("SSF-8.1.1.3-E400")
@pytest.mark.parametrize("body", CONFIGURATIONS, ids=names)
def test_8_1_1_3_update_400_wrong_values(hub, client, stream, body):
    refused(hub, client, "8.1.1.3", body={"stream_id": stream, **body})


@must("SSF-8.1.1.4-E400")
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_8_1_1_4_replace_400_not_an_object(hub, client, stream, data):
    refused(hub, client, "8.1.1.4", data=data)


@must("SSF-8.1.1.4-E400")
@pytest.mark.parametrize("body", CONFIGURATIONS, ids=names)
def test_8_1_1_4_replace_400_wrong_values(hub, client, stream, body):
    refused(hub, client, "8.1.1.4", body={"stream_id": stream, **body})


# Of the endpoints whose bodies are small: what a wrong one looks like, besides no object at all.
WRONG = {
    "8.1.1.3": [{}, *({"stream_id": v} for v in WRONG_TYPES)],
    "8.1.1.4": [{}, *({"stream_id": v} for v in WRONG_TYPES)],
    "8.1.2.2": [{}, {"stream_id": "S"}, {"status": "paused"},
                *({"stream_id": v, "status": "paused"} for v in WRONG_TYPES),
                *({"stream_id": "S", "status": v} for v in [*WRONG_TYPES, "", "PAUSED", "gone"]),
                *({"stream_id": "S", "status": "paused", "reason": v}
                  for v in (1, [], {}, LONG))],
    "8.1.3.2": [{}, {"stream_id": "S"}, {"subject": SUBJECT},
                *({"stream_id": v, "subject": SUBJECT} for v in WRONG_TYPES),
                *({"stream_id": "S", "subject": v} for v in [
                    *WRONG_TYPES, "eve", {}, {"format": 1}, {"format": "email"},
                    {"format": "email", "email": 1}, {"format": "complex"},
                    {"format": "complex", "user": "eve"}, {"format": "email", "email": LONG},
                    MANY_MEMBERS]),
                {"stream_id": "S", "subject": SUBJECT, "verified": "yes"}],
    "8.1.4.2": [{}, {"state": "x"}, *({"stream_id": v} for v in WRONG_TYPES),
                *({"stream_id": "S", "state": v} for v in [1, [], {}, True, LONG])],
}
WRONG["8.1.3.3"] = [b for b in WRONG["8.1.3.2"] if "verified" not in b]


def one_by_one(section):
    return pytest.mark.parametrize("body", WRONG[section], ids=names)


def with_stream(body, stream):
    return {**body, "stream_id": stream} if body.get("stream_id") == "S" else body


@must("SSF-8.1.1.3-E400")
@one_by_one("8.1.1.3")
def test_8_1_1_3_update_400_no_stream_id(hub, client, stream, body):
    refused(hub, client, "8.1.1.3", body={"description": "changed", **body})


@must("SSF-8.1.1.4-E400")
@one_by_one("8.1.1.4")
def test_8_1_1_4_replace_400_no_stream_id(hub, client, stream, body):
    refused(hub, client, "8.1.1.4", body={"description": "changed", **body})


@must("SSF-8.1.2.2-E400")
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_8_1_2_2_status_400_not_an_object(hub, client, stream, data):
    refused(hub, client, "8.1.2.2", data=data)


@must("SSF-8.1.2.2-E400")
@one_by_one("8.1.2.2")
def test_8_1_2_2_status_400_wrong_values(hub, client, stream, body):
    refused(hub, client, "8.1.2.2", body=with_stream(body, stream))


@must("SSF-8.1.3.2-E400")
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_8_1_3_2_add_400_not_an_object(hub, client, stream, data):
    refused(hub, client, "8.1.3.2", data=data)


@must("SSF-8.1.3.2-E400")
@one_by_one("8.1.3.2")
def test_8_1_3_2_add_400_wrong_values(hub, client, stream, body):
    refused(hub, client, "8.1.3.2", body=with_stream(body, stream))


@must("SSF-8.1.3.3-E400")
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_8_1_3_3_remove_400_not_an_object(hub, client, stream, data):
    refused(hub, client, "8.1.3.3", data=data)


@must("SSF-8.1.3.3-E400")
@one_by_one("8.1.3.3")
def test_8_1_3_3_remove_400_wrong_values(hub, client, stream, body):
    refused(hub, client, "8.1.3.3", body=with_stream(body, stream))


@must("SSF-8.1.4.2-E400")
@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_8_1_4_2_verify_400_not_an_object(hub, client, stream, data):
    refused(hub, client, "8.1.4.2", data=data)


@must("SSF-8.1.4.2-E400")
@one_by_one("8.1.4.2")
def test_8_1_4_2_verify_400_wrong_values(hub, client, stream, body):
    refused(hub, client, "8.1.4.2", body=with_stream(body, stream))


@pytest.mark.parametrize("section", ["8.1.1.5", "8.1.2.1"])
@pytest.mark.parametrize("query", ["", "?stream_id=", "?stream_id=a&stream_id=b", "?stream_id=%00",
                                   "?stream_id=%ff", "?stream=x"])
def test_8_1_1_5_and_8_1_2_1_without_a_proper_stream_id(hub, client, stream, section, query):
    """Their tables have no 400; it is that, or 404."""
    method, path, _ = ENDPOINTS[section]
    with nothing_changes(hub):
        answer = client.call(method, path + query)
        is_error(answer, 404 if answer.status_code == 404 else 400)


WITH_BODIES = [s for s, (_, _, body) in ENDPOINTS.items() if body is not None]


@pytest.mark.parametrize("more", [
    {"events_requested": ["x"] * 100_000}, {"subject": HUGE_SUBJECT}, {"stream_id": "x" * 100_000},
    {f"m{i}": 1 for i in range(10_000)}], ids=["array", "subject", "stream_id", "members"])
@pytest.mark.parametrize("section", WITH_BODIES)
def test_8_1_413_huge_values(hub, client, stream, section, more):
    """They are refused by their size, before they are parsed."""
    method, path, body = ENDPOINTS[section]
    with nothing_changes(hub):
        is_error(client.call(method, path, {"stream_id": stream} | body | more), 413)


@pytest.mark.parametrize("section", WITH_BODIES)
def test_8_1_413_bodies_above_the_limit(hub, client, stream, section):
    method, path, body = ENDPOINTS[section]
    with nothing_changes(hub):
        is_error(client.call(method, path, {"stream_id": stream, **body, "x": "x" * 600_000}), 413)


# --- 401 --------------------------------------------------------------------------------------

@must("SSF-8.1.1.1-E401", "SSF-8.1.1.2-E401", "SSF-8.1.1.3-E401", "SSF-8.1.1.4-E401",
      "SSF-8.1.1.5-E401", "SSF-8.1.2.1-E401", "SSF-8.1.2.2-E401", "SSF-8.1.3.2-E401",
      "SSF-8.1.3.3-E401", "SSF-8.1.4.2-E401")
@pytest.mark.parametrize("section", ENDPOINTS)
@pytest.mark.parametrize("header", [
    None, "Bearer", "Bearer nobody", "Basic eDp5", 'Bearer a"b', "Bearer a b", "Bearer \u00ff",
    "Bearer " + "x" * 5000], ids=["none", "empty", "unknown", "basic", "quote", "two", "latin1",
                                  "long"])
def test_8_1_401_no_authorization(hub, client, stream, section, header):
    method, path, body = ENDPOINTS[section]
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    query = f"?stream_id={stream}" if body is None else ""
    with nothing_changes(hub):
        is_error(hub.request(method, path + query, headers=headers,
                             json=None if body is None else {"stream_id": stream} | body), 401)
        # also before the body is looked at
        is_error(hub.request(method, path + query, headers=headers, data=b"{"), 401)


# --- 403 (OAuth) ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def oauth(module_hub):
    """A receiver with a secret, and a stream of it."""
    secret = secrets.token_urlsafe(24)
    made = Client(module_hub, secret=secret)
    made.secret = secret
    made.stream = made.create(description="as it was")
    return made


def scoped(client, scope):
    answer = client.hub.request("POST", "/oauth2/token", auth=(client.id, client.secret),
                                data={"grant_type": "client_credentials", "scope": scope})
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def insufficient(answer):
    is_error(answer, 403)
    assert answer.json()["err"] == "insufficient_scope"
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer") and 'error="insufficient_scope"' in challenge


@must("SSF-8.1.1.1-E403", "SSF-8.1.1.3-E403", "SSF-8.1.1.4-E403", "SSF-8.1.1.5-E403",
      "SSF-8.1.2.2-E403", "SSF-8.1.3.2-E403", "SSF-8.1.3.3-E403")
@pytest.mark.parametrize("section", [s for s in ENDPOINTS if s not in ("8.1.1.2", "8.1.2.1")])
def test_8_1_403_ssf_read_changes_nothing(hub, oauth, section):
    token = scoped(oauth, "ssf.read")
    with nothing_changes(hub):
        insufficient(call(oauth, section, oauth.stream, token=token))
        # the scope comes before the body and the stream
        insufficient(call(oauth, section, "no-such-stream", token=token))


@must("SSF-8.1.1.2-E403", "SSF-8.1.2.1-E403")
@pytest.mark.parametrize("section", ["8.1.1.2", "8.1.2.1"])
def test_8_1_403_without_ssf_read_nothing_is_read(hub, oauth, section):
    token = scoped(oauth, "ssf.manage.verify")
    with nothing_changes(hub):
        insufficient(call(oauth, section, oauth.stream, token=token))


REFINED = {"8.1.1.1": "create", "8.1.1.3": "update", "8.1.1.4": "update", "8.1.1.5": "delete",
           "8.1.2.2": "status", "8.1.3.2": "subjects", "8.1.3.3": "subjects", "8.1.4.2": "verify"}


@pytest.mark.parametrize("section", REFINED)
def test_8_1_403_a_refined_scope_is_for_its_own_operation(hub, oauth, section):
    for name in sorted(set(REFINED.values())):
        answer = call(oauth, section, "no-such-stream", token=scoped(oauth, "ssf.manage." + name))
        if name == REFINED[section]:
            assert answer.status_code != 403, answer.text
            if section == "8.1.1.1":
                oauth.call("DELETE", "/ssf/streams?stream_id=" + answer.json()["stream_id"])
        else:
            insufficient(answer)


# --- 404 --------------------------------------------------------------------------------------

@must("SSF-8.1.1.2-E404", "SSF-8.1.1.3-E404", "SSF-8.1.1.4-E404", "SSF-8.1.1.5-E404",
      "SSF-8.1.2.1-E404", "SSF-8.1.2.2-E404", "SSF-8.1.3.2-E404", "SSF-8.1.3.3-E404",
      "SSF-8.1.4.2-E404")
@pytest.mark.parametrize("section", [s for s in ENDPOINTS if s != "8.1.1.1"])
def test_8_1_404_no_such_stream(hub, client, stream, theirs, section):
    with nothing_changes(hub):
        is_error(call(client, section, "no-such-stream"), 404)
        is_error(call(client, section, stream + "x"), 404)
        is_error(call(client, section, stream[:-1]), 404)
        is_error(call(client, section, "x" * 2000), 404)
        unknown = call(client, section, "no-such-stream")
        another = call(client, section, theirs)
        is_error(another, 404)
        assert another.text == unknown.text, "that it exists cannot be told"


# --- 409, 429 ---------------------------------------------------------------------------------

@must("SSF-8.1.1.1-E409")
def test_8_1_1_1_create_409_above_the_limit(hub, none_left):
    made = [none_left.create() for _ in range(3)]
    with nothing_changes(hub):
        is_error(none_left.call("POST", "/ssf/streams", {}), 409)
    assert none_left.call("DELETE", f"/ssf/streams?stream_id={made[0]}").status_code == 204
    none_left.create()


@must("SSF-8.1.4.2-E429")
def test_8_1_4_2_verify_429_too_soon(hub, none_left):
    one, two = none_left.create(), none_left.create()
    assert call(none_left, "8.1.4.2", one).status_code == 204
    with nothing_changes(hub):
        answer = call(none_left, "8.1.4.2", one)
        is_error(answer, 429)
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert call(none_left, "8.1.4.2", two).status_code == 204


@pytest.fixture(scope="module")
def limited(tls, hub_template):
    """A hub that lets a client make few requests a second."""
    hub = hub_template.new_hub(tls, "--rate-limit-client", "5")
    yield hub
    hub.close()


@must("SSF-8.1.3.2-E429", "SSF-8.1.3.3-E429")
@pytest.mark.parametrize("section", ["8.1.3.2", "8.1.3.3"])
def test_8_1_3_429_too_many_requests(limited, section):
    client = Client(limited)
    stream = client.create()

    def is_limited():
        for _ in range(20):   # what is left
            call(client, section, stream)
        nonlocal before, answer
        before, answer = dump(limited), call(client, section, stream)
        return answer.status_code == 429
    before = answer = None
    harness.wait_until(is_limited)
    is_error(answer, 429)
    assert int(answer.headers["Retry-After"]) > 0
    assert dump(limited) == before
    # another client is not concerned
    assert Client(limited).call("GET", "/ssf/streams").status_code == 200


# --- tokens (OAuth) ---------------------------------------------------------------------------

@pytest.fixture(scope="module")
def outside(module_hub):
    """An authorization server elsewhere, whose tokens the hub accepts: a function that makes
    them."""
    key = jwk.JWK.generate(kty="EC", crv="P-256", kid="as-1")
    issuer = "https://as.example"
    module_hub.apply({"kind": "issuer", "id": "outside", "issuer": issuer,
                      "jwks": {"keys": [json.loads(key.export_public())]}})
    client = Client(module_hub, issuer="outside", subject="their-client")

    def make(signer=key, **changes):
        now = int(time.time())
        claims = {"iss": issuer, "sub": "their-client", "client_id": "their-client",
                  "aud": module_hub.issuer, "iat": now, "exp": now + 300,
                  "jti": uuid.uuid4().hex, "scope": "ssf.manage", **changes}
        token = jws.JWS(json.dumps(claims))
        token.add_signature(signer, None, json.dumps({"typ": "at+jwt", "alg": "ES256",
                                                      "kid": "as-1"}))
        return token.serialize(compact=True)
    client.stream = client.create()
    return client, make


STRANGER = jwk.JWK.generate(kty="EC", crv="P-256", kid="as-1")


@must("CAEPIOP-2.7.3-3")
@pytest.mark.parametrize("changes", [
    {"exp": 1600000000, "iat": 1599999700}, {"aud": "https://other.example"},
    {"iss": "https://nobody.example"}, {"sub": "nobody", "client_id": "nobody"},
    {"nbf": 4102444800}, {"signer": STRANGER}],
    ids=["expired", "audience", "issuer", "subject", "not yet", "signature"])
@pytest.mark.parametrize("section", ENDPOINTS)
def test_8_1_401_tokens_that_do_not_hold(hub, outside, section, changes):
    client, make = outside
    good = make()
    assert client.call("GET", "/ssf/streams", token=good).status_code == 200
    with nothing_changes(hub):
        answer = call(client, section, client.stream, token=make(**changes))
        is_error(answer, 401)
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@must("CAEPIOP-2.7.3-3")
def test_8_1_401_after_the_client_is_deleted(hub):
    """Revocation: what was issued to a client that is gone is worth nothing."""
    client = Client(hub, secret="s" * 24)
    client.secret = "s" * 24
    token = scoped(client, "ssf.manage")
    assert client.call("GET", "/ssf/streams", token=token).status_code == 200
    hub.cli("delete", "client", client.id)
    harness.wait_until(lambda: client.call("GET", "/ssf/streams",
                                           token=token).status_code == 401, 5)


@must("RFC8936-4.4-1")
def test_replayed_client_assertion(hub):
    """RFC 7523 section 3 and RFC 7521 section 8: an assertion is good for one token, for this
    audience, from this key, and not for ever."""
    key = jwk.JWK.generate(kty="EC", crv="P-256", kid="rx-1")
    client = Client(hub, jwks={"keys": [json.loads(key.export_public())]})
    endpoint = hub.request("GET", "/.well-known/oauth-authorization-server").json()[
        "token_endpoint"]

    def ask(signer=key, **changes):
        now = int(time.time())
        claims = {"iss": client.id, "sub": client.id, "aud": endpoint, "iat": now,
                  "exp": now + 60, "jti": uuid.uuid4().hex, **changes}
        token = jws.JWS(json.dumps({k: v for k, v in claims.items() if v is not None}))
        token.add_signature(signer, None, json.dumps({"alg": "ES256", "kid": "rx-1"}))
        return hub.request("POST", "/oauth2/token", data={
            "grant_type": "client_credentials", "client_assertion": token.serialize(compact=True),
            "client_assertion_type":
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"})

    jti = uuid.uuid4().hex
    assert ask(jti=jti).status_code == 200
    with nothing_changes(hub):
        for answer in (ask(jti=jti), ask(aud="https://other.example"), ask(exp=1600000000),
                       ask(exp=None), ask(iss="other"), ask(sub="other"),
                       ask(signer=jwk.JWK.generate(kty="EC", crv="P-256", kid="rx-1"))):
            assert answer.status_code in (400, 401), answer.text
            assert answer.json()["error"] == "invalid_client"
    assert ask().status_code == 200
