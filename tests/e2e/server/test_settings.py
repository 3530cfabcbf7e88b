# SPDX-License-Identifier: Apache-2.0
"""Settings: what `serve --print-settings` shows, and what SIGHUP changes."""
import os
import pathlib
import signal
import subprocess

import harness

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples/ssfhub.conf"


def print_settings(*args, **env):
    return subprocess.run([harness.program("hub/ssfhub"), "serve", "--print-settings", *args],
                          env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)


def test_print_settings_shows_values_and_sources_and_masks_secrets(tmp_path):
    conf = tmp_path / "hub.conf"
    conf.write_text("max_body = 2m\nretry_max = 90s\n")
    shown = print_settings("--config", str(conf), "--database", "host=x password=hunter2",
                           SSFHUB_RETRY_MAX="2m")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert "max_body = 2m  # file" in lines
    assert "retry_max = 2m  # environment" in lines
    assert "push_timeout = 10s  # default" in lines
    assert "database = ********  # command line, masked" in lines
    assert "hunter2" not in shown.stdout + shown.stderr


def test_the_example_file_sets_the_defaults(tmp_path):
    """With every comment sign of a setting removed it is a file that the hub takes."""
    conf = tmp_path / "hub.conf"
    conf.write_text("".join(line[1:] if line[0] == "#" and line[1] != " " and "= TEXT" not in line else line
                            for line in EXAMPLE.read_text().splitlines(True)))
    from_file, without = print_settings("--config", str(conf)), print_settings()
    assert from_file.returncode == 0, from_file.stderr

    def values(shown):
        return {line.split("  #")[0] for line in shown.stdout.splitlines() if "config" not in line}
    assert values(from_file) == values(without)


def test_sighup_reloads_what_may_change(new_hub, tmp_path):
    conf = tmp_path / "hub.conf"
    conf.write_text("log_level = info\nmax_streams = 3\n")
    hub = new_hub("--config", str(conf))
    conf.write_text("log_level = debug\nmax_streams = 4\n")
    hub.proc.send_signal(signal.SIGHUP)
    hub.proc.wait_log("event=settings.reloaded")
    assert "event=settings.change.ignored setting=max_streams" in hub.log()
    hub.request("GET", "/v1/status", headers={"Authorization": "Bearer wrong"})
    hub.proc.wait_log("level=debug event=auth.token.refused")

    hub.expected.add("settings.reload.failed")
    conf.write_text("log_level = info\nmax_streams = many\n")
    hub.proc.send_signal(signal.SIGHUP)
    hub.proc.wait_log("event=settings.reload.failed")
    assert "setting=max_streams" in hub.log() and "line=2" in hub.log()
    assert hub.get("/v1/status")["ready"]
