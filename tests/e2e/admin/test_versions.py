# SPDX-License-Identifier: Apache-2.0
"""Versions: ETag and If-Match (RFC 9110 sections 8.8.3 and 13.1.1), and "version" in applied resources.
Concurrent changes do not overwrite each other."""
import contextlib
import http.client
import json
import uuid

import pytest

from harness import KINDS, POLL, REVOKED, StreamClient, wait_until

STALE = '"999999"'


@pytest.fixture
def client(hub):
    made = StreamClient(hub)
    yield made
    for stream in made.call("GET", "/ssf/streams").json():
        made.call("DELETE", f"/ssf/streams?stream_id={stream['stream_id']}")


@pytest.fixture
def person(hub):
    """Makes a person with version 1, and returns the id."""
    id_ = "p-" + uuid.uuid4().hex[:8]
    hub.apply({"kind": "person", "id": id_, "name": "one"})
    return id_


def path_of(stream):
    return f"/ssf/streams?stream_id={stream['stream_id']}"


def etag_of(client, stream):
    return client.call("GET", path_of(stream)).headers["ETag"]


def change(client, method, stream, if_match=None, **body):
    """PATCH, PUT or DELETE of a stream."""
    headers = {"Authorization": f"Bearer {client.token}"}
    if if_match is not None:
        headers["If-Match"] = if_match
    if method == "DELETE":
        return client.hub.request(method, path_of(stream), headers=headers)
    body = {"stream_id": stream["stream_id"], "delivery": stream["delivery"],
            "description": "changed", **body}
    return client.hub.request(method, "/ssf/streams", headers=headers, json=body)


def failed(answer):
    assert answer.status_code == 412, answer.text
    assert answer.json()["err"] == "precondition_failed" and answer.json()["description"]
    assert "ETag" not in answer.headers
    return True


