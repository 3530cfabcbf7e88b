# SPDX-License-Identifier: Apache-2.0
"""Shows what the hub did, for people.

    show.py set URL CA_FILE TOKEN     polls a stream until it has a session-revoked SET, and prints
                                      that decoded; its jti and txn go to stderr, for scripts
    show.py explain FILE              condenses the JSON of `ssfhub explain`
"""
import base64
import json
import pathlib
import ssl
import sys
import time
import urllib.request

WAIT_S = 20
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


def poll(url, ca_file, token, **body):
    request = urllib.request.Request(
        url, json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    tls = ssl.create_default_context(cafile=ca_file)
    with urllib.request.urlopen(request, timeout=WAIT_S, context=tls) as answer:
        return json.load(answer)


def part(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def indent(value):
    return "\n".join("    " + line for line in
                     json.dumps(value, indent=2, ensure_ascii=False).splitlines())


def poll_revoked(url, ca_file, token):
    """Header, payload and signature of the first session-revoked; all that came is acknowledged."""
    give_up = time.monotonic() + WAIT_S
    acks = []
    while time.monotonic() < give_up:
        sets = poll(url, ca_file, token, ack=acks, maxEvents=10, returnImmediately=True)["sets"]
        acks = list(sets)
        for header, payload, signature in (jws.split(".") for jws in sets.values()):
            if SESSION_REVOKED in part(payload)["events"]:
                poll(url, ca_file, token, ack=acks, maxEvents=0, returnImmediately=True)
                return part(header), part(payload), signature
        time.sleep(0.05)
    sys.exit(f"no session-revoked within {WAIT_S} s")


def show_set(url, ca_file, token):
    header, payload, signature = poll_revoked(url, ca_file, token)
    print(f"{indent(header)}\n{indent(payload)}\n    signature: {len(signature) * 3 // 4} bytes")
    print(payload["jti"], payload["txn"], file=sys.stderr)


def event_name(uri):
    """"caep session-revoked" of the catalog's URIs; others as they are."""
    words = uri.split("/")
    return f"{words[-3]} {words[-1]}" if "/secevent/" in uri else uri


def action_text(action):
    for verb in ("emit", "revoke", "suspend"):
        if verb in action:
            what = event_name(action[verb]) if verb == "emit" else action[verb]
            return " ".join(filter(None, (verb, what, action.get("target"),
                                          action.get("error") and f"FAILED: {action['error']}")))
    return json.dumps(action)


def show_explain(file):
    x = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    print(f"    txn {x['txn']}")
    for e in x["events"]:
        cause = f" <- {e['cause']}" if "cause" in e else ""
        print(f"    {e['at'][11:23]}  #{e['seq']}{cause}  {event_name(e['type'])}"
              f"  from {e['origin']}  {e.get('agent', 'nobody yet')}")
    for r in x["rules"]:
        why = ", ".join(f"{w['path']} = {json.dumps(w.get('value'))}" for w in r["why"])
        print(f"    rule {r['rule']} ({r['mode']}, {r['severity']}) on #{r['seq']}: {why}")
        print(f"      did: {'; '.join(map(action_text, r['actions']))}")
    for r in x["revocations"]:
        print(f"    {r['effect']} {r['kind']} {r['target']} from {r['not_before']}: {r['reason']}")
    for d in x["deliveries"]:
        print(f"    stream {d['stream']}: #{d['seq']} {event_name(d['type'])} {d['state']}")


if sys.argv[1] == "set":
    show_set(*sys.argv[2:])
else:
    show_explain(*sys.argv[2:])
