# SPDX-License-Identifier: Apache-2.0
"""Signing keys: scheduled and manual rotation, revocation, what is published and what is stored."""
import base64
import concurrent.futures
import json
import random
import re
import threading
import time

import psycopg2
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from jwcrypto import jwk, jws

import harness
from harness import Answer, part_of, wait_until

SEED = 20261125
HOUR_MS = 3600 * 1000
# A next key signs after one second; nothing else happens by itself.
BY_HAND = ("--key-rotation", "0s", "--key-publish-ahead", "1s", "--key-keep", "1h")
# A next key does not sign by itself during a test.
WAITING = ("--key-rotation", "0s", "--key-publish-ahead", "1h", "--key-keep", "1h")


def kid_of(token):
    return part_of(token, 0)["kid"]


def published(hub):
    return {k["kid"]: k for k in hub.request("GET", "/jwks.json").json()["keys"]}


def ring(hub, alg=None, state=None):
    return [k for k in hub.get("/v1/keys") if alg in (None, k["alg"]) and state in (None, k["state"])]


def signing(hub, alg="RS256"):
    (key,) = ring(hub, alg, "signing")
    return key["kid"]


def rotate(hub, status=200, **body):
    answer = hub.admin("POST", "/v1/keys/rotate", json=body)
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    return answer.json()


def revoke(hub, kid, status=204):
    answer = hub.admin("DELETE", "/v1/keys/" + kid)
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"


def push_of(hub, endpoint, txn=None):
    (push,) = endpoint.wait(1, txn=txn or hub.emit())
    return push


def check_signature(token, keys):
    checked = jws.JWS()
    checked.deserialize(token, jwk.JWK(**keys[kid_of(token)]), alg=part_of(token, 0)["alg"])


# --- rotation ---------------------------------------------------------------------------------

@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_by_schedule_a_key_is_published_before_it_signs(new_hub, endpoint, alg):
    hub = new_hub("--key-rotation", "3s", "--key-publish-ahead", "1s", "--key-keep", "2s", fresh=True).use_idp()
    stream = hub.push_stream(endpoint, alg=alg)
    audience = hub.get("/v1/client/" + hub.get("/v1/stream/" + stream)["client"])["audience"]
    signed = []    # kids in the order in which they first signed

    def three_have_signed():
        before = published(hub)
        gone = hub.log().count("event=keys.removed")
        pushes = endpoint.wait(1, txn=hub.emit())
        if hub.log().count("event=keys.removed") > gone:
            return False   # a push that was in flight when a key went is sent again: look at the next one
        (push,) = pushes
        assert kid_of(push.token) in before, "the signing key was not published"
        hub.verify(push.token, audience)
        if kid_of(push.token) not in signed:
            signed.append(kid_of(push.token))
        return len(signed) >= 3
    wait_until(three_have_signed, what="three keys have signed, one after the other")
    times = hub.sql("""select o.kid, n.signs_from - n.created_at >= '1s', n.signs_from - o.signs_from >= '3s',
            o.published_until - n.signs_from = '2s' from signing_key o, signing_key n
        where o.kid = any(%s) and n.alg = o.alg and n.signs_from = (
            select min(signs_from) from signing_key where alg = o.alg and signs_from > o.signs_from)
        order by o.signs_from""", signed[:2])
    assert times == [(kid, True, True, True) for kid in signed[:2]], "published ahead, rotated on schedule, kept"
    wait_until(lambda: signed[0] not in published(hub), what="the first key is withdrawn")
    wait_until(lambda: hub.log().count("event=keys.added") >= 6, what="the other algorithm rotates too")


def test_after_a_rotation_the_next_key_signs_after_publish_ahead(new_hub, endpoint):
    hub = new_hub(*BY_HAND).use_idp()
    hub.push_stream(endpoint)
    first = push_of(hub, endpoint)
    made = rotate(hub, alg="RS256")
    assert [(k["alg"], k["state"]) for k in made] == [("RS256", "next")]
    new = made[0]["kid"]
    assert new in published(hub), "a next key is published at once"
    assert made == ring(hub, "RS256", "next")
    assert kid_of(push_of(hub, endpoint).token) == kid_of(first.token) != new
    wait_until(lambda: signing(hub) == new, what="the next key signs")
    second = push_of(hub, endpoint)
    assert kid_of(second.token) == new
    keys = published(hub)
    check_signature(first.token, keys)
    check_signature(second.token, keys)
    (old,) = ring(hub, "RS256", "retired")
    assert old["kid"] == kid_of(first.token)
    (until,) = hub.sql("select extract(epoch from o.published_until - n.signs_from) from signing_key o, "
                       "signing_key n where o.kid = %s and n.kid = %s", old["kid"], new)[0]
    assert until == 3600
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", old["published_until"])
    assert len(ring(hub, "ES256")) == 1, "the other algorithm was not rotated"


