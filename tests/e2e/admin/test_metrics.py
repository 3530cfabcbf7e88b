# SPDX-License-Identifier: Apache-2.0
"""GET /metrics: its format, its access, that it counts what happens, and that its cost does not grow
with the backlog (bug B18)."""
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import uuid

import psycopg2
import pytest
import requests

import harness
from harness import REVOKED, alert_body, free_port, sign_set, wait_until
from harness.exposition import Scrape

sys.path.insert(0, str(harness.ROOT / "tests" / "meta"))
import metrics  # noqa: E402

PROMTOOL = "promtool"


def scrape(hub):
    answer = hub.admin("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


class Deltas:
    """The increase of samples since it was made: deltas("name", label="value")."""

    def __init__(self, hub):
        self.hub = hub
        self.before = scrape(hub)

    def __call__(self, name, **labels):
        return scrape(self.hub)(name, **labels) - self.before(name, **labels)


# --- the format -------------------------------------------------------------------------------

def test_it_has_every_metric_as_documented(hub):
    answer = hub.admin("GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    found = Scrape(answer.text)
    table = metrics.table()
    assert found.order == [m.name for m in table]
    assert [found.types[n] for n in found.order] == [m.type for m in table]
    assert [found.helps[n] for n in found.order] == [m.help.replace("\\", "\\\\") for m in table]
    for m in table:
        for labels in found.all(m.name):
            assert sorted(name for name, _ in labels) == sorted(m.labels), m.name


def test_promtool_accepts_the_format(hub):
    hub.push_stream(harness.Endpoint(type("R", (), {"server": hub}), "/nowhere"), status="paused")
    answer = hub.admin("GET", "/metrics")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=answer.text, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_process_and_build_metrics(hub):
    found = scrape(hub)
    version = re.search(r"ssfhub VERSION ([\d.]+)", (harness.ROOT / "CMakeLists.txt").read_text())[1]
    assert found("ssfhub_build_info", version=version) == 1
    stat = pathlib.Path(f"/proc/{hub.proc.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+)", stat)[1]) * 1024
    assert found("process_resident_memory_bytes") == pytest.approx(resident, rel=0.2)
    assert found("process_open_fds") == pytest.approx(
        len(list(pathlib.Path(f"/proc/{hub.proc.pid}/fd").iterdir())), abs=3)
    assert 0 < found("process_cpu_seconds_total") < 600
    assert found("ssfhub_ready") == 1
    assert found("ssfhub_db_connections") == found("ssfhub_db_connections_max") == 5


def test_slow_turns_of_the_loop_are_counted(hub):
    late = "ssfhub_loop_late_seconds"

    def slow_turns():
        found = scrape(hub)
        return found(late + "_count") - found(late + "_bucket", le="0.25"), found(late + "_sum")
    count, total = slow_turns()
    hub.proc.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() > stopped + 0.8)
    hub.proc.send_signal(signal.SIGCONT)
    wait_until(lambda: slow_turns()[0] > count)
    assert slow_turns()[1] > total + 0.25


# --- who may read it --------------------------------------------------------------------------

def test_the_metrics_token_opens_metrics_and_nothing_else(hub):
    path = hub.data / "metrics.token"
    assert path.stat().st_mode & 0o777 == 0o600
    bearer = {"Authorization": "Bearer " + path.read_text().strip()}
    assert hub.request("GET", "/metrics", headers=bearer).status_code == 200
    for method, other in (("GET", "/v1/status"), ("GET", "/ssf/streams"), ("POST", "/v1/events"),
                          ("POST", "/v1/apply"), ("GET", "/v1/keys")):
        answer = hub.request(method, other, headers=bearer)
        assert (answer.status_code, answer.json()["err"]) == (403, "access_denied"), other


def test_other_tokens_are_refused(hub):
    assert hub.request("GET", "/metrics").status_code == 401
    assert hub.request("GET", "/metrics", headers={"Authorization": "Bearer x"}).status_code == 401
    stream = hub.poll_stream()
    answer = hub.request("GET", "/metrics", headers={"Authorization": "Bearer " + stream.token})
    assert answer.status_code == 403


@contextlib.contextmanager
def plain_session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_metrics_listen_serves_anybody(new_hub):
    port = free_port()
    hub = new_hub("--metrics-listen", f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}"
    with plain_session() as session:
        found = Scrape(session.get(url + "/metrics", timeout=60).text)
        assert found("ssfhub_ready") == 1
        assert session.get(url + "/healthz", timeout=60).json() == {"status": "ok"}
        assert session.get(url + "/readyz", timeout=60).json()["status"] == "ready"
        for path in ("/v1/status", "/jwks.json", "/openapi.json", "/"):
            for headers in ({}, {"Authorization": "Bearer " + hub.admin_token}):
                assert session.get(url + path, headers=headers, timeout=60).status_code == 404, path
        assert session.post(url + "/metrics", timeout=60).status_code == 404
    assert hub.request("GET", "/metrics").status_code == 401, "the main listener still needs a token"


