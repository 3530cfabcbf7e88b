# SPDX-License-Identifier: Apache-2.0
"""examples/monitoring with a real Prometheus: it accepts the files, scrapes a hub with its token over
TLS, and has every metric that the rules and the dashboard query."""
import json
import re
import shutil
import subprocess
import sys

import pytest
import requests

import harness
from harness import free_port, wait_until

sys.path.insert(0, str(harness.ROOT / "tests" / "meta"))
import metrics  # noqa: E402

FOLDER = harness.ROOT / "examples" / "monitoring"
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text())


def promtool(*args):
    done = subprocess.run(["promtool", *args], cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_files():
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("check", "rules", "alerts.yml")


def test_alerts_fire_when_they_should():
    promtool("test", "rules", "alerts_test.yml")


def expressions():
    """(where it is, the PromQL) of each expression."""
    for name, expr in re.findall(r"- alert: (\w+)\n\s+expr: (.*)", (FOLDER / "alerts.yml").read_text()):
        yield name, expr
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_rules_and_dashboard_query_existing_metrics():
    known = {"up"}
    for m in metrics.table():
        known |= {m.name + s for s in ("_bucket", "_sum", "_count")} if m.type == "histogram" else {m.name}
    by_name = {m.name: m for m in metrics.table()}
    seen = 0
    for where, expr in expressions():
        for name, labels in re.findall(r"\b((?:ssfhub|process)_\w+|up)(?:\{([^}]*)\})?", expr):
            assert name in known, f"{where}: {name}"
            metric = by_name.get(re.sub(r"_(?:bucket|sum|count)$", "", name)) or by_name.get(name)
            for label in re.findall(r"(\w+)[=!]", labels):
                assert label in ("instance", "job") or label in metric.labels, f"{where}: {name} has no {label}"
            seen += 1
    assert seen > 30


def test_the_dashboard_has_the_members_that_grafana_needs():
    assert DASHBOARD["title"] and DASHBOARD["schemaVersion"] >= 30
    ids = [p["id"] for p in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {v["name"] for v in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used - {"__rate_interval"} == variables
    places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]}
    assert len(places) == len(ids), "no two panels overlap"


@pytest.fixture
def prometheus(hub, tmp_path, procs):
    """A Prometheus with the example's files, except for addresses and paths."""
    port = free_port()
    config = (FOLDER / "prometheus.yml").read_text()
    for old, new in (("localhost:8443", f"localhost:{hub.port}"), ("15s", "1s"),
                     ("/etc/prometheus/ssfhub/metrics.token", str(hub.data / "metrics.token")),
                     ("/etc/prometheus/ssfhub/ca.pem", str(hub.data / "ca.pem"))):
        assert config.count(old) >= 1, old
        config = config.replace(old, new)
    (tmp_path / "prometheus.yml").write_text(config)
    shutil.copy(FOLDER / "alerts.yml", tmp_path)
    procs.append(harness.Proc(
        ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}"], tmp_path))

    def ask(path, **params):
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=params, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def up():
        try:
            found = ask("query", query='up{job="ssfhub"}')["result"]
        except (requests.ConnectionError, AssertionError):   # it is still starting
            return False
        return found and found[0]["value"][1] == "1"
    wait_until(up, what="Prometheus has scraped the hub")
    return ask


def test_prometheus_scrapes_a_hub(hub, prometheus):
    assert prometheus("query", query="ssfhub_ready")["result"][0]["value"][1] == "1"
    target = prometheus("targets")["activeTargets"][0]
    assert (target["health"], target["lastError"]) == ("up", "")
    for where, expr in expressions():
        prometheus("query", query=expr)   # the status is 400 for wrong PromQL
    wait_until(lambda: {r["health"] for r in prometheus("rules")["groups"][0]["rules"]} == {"ok"}, what="the rules have been evaluated")
    assert not prometheus("alerts")["alerts"], "no alert fires for a healthy hub"