def test_rotate_now_lets_the_next_key_sign_at_once(new_hub, endpoint):
    hub = new_hub(*WAITING).use_idp()
    hub.push_stream(endpoint)
    before = signing(hub)
    (waiting,) = rotate(hub, alg="RS256")
    assert "waits already" in rotate(hub, 409, alg="RS256")["description"]
    assert "waits already" in rotate(hub, 409)["description"]
    assert len(ring(hub, "ES256")) == 1, "a rotation is of all algorithms or of none"
    (now,) = rotate(hub, alg="RS256", now=True)
    assert (now["kid"], now["state"]) == (waiting["kid"], "signing")
    assert kid_of(push_of(hub, endpoint).token) == waiting["kid"]
    assert [k["kid"] for k in ring(hub, "RS256")] == [before, waiting["kid"]], "no other key was made"
    both = rotate(hub, now=True)
    assert {(k["alg"], k["state"]) for k in both} == {("RS256", "signing"), ("ES256", "signing")}
    assert kid_of(push_of(hub, endpoint).token) in {k["kid"] for k in both}


def test_a_retry_after_a_rotation_is_signed_by_the_new_key(new_hub, endpoint):
    """A retry is signed by the key that will be published longest."""
    hub = new_hub(*WAITING).use_idp()
    hub.push_stream(endpoint)
    endpoint.decide = lambda push: Answer(503)
    hub.emit()
    endpoint.wait_pushes(1)
    rotate(hub, now=True)
    endpoint.decide = None
    (push,) = endpoint.wait(1)
    assert kid_of(push.token) == signing(hub)
    assert push.jti == endpoint.pushes[0].jti
    assert push.claims == endpoint.pushes[0].claims


def test_two_rotations_at_once_make_one_next_key(new_hub):
    hub = new_hub(*WAITING)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(lambda: hub.admin("POST", "/v1/keys/rotate", json={}, timeout=60))
                 for _ in range(6)]
        answers = [a.result() for a in asked]
    assert sorted(a.status_code for a in answers) == [200] + 5 * [409]
    assert len(ring(hub, state="next")) == 2, "one of each algorithm"
    assert hub.sql("select alg, count(*) from signing_key group by alg order by alg") == \
        [("ES256", 2), ("RS256", 2)]


def test_of_two_concurrent_rotations_the_database_refuses_one(new_hub):
    hub = new_hub(*WAITING)
    newest = signing(hub)

    def batch(kid):
        return json.dumps([{"alg": "RS256", "after": newest, "kid": kid, "public": {}, "sealed": "00",
                            "ahead_ms": HOUR_MS, "not_before_ms": 0}])
    one, two = hub.connect(), hub.connect()
    try:
        one.cursor().execute("select * from rotate_signing_keys(%s, 1000)", (batch("a"),))
        refused = concurrent.futures.ThreadPoolExecutor(1).submit(
            lambda: two.cursor().execute("select * from rotate_signing_keys(%s, 1000)", (batch("b"),)))
        wait_until(lambda: hub.sql("select count(*) from pg_locks where not granted")[0][0] == 1, what="the second waits for the first")
        one.commit()
        with pytest.raises(psycopg2.errors.SerializationFailure, match="have changed meanwhile"):
            refused.result(60)
    finally:
        one.close()
        two.close()
    hub.expected.add("keys.unseal.failed")   # the sealed key "a" cannot be opened
    # the hub loads it before it rotates: it counts as the newest key, but cannot sign
    (made,) = rotate(hub, alg="RS256")
    assert {k["kid"] for k in ring(hub, "RS256")} == {newest, made["kid"]}
    assert hub.log().count("event=keys.unseal.failed kid=a ") == 1


# --- the middle of it -------------------------------------------------------------------------

def test_restart_and_kill_before_the_next_key_signs(new_hub, endpoint):
    hub = new_hub("--key-rotation", "0s", "--key-publish-ahead", "8s", "--key-keep", "1h").use_idp()
    hub.push_stream(endpoint)
    rotate(hub)
    before = hub.get("/v1/keys")
    assert [k["state"] for k in before] == ["signing", "next", "signing", "next"]
    old = signing(hub)
    hub.restart()
    assert hub.get("/v1/keys") == before
    assert kid_of(push_of(hub, endpoint).token) == old
    hub.kill9()
    hub.start()
    assert [k["kid"] for k in hub.get("/v1/keys")] == [k["kid"] for k in before]
    wait_until(lambda: not ring(hub, state="next"), what="the next keys sign")
    assert kid_of(push_of(hub, endpoint).token) == before[3]["kid"]
    assert [k["kid"] for k in hub.get("/v1/keys")] == [k["kid"] for k in before]