@contextlib.contextmanager
def store_held(hub):
    """Blocks every write of a resource; the checks in memory still pass."""
    with contextlib.closing(hub.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(7236520, 2)")
        yield
        connection.rollback()


def at_once(hub, requests):
    """The answers to requests (method, path, body, headers) that were all checked before any was
    stored."""
    with contextlib.ExitStack() as stack:
        with store_held(hub):
            sockets = [stack.enter_context(hub.begin(m, p, json.dumps(b).encode(), **h))
                       for m, p, b, h in requests]
            wait_until(lambda: hub.sql("select count(*) from pg_locks join pg_database d on d.oid = database "
                                       "where datname = current_database() and locktype = 'advisory' and "
                                       "objid = 2 and not granted")[0][0] >= 1, what="a write waits")
        answers = []
        for s in sockets:
            answer = http.client.HTTPResponse(s)
            answer.begin()
            answers.append((answer.status, json.loads(answer.read() or b"null")))
    return answers


def everything(hub):
    return {k: sorted(hub.get(f"/v1/{k}"), key=lambda r: r["id"]) for k in KINDS}


# --- streams ----------------------------------------------------------------------------------------


def test_answers_carry_the_version(client):
    created = client.call("POST", "/ssf/streams", {"events_requested": [REVOKED]})
    stream = created.json()
    assert created.headers["ETag"] == etag_of(client, stream)
    seen = [created.headers["ETag"]]
    for method in ("PATCH", "PUT"):
        answer = change(client, method, stream)
        assert answer.status_code == 200
        assert answer.headers["ETag"] == etag_of(client, stream)
        assert answer.headers["Cache-Control"] == "no-store"
        seen.append(answer.headers["ETag"])
    status = client.call("POST", "/ssf/status", {"stream_id": stream["stream_id"], "status": "paused"})
    assert status.headers["ETag"] == etag_of(client, stream)
    asked = client.call("GET", f"/ssf/status?stream_id={stream['stream_id']}")
    assert asked.headers["ETag"] == status.headers["ETag"]
    seen.append(status.headers["ETag"])
    assert len(set(seen)) == 4
    for tag in seen:
        assert tag[0] == tag[-1] == '"' and tag[1:-1].isdigit()
    assert "ETag" not in client.call("GET", "/ssf/streams").headers


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_if_match(client, method):
    stream = client.create(description="first")
    tag = etag_of(client, stream)
    for stale in (STALE, f"W/{tag}", f'"x", {STALE}', '""'):
        assert failed(change(client, method, stream, stale)), stale
    for malformed in ("", ",", tag[1:-1], tag[:-1], f"{tag} {STALE}", f"*, {tag}", "**"):
        answer = change(client, method, stream, malformed)
        assert answer.status_code == 400 and "If-Match" in answer.json()["description"], malformed
    assert client.call("GET", path_of(stream)).json() == stream
    assert etag_of(client, stream) == tag, "the stream has not changed"
    assert change(client, method, stream, f"{STALE} , {tag}").status_code in (200, 204)
    if method == "DELETE":
        assert client.call("GET", path_of(stream)).status_code == 404
    else:
        assert failed(change(client, method, stream, tag)), "the version is the next one"
        assert change(client, method, stream, etag_of(client, stream)).status_code == 200
        assert change(client, method, stream, "*").status_code == 200
        assert change(client, method, stream).status_code == 200, "without If-Match any version will do"


def test_if_match_any_deletes(client):
    stream = client.create()
    assert change(client, "DELETE", stream, "*").status_code == 204
    assert change(client, "DELETE", stream, "*").status_code == 404


def test_if_match_twice_is_400(hub, client):
    stream = client.create()
    with hub.begin("PATCH", "/ssf/streams", json.dumps({"stream_id": stream["stream_id"]}).encode(),
                   **{"Authorization": f"Bearer {client.token}",
                      "If-Match": f"{STALE}\r\nIf-Match: {etag_of(client, stream)}"}) as s:
        answer = http.client.HTTPResponse(s)
        answer.begin()
        assert answer.status == 400


def test_status_honours_if_match(client):
    stream = client.create()
    body = {"stream_id": stream["stream_id"], "status": "paused"}
    headers = {"Authorization": f"Bearer {client.token}", "If-Match": STALE}
    assert failed(client.hub.request("POST", "/ssf/status", json=body, headers=headers))
    headers["If-Match"] = etag_of(client, stream)
    assert client.hub.request("POST", "/ssf/status", json=body, headers=headers).status_code == 200


def test_ownership_is_checked_before_the_precondition(hub, client):
    stream = client.create()
    other = StreamClient(hub)
    for method in ("PATCH", "PUT", "DELETE"):
        assert change(other, method, stream, STALE).status_code == 404
        assert change(other, method, stream, "*").status_code == 404


# a delete without If-Match applies to any version
@pytest.mark.parametrize("method, if_match", [("PATCH", True), ("PUT", True), ("DELETE", True),
                                              ("PATCH", False), ("PUT", False)])
def test_of_two_concurrent_changes_the_database_refuses_one(hub, client, method, if_match):
    """Both versions were current when the requests came, so the check in memory lets both pass. The
    status is 409 without If-Match."""
    stream = client.create()
    headers = {"Authorization": f"Bearer {client.token}"}
    if if_match:
        headers["If-Match"] = etag_of(client, stream)
    first = ("PATCH", "/ssf/streams", {"stream_id": stream["stream_id"], "description": "one"}, headers)
    second = (method, path_of(stream) if method == "DELETE" else "/ssf/streams",
              {"stream_id": stream["stream_id"], "description": "two"}, headers)
    answers = at_once(hub, [first, second])
    lost = (412, "precondition_failed") if if_match else (409, "conflict")
    (good,) = [a for a in answers if a[0] in (200, 204)]
    assert [(s, b["err"]) for s, b in answers if s >= 400] == [lost]
    if good[0] == 200:
        assert client.call("GET", path_of(stream)).json()["description"] == good[1]["description"]


# --- resources ----------------------------------------------------------------------------------------


def test_get_shows_the_version(hub, person):
    for n in (1, 2):
        answer = hub.admin("GET", f"/v1/person/{person}")
        assert answer.headers["ETag"] == f'"{n}"'
        assert answer.json()["version"] == n
        (listed,) = [r for r in hub.get("/v1/person") if r["id"] == person]
        assert listed == answer.json()
        assert hub.apply(answer.json()) == [{"kind": "person", "id": person, "version": n + 1}]


def test_versions_survive_a_restart(hub, person):
    hub.apply({"kind": "person", "id": person, "name": "two"})
    before = everything(hub)
    hub.restart()
    assert everything(hub) == before
    assert hub.get(f"/v1/person/{person}")["version"] == 2


def test_apply_with_a_version(hub, person):
    read = hub.get(f"/v1/person/{person}")
    hub.apply({**read, "name": "two"})
    answer = hub.try_apply({**read, "name": "three"})
    assert answer.status_code == 409 and answer.json()["err"] == "conflict"
    assert f"person {person} is at 2" in answer.json()["description"]
    assert hub.get(f"/v1/person/{person}")["name"] == "two"
    del read["version"]
    assert hub.apply({**read, "name": "four"})[0]["version"] == 3, "without a version any version will do"
    assert hub.apply({**read, "version": None})[0]["version"] == 4, "null means no version"


def test_apply_with_version_0_creates_only(hub):
    new = {"kind": "person", "id": "p-" + uuid.uuid4().hex[:8], "version": 0}
    assert hub.apply(new)[0]["version"] == 1
    answer = hub.try_apply(new)
    assert answer.status_code == 409
    assert f"person {new['id']} is at 1" in answer.json()["description"]
    assert hub.try_apply({**new, "id": new["id"] + "x", "version": 1}).status_code == 409
    # a deleted resource does not exist, and its versions continue
    assert hub.admin("DELETE", f"/v1/person/{new['id']}").status_code == 204
    assert hub.apply(new)[0]["version"] == 3
    assert hub.get(f"/v1/person/{new['id']}")["version"] == 3


def test_apply_all_or_nothing(hub, person):
    new = "p-" + uuid.uuid4().hex[:8]
    answer = hub.try_apply({"kind": "person", "id": new, "version": 0},
                           {"kind": "person", "id": person, "name": "two", "version": 7})
    assert answer.status_code == 409 and person in answer.json()["description"]
    assert hub.admin("GET", f"/v1/person/{new}").status_code == 404
    assert hub.get(f"/v1/person/{person}")["name"] == "one"


@pytest.mark.parametrize("version", ["1", 1.0, -1, True, [], 2**63])
def test_apply_malformed_version(hub, person, version):
    answer = hub.try_apply({"kind": "person", "id": person, "version": version})
    assert answer.status_code == 400
    assert hub.get(f"/v1/person/{person}")["version"] == 1


@pytest.mark.parametrize("exists", [True, False])
def test_of_two_concurrent_applies_the_database_refuses_one(hub, exists):
    id_ = "p-" + uuid.uuid4().hex[:8]
    if exists:
        hub.apply({"kind": "person", "id": id_})
    admin = {"Authorization": f"Bearer {hub.admin_token}"}
    bystander = "b-" + uuid.uuid4().hex[:8]
    answers = at_once(hub, [
        ("POST", "/v1/apply", [{"kind": "person", "id": f"{bystander}-{n}"},
                               {"kind": "person", "id": id_, "name": f"{n}", "version": int(exists)}], admin)
        for n in (1, 2)])
    assert sorted(s for s, _ in answers) == [200, 409]
    winner = [s for s, _ in answers].index(200) + 1
    assert answers[2 - winner][1]["description"] == f"person {id_} has changed meanwhile"
    assert hub.get(f"/v1/person/{id_}")["name"] == str(winner)
    stored = [r["id"] for r in hub.get("/v1/person") if r["id"].startswith(bystander)]
    assert stored == [f"{bystander}-{winner}"]


def test_delete_if_match(hub, person):
    path = f"/v1/person/{person}"
    for stale in (STALE, 'W/"1"'):
        assert failed(hub.admin("DELETE", path, headers={"If-Match": stale}))
    assert hub.admin("DELETE", path, headers={"If-Match": "1"}).status_code == 400
    assert hub.get(path)["version"] == 1
    assert hub.admin("DELETE", path, headers={"If-Match": '"1"'}).status_code == 204
    assert hub.admin("DELETE", path, headers={"If-Match": '"1"'}).status_code == 404


def test_a_delete_and_an_apply_at_once(hub, person):
    admin = {"Authorization": f"Bearer {hub.admin_token}"}
    answers = at_once(hub, [
        ("POST", "/v1/apply", {"kind": "person", "id": person, "name": "two"}, admin),
        ("DELETE", f"/v1/person/{person}", None, {**admin, "If-Match": '"1"'})])
    # either may be stored first; an apply without a version applies to any
    assert [s for s, _ in answers] in ([200, 412], [200, 204])
    assert hub.get(f"/v1/person/{person}")["name"] == "two"


def test_the_output_of_get_can_be_applied(hub, client):
    stream = client.create(events_requested=[REVOKED])
    hub.apply({"kind": "stream", "id": f"s-{client.id}", "client": client.id, "delivery": {"method": POLL}})
    shown = [r for k in KINDS for r in hub.get(f"/v1/{k}")]
    assert all(r["version"] >= 1 for r in shown)
    applied = hub.apply(*shown)
    assert [a["version"] for a in applied] == [r["version"] + 1 for r in shown]
    assert hub.try_apply(*shown).status_code == 409
    assert client.call("GET", path_of(stream)).json() == stream