# --- it counts --------------------------------------------------------------------------------

def test_ingest_is_counted(hub, registry, secret):
    hub.apply(*registry)
    since = Deltas(hub)
    token = sign_set(hub.idp, hub.claims())
    assert [hub.send(t).status_code for t in (token, token, "x")] == [202, 202, 400]
    assert hub.webhook("gh-plain", secret.webhook, alert_body()).status_code == 202
    assert hub.webhook("gh-plain", "wrong" * 8, alert_body()).status_code == 401
    assert hub.admin("POST", "/v1/events", json={"type": "caep:session-revoked", "subject": {
        "format": "opaque", "id": "x"}}).status_code == 202
    assert hub.admin("POST", "/v1/events", json={"type": "none"}).status_code == 400
    taken = "ssfhub_ingest_requests_total"
    assert {result: since(taken, source="set", result=result)
            for result in ("accepted", "duplicate", "refused", "unavailable")} == {
                "accepted": 1, "duplicate": 1, "refused": 1, "unavailable": 0}
    assert since(taken, source="github", result="accepted") == 1
    assert since(taken, source="github", result="refused") == 1
    assert since(taken, source="emit", result="accepted") == 1
    assert since(taken, source="emit", result="refused") == 1
    assert since("ssfhub_ingest_events_total", result="new") >= 3
    assert since("ssfhub_ingest_events_total", result="duplicate") == 1
    assert since("ssfhub_commit_events_sum") >= 4
    assert since("ssfhub_commit_events_count") == since("ssfhub_commit_seconds_count") >= 4
    assert 0 < since("ssfhub_commit_seconds_sum") < 10
    assert since("ssfhub_log_head_seq") >= 3
    assert since("ssfhub_commit_failures_total") == 0
    assert since("ssfhub_log_entries_total", level="warn") >= 2, "the refused requests"
    assert since("ssfhub_log_entries_total", level="error") == 0


def test_requests_are_counted_by_route_and_status(hub):
    since = Deltas(hub)
    name = "ssfhub_http_requests_total"
    for _ in range(3):
        hub.request("GET", "/healthz")
    hub.request("GET", "/v1/agent/nobody-" + uuid.uuid4().hex, headers={"Authorization": "Bearer " + hub.admin_token})
    hub.request("GET", "/nowhere")
    hub.request("PUT", "/healthz")
    assert hub.request("TRACE", "/healthz").status_code == 501   # the server answers it before any handler
    assert since(name, route="none", status="501") == 1
    assert since(name, route="GET /healthz", status="200") == 3
    assert since(name, route="GET /v1/*/*", status="404") == 1
    assert since(name, route="none", status="404") == 1
    assert since(name, route="none", status="405") == 1
    assert since("ssfhub_http_request_seconds_count", route="GET /healthz") == 3
    found = scrape(hub)
    assert not [k for k in found.all(name) if "nobody-" in str(k)], "no value of a request is a label"
    assert found("ssfhub_http_connections") >= 1
    assert found("ssfhub_http_requests_pending") == 1, "the scrape itself"


def test_the_database_and_rules_are_counted(hub, registry, github, secret):
    hub.apply(*registry)
    since = Deltas(hub)
    assert hub.partner("ghp", github, [secret.leaked]).status_code == 202
    wait_until(lambda: since("ssfhub_rules_matches_total", mode="enforce") == 1)
    wait_until(lambda: since("ssfhub_rules_commits_total", result="ok") >= 1)
    assert since("ssfhub_rules_events_total") >= 2
    assert since("ssfhub_db_statements_total", statement="append_events", result="ok") == 1
    assert since("ssfhub_db_statements_total", statement="rules_commit", result="ok") >= 1
    assert 0 < since("ssfhub_db_statement_time_seconds_total", statement="append_events") < 10
    assert since("ssfhub_db_statement_seconds_count") >= 2
    assert since("ssfhub_rules_step_seconds_count") >= 1
    wait_until(lambda: scrape(hub)("ssfhub_rules_lag_seqs") == 0)


@pytest.fixture
def quiet(hub):
    """The hub without the streams of other tests."""
    for stream in hub.get("/v1/stream"):
        hub.admin("DELETE", "/v1/stream/" + stream["id"])
    return hub


