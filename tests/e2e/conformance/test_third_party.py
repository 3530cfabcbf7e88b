# SPDX-License-Identifier: Apache-2.0
"""Clients of other authors: Node's fetch with panva's jose as a receiver, and Authlib at the token
endpoint."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey
from authlib.oauth2.rfc7523 import PrivateKeyJWT

HERE = pathlib.Path(__file__).resolve().parent
HUB_ARGS = ("--min-verification-interval", "0s", "--poll-wait", "5s")


def run_node(transmitter, *args):
    assert shutil.which("node"), "nodejs is not installed"
    return subprocess.run(
        ["node", str(HERE / "third_party.cjs"), *args], capture_output=True, text=True,
        timeout=60, env={**os.environ, "NODE_PATH": "/usr/share/nodejs",
                         "NODE_EXTRA_CA_CERTS": transmitter.ca_file})


def test_a_receiver_of_node_and_jose(transmitter, client_credentials):
    done = run_node(transmitter, transmitter.issuer, client_credentials.client_id,
                    client_credentials.client_secret, client_credentials.audience)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["echoed"] and said["ofStream"] and len(said["verified"]) == 1
    assert said["verified"][0]["header"]["typ"] == "secevent+jwt"


def test_a_receiver_of_node_and_jose_that_expects_another_audience(transmitter,
                                                                   client_credentials):
    """The receiver does check the audience."""
    done = run_node(transmitter, transmitter.issuer, client_credentials.client_id,
                    client_credentials.client_secret, "https://other.example")
    assert done.returncode == 1 and "ERR_JWT_CLAIM_VALIDATION_FAILED" in done.stderr


def session(transmitter, client_id, secret, method):
    made = OAuth2Session(client_id, secret, token_endpoint_auth_method=method,
                         scope="ssf.read ssf.manage")
    made.trust_env = False
    made.verify = transmitter.ca_file
    return made


def reads(transmitter, made):
    """The token of the session gives access to the management API."""
    answer = made.get(transmitter.metadata()["configuration_endpoint"], timeout=60)
    assert answer.status_code == 200 and isinstance(answer.json(), list)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_with_a_secret(transmitter, client_credentials, method):
    server = transmitter.authorization_server()
    assert method in server["token_endpoint_auth_methods_supported"]
    made = session(transmitter, client_credentials.client_id, client_credentials.client_secret,
                   method)
    token = made.fetch_token(server["token_endpoint"], grant_type="client_credentials",
                             timeout=60)
    assert token["token_type"] == "Bearer" and 0 < token["expires_in"] <= 3600
    assert set(token["scope"].split()) == {"ssf.read", "ssf.manage"}
    reads(transmitter, made)


@pytest.mark.parametrize("kty, size, alg", [("EC", "P-256", "ES256"), ("RSA", 2048, "RS256")])
def test_authlib_with_a_key(transmitter, register_keys, kty, size, alg):
    server = transmitter.authorization_server()
    assert "private_key_jwt" in server["token_endpoint_auth_methods_supported"]
    assert alg in server["token_endpoint_auth_signing_alg_values_supported"]
    key = JsonWebKey.generate_key(kty, size, is_private=True)
    key_id = "authlib-" + kty
    client_id = register_keys({"keys": [{**key.as_dict(), "kid": key_id, "alg": alg}]})
    made = session(transmitter, client_id, key, "private_key_jwt")
    made.register_client_auth_method(PrivateKeyJWT(server["token_endpoint"],
                                                   headers={"kid": key_id}, alg=alg))
    for _ in range(2):   # each assertion has its own jti
        token = made.fetch_token(server["token_endpoint"], grant_type="client_credentials",
                                 timeout=60)
        assert token["access_token"]
    reads(transmitter, made)
