# SPDX-License-Identifier: Apache-2.0
"""Checks hub/metrics/metrics.def: names, units, and that something counts each metric."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import docs  # noqa: E402


def table():
    return docs.metrics()


def problems():
    code = "".join(p.read_text() for p in (ROOT / "hub").rglob("*.c"))
    for m in table():
        if not re.search(rf"\bmetric_(?:add|set|observe|follow)\w*\({m.id}\b|\bMETRIC_(?:ID|CELL)_{m.id}\b", code):
            yield f"metrics.def has {m.id}, which nothing counts"
        if not re.fullmatch(r"(?:ssfhub|process)_[a-z_]+", m.name):
            yield f"metrics.def: {m.name}: the name must begin with ssfhub_ or process_"
        if (m.type == "counter") != m.name.endswith("_total"):
            yield f"metrics.def: {m.name}: every counter ends in _total, and nothing else does"
        if (m.decimals > 0) != ("_seconds" in m.name):
            yield f"metrics.def: {m.name}: a metric has decimals if and only if it is in seconds"
        if not m.help.endswith("."):
            yield f"metrics.def: {m.name}: its help is not a sentence"
