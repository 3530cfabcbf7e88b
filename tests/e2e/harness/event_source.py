# SPDX-License-Identifier: Apache-2.0
"""The senders of a hub: a transmitter of SETs, and GitHub's webhooks and partner program."""
import json
import time
import uuid

from jwcrypto import jwk

from .github import webhook_headers
from .sets import REVOKED, SET_TYPE, sign_set

IDP = "https://idp.example"


class EventSource:
    """Part of Hub, which sets url, issuer and session. use_idp() registers the transmitter."""

    idp = None   # the transmitter's key

    def use_idp(self):
        self.idp = jwk.JWK.generate(kty="EC", crv="P-256", kid="idp-1")
        self.apply({"kind": "transmitter", "id": "idp", "issuer": IDP,
                    "jwks": {"keys": [json.loads(self.idp.export_public())]}})
        return self

    def claims(self, **changes):
        """The claims of a SET from the transmitter; those that are None are left out."""
        n = uuid.uuid4().hex
        claims = {"iss": IDP, "aud": self.issuer, "jti": n, "txn": "txn-" + n,
                  "iat": int(time.time()),
                  "sub_id": {"format": "iss_sub", "iss": IDP, "sub": "ada"},
                  "events": {REVOKED: {"event_timestamp": int(time.time())}}}
        claims.update(changes)
        return {k: v for k, v in claims.items() if v is not None}

    def send(self, token, session=None, **headers):
        return (session or self.session).post(
            self.url + "/events", data=token, timeout=60,
            headers={"Content-Type": SET_TYPE, "Accept": "application/json", **headers})

    def emit(self, sub="ada", txn=None, **changes):
        """Sends an event of the transmitter; its txn, which the SETs that follow from it have too."""
        claims = self.claims(sub_id={"format": "iss_sub", "iss": IDP, "sub": sub}, **changes)
        claims["txn"] = txn or claims["txn"]
        answer = self.send(sign_set(self.idp, claims))
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return claims["txn"]

    def webhook(self, source, secret, body, **kwargs):
        text = json.dumps(body).encode()
        return self.request("POST", f"/in/{source}", data=text,
                            headers=webhook_headers(secret, text, **kwargs))

    def partner(self, source, github, tokens, key=None):
        """Reports leaked tokens as GitHub's partner program does."""
        body = json.dumps([{"token": t, "type": "acme_api_token", "source": "commit",
                            "url": "https://github.com/acme/app/blob/main/x"}
                           for t in tokens]).encode()
        return self.request("POST", f"/in/{source}", data=body,
                            headers={"Content-Type": "application/json",
                                     **github.sign(body, key)})