def test_killed_at_any_instant_of_a_rotation(new_hub, endpoint):
    """There are never two next keys of an algorithm, and there is always one that signs and is
    published."""
    hub = new_hub(*WAITING).use_idp()
    hub.push_stream(endpoint)
    rng = random.Random(SEED)
    for _ in range(5):
        def ask():
            try:
                hub.admin("POST", "/v1/keys/rotate", json={}, timeout=60)
            except requests.exceptions.RequestException:
                pass
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(rng.random() * 0.3)   # a random instant, no condition
        hub.kill9()
        asking.join()
        hub.start()
        for alg in ("RS256", "ES256"):
            assert len(ring(hub, alg, "next")) <= 1
            assert signing(hub, alg) in published(hub)
        assert len(ring(hub, state="next")) in (0, 2), "of both algorithms or of none"
        if ring(hub, state="next"):
            rotate(hub, now=True)
        assert kid_of(push_of(hub, endpoint).token) == signing(hub)


def test_a_key_that_is_due_while_the_hub_is_down_comes_later(new_hub):
    hub = new_hub("--key-rotation", "2s", "--key-publish-ahead", "1s", "--key-keep", "1h")
    first = signing(hub)
    hub.stop()
    hub.start()
    wait_until(lambda: signing(hub) != first)
    ends = hub.sql("select n.signs_from - n.created_at >= '1s' and n.signs_from - o.signs_from >= '2s' "
                   "from signing_key n, signing_key o where o.kid = %s and n.kid = %s",
                   first, signing(hub))
    assert ends == [(True,)], "it was published for the full time before it signed"


def test_without_the_database_rotation_and_revocation_are_503(new_hub, procs):
    postgres = harness.Postgres()
    procs.append(postgres)
    hub = new_hub("--database", postgres.conninfo, *WAITING)
    before = hub.get("/v1/keys")
    postgres.stop()
    wait_until(lambda: hub.request("GET", "/readyz").status_code == 503)
    began = time.monotonic()
    for answer in (hub.admin("POST", "/v1/keys/rotate", json={}),
                   hub.admin("DELETE", "/v1/keys/" + before[0]["kid"])):
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
    assert time.monotonic() - began < 10, "neither has waited for --database-timeout"
    assert hub.get("/v1/keys") == before
    postgres.start()
    wait_until(lambda: hub.request("GET", "/readyz").status_code == 200)
    assert len(rotate(hub)) == 2


# --- revocation -------------------------------------------------------------------------------

@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_revocation_while_a_push_is_retried(new_hub, endpoint, alg):
    hub = new_hub(*WAITING).use_idp()
    hub.push_stream(endpoint, alg=alg)
    bad = signing(hub, alg)
    endpoint.decide = lambda push: Answer(503)
    txn = hub.emit()
    endpoint.wait_pushes(2)
    revoke(hub, bad)
    assert bad not in published(hub)
    assert bad not in {k["kid"] for k in hub.get("/v1/keys")}
    new = signing(hub, alg)
    count = len(endpoint.pushes)
    endpoint.wait_pushes(count + 2)
    endpoint.decide = None
    (push,) = endpoint.wait(1, txn=txn)
    assert kid_of(push.token) == new
    check_signature(push.token, published(hub))
    assert len({p.jti for p in endpoint.pushes}) == 1, "the jti stays the same"
    assert {kid_of(p.token) for p in endpoint.pushes[count + 1:]} == {new}
    assert {kid_of(p.token) for p in endpoint.pushes[:2]} == {bad}


def test_revocation_while_a_push_hangs(new_hub, endpoint):
    """The hub does not wait for the answer: it sends the SET again with another signature."""
    hub = new_hub(*WAITING, "--push-timeout", "60s").use_idp()
    hub.push_stream(endpoint)
    bad = signing(hub)
    hold = threading.Event()
    endpoint.script(Answer(hold=hold))
    txn = hub.emit()
    endpoint.wait_pushes(1)
    try:
        revoke(hub, bad)
        (push,) = endpoint.wait(1, txn=txn)
    finally:
        hold.set()
    assert kid_of(push.token) == signing(hub) != bad
    assert push.jti == endpoint.pushes[0].jti


