# SPDX-License-Identifier: Apache-2.0
"""The issuer: with a path, with a slash at its end, and those that are refused; what metadata says."""
import subprocess
import urllib.parse

import pytest

import harness


def start(new_hub, path, *args):
    port = harness.free_port()
    hub = new_hub("--listen", f"127.0.0.1:{port}", "--issuer", f"https://localhost:{port}{path}", *args)
    hub.url = f"https://localhost:{port}"
    return hub


@pytest.mark.parametrize("path", ["/tenant1", "/a/b", "/slash/"])
def test_an_issuer_with_a_path_is_all_at_its_urls(new_hub, path):
    hub = start(new_hub, path)
    bare = path.rstrip("/")
    hub.apply({"kind": "client", "id": "c", "audience": "https://c.example", "token": "token-of-c",
               "secret": "s" * 24})
    documents = {name: hub.request("GET", f"/.well-known/{name}{bare}").json() for name in (
        "ssf-configuration", "risc-configuration", "oauth-authorization-server", "oauth-protected-resource")}
    ssf, oauth = documents["ssf-configuration"], documents["oauth-authorization-server"]
    assert documents["risc-configuration"] == ssf
    assert {ssf["issuer"], oauth["issuer"], documents["oauth-protected-resource"]["resource"]} == {hub.issuer}
    for name in documents:
        for other in ("", "/other", bare + "/more", path.rstrip("/") + "/"):
            assert hub.request("GET", f"/.well-known/{name}{other}").status_code == 404

    def at(url):
        assert url.startswith(hub.url + bare + "/") and "//" not in urllib.parse.urlsplit(url).path
        return url[len(hub.url):]
    assert hub.request("GET", at(ssf["jwks_uri"])).json()["keys"]
    token = hub.request("POST", at(oauth["token_endpoint"]), data={"grant_type": "client_credentials"},
                        auth=("c", "s" * 24)).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    stream = hub.request("POST", at(ssf["configuration_endpoint"]), json={}, headers=bearer).json()
    assert stream["iss"] == hub.issuer
    query = f"?stream_id={stream['stream_id']}"
    assert hub.request("GET", at(ssf["status_endpoint"]) + query, headers=bearer).status_code == 200
    assert hub.request("POST", at(stream["delivery"]["endpoint_url"]), json={"returnImmediately": True},
                       headers=bearer).json() == {"sets": {}, "moreAvailable": False}
    # behind a proxy that takes the path off
    assert hub.request("GET", "/ssf/streams" + query, headers=bearer).json() == stream
    # and what is not there says where to ask
    refused = hub.request("GET", at(ssf["configuration_endpoint"]))
    assert f'resource_metadata="{hub.url}/.well-known/oauth-protected-resource{bare}"' in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize("issuer", ["http://localhost:1", "https://h/?q", "https://h/#f", "https://u@h", "h", "https://",
                                    "https://localhost:1/v1", "https://localhost:1/ssf/x"])
def test_a_bad_issuer_is_refused_at_start(tmp_path, issuer):
    done = subprocess.run([harness.program("hub/ssfhub"), "serve", "--data", str(tmp_path / "data"), "--listen",
                           "127.0.0.1:0", "--issuer", issuer], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done
    assert "ssfhub: issuer: " in done.stderr
    assert not (tmp_path / "data").exists(), "refused before anything is made"


def test_critical_subject_members(new_hub):
    hub = new_hub("--critical-subject-members", "tenant, user")
    doc = hub.request("GET", "/.well-known/ssf-configuration").json()
    assert doc["critical_subject_members"] == ["tenant", "user"]


def test_nothing_is_critical_unless_it_is_set(hub):
    assert "critical_subject_members" not in hub.request("GET", "/.well-known/ssf-configuration").json()
