# SPDX-License-Identifier: Apache-2.0
"""GET /openapi.json: the document is valid, the hub serves it, every operation in it succeeds as
described, and openapi.check(), which all other tests run on each answer, notices deviations."""
import collections
import json
import re
import uuid

import jsonschema
import pytest

import harness
from harness import Answer, PUSH, alert_body, openapi, sign_set, wait_until

HUB_ARGS = ("--min-verification-interval", "1h")
DOC = openapi.DOCUMENT.document


# --- the document -----------------------------------------------------------------------------

# The members that OpenAPI 3.1 allows where, as far as the document uses them: required, optional.
MEMBERS = {
    "document": ("openapi info paths", "servers tags security components"),
    "info": ("title version", "summary description license"),
    "path": ("", "parameters " + " ".join(openapi.METHODS)),
    "operation": ("operationId tags summary responses",
                  "description security parameters requestBody"),
    "parameter": ("name in description schema", "required example"),
    "body": ("content required", "description"),
    "response": ("description", "headers content x-may-be-empty"),
    "header": ("description schema", "required"),
    "media": ("schema", "example"),
}


def followed(node):
    return openapi.lookup(DOC, node["$ref"]) if "$ref" in node else node


def parts():
    """(kind, where, part) of everything that is not a schema."""
    yield "document", "#", DOC
    yield "info", "info", DOC["info"]
    for path, item in DOC["paths"].items():
        yield "path", path, item
        yield from (("parameter", path, followed(p)) for p in item.get("parameters", []))
        for method in set(item) & set(openapi.METHODS):
            yield from parts_of(f"{method} {path}", item[method])


def parts_of(where, operation):
    yield "operation", where, operation
    yield from (("parameter", where, followed(p)) for p in operation.get("parameters", []))
    bodies = []
    if "requestBody" in operation:
        bodies.append(followed(operation["requestBody"]))
        yield "body", where, bodies[0]
    for status, response in operation["responses"].items():
        bodies.append(followed(response))
        yield "response", f"{where} {status}", bodies[-1]
        yield from (("header", name, followed(h)) for name, h in bodies[-1].get("headers", {}).items())
    for body in bodies:
        yield from (("media", where, m) for m in body.get("content", {}).values())


