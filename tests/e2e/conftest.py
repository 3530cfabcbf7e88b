# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests. What a test starts is closed after it, and closing it fails the
test if a sanitizer has reported anything."""
import collections
import pathlib
import secrets
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

pytest.register_assert_rewrite("harness")

import harness  # noqa: E402

Secrets = collections.namedtuple("Secrets", "leaked webhook push client api")


def pytest_configure(config):
    config.addinivalue_line("markers", "must(id, ...): the rows of conformance/musts.tsv it covers")
    config.addinivalue_line("markers", "serial: measures time, so no other test runs beside it")
    config.addinivalue_line("markers", "slow: takes more than 8 s, so it starts early")


@pytest.hookimpl(tryfirst=True)   # before that of pytest-xdist, which looks at the groups
def pytest_collection_modifyitems(items):
    """Tests that share a fixture of their module go to one worker (pytest -n N --dist loadgroup); all
    others go to whichever worker is free. What takes longest starts first."""
    grouped = collections.Counter()
    for item in items:
        definitions = item._fixtureinfo.name2fixturedefs
        if any(d[-1].scope == "module" for d in definitions.values()):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
            grouped[item.path] += 1

    def size(item):
        is_grouped = item.get_closest_marker("xdist_group") is not None
        return (item.get_closest_marker("slow") is None, -grouped[item.path] if is_grouped else 0)
    items.sort(key=size)


# --- servers that are not the hub -----------------------------------------------------------------

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
    """A list. The test appends harness.Proc, harness.Redis or anything else that has close()."""
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
    """A PostgreSQL that the test may stop or kill, for hubs with --database."""
    server = harness.Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def sink(tls):
    receiver = harness.Receiver(tls)
    yield receiver
    receiver.close()


@pytest.fixture
def endpoint(sink):
    """A new push address. Every request that receivers get during the test has to be a proper SET."""
    yield sink.endpoint()
    sink.check()


@pytest.fixture(scope="session")
def github(tls, secret):
    stand_in = harness.GitHub(tls, secret.api)
    yield stand_in
    stand_in.close()


# --- hubs -----------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def hub_template(tls):
    template = harness.HubTemplate(tls)
    yield template
    template.close()


@pytest.fixture(scope="module")
def module_hub(tls, hub_template, request):
    """One hub for the tests of a module; the module's HUB_ARGS are its settings."""
    hub = hub_template.new_hub(tls, *getattr(request.module, "HUB_ARGS", ()))
    try:
        yield hub.use_idp()
    finally:
        hub.close()


@pytest.fixture
def hub(module_hub):
    """The module's hub. After each test it still runs and has logged no error."""
    yield module_hub
    assert module_hub.proc.alive(), module_hub.proc.log()
    module_hub.check()


@pytest.fixture
def new_hub(tls, hub_template):
    """new_hub(*settings) makes a hub of the test's own, on a database of its own. fresh=True: it is the
    first start on this database. private=True: it runs a private PostgreSQL, which is slower.
    "--database" among the settings, and like: see harness.Hub."""
    started = []

    def make(*args, private=False, fresh=False, **kwargs):
        if private or "--database" in args:
            hub = harness.Hub(tls, *args, **kwargs)
        else:
            hub = hub_template.new_hub(tls, *args, fresh=fresh, **kwargs)
        started.append(hub)
        return hub
    yield make
    close_all(started)


# --- data -----------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def secret():
    """Secrets that must not appear in any place that the test does not put them in."""
    return Secrets(*(f"{name}-{secrets.token_hex(16)}" for name in Secrets._fields))


@pytest.fixture(scope="session")
def registry(github, secret):
    """Resources for the main job: an agent with a credential, rules, sources. A test applies them."""
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