def test_revocation_while_many_sets_are_signed(new_hub):
    """A poll that begins after the 204 returns no SET by the revoked key, whatever was being signed."""
    hub = new_hub(*WAITING).use_idp()
    streams = [hub.poll_stream(alg=alg) for alg in ("RS256", "RS256", "ES256")]
    bad = [k["kid"] for k in ring(hub, state="signing")]
    stopping = threading.Event()
    answers = []   # (time of the request, {kids of its SETs})

    def ask(stream):
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(hub.data / "ca.pem")
            while not stopping.is_set():
                began = time.monotonic()
                sets = stream.post({"returnImmediately": True}, session).json()["sets"]
                answers.append((began, {kid_of(s) for s in sets.values()}))

    def emit():
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(hub.data / "ca.pem")
            n = 0
            while not stopping.is_set():
                n += 1
                claims = hub.claims(sub_id={"format": "opaque", "id": str(n)})
                hub.send(harness.sign_set(hub.idp, claims), session)
    threads = [threading.Thread(target=ask, args=(s,)) for s in streams for _ in range(2)]
    threads += [threading.Thread(target=emit)]
    for t in threads:
        t.start()
    try:
        wait_until(lambda: set(bad) <= set().union(*(kids for _, kids in answers)))
        for kid in bad:
            revoke(hub, kid)
        told = time.monotonic()
        wait_until(lambda: sum(began > told and len(kids) > 0 for began, kids in answers) > 20)
    finally:
        stopping.set()
        for t in threads:
            t.join(60)
    after = set().union(*(kids for began, kids in answers if began > told))
    assert after == {k["kid"] for k in ring(hub, state="signing")}
    assert not after & set(bad)


def test_which_key_signs_after_a_revocation(new_hub, endpoint):
    hub = new_hub(*WAITING).use_idp()
    hub.push_stream(endpoint)
    first = signing(hub)
    (waiting,) = rotate(hub, alg="RS256")
    assert ring(hub, "RS256", "signing")[0]["published_until"] is not None
    revoke(hub, waiting["kid"])
    (still,) = ring(hub, "RS256")
    assert (still["kid"], still["state"], still["published_until"]) == (first, "signing", None)
    # the next key follows a revoked signing key, not a retired one
    (second,) = rotate(hub, alg="RS256", now=True)
    (third,) = rotate(hub, alg="RS256")
    revoke(hub, second["kid"])
    assert signing(hub) == third["kid"]
    assert kid_of(push_of(hub, endpoint).token) == third["kid"]
    # without a next key the previous one signs again, because receivers know it
    revoke(hub, third["kid"])
    (again,) = ring(hub, "RS256")
    assert (again["kid"], again["state"], again["published_until"]) == (first, "signing", None)
    assert kid_of(push_of(hub, endpoint).token) == first
    # revoking a retired key changes nothing else
    (fourth,) = rotate(hub, alg="RS256", now=True)
    revoke(hub, first)
    assert [k["kid"] for k in ring(hub, "RS256")] == [fourth["kid"]]
    # the last key is replaced by a new one
    revoke(hub, fourth["kid"])
    assert kid_of(push_of(hub, endpoint).token) == signing(hub) not in (first, fourth["kid"])
    hub.restart()
    assert len(ring(hub, "RS256")) == 1
    assert not {first, second["kid"], third["kid"], fourth["kid"]} & set(published(hub))


def test_revocation_of_an_unpublished_key_is_404(new_hub):
    hub = new_hub(*WAITING)
    bad = signing(hub)
    for kid in ("nobody", "RS256", "x" * 128):
        revoke(hub, kid, 404)
    revoke(hub, bad)
    revoke(hub, bad, 404)
    assert len(ring(hub)) == 2


# --- who may ask, and how ---------------------------------------------------------------------

@pytest.mark.parametrize("body", ["", "x", "[]", '{"alg":"none"}', '{"alg":"HS256"}', '{"alg":7}',
                                  '{"now":"yes"}', '{"kid":"x"}', '{"now":true,"now":false}'])
def test_refused_bodies(hub, body):
    before = hub.get("/v1/keys")
    answer = hub.admin("POST", "/v1/keys/rotate", data=body)
    assert answer.status_code == 400, answer.text
    assert hub.get("/v1/keys") == before


def test_keys_need_the_admin_token(hub):
    poll = hub.poll_stream()
    before = hub.get("/v1/keys")
    for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys/rotate"),
                         ("DELETE", "/v1/keys/" + before[0]["kid"])):
        assert hub.request(method, path, json={}).status_code == 401
        assert hub.request(method, path, json={},
                           headers={"Authorization": "Bearer " + poll.token}).status_code == 403
    assert hub.get("/v1/keys") == before


