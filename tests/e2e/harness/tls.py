# SPDX-License-Identifier: Apache-2.0
"""Certificates for servers on loopback."""
import pathlib
import subprocess


class TLS:
    """A certificate authority, and a server certificate for localhost and 127.0.0.1."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ca = str(self.folder / "ca.pem")
        self.cert = str(self.folder / "server.pem")
        self.key = str(self.folder / "server.key")
        ca_key = str(self.folder / "ca.key")
        request = str(self.folder / "server.csr")
        extensions = self.folder / "server.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n"
                              "basicConstraints=critical,CA:FALSE\n"
                              "extendedKeyUsage=serverAuth\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", self.ca, "-days", "2",
                      "-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign")
        self._openssl("req", *new_key, "-keyout", self.key, "-out", request, "-subj",
                      "/CN=localhost")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                      "-CAcreateserial", "-days", "2", "-extfile", str(extensions),
                      "-out", self.cert)

    @staticmethod
    def _openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)
