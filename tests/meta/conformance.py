#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/reference/conformance.md: each MUST of the specifications, and the tests that hold us to it.

  conformance.py            writes the document
  conformance.py --check    says what is wrong, and exits 1 if anything is

The requirements stand in tests/e2e/conformance/musts.tsv; tests say by @must("ID", ...) what they
cover. That a test is named here says that there is one, not that it passes: run it.
"""
import ast
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/e2e/conformance/musts.tsv"
DOCUMENT = ROOT / "docs/reference/conformance.md"
E2E = "tests/e2e/"
NOT_TESTED = "not tested: "
TITLES = {
    "SSF": "OpenID Shared Signals Framework 1.0",
    "RFC8935": "RFC 8935, push-based delivery",
    "RFC8936": "RFC 8936, poll-based delivery",
    "CAEPIOP": "CAEP Interoperability Profile 1.0 (draft 02)",
}
WHO = ("transmitter", "both", "receiver", "nobody", "error")

Row = collections.namedtuple("Row", "id who text other")


def document_of(row):
    return row.id.split("-")[0]


def section_of(row):
    return row.id.split("-")[1]


def rows():
    lines = DATA.read_text().splitlines()[1:]
    return [Row(*line.split("\t")) for line in lines]


def markers(path):
    """Of a file: test -> the ids of its @must(...). Read, not run."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        found[node.name] = [arg.value for decorator in node.decorator_list
                            if isinstance(decorator, ast.Call)
                            and getattr(decorator.func, "id", None) == "must"
                            for arg in decorator.args]
    return found


def tests():
    """Every test of tests/e2e: FILE::NAME -> ids."""
    return {f"{path.relative_to(ROOT)}::{name}": ids
            for path in sorted((ROOT / E2E).rglob("test_*.py"))
            for name, ids in markers(path).items()}


def coverage(requirements, every):
    """id -> tests: those marked with it, and those that the data file names."""
    by_id = {row.id: [] if row.other.startswith(NOT_TESTED) else row.other.split()
             for row in requirements}
    for name, ids in every.items():
        for one in ids:
            by_id.setdefault(one, []).append(name)
    return by_id


def problems():
    requirements, every = rows(), tests()
    known = {row.id for row in requirements}
    covered = coverage(requirements, every)
    if len(known) != len(requirements):
        yield f"{DATA.name}: an id is there twice"
    for name, ids in every.items():
        for one in set(ids) - known:
            yield f"{name} is marked with {one}, which {DATA.name} does not have"
    for row in requirements:
        if row.who not in WHO or document_of(row) not in TITLES:
            yield f"{row.id}: binds {row.who}"
        for name in covered[row.id]:
            if name not in every:
                yield f"{row.id}: there is no test {name}"
        if not covered[row.id] and not row.other.startswith(NOT_TESTED):
            yield f"{row.id} has neither a test nor a reason why there is none"
        if covered[row.id] and row.other.startswith(NOT_TESTED):
            yield f"{row.id} has a test, and a reason why there is none"
    if not DOCUMENT.exists() or DOCUMENT.read_text() != document(requirements, covered):
        yield "docs/reference/conformance.md is not up to date: run tests/meta/conformance.py"


# --- the document -----------------------------------------------------------------------------

HEAD = """# Conformance

<!-- Made by tests/meta/conformance.py; change tests/e2e/conformance/musts.tsv or the tests. -->

Each MUST, MUST NOT, REQUIRED and SHALL of the specifications below, whom it binds, and the tests for it. One keyword is
one line, in our words; the specification rules. Non-normative appendices are left out. The tests are those of
`tests/e2e/conformance`, written from the specifications alone: they speak HTTP and know the transmitter's issuer, a CA
and two receivers' credentials. Where authorization matters they run twice, with a static token and with OAuth. That a
test is named says that there is one; `sh tests/run.sh e2e` says whether it passes.

"Both" binds transmitter and receiver; its tests are of the transmitter. What binds receivers is tested with
`ssf-receive` ([receivers](ssf-receive.md)), as far as it applies to a program that is given a stream that exists.
"""


def short(name):
    return f"`{name.removeprefix(E2E).removeprefix('conformance/')}`"


def counts(requirements, covered):
    tested = sum(bool(covered[r.id]) for r in requirements)
    return len(requirements), tested, len(requirements) - tested


def totals(requirements, covered):
    yield "| | MUSTs | tested | not tested |"
    yield "| --- | ---: | ---: | ---: |"
    musts = [r for r in requirements if r.who != "error"]
    for key, title in TITLES.items():
        part = [r for r in musts if document_of(r) == key]
        yield f"| {title} | {' | '.join(map(str, counts(part, covered)))} |"
    for who, title in (("transmitter", "of them: bind the transmitter"),
                       ("both", "of them: bind both"), ("receiver", "of them: bind the receiver"),
                       ("nobody", "of them: bind neither")):
        part = [r for r in musts if r.who == who]
        yield f"| {title} | {' | '.join(map(str, counts(part, covered)))} |"
    yield f"| **all** | {' | '.join(f'**{n}**' for n in counts(musts, covered))} |"
    part = [r for r in requirements if r.who == "error"]
    yield f"| rows of error tables | {' | '.join(map(str, counts(part, covered)))} |"


def reasons(requirements, covered):
    by_reason = collections.defaultdict(list)
    for row in requirements:
        if not covered[row.id]:
            by_reason[(row.who, row.other.removeprefix(NOT_TESTED))].append(row.id)
    yield "| binds | what is not tested | why |"
    yield "| --- | --- | --- |"
    for (who, reason), ids in sorted(by_reason.items(), key=lambda i: WHO.index(i[0][0])):
        yield f"| {'row' if who == 'error' else who} | {', '.join(ids)} | {reason} |"


def table(part, covered, names):
    yield "| " + " | ".join(names) + " |"
    yield "|" + " --- |" * len(names)
    for row in part:
        found = "<br>".join(map(short, covered[row.id])) or row.other
        who = [row.who] if len(names) == 5 else []
        yield "| " + " | ".join([row.id, section_of(row), *who, row.text, found]) + " |"


def document(requirements, covered):
    lines = [HEAD, *totals(requirements, covered), "", "## Not tested", "",
             *reasons(requirements, covered)]
    for key, title in TITLES.items():
        part = [r for r in requirements if document_of(r) == key and r.who != "error"]
        lines += ["", f"## {title}", "",
                  *table(part, covered, ("id", "section", "binds", "requirement", "tests"))]
    part = [r for r in requirements if r.who == "error"]
    lines += ["", "## Error tables of SSF 1.0", "",
              "Each test also holds the answer's body to `{\"err\", \"description\"}`, and the "
              "database to what it was before.", "",
              *table(part, covered, ("id", "section", "row", "tests"))]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def main():
    if sys.argv[1:] == ["--check"]:
        found = list(problems())
        print("\n".join(found) or "ok")
        return 1 if found else 0
    requirements = rows()
    DOCUMENT.write_text(document(requirements, coverage(requirements, tests())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