def test_matching_signing_and_pushing_are_counted(quiet, endpoint):
    hub = quiet
    for alg in ("RS256", "ES256"):
        hub.push_stream(endpoint, alg=alg)
    since = Deltas(hub)
    hub.emit()
    endpoint.wait(2)
    wait_until(lambda: since("ssfhub_push_attempts_total", result="delivered") == 2)
    assert since("ssfhub_match_seconds_count") == since("ssfhub_match_streams_count") == 1
    assert since("ssfhub_match_streams_sum") == 2
    for alg in ("RS256", "ES256"):
        assert since("ssfhub_signatures_total", alg=alg, result="ok") == 1
        assert 0 < since("ssfhub_sign_seconds_sum", alg=alg) < 10
    assert since("ssfhub_sign_requests_total", **{"from": "made"}) == 2
    assert since("ssfhub_push_seconds_count") == since("ssfhub_delivery_seconds_count", method="push") == 2
    assert 0 < since("ssfhub_push_seconds_sum") < since("ssfhub_delivery_seconds_sum", method="push") + 0.002
    assert since("ssfhub_http_client_connects_total") >= 1
    assert scrape(hub)("ssfhub_endpoints", circuit="closed") >= 1
    assert scrape(hub)("ssfhub_push_in_flight") == 0
    hub.emit()   # on connections that were kept open
    endpoint.wait(4)
    assert scrape(hub)("ssfhub_http_client_connections") >= 1


def test_a_signature_is_shared(quiet):
    hub = quiet
    stream = hub.poll_stream()
    client = hub.get("/v1/stream/" + stream.id)["client"]
    hub.apply({"kind": "stream", "id": "sister-" + client, "client": client, "delivery": {"method": harness.POLL}})
    since = Deltas(hub)
    hub.emit()
    stream.wait(1)
    stream.wait(1)
    assert since("ssfhub_sign_requests_total", **{"from": "made"}) == 1
    assert since("ssfhub_sign_requests_total", **{"from": "cache"}) >= 1
    assert since("ssfhub_signatures_total", alg="RS256", result="ok") == 1


def test_failures_of_push_are_counted(quiet, endpoint):
    hub = quiet
    no = harness.Answer(400, {"err": "invalid_request", "description": "no"})
    endpoint.script(500, 503, 401, 202, no)
    hub.push_stream(endpoint)
    since = Deltas(hub)
    hub.emit()
    endpoint.wait(1)
    wait_until(lambda: since("ssfhub_push_attempts_total", result="failed") == 3)
    assert since("ssfhub_push_retries_total") == 3
    hub.emit()
    wait_until(lambda: since("ssfhub_dead_letters_total", reason="refused") == 1)
    assert scrape(hub)("ssfhub_streams_dead_letters") == 1
    assert since("ssfhub_push_attempts_total", result="refused") == 1
    assert since("ssfhub_push_attempts_total", result="delivered") == 1
    hold = threading.Event()
    endpoint.script(harness.Answer(hold=hold))
    hub.emit()
    endpoint.wait_pushes(6)
    assert scrape(hub)("ssfhub_push_in_flight") == 1
    hold.set()
    wait_until(lambda: scrape(hub)("ssfhub_push_in_flight") == 0)


def test_an_unreachable_receiver_is_counted(quiet):
    hub = quiet
    stream = hub.push_stream(type("Nobody", (), {"url": f"https://localhost:{free_port()}/"}))
    hub.emit()
    wait_until(lambda: scrape(hub)("ssfhub_streams_failing") == 1)
    wait_until(lambda: scrape(hub)("ssfhub_push_waiting_retries") == 1)
    wait_until(lambda: scrape(hub)("ssfhub_endpoints", circuit="open") +
               scrape(hub)("ssfhub_endpoints", circuit="half-open") == 1)
    hub.admin("DELETE", "/v1/stream/" + stream)
    wait_until(lambda: scrape(hub)("ssfhub_streams_failing") == 0)


def test_polls_are_counted(quiet):
    hub = quiet
    stream = hub.poll_stream()
    since = Deltas(hub)
    stream.poll()
    thread = threading.Thread(target=stream.post, args=({"returnImmediately": False},),
                              kwargs={"session": hub.new_session()})
    thread.start()
    wait_until(lambda: scrape(hub)("ssfhub_polls_waiting") == 1)
    hub.emit()
    thread.join()
    assert scrape(hub)("ssfhub_polls_waiting") == 0
    assert since("ssfhub_polls_total", result="empty") == 1
    assert since("ssfhub_polls_total", result="sets") == since("ssfhub_poll_sets_total") == 1
    sets, _ = stream.poll()
    stream.poll(ack=list(sets))
    assert since("ssfhub_delivery_seconds_count", method="poll") == 1


