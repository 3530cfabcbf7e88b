# SPDX-License-Identifier: Apache-2.0
"""The rules of most tests: when an agent's secret leaks, its credential is revoked and its sessions
end."""
import json

from .sets import CAEP, REVOKED, RISC

THREE = {CAEP + "credential-change", RISC + "credential-compromise", REVOKED}   # the events they emit


def rules(mode="enforce"):
    return json.dumps({
        "hrl": 1,
        "rules": [{
            "id": "leak.of-agent", "title": "The secret of an agent leaked",
            "severity": "critical", "mode": mode, "on": ["secret.leaked"],
            "match": {"$agent": {"known": [True]}},
            "actions": [
                {"revoke": "credential", "target": "${detail.credential}",
                 "reason": "leaked in ${detail.repository|a public place}"},
                {"revoke": "agent", "target": "${subject.agent_id}", "reason": "leak"},
                {"emit": "caep:credential-change", "subject": "agent",
                 "claims": {"credential_type": "${$credential.type|api-token}",
                            "change_type": "revoke"}},
                {"emit": "risc:credential-compromise", "subject": "agent",
                 "claims": {"credential_type": "${$credential.type|api-token}"}},
                {"emit": "caep:session-revoked", "subject": "agent"}]}]})
