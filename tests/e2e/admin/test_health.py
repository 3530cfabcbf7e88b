# SPDX-License-Identifier: Apache-2.0
"""/healthz and /readyz: ready means that the hub works now, and if not the answer says why; healthy
means that the event loop runs."""
import contextlib
import os
import signal
import threading

import psycopg2
import requests

from harness import Answer, free_port, wait_until


def readiness(hub):
    """(status, names of the failing checks, reasons)"""
    answer = hub.request("GET", "/readyz")
    body = answer.json()
    failing = {name for name, passes in body["checks"].items() if not passes}
    assert (answer.status_code == 200) == (body["status"] == "ready") == (not failing)
    assert len(body["reasons"]) == len(failing)
    return answer.status_code, failing, body["reasons"]


def gauge(hub, name):
    text = hub.admin("GET", "/metrics").text
    return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def alive(hub):
    return hub.request("GET", "/healthz").status_code == 200


@contextlib.contextmanager
def stopped(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


NO_SESSION = "this process has no session that could own anything"


def backends(postgres):
    """The pids of the server and of all its processes."""
    main = postgres.popen.pid
    children = open(f"/proc/{main}/task/{main}/children").read().split()
    return [main, *map(int, children)]


def test_ready_follows_postgresql(new_hub, postgres):
    hub = new_hub("--database", postgres.conninfo)
    assert readiness(hub) == (200, set(), [])
    postgres.stop()
    wait_until(lambda: readiness(hub)[0] == 503)
    assert readiness(hub)[1:] == ({"database", "owner"}, ["PostgreSQL does not answer", NO_SESSION])
    assert gauge(hub, "ssfhub_ready") == 0 and gauge(hub, "ssfhub_db_connections") == 0
    assert alive(hub)
    postgres.start()
    wait_until(lambda: readiness(hub) == (200, set(), []), what="the hub is ready again")
    assert gauge(hub, "ssfhub_ready") == 1


def test_a_stopped_database_is_not_ready_although_its_connections_are_open(new_hub, postgres):
    hub = new_hub("--database", postgres.conninfo)
    with stopped(backends(postgres)):
        wait_until(lambda: "database" in readiness(hub)[1], what="the hub is not ready before statements time out")
        assert gauge(hub, "ssfhub_db_connections") == 4, "the connections are still open"
        assert alive(hub)
    wait_until(lambda: readiness(hub) == (200, set(), []), what="the hub is ready again")


def test_a_lost_session_is_not_ready(new_hub, postgres):
    """Only the session that holds the leases is ended, and it cannot come back while another client
    holds a table that it needs."""
    hub = new_hub("--database", postgres.conninfo)
    other = psycopg2.connect(postgres.conninfo)
    with contextlib.closing(other), other.cursor() as cursor:
        cursor.execute("lock table member in access exclusive mode")
        cursor.execute("select pg_terminate_backend(pid) from (select distinct pid from owner_lock) o")
        wait_until(lambda: readiness(hub)[1] == {"owner"})
        assert readiness(hub)[2] == [NO_SESSION]
        other.rollback()
    wait_until(lambda: readiness(hub)[0] == 200, what="it has a session again")


def test_not_ready_while_the_hub_drains(new_hub, endpoint):
    """The separate listener answers probes until the end."""
    port = free_port()
    hub = new_hub("--metrics-listen", f"127.0.0.1:{port}").use_idp()
    hold = threading.Event()
    endpoint.script(Answer(202, hold=hold))
    hub.push_stream(endpoint)
    hub.emit()
    endpoint.wait_pushes(1)
    hub.proc.send_signal(signal.SIGTERM)
    with requests.Session() as session:
        session.trust_env = False

        def ready():
            return session.get(f"http://127.0.0.1:{port}/readyz", timeout=60)
        wait_until(lambda: ready().status_code == 503)
        assert ready().json()["reasons"] == ["shutting down"]
        assert session.get(f"http://127.0.0.1:{port}/healthz", timeout=60).status_code == 200
    hold.set()
    assert hub.proc.popen.wait(60) == 0


def test_not_ready_while_the_hub_starts(new_hub, postgres):
    """While the hub cannot read its resources yet, it is alive and not ready, and says why."""
    port = free_port()
    hub = new_hub("--database", postgres.conninfo, "--metrics-listen", f"127.0.0.1:{port}")
    hub.stop()
    with contextlib.closing(psycopg2.connect(postgres.conninfo)) as other, requests.Session() as session:
        session.trust_env = False

        def ask(path):
            try:
                return session.get(f"http://127.0.0.1:{port}{path}", timeout=60)
            except requests.ConnectionError:
                return None
        other.cursor().execute("lock table resource in access exclusive mode")
        hub.start(wait=False)
        wait_until(lambda: ask("/healthz"))
        assert ask("/healthz").status_code == 200
        answer = ask("/readyz")
        assert answer.status_code == 503
        checks = answer.json()["checks"]
        assert checks["resources"] is False and checks["running"] is False
        assert {"resources are not loaded yet", "starting"} <= set(answer.json()["reasons"])
        other.rollback()
        wait_until(lambda: ask("/readyz").status_code == 200)
