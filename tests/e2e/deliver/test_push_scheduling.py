# SPDX-License-Identifier: Apache-2.0
"""How pushes go out when there are many: connections, windows, circuits, and who waits for whom."""
import collections
import threading
import time
import types

import pytest

import harness
from harness import Answer, wait_until


def emit_many(hub, count, subject="subject"):
    return [hub.emit(sub=f"{subject}-{i}") for i in range(count)]


# --- connections ------------------------------------------------------------------------------

NGINX = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    log_format pushes '$server_protocol $connection $status';
    access_log {dir}/access.log pushes;
    client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port} ssl {http2};
        ssl_certificate {cert}; ssl_certificate_key {key};
        keepalive_requests 100000;
        location / {{ proxy_pass {upstream}; proxy_ssl_verify off; }}
    }}
}}
"""


@pytest.fixture
def nginx(tls, sink, tmp_path, procs):
    """nginx(http2) in front of the sink: its address, and what it has logged."""
    assert harness.have("nginx"), "nginx is not installed"

    def start(http2):
        port = harness.free_port()
        (tmp_path / "nginx.conf").write_text(NGINX.format(
            dir=tmp_path, port=port, http2="http2" if http2 else "", cert=tls.cert, key=tls.key,
            upstream=sink.server.url))
        procs.append(harness.Proc(["nginx", "-e", str(tmp_path / "error.log"), "-p", str(tmp_path),
                                   "-c", str(tmp_path / "nginx.conf")], tmp_path))
        wait_until(lambda: harness.listens(port), what="nginx listens")

        def pushes():
            return [line.split() for line in (tmp_path / "access.log").read_text().splitlines()]
        return f"https://localhost:{port}", pushes
    return start


@pytest.mark.parametrize("http2", [True, False])
def test_connections_are_kept_and_shared(hub, endpoint, nginx, http2):
    """HTTP/2 where it is offered, all on one connection; with HTTP/1.1 as many as are in flight at once, and
    the one by which that was found out."""
    url, pushes = nginx(http2)
    path = "/" + endpoint.url.rsplit("/", 1)[1]
    stream = hub.push_stream(types.SimpleNamespace(url=url + path))
    hub.emit()
    endpoint.wait(1)
    emit_many(hub, 150)
    endpoint.wait(151)
    wait_until(lambda: len(pushes()) == 151, what="nginx has logged them all")
    assert {p[0] for p in pushes()} == {"HTTP/2.0" if http2 else "HTTP/1.1"}
    assert {p[2] for p in pushes()} == {"202"}
    connections = len({p[1] for p in pushes()})
    assert connections <= (1 if http2 else 1 + 64)
    hub.cli("delete", "stream", stream)


# --- the window -------------------------------------------------------------------------------

def test_many_are_in_flight_to_a_slow_receiver(hub, tls, endpoint):
    """16 at once, one more for each success, 64 at most."""
    stream = hub.push_stream(endpoint)
    receiver = harness.Receiver(tls)
    marker = receiver.endpoint()
    other = hub.push_stream(marker)
    hold = threading.Event()

    def held(count):
        """The receiver answers nothing; that many pushes arrive, and no more until the marker has its event."""
        sent = len(endpoint.pushes)
        endpoint.decide = lambda push: None if hold.is_set() else Answer(202, hold=hold)
        emit_many(hub, 80)
        endpoint.wait_pushes(sent + count)
        marker.wait(1, txn=hub.emit())
        assert len(endpoint.pushes) == sent + count
        hold.set()
        endpoint.wait_pushes(sent + 81)
        hold.clear()
    try:
        held(16)
        held(64)
    finally:
        hold.set()
        receiver.close()
        for one in (stream, other):
            hub.cli("delete", "stream", one)


def test_a_receiver_that_hangs_costs_the_others_nothing(new_hub, sink, endpoint):
    """Every push to one stream hangs; the other has all of its events before the first of these times out."""
    hub = new_hub("--push-timeout", "10m").use_idp()
    hanging = sink.endpoint()
    hanging.decide = lambda push: Answer(202, hold=threading.Event())
    for one in (hanging, endpoint):
        hub.push_stream(one)
    txns = emit_many(hub, 100, "other")
    endpoint.wait(100)
    assert collections.Counter(p.txn for p in endpoint.accepted()) == dict.fromkeys(txns, 1)
    assert hanging.pushes and hanging.accepted() == []


# --- circuits ---------------------------------------------------------------------------------

def test_a_dead_endpoint_is_probed_once_for_all_its_streams(new_hub, tls):
    """Where nobody listens, not every stream tries for itself; when it is back, all have their events."""
    hub = new_hub().use_idp()
    port = harness.free_port()
    paths = [f"/stream-{i}" for i in range(8)]
    streams = [hub.push_stream(types.SimpleNamespace(url=f"https://localhost:{port}{path}"))
               for path in paths]
    txns = emit_many(hub, 20)

    def circuits():
        return {hub.stream_status(s)["circuit"] for s in streams}

    def failed():
        return hub.metric("ssfhub_push_attempts_total", result="failed")
    wait_until(lambda: "open" in circuits(), what="the circuit is open")
    assert len(circuits()) == 1, "it is that of the endpoint"
    # at most one attempt in --retry-min (50 ms), after those that were in flight when it opened
    begun = failed() + 8
    wait_until(lambda: failed() >= begun, what="it is probed")
    since, begun = time.monotonic(), failed()
    wait_until(lambda: failed() >= begun + 20, what="it is probed")
    assert time.monotonic() - since > 0.8

    receiver = harness.Receiver(tls, port)
    try:
        endpoints = []
        for path in paths:
            receiver.endpoints[path] = harness.Endpoint(receiver, path)
            endpoints.append(receiver.endpoints[path])
        for one in endpoints:
            one.wait(20)
            assert {p.txn for p in one.accepted()} == set(txns)
        assert circuits() == {"closed"}
        assert hub.log().count("event=deliver.circuit.closed") >= 1
        receiver.check()
    finally:
        for stream in streams:
            hub.cli("delete", "stream", stream)
        receiver.close()


@pytest.mark.parametrize("what", ["too large", "nothing"])
def test_what_one_path_answers_is_no_matter_of_the_others(new_hub, sink, endpoint, what):
    """Also an answer that is no use, or none: who took a request was reached."""
    hub = new_hub("--retry-max", "200ms").use_idp()
    bad = sink.endpoint()
    bad.decide = lambda push: Answer(202, b"x" * 300_000) if what == "too large" else Answer(close=True)
    streams = [hub.push_stream(bad), hub.push_stream(endpoint)]
    hub.emit()
    bad.wait_pushes(12)
    hub.emit()
    endpoint.wait(2)
    assert "event=deliver.circuit.opened" not in hub.log()
    assert hub.stream_status(streams[0])["circuit"] == "closed"
    for stream in streams:
        hub.cli("delete", "stream", stream)


def test_all_streams_of_a_dead_endpoint_take_turns(new_hub):
    hub = new_hub("--retry-max", "100ms", "--log-level", "debug").use_idp()
    port = harness.free_port()
    streams = [hub.push_stream(types.SimpleNamespace(url=f"https://localhost:{port}/{i}")) for i in range(4)]
    emit_many(hub, 2)
    wait_until(lambda: "event=deliver.circuit.opened" in hub.log(), what="the circuit is open")

    def tried():
        lines = hub.log().split("event=deliver.circuit.opened", 1)[1].splitlines()
        return [next(s for s in streams if f"stream={s}" in line) for line in lines
                if "event=deliver.push.failed" in line]
    # all that were under way when it opened are told first
    wait_until(lambda: len(tried()) >= 40, what="it is probed")
    assert set(collections.Counter(tried()[-20:]).values()) == {5}
    for stream in streams:
        hub.cli("delete", "stream", stream)


def test_what_a_dead_endpoint_never_got_becomes_dead_letters(new_hub):
    hub = new_hub("--delivery-max-age", "2s").use_idp()
    url = f"https://localhost:{harness.free_port()}/gone"
    stream = hub.push_stream(types.SimpleNamespace(url=url))
    emit_many(hub, 40)
    wait_until(lambda: len(hub.get(f"/v1/deadletters?stream={stream}")) == 40, what="all are given up")
    assert all(d["reason"].startswith("expired: ") for d in hub.get(f"/v1/deadletters?stream={stream}"))
    hub.cli("delete", "stream", stream)
