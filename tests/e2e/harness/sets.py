# SPDX-License-Identifier: Apache-2.0
"""Security Event Tokens: names of event types, making a SET, reading one, and what one that the hub
sends has to look like."""
import base64
import json
import time

from jwcrypto import jws

SET_TYPE = "application/secevent+jwt"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
STREAM_UPDATED = SSF + "stream-updated"
REVOKED = CAEP + "session-revoked"
PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part_of(token, n):
    """Part n (0: header, 1: claims) of a compact JWS, not verified."""
    part = token.split(".")[n]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def sign_set(key, claims, **header):
    """A compact JWS. The key decides alg; header members that are None are left out."""
    alg = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key["kty"]]
    protected = {"typ": "secevent+jwt", "alg": alg, "kid": key.get("kid"), **header}
    token = jws.JWS(json.dumps(claims))
    token.allowed_algs = ["RS256", "ES256", "HS256"]
    token.add_signature(key, None, json.dumps({k: v for k, v in protected.items() if v}))
    return token.serialize(compact=True)


def lint(token):
    """What is wrong with a SET that the hub sent (SSF 1.0 section 4.1); [] if nothing is."""
    wrong = []
    header, claims = part_of(token, 0), part_of(token, 1)
    if header.get("typ") != "secevent+jwt":
        wrong.append(f"typ {header.get('typ')}")
    if header.get("alg") not in ("RS256", "ES256") or not header.get("kid"):
        wrong.append(f"header {header}")
    if set(claims) != {"iss", "aud", "jti", "txn", "iat", "sub_id", "events"}:
        wrong.append(f"claims {sorted(claims)}")  # exp, sub, nbf are not for SETs
    if not isinstance(claims.get("iat"), int) or claims["iat"] > time.time() + 1:
        wrong.append(f"iat {claims.get('iat')}")
    if "format" not in claims.get("sub_id", {}):
        wrong.append("sub_id without format")
    events = claims.get("events", {})
    if len(events) != 1:
        wrong.append(f"{len(events)} events")
    for uri, event in events.items():
        if not uri.startswith("https://schemas.openid.net/secevent/"):
            wrong.append(f"event {uri}")
        if not isinstance(event, dict) or "subject" in event:
            wrong.append(f"{uri}: not an object, or a subject in it")
    return wrong
