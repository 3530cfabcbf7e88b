# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests. What a test starts through `procs` is ended after it, and its
log must be free of sanitizer reports."""
import collections
import pathlib
import secrets
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

pytest.register_assert_rewrite("harness", "openapi")

import harness  # noqa: E402

Secrets = collections.namedtuple("Secrets", "leaked webhook push client api")


def pytest_configure(config):
    config.addinivalue_line("markers", "must(id, ...): what of conformance/musts.tsv it covers")


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    return harness.TLS(tmp_path_factory.mktemp("tls"))


def close_all(started):
    errors = []
    for one in reversed(started):
        try:
            one.close()
        except AssertionError as e:
            errors.append(str(e))
    assert not errors, "\n".join(errors)


@pytest.fixture
def procs():
    """Append harness.Proc, harness.Redis or anything with close()."""
    started = []
    yield started
    close_all(started)


@pytest.fixture
def redis_server(tmp_path, procs):
    assert harness.have("redis-server"), "redis-server is not installed"
    folder = tmp_path / "redis"
    folder.mkdir()
    server = harness.Redis(folder)
    procs.append(server)
    return server


@pytest.fixture
def postgres():
    """One that does not end with a hub, for those that are given --database."""
    server = harness.Postgres()
    yield server
    server.close()


# --- with a hub -----------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def secret():
    """Secrets that must not show up where they do not belong."""
    return Secrets(*(f"{name}-{secrets.token_hex(16)}" for name in Secrets._fields))


@pytest.fixture(scope="session")
def sink(tls):
    receiver = harness.Receiver(tls)
    yield receiver
    receiver.close()


@pytest.fixture
def endpoint(sink):
    """A new push address. All that receivers got in this test were proper SETs."""
    yield sink.endpoint()
    sink.check()


@pytest.fixture(scope="session")
def github(tls, secret):
    stand_in = harness.GitHub(tls, secret.api)
    yield stand_in
    stand_in.close()


@pytest.fixture(scope="module")
def module_hub(tls, request):
    """One hub a module; its settings are HUB_ARGS of the module."""
    hub = harness.Hub(tls, *getattr(request.module, "HUB_ARGS", ()))
    try:
        yield hub.use_idp()
    finally:
        hub.close()


@pytest.fixture
def hub(module_hub):
    """The module's hub: still running and without complaints after each test."""
    yield module_hub
    assert module_hub.proc.alive(), module_hub.proc.log()
    module_hub.check()


@pytest.fixture
def new_hub(tls):
    """Makes hubs of the test's own: new_hub(*settings)."""
    started = []

    def make(*args, **kwargs):
        started.append(harness.Hub(tls, *args, **kwargs))
        return started[-1]
    yield make
    close_all(started)


@pytest.fixture(scope="session")
def registry(github, secret):
    """What the main job needs: an agent with a credential, rules, sources. To be applied."""
    return [
        {"kind": "person", "id": "ada", "name": "Ada Lovelace", "email": "ada@acme.example"},
        {"kind": "agent", "id": "agent:triage-bot", "owner": "ada", "purpose": "sorts issues",
         "environment": "prod", "tools": ["jira"], "repositories": ["acme/app"]},
        {"kind": "agent", "id": "agent:builder", "owner": "ada", "purpose": "builds",
         "environment": "prod"},
        {"kind": "credential", "id": "builder-token", "agent": "agent:builder",
         "type": "api-token", "secret": secret.leaked},
        {"kind": "source", "id": "gh", "type": "github", "secret": secret.webhook,
         "api": {"url": github.url, "token": secret.api}},
        {"kind": "source", "id": "gh-plain", "type": "github", "secret": secret.webhook},
        {"kind": "source", "id": "ghp", "type": "github-partner", "keys_url": github.keys_url},
        {"kind": "source", "id": "ghp-labels", "type": "github-partner",
         "keys_url": github.keys_url, "labels": True},
        {"kind": "rules", "id": "leaked-secret", "text": harness.rules()},
    ]