def nodes(node=None, where="#"):
    """(where, object) of every object in the document, without examples."""
    node = DOC if node is None else node
    if isinstance(node, dict):
        yield where, node
        for name, value in node.items():
            if name != "example":
                yield from nodes(value, f"{where}/{name}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from nodes(value, f"{where}/{i}")


def test_the_document_is_openapi_3_1():
    assert re.fullmatch(r"3\.1\.\d", DOC["openapi"])
    wrong = []
    for what, where, part in parts():
        required, optional = (set(names.split()) for names in MEMBERS[what])
        wrong += [f"{where}: {what} without {name}" for name in required - set(part)]
        wrong += [f"{where}: {what} with {name}" for name in set(part) - required - optional]
    assert not wrong, wrong


def test_every_reference_leads_somewhere_and_every_component_is_used():
    refs = {node["$ref"] for _, node in nodes() if "$ref" in node}
    for ref in refs:
        openapi.lookup(DOC, ref)
    schemes = {name for _, node in nodes() for s in node.get("security", []) for name in s}
    used = refs | {f"#/components/securitySchemes/{name}" for name in schemes}
    there = {f"#/components/{kind}/{name}" for kind, all_of_it in DOC["components"].items()
             for name in all_of_it}
    assert there == used


def test_operations_have_unique_ids_and_described_tags():
    operations = [part for what, _, part in parts() if what == "operation"]
    names = collections.Counter(op["operationId"] for op in operations)
    assert not [name for name, count in names.items() if count > 1]
    assert {tag for op in operations for tag in op["tags"]} == {t["name"] for t in DOC["tags"]}


def test_the_variables_of_a_path_are_its_parameters():
    for path, item in DOC["paths"].items():
        for method in set(item) & set(openapi.METHODS):
            declared = [followed(p) for p in
                        item.get("parameters", []) + item[method].get("parameters", [])]
            in_path = [p for p in declared if p["in"] == "path"]
            assert sorted(p["name"] for p in in_path) == sorted(re.findall(r"\{(\w+)\}", path)), path
            assert all(p["required"] is True for p in in_path), path
            assert len({(p["in"], p["name"]) for p in declared}) == len(declared), path


def schemas():
    """(where, schema) of every schema, with what its references refer to in their place."""
    document = openapi.resolved(DOC)
    yield from document["components"]["schemas"].items()
    for where, node in nodes(document):
        if "/schemas/" not in where and "schema" in node:
            yield where, node["schema"]


def test_schemas_are_json_schema():
    for where, schema in schemas():
        jsonschema.Draft202012Validator.check_schema(schema)
    for where, node in nodes():
        closed = node.get("additionalProperties") is False
        assert not closed or set(node.get("required", [])) <= set(node["properties"]), where


def test_examples_match_their_schemas():
    count = 0
    for where, node in nodes():
        if "example" in node:
            schema = openapi.resolved({**DOC, "x": node["schema"]})["x"]
            openapi.Schema(schema).check(node["example"], f"{where}: example")
            count += 1
    assert count


# --- the hub serves it ------------------------------------------------------------------------

def test_the_hub_serves_the_document_with_itself_as_server(hub):
    answer = hub.session.get(hub.url + "/openapi.json", timeout=60)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    served = answer.json()
    assert served["servers"] == [{"url": hub.issuer}]
    assert served == {**DOC, "servers": served["servers"]}
    assert list(served["paths"]) == list(DOC["paths"]), "the order of members is kept"
    assert hub.session.get(hub.url + "/openapi.json", timeout=60).content == answer.content


# --- every operation succeeds -----------------------------------------------------------------

EXERCISES = {}


def exercise(operation):
    def add(f):
        EXERCISES[operation] = f
        return f
    return add


class World:
    """The state that the exercises work on."""

    def __init__(self, hub, new_hub, github, endpoint, registry, secret):
        self.hub = hub
        self.new_hub = new_hub
        self.github = github
        self.endpoint = endpoint
        self.secret = secret
        hub.apply(*registry)

    def receiver(self):
        """Makes a client, and returns a function that sends requests as this client."""
        n = uuid.uuid4().hex
        self.hub.apply({"kind": "client", "id": n, "audience": f"https://{n}.example", "token": n})

        def call(method, path, body=None):
            return self.hub.request(method, path, json=body,
                                    headers={"Authorization": "Bearer " + n})
        return call

    def stream(self):
        """Makes a receiver with a poll stream."""
        call = self.receiver()
        return call, call("POST", "/ssf/streams", {}).json()["stream_id"]

    def leak(self):
        """Leaks a registered secret, waits for its consequences, and returns the id of the credential.
        """
        n = uuid.uuid4().hex
        self.hub.apply({"kind": "credential", "id": n, "agent": "agent:builder", "type": "api-token",
                        "secret": "secret-" + n})
        assert self.hub.partner("ghp", self.github, ["secret-" + n]).status_code == 202
        wait_until(lambda: any(r["target"] == n for r in self.hub.get("/v1/revocations")))
        return n


for _operation, _path in {"getHealth": "/healthz", "getReadiness": "/readyz", "getKeys": "/jwks.json",
                          "getOpenapi": "/openapi.json",
                          "getConfiguration": "/.well-known/ssf-configuration",
                          "getAuthorizationServer": "/.well-known/oauth-authorization-server",
                          "getProtectedResource": "/.well-known/oauth-protected-resource",
                          "getRiscConfiguration": "/.well-known/risc-configuration"}.items():
    EXERCISES[_operation] = lambda w, path=_path: w.hub.request("GET", path)


@exercise("getMetrics")
def _(w):
    w.hub.admin("GET", "/metrics")


@exercise("getToken")
def _(w):
    w.hub.apply({"kind": "client", "id": "o", "audience": "https://o.example", "secret": "o" * 24})
    form = {"grant_type": "client_credentials", "scope": "ssf.read"}
    token = w.hub.request("POST", "/oauth2/token", data=form, auth=("o", "o" * 24)).json()
    bearer = {"Authorization": "Bearer " + token["access_token"]}
    assert w.hub.request("GET", "/ssf/streams", headers=bearer).status_code == 200
    assert w.hub.request("POST", "/ssf/streams", headers=bearer, json={}).status_code == 403
    assert w.hub.request("POST", "/oauth2/token", data=form, auth=("o", "p")).status_code == 401


@exercise("receiveFromSource")
def _(w):
    w.hub.partner("ghp-labels", w.github, ["unknown-" + uuid.uuid4().hex])
    w.hub.webhook("gh-plain", w.secret.webhook, alert_body())
    w.hub.partner("ghp", w.github, [])


@exercise("receiveSet")
def _(w):
    w.hub.send(sign_set(w.hub.idp, w.hub.claims()))


@exercise("poll")
def _(w):
    stream = w.hub.poll_stream()
    w.hub.emit()
    assert stream.wait(1)


@exercise("createStream")
def _(w):
    call = w.receiver()
    call("POST", "/ssf/streams", {"description": "d", "events_requested": [harness.REVOKED],
                                  "delivery": {"method": PUSH, "endpoint_url": w.endpoint.url}})


@exercise("readStreams")
def _(w):
    call, stream = w.stream()
    assert len(call("GET", "/ssf/streams").json()) == 1
    assert call("GET", f"/ssf/streams?stream_id={stream}").json()["stream_id"] == stream


@exercise("updateStream")
def _(w):
    call, stream = w.stream()
    call("PATCH", "/ssf/streams", {"stream_id": stream, "description": "other"})


@exercise("replaceStream")
def _(w):
    call, stream = w.stream()
    call("PUT", "/ssf/streams", call("GET", f"/ssf/streams?stream_id={stream}").json())


@exercise("deleteStream")
def _(w):
    call, stream = w.stream()
    call("DELETE", f"/ssf/streams?stream_id={stream}")


@exercise("getStreamStatus")
def _(w):
    call, stream = w.stream()
    call("GET", f"/ssf/status?stream_id={stream}")


@exercise("setStreamStatus")
def _(w):
    call, stream = w.stream()
    call("POST", "/ssf/status", {"stream_id": stream, "status": "paused", "reason": "lunch"})


@exercise("verifyStream")
def _(w):
    call, stream = w.stream()
    call("POST", "/ssf/verify", {"stream_id": stream, "state": "s"})
    assert call("POST", "/ssf/verify", {"stream_id": stream}).status_code == 429


SUBJECT = {"format": "complex", "user": {"format": "email", "email": "ada@acme.example"},
           "device": {"format": "aliases", "identifiers": [{"format": "opaque", "id": "d"}]}}


@exercise("addSubject")
def _(w):
    call, stream = w.stream()
    call("POST", "/ssf/subjects:add", {"stream_id": stream, "subject": SUBJECT, "verified": True})


@exercise("removeSubject")
def _(w):
    call, stream = w.stream()
    call("POST", "/ssf/subjects:remove", {"stream_id": stream, "subject": SUBJECT})


@exercise("applyResources")
def _(w):
    w.hub.apply({"kind": "person", "id": "grace"})
    w.hub.apply(json.dumps({"kind": "person", "id": "grace", "name": "Grace"}))
    w.hub.apply(json.dumps({"resources": [{"kind": "person", "id": "grace"}]}))
    w.hub.apply(harness.rules(), query="?id=leaked-secret")


@exercise("emitEvent")
def _(w):
    w.hub.admin("POST", "/v1/events", json={"type": "caep:session-revoked", "subject": SUBJECT,
                                            "claims": {}, "txn": "t-1", "reason": "r"})


@exercise("listEvents")
def _(w):
    w.leak()
    assert len(w.hub.get("/v1/events?after=0&limit=1000")) > 3


@exercise("getStatus")
def _(w):
    w.hub.push_stream(w.endpoint)
    assert w.hub.get("/v1/status")["streams"]


@exercise("testStream")
def _(w):
    stream = w.hub.push_stream(w.endpoint)
    assert w.hub.admin("POST", f"/v1/streams/{stream}/test").json()["delivered"]
    assert w.hub.admin("POST", f"/v1/streams/{stream}/test", json={"wait_ms": 5000}).status_code == 200
    assert "last_success_at" in w.hub.stream_status(stream)


def refused(w):
    """Makes a stream with a dead letter."""
    w.endpoint.script(Answer(400, {"err": "invalid_request"}))
    stream = w.hub.push_stream(w.endpoint)
    w.hub.emit()
    wait_until(lambda: w.hub.stream_status(stream)["dead_letters"] == 1)
    return stream


@exercise("redriveDeadLetters")
def _(w):
    stream = refused(w)
    assert w.hub.admin("POST", f"/v1/streams/{stream}/redrive", json={"all": True}).json()["redriven"] == 1
    assert w.hub.admin("POST", f"/v1/streams/{stream}/redrive", json={"seq": 1}).status_code == 404


@exercise("rewindStream")
def _(w):
    stream = refused(w)
    (letter,) = w.hub.get(f"/v1/deadletters?stream={stream}&after=0&limit=10")
    for to in ({"seq": letter["seq"]}, {"time": "2020-01-01T00:00:00Z"}):
        assert w.hub.admin("POST", f"/v1/streams/{stream}/rewind", json=to).status_code == 200


@exercise("getStreamHealth")
def _(w):
    call, stream = w.stream()
    assert call("GET", f"/ssf/health?stream_id={stream}").json()["healthy"]


@exercise("getHealthOfStream")
def _(w):
    stream = refused(w)
    assert "last_error" in w.hub.get(f"/v1/streams/{stream}/health")


@exercise("explain")
def _(w):
    w.hub.push_stream(w.endpoint)
    target = w.leak()
    txn = next(r["txn"] for r in w.hub.get("/v1/revocations") if r["target"] == target)
    assert all(w.hub.get("/v1/explain/" + txn)[part] for part in
               ("events", "rules", "revocations", "deliveries"))


@exercise("listUnattributed")
def _(w):
    w.hub.partner("ghp", w.github, ["unknown-" + uuid.uuid4().hex])
    assert w.hub.get("/v1/unattributed")


@exercise("listRevocations")
def _(w):
    w.leak()
    assert w.hub.get("/v1/revocations?after=revoke/a")


@exercise("liftRevocation")
def _(w):
    w.hub.admin("DELETE", "/v1/revocations/revoke/credential/" + w.leak())


@exercise("listDeadLetters")
def _(w):
    w.endpoint.decide = lambda push: Answer(400, {"err": "invalid_request", "description": "no"})
    stream = w.hub.push_stream(w.endpoint)
    w.hub.emit()
    wait_until(lambda: w.hub.get(f"/v1/deadletters?stream={stream}"))
    assert w.hub.get("/v1/deadletters?after=/0&limit=1")


@exercise("listKeys")
def _(w):
    assert w.hub.get("/v1/keys")


@exercise("rotateKeys")
def _(w):
    hub = w.new_hub()
    hub.admin("POST", "/v1/keys/rotate", json={"alg": "ES256"})
    hub.check()


@exercise("revokeKey")
def _(w):
    hub = w.new_hub()
    hub.admin("DELETE", "/v1/keys/" + hub.get("/v1/keys")[0]["kid"])
    hub.check()


@exercise("listResources")
def _(w):
    w.hub.push_stream(w.endpoint, authorization_header="Bearer of-the-push")
    w.hub.apply({"kind": "issuer", "id": "as", "issuer": "https://as.example",
                 "jwks_url": "https://as.example/jwks"})
    for kind in openapi.DOCUMENT.document["components"]["schemas"]["Kind"]["enum"]:
        assert w.hub.get("/v1/" + kind), kind


@exercise("getResource")
def _(w):
    w.hub.get("/v1/agent/agent:triage-bot")


@exercise("deleteResource")
def _(w):
    w.hub.apply({"kind": "person", "id": "gone"})
    w.hub.admin("DELETE", "/v1/person/gone")


@pytest.mark.parametrize("operation", openapi.DOCUMENT.operations, ids=lambda op: op.id)
def test_every_operation_succeeds(hub, new_hub, github, endpoint, registry, secret, operation):
    world = World(hub, new_hub, github, endpoint, registry, secret)
    openapi.DOCUMENT.seen.clear()
    EXERCISES[operation.id](world)
    seen = {status for name, status in openapi.DOCUMENT.seen if name == operation.id}
    assert operation.successes <= seen


def test_every_exercise_is_of_an_operation():
    assert set(EXERCISES) == {op.id for op in openapi.DOCUMENT.operations}


# --- openapi.check() notices ------------------------------------------------------------------

def unchecked(hub, method, path, **kwargs):
    session = hub.new_session()
    session.hooks["response"].clear()
    return session.request(method, hub.url + path, timeout=60, **kwargs)


@pytest.mark.parametrize("method, path, status, has_error", [
    ("GET", "/nowhere", 404, True),
    ("GET", "/streams//poll", 404, True),
    ("GET", "/v1/apply", 404, True),
    ("PUT", "/healthz", 405, True),
    ("HEAD", "/healthz", 405, False),
    ("OPTIONS", "/v1/status", 405, True),
    ("GET", "/%ff", 400, True),
    ("TRACE", "/healthz", 501, True),
])
def test_answers_outside_the_document(hub, method, path, status, has_error):
    answer = unchecked(hub, method, path, headers={"Authorization": "Bearer " + hub.admin_token})
    assert answer.status_code == status
    assert has_error == answer.content.startswith(b'{"err":')
    openapi.DOCUMENT.check(answer)


def changed(answer, **changes):
    for name, value in changes.items():
        setattr(answer, name, value)
    return answer


@pytest.mark.parametrize("path, change, complaint", [
    ("/healthz", {"_content": b'{"status":"ok","more":1}'}, "'more' was unexpected"),
    ("/healthz", {"_content": b'{"status":"fine"}'}, "'ok' was expected"),
    ("/healthz", {"_content": b"{"}, "not JSON"),
    ("/healthz", {"headers": {}}, "a body without a type"),
    ("/healthz", {"headers": {}, "_content": b""}, "empty"),
    ("/healthz", {"headers": {"Content-Type": "text/plain"}}, "of type text/plain"),
    ("/healthz", {"status_code": 201}, "not a status of GET /healthz"),
    ("/healthz", {"status_code": 404}, "not a status of GET /healthz"),
    ("/nowhere", {"status_code": 200}, "no such operation"),
    ("/nowhere", {"_content": b'{"error":"no"}'}, "'error' was unexpected"),
    ("/nowhere", {"headers": {}}, "of type None"),
    ("/ssf/verify", {"headers": {"Content-Type": "application/json"}}, "no such operation"),
    ("/ssf/verify", {"headers": {"Content-Type": "application/json", "Allow": "GET, POST"}},
     "no such operation"),
    ("/v1/status", {"headers": {"Content-Type": "application/json", "Content-Language": "en"}},
     "without WWW-Authenticate"),
    ("/v1/status", {"_content": b'{"err":"not_found","description":"d"}'}, "authentication_failed"),
])
def test_a_deviating_answer_is_noticed(hub, path, change, complaint):
    answer = unchecked(hub, "GET", path)
    openapi.DOCUMENT.check(answer)
    with pytest.raises(AssertionError) as e:
        openapi.DOCUMENT.check(changed(answer, **change))
    assert complaint in str(e.value)


def test_a_wrongly_accepted_request_is_noticed(hub):
    answer = unchecked(hub, "POST", "/v1/apply", json={"kind": "person", "id": "ada"},
                       headers={"Authorization": "Bearer " + hub.admin_token})
    openapi.DOCUMENT.check(answer)
    answer.request.body = b'{"kind":"person"}'
    with pytest.raises(AssertionError, match="which was accepted"):
        openapi.DOCUMENT.check(answer)


def test_a_deviation_in_a_thread_is_noticed(hub):
    """The session notes the deviation, and the hub's check at the end of the test fails."""
    answer = changed(unchecked(hub, "GET", "/healthz"), status_code=201)
    with pytest.raises(AssertionError):
        for hook in hub.new_session().hooks["response"]:
            hook(answer)
    with pytest.raises(AssertionError, match="not a status of GET /healthz"):
        hub.check()
