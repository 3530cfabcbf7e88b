# SPDX-License-Identifier: Apache-2.0
"""Starts the hub and registers the receivers for the conformance tests, which know neither. A module
has one hub, whose settings are its HUB_ARGS. Each test that needs authorization runs with a static
bearer token and with OAuth."""
import pathlib
import secrets
import sys
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

pytest.register_assert_rewrite("ssf")

import harness  # noqa: E402
import ssf  # noqa: E402


@pytest.fixture(autouse=True)
def healthy(hub):
    """After each test the hub still runs and has logged no error."""


def as_transmitter(hub):
    def emit(event_type, subject, claims=None):
        answer = hub.admin("POST", "/v1/events", json={
            "type": event_type, "subject": subject, "reason": "conformance test",
            **({"claims": claims} if claims else {})})
        assert answer.status_code == 202, answer.text

    def change_status(stream_id, status):
        hub.apply({**hub.get(f"/v1/stream/{stream_id}"), "status": status})

    return ssf.Transmitter(hub.issuer, hub.session.verify, emit, change_status)


@pytest.fixture(scope="module")
def transmitter(module_hub):
    return as_transmitter(module_hub)


@pytest.fixture(scope="module", params=["static", "oauth"])
def authorization(request):
    return request.param


def register(hub, authorization):
    """Registers a receiver as the operator does."""
    name = "rx-" + uuid.uuid4().hex[:12]
    secret = secrets.token_urlsafe(24)
    given = {"token": secret} if authorization == "static" else {"secret": secret}
    audience = f"https://{name}.example"
    hub.apply({"kind": "client", "id": name, "audience": audience, **given})
    if authorization == "static":
        return ssf.Credentials(audience, token=secret)
    return ssf.Credentials(audience, client_id=name, client_secret=secret)


@pytest.fixture(scope="module")
def pair(transmitter, module_hub, authorization):
    """Two receivers with nothing in common."""
    return [ssf.Receiver(transmitter, register(module_hub, authorization)) for _ in range(2)]


@pytest.fixture(scope="module")
def client_credentials(transmitter, module_hub):
    """The credentials of a receiver that gets its tokens from the authorization server."""
    return register(module_hub, "oauth")


def without_streams(receiver):
    yield receiver
    for stream in receiver.streams():
        receiver.delete(stream)


@pytest.fixture
def receiver(pair):
    yield from without_streams(pair[0])


@pytest.fixture
def other(pair):
    yield from without_streams(pair[1])


@pytest.fixture(scope="session")
def authority(tls):
    return ssf.Authority(tls.ca, str(tls.folder / "ca.key"))


@pytest.fixture(scope="session")
def sink(authority, tmp_path_factory):
    made = ssf.Sink(authority.issue(tmp_path_factory.mktemp("sink")))
    yield made
    made.close()


@pytest.fixture
def new_sink(authority, tmp_path):
    """Makes sinks with their own certificate or TLS settings."""
    made = []

    def make(context=lambda context: None, **certificate):
        made.append(ssf.Sink(authority.issue(tmp_path, **certificate), context))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def new_pair(new_hub):
    """Makes a transmitter with settings of its own, and a receiver for it."""
    def make(*settings):
        hub = new_hub(*settings)
        made = as_transmitter(hub)
        return made, ssf.Receiver(made, register(hub, "static"))
    return make


@pytest.fixture
def stranger_sink(tmp_path):
    """A sink whose certificate has the right name, and an issuer that the transmitter does not know."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    unknown = harness.TLS(folder)
    made = ssf.Sink(ssf.Authority(unknown.ca, str(folder / "ca.key")).issue(folder))
    yield made
    made.close()


@pytest.fixture
def transmitter_at(new_hub):
    """Makes a transmitter whose issuer has a path, and a receiver for it."""
    def make(path):
        port = harness.free_port()
        issuer = f"https://localhost:{port}{path}"
        hub = new_hub("--listen", f"127.0.0.1:{port}", "--issuer", issuer)
        hub.url = f"https://localhost:{port}"
        made = as_transmitter(hub)
        return made, ssf.Receiver(made, register(hub, "static"))
    return make


@pytest.fixture
def register_keys(module_hub):
    """Registers a client by its public keys, and returns its id."""
    def make(jwks):
        name = "rx-" + uuid.uuid4().hex[:12]
        module_hub.apply({"kind": "client", "id": name, "audience": f"https://{name}.example",
                          "jwks": jwks})
        return name
    return make
