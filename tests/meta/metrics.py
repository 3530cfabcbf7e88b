# SPDX-License-Identifier: Apache-2.0
"""What hub/metrics/metrics.def says, and what docs/reference/metrics.md has to say of it."""
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEN = r'"((?:[^"\\]|\\.)*)"'

Metric = collections.namedtuple("Metric", "id name type decimals labels help")


def table():
    """Every metric, in the order of the file."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "hub/metrics/metrics.def").read_text(), flags=re.S)
    labels = dict(re.findall(r'^(?:OPEN_)?LABELS\((\w+), "(\w+)"', text, re.M))
    found = []
    for m in re.finditer(r'^METRIC\((\w+), (\w+), "(\w+)", (\d), (\w+), (\w+), (\w+),\s*' + SEEN + r"\)|"
                         r'^STREAM_METRIC\((\w+), "(\w+)", (\d),\s*' + SEEN + r"\)", text, re.M):
        kind, id_, name, decimals, a, b, _, help_ = m.groups()[:8]
        if kind is None:
            id_, name, decimals, help_ = m.groups()[8:]
            kind, names = "GAUGE", ["stream"]
        else:
            names = [labels[x] for x in (a, b) if x != "none"]
        found.append(Metric(id_, name, kind.split("_")[0].lower(), int(decimals), names, help_.replace('\\"', '"')))
    assert len(found) == len(re.findall(r"^(?:STREAM_)?METRIC\(", text, re.M)), "metrics.def: not all is read"
    return found


def row(m):
    return f"| `{m.name}` | {m.type} | {', '.join(f'`{x}`' for x in m.labels)} | {m.help} |"


def problems():
    metrics = table()
    documented = re.findall(r"^\| `\w+` \| (?:counter|gauge|histogram) \|.*$", (ROOT / "docs/reference/metrics.md").read_text(), re.M)
    expected = [row(m) for m in metrics]
    for line in expected:
        if line not in documented:
            yield f"docs/reference/metrics.md does not have {line}"
    for line in documented:
        if line not in expected:
            yield f"docs/reference/metrics.md has {line}, which is not in metrics.def"
    if not set(expected) ^ set(documented) and expected != documented:
        yield "docs/reference/metrics.md has them in another order"
    code = "".join(p.read_text() for p in (ROOT / "hub").rglob("*.c"))
    for m in metrics:
        if not re.search(rf"\bmetric_(?:add|set|observe|follow)\w*\({m.id}\b|\bMETRIC_(?:ID|CELL)_{m.id}\b", code):
            yield f"metrics.def has {m.id}, which nothing counts"
        if not re.fullmatch(r"(?:ssfhub|process)_[a-z_]+", m.name):
            yield f"metrics.def: {m.name}: not in our namespace"
        if (m.type == "counter") != m.name.endswith("_total"):
            yield f"metrics.def: {m.name}: _total is for counters, and for all of them"
        if (m.decimals > 0) != ("_seconds" in m.name):
            yield f"metrics.def: {m.name}: what has decimals is in seconds, and the other way round"
        if m.help[-1] not in ".":
            yield f"metrics.def: {m.name}: its help is no sentence"


if __name__ == "__main__":
    print("\n".join(row(m) for m in table()))