def test_cli(new_hub):
    hub = new_hub(*WAITING)
    rs, es = signing(hub), signing(hub, "ES256")
    for listed in (hub.cli("keys"), hub.cli("keys", "list")):
        assert f"{rs} RS256 signing, signs from 20" in listed
        assert f"{es} ES256 signing, " in listed and listed.count("\n") == 2
    (line,) = hub.cli("keys", "rotate", "--alg", "RS256").splitlines()
    assert " RS256 next, signs from " in line and line.endswith("published until -")
    assert "waits already (status 409)" in hub.cli("keys", "rotate", status=1)
    assert "alg: must be RS256 or ES256" in hub.cli("keys", "rotate", "--alg", "PS256", status=1)
    made = hub.cli("keys", "rotate", "--now").splitlines()
    assert {" ".join(m.split()[1:3]) for m in made} == {"RS256 signing,", "ES256 signing,"}
    assert hub.cli("keys", "revoke", rs) == ""
    assert rs not in hub.cli("keys") and rs not in published(hub)
    assert "no such key (status 404)" in hub.cli("keys", "revoke", rs, status=1)
    for wrong in (["frobnicate"], ["revoke"], ["rotate", "x"], ["list", "x"]):
        assert "usage: ssfhub keys" in hub.cli("keys", *wrong, status=2)


# --- what is published and stored -------------------------------------------------------------

def test_jwks_is_public_and_cacheable(hub):
    answer = hub.request("GET", "/jwks.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=300", "well below --key-publish-ahead"
    for key in answer.json()["keys"]:
        assert set(key) in ({"kty", "kid", "alg", "use", "n", "e"},
                            {"kty", "kid", "alg", "use", "crv", "x", "y"})
        assert key["use"] == "sig" and key["alg"] in ("RS256", "ES256")
    assert {k["kid"] for k in answer.json()["keys"]} == {k["kid"] for k in hub.get("/v1/keys")}


def test_jwks_is_cached_for_less_than_publish_ahead(new_hub):
    hub = new_hub("--key-publish-ahead", "20s")
    assert hub.request("GET", "/jwks.json").headers["Cache-Control"] == "public, max-age=5"


def opens(data):
    """Whether bytes parse as a private key of any common form."""
    for load in (serialization.load_pem_private_key, serialization.load_der_private_key):
        try:
            load(data, None)
            return True
        except (ValueError, TypeError):
            pass
    return False


def test_keys_at_rest_are_sealed(new_hub):
    hub = new_hub("--key-rotation", "0s", "--key-publish-ahead", "1s", "--key-keep", "1s")
    first = signing(hub)
    rotate(hub, now=True)
    wait_until(lambda: first not in published(hub), what="the first key is withdrawn")
    rotate(hub)
    revoke(hub, signing(hub, "ES256"))
    rows = hub.sql("select kid, sealed, public, revoked_at from signing_key")
    assert len(rows) == 6
    for kid, sealed, public, revoked in rows:
        assert not set(public) & {"d", "p", "q", "dp", "dq", "qi", "k"}
        if kid == first or revoked:
            assert sealed is None, "the private part of a key that does not sign any more is deleted"
        elif sealed is not None:
            raw = bytes(sealed)
            for data in (raw, base64.b64decode(raw + b"==")):
                assert not opens(data) and b"PRIVATE" not in data
    (dump,) = hub.sql("select string_agg(k::text, '') from signing_key k")[0]
    assert "PRIVATE" not in dump
    assert opens(jwk.JWK.generate(kty="EC", crv="P-256").export_to_pem(True, None)), "the check can fail"
    assert "PRIVATE" not in hub.log()


def test_lost_master_key(new_hub, procs, endpoint):
    """docs/how-to/signing-keys.md: the hub refuses to start with another master key until the operator
    deletes the old signing keys."""
    postgres = harness.Postgres()
    procs.append(postgres)
    hub = new_hub("--database", postgres.conninfo, *WAITING).use_idp()
    hub.push_stream(endpoint)
    old = set(published(hub))
    hub.stop()
    (hub.data / "master.key").unlink()
    hub.expected.add("keys.unseal.failed")
    hub.start(wait=False)
    assert hub.proc.popen.wait(60) == 1
    assert "no stored signing key opens with this master.key" in hub.proc.log()
    connection = psycopg2.connect(postgres.conninfo)
    with connection, connection.cursor() as c:
        c.execute("delete from signing_key")
    connection.close()
    hub.start()
    assert not old & set(published(hub)) and len(published(hub)) == 2
    assert kid_of(push_of(hub, endpoint).token) in published(hub)
    hub.stop()