# --- streams ----------------------------------------------------------------------------------

def test_the_lag_of_a_stream(hub, endpoint):
    stream = hub.push_stream(endpoint, status="paused")
    wait_until(lambda: scrape(hub)("ssfhub_streams", method="push", status="paused") >= 1)
    before = scrape(hub)
    assert before("ssfhub_stream_lag_seconds", stream=stream) == 0
    for _ in range(3):
        hub.emit()
    wait_until(lambda: scrape(hub)("ssfhub_stream_waiting_events", stream=stream) == 3)
    wait_until(lambda: scrape(hub)("ssfhub_stream_lag_seconds", stream=stream) > 1.1)
    found = scrape(hub)
    assert found("ssfhub_streams_lag_max_seconds") >= 1.1
    assert found("ssfhub_streams_lagging", over="1") >= 1
    assert found("ssfhub_streams_lagging", over="600") == 0
    assert found("ssfhub_streams_waiting_events") >= 3
    hub.apply({**hub.form("/v1/stream/" + stream), "status": "enabled"})
    endpoint.wait(3)
    wait_until(lambda: scrape(hub)("ssfhub_stream_lag_seconds", stream=stream) == 0)
    assert scrape(hub)("ssfhub_stream_waiting_events", stream=stream) == 0


def test_above_metrics_streams_there_are_only_sums(new_hub):
    hub = new_hub("--metrics-streams", "2").use_idp()
    for count in (1, 2):
        hub.poll_stream()
        assert len(scrape(hub).all("ssfhub_stream_lag_seconds")) == count
    hub.poll_stream()
    found = scrape(hub)
    assert found("ssfhub_streams", method="poll", status="enabled") == 3
    for name in ("ssfhub_stream_lag_seconds", "ssfhub_stream_waiting_events", "ssfhub_stream_unread_seqs"):
        assert not found.all(name)
    hub.emit()
    wait_until(lambda: scrape(hub)("ssfhub_streams_waiting_events") == 3)


# --- B18 --------------------------------------------------------------------------------------

SCRAPES = 100
BACKLOG = 3000


def cpu_of(pid):
    """Processor time of a process in seconds."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def sql(postgres, text, *params):
    with contextlib.closing(psycopg2.connect(postgres.conninfo)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text, params)


def cost(hub, pg_log):
    """(statements, CPU seconds, bytes) of SCRAPES scrapes, with what the hub does besides."""
    begun, cpu = len(pg_log.read_text()), cpu_of(hub.proc.pid)
    size = 0
    for _ in range(SCRAPES):
        size += len(hub.admin("GET", "/metrics").content)
    return pg_log.read_text()[begun:].count("execute "), cpu_of(hub.proc.pid) - cpu, size


def test_b18_the_cost_of_a_scrape_does_not_grow_with_the_backlog(new_hub, procs):
    """Neither statements nor bytes nor time grow with the backlog of streams that are paused."""
    postgres = harness.Postgres()
    procs.append(postgres)
    hub = new_hub("--database", postgres.conninfo).use_idp()
    sql(postgres, "alter system set log_statement = 'all'")
    sql(postgres, "select pg_reload_conf()")
    log = postgres.folder / "log"
    wait_until(lambda: "execute " in log.read_text())
    streams = [hub.poll_stream(), hub.poll_stream(status="paused")]
    empty = cost(hub, log)
    sql(postgres, "select count(*) from append_events(%s)", json.dumps(
        [{"origin": "issuer:https://idp.example", "origin_id": uuid.uuid4().hex, "type": REVOKED, "txn": str(n),
          "sub_id": {"format": "opaque", "id": str(n)}, "body": {"event_timestamp": 1}, "lookup": False}
         for n in range(BACKLOG)]))
    wait_until(lambda: scrape(hub)("ssfhub_log_head_seq") >= BACKLOG)
    for stream in streams:
        wait_until(lambda: scrape(hub)("ssfhub_stream_waiting_events", stream=stream.id) >= 256)
    assert scrape(hub)("ssfhub_stream_unread_seqs", stream=streams[0].id) >= BACKLOG / 2
    full = cost(hub, log)
    # the hub itself reads the log once a second and saves its cursors
    assert empty[0] < SCRAPES / 2 and full[0] < SCRAPES / 2, (empty, full)
    assert full[1] < 2 * empty[1] + 0.1, (empty, full)
    assert full[2] < 1.2 * empty[2], (empty, full)
