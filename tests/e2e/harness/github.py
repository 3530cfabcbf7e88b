# SPDX-License-Identifier: Apache-2.0
"""A stand-in for api.github.com, and what GitHub sends to the hub."""
import base64
import collections
import hashlib
import hmac
import re
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .http_server import Answer, Server


class GitHub:
    """Serves alerts with their secrets, and the public keys of the secret scanning partner program."""

    def __init__(self, tls, token):
        self.token = token
        self.alerts = {}     # (repository, number): the body of the answer
        self.answers = collections.deque()   # these are used up before the alerts
        self.hold_keys = None
        self.asked = []
        self.key_gets = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_id = "test-key-1"
        self.server = Server(tls, self._handle)
        self.url = self.server.url
        self.keys_url = self.url + "/meta/public_keys/secret_scanning"

    def keys(self):
        pem = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        return {"public_keys": [{"key_identifier": self.key_id, "key": pem, "is_current": True}]}

    def _handle(self, request):
        if request.path == "/meta/public_keys/secret_scanning":
            self.key_gets += 1
            return Answer(200, self.keys(), hold=self.hold_keys)
        self.asked.append(request)
        if self.answers:
            return self.answers.popleft()
        if request.headers["Authorization"] != "Bearer " + self.token:
            return Answer(401, {"message": "Bad credentials"})
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)/secret-scanning/alerts/(\d+)", request.path)
        alert = self.alerts.get((found[1], int(found[2]))) if found else None
        return Answer(200, alert) if alert else Answer(404, {"message": "Not Found"})

    def leak(self, repository, number, secret):
        self.alerts[(repository, number)] = {
            "number": number, "secret": secret, "secret_type": "acme_api_token",
            "validity": "active", "resolution": None,
            "html_url": f"https://github.com/{repository}/security/secret-scanning/{number}"}

    def sign(self, body, key=None):
        """The headers of a request of the partner program."""
        signature = (key or self.key).sign(body, ec.ECDSA(hashes.SHA256()))
        return {"Github-Public-Key-Identifier": self.key_id,
                "Github-Public-Key-Signature": base64.b64encode(signature).decode()}

    def close(self):
        self.server.close()


def alert_body(repository="acme/app", number=42, action="created", **alert):
    """The body of a secret_scanning_alert webhook."""
    return {"action": action,
            "alert": {"number": number, "secret_type": "acme_api_token", "resolution": None,
                      "validity": "unknown", **alert},
            "repository": {"id": 1, "full_name": repository},
            "organization": {"login": "acme"}, "sender": {"login": "somebody"}}


def webhook_headers(secret, body, event="secret_scanning_alert", delivery=None, hook="7"):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery or str(uuid.uuid4()), "X-GitHub-Hook-ID": hook,
            "X-Hub-Signature-256": "sha256=" + digest}
