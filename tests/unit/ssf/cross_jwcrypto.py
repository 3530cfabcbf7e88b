#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""jwcrypto as the other side of lib/ssf: keys, thumbprints and tokens in both directions.

usage: cross_jwcrypto.py PATH-OF-JWSCTL
"""
import json
import os
import subprocess
import sys
import tempfile

from jwcrypto import jwk, jws

PAYLOADS = [
    b'{"iss":"https://i","jti":"1","events":{}}',
    b"{}",
    '{"text":"Größe €"}'.encode(),
    b'{"long":"' + b"x" * 5000 + b'"}',
]
KEYS = {
    "RS256": [{"kty": "RSA", "size": 2048}, {"kty": "RSA", "size": 3072}],
    "ES256": [{"kty": "EC", "crv": "P-256"}],
}


class Jwsctl:
    def __init__(self, path, folder):
        self.path = path
        self.folder = folder

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def run(self, *args, stdin=b""):
        return subprocess.run([self.path, *args], input=stdin, capture_output=True, timeout=30)

    def good(self, *args, stdin=b""):
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


def check_key(ctl, key, alg):
    pem = ctl.file("key.pem", key.export_to_pem(private_key=True, password=None))
    public = json.loads(ctl.good("jwk", pem))
    theirs = json.loads(key.export_public())
    for name in ("kty", "n", "e", "crv", "x", "y"):
        assert public.get(name) == theirs.get(name), name
    assert public["kid"] == key.thumbprint()
    assert public["alg"] == alg
    return pem


def check_ours(ctl, key, wrong, pem, alg, payload):
    token = ctl.good("sign", pem, "secevent+jwt", stdin=payload).decode().strip()
    seen = jws.JWS()
    seen.deserialize(token)
    seen.allowed_algs = [alg]
    seen.verify(key)
    assert seen.payload == payload
    header = json.loads(seen.objects["protected"])
    assert list(header) == ["alg", "kid", "typ"]
    assert header["kid"] == key.thumbprint()
    try:
        seen.verify(wrong)
    except jws.InvalidJWSSignature:
        return
    raise AssertionError("jwcrypto accepted a wrong key")


def check_theirs(ctl, key, wrong, alg, payload):
    made = jws.JWS(payload)
    made.add_signature(key, alg=alg, protected=json.dumps({"alg": alg, "typ": "secevent+jwt"}))
    token = made.serialize(compact=True).encode()
    right_file = ctl.file("right.jwk", key.export_public().encode())
    wrong_file = ctl.file("wrong.jwk", wrong.export_public().encode())
    private_file = ctl.file("private.jwk", key.export_private().encode())
    assert ctl.good("verify", right_file, stdin=token) == payload
    refused = ctl.run("verify", wrong_file, stdin=token)
    assert refused.returncode == 1 and refused.stderr.startswith(b"signature:"), refused.stderr
    refused = ctl.run("verify", private_file, stdin=token)
    assert refused.returncode == 1 and refused.stderr.startswith(b"key:"), refused.stderr


def check_refused_algorithms(ctl, rsa):
    """Good signatures under algorithms that lib/ssf does not speak."""
    public = ctl.file("rsa.jwk", rsa.export_public().encode())
    secret = jwk.JWK.generate(kty="oct", size=256)
    for alg, key in (("PS256", rsa), ("RS512", rsa), ("HS256", secret)):
        made = jws.JWS(b"{}")
        made.add_signature(key, alg=alg, protected=json.dumps({"alg": alg}))
        refused = ctl.run("verify", public, stdin=made.serialize(compact=True).encode())
        assert refused.returncode == 1 and refused.stderr.startswith(b"key:"), (alg, refused)


def main():
    checks = 0
    with tempfile.TemporaryDirectory() as folder:
        ctl = Jwsctl(sys.argv[1], folder)
        for alg, shapes in KEYS.items():
            for shape in shapes:
                key = jwk.JWK.generate(**shape)
                wrong = jwk.JWK.generate(**shape)
                pem = check_key(ctl, key, alg)
                for payload in PAYLOADS:
                    check_ours(ctl, key, wrong, pem, alg, payload)
                    check_theirs(ctl, key, wrong, alg, payload)
                    checks += 2
        check_refused_algorithms(ctl, jwk.JWK.generate(kty="RSA", size=2048))
    print(f"{checks} tokens checked in both directions")


if __name__ == "__main__":
    main()
