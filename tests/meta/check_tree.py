#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tree to its own rules: who may include whom, what is documented, what is banned.

Prints one line a check, "ok" or what is wrong; exits 1 if anything is wrong.
"""
import collections
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import code_rules   # noqa: E402
import conformance  # noqa: E402
import docs         # noqa: E402
import metrics      # noqa: E402
import sql_sums     # noqa: E402

# A header from outside, and the folders that may include it.
FENCED = {
    r"event2/": ["lib/kit", "lib/http"],
    r"libpq-fe\.h": ["hub/db"],
    r"curl/": ["lib/http"],
    r"hiredis/": ["receivers/sinks/redis"],
    r"jwt\.h": ["hub/auth"],
    r"pthread\.h": ["lib/kit", "lib/http", "lib/ssf"],
}
BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|gmtime|localtime|asctime|ctime|alloca|system|popen|rand|srand)\("


def sources():
    for top in ("lib", "transmitters", "hub", "receivers"):
        yield from sorted(p for p in (ROOT / top).rglob("*.[ch]"))


def folder_of(path):
    return str(path.relative_to(ROOT).parent)


def check_fences():
    for path in sources():
        for include in re.findall(r"^#include <([^>]+)>", path.read_text(), re.M):
            for pattern, folders in FENCED.items():
                if re.match(pattern, include) and folder_of(path) not in folders:
                    yield f"{path.relative_to(ROOT)} may not include <{include}>"


def check_banned():
    for path in sources():
        name = str(path.relative_to(ROOT))
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for function in re.findall(BANNED, text):
            yield f"{name} calls {function}"
        if re.search(r"^\s*//", path.read_text(), re.M):
            yield f"{name} has a // comment"


def check_cleanup():
    """A cleanup runs at every return after the declaration, so the declaration has to initialize."""
    for path in sources():
        for line in re.findall(r"^\s*(?:ssf_auto_buf|ssf_auto_free|ssf_auto\(\w+\)|json_auto_t \*)[^=;]*;", path.read_text(), re.M):
            yield f"{path.relative_to(ROOT)}: not initialized: {line.strip()}"


def check_headers():
    for path in sources():
        text = path.read_text()
        if not text.startswith("/* SPDX-License-Identifier: Apache-2.0 */"):
            yield f"{path.relative_to(ROOT)} does not begin with its licence"
        if path.suffix == ".h" and "#pragma once" not in text:
            yield f"{path.relative_to(ROOT)} has no #pragma once"


def check_generated():
    for path, _ in docs.stale():
        yield f"{path} is stale: run scripts/docs.py"


def logged_events():
    """Name and level of every log call, with its file."""
    for path in sources():
        text = path.read_text()
        for level, name in re.findall(r'\blog_(debug|info|warn|error)\(\s*"([a-z_.]+)"', text):
            yield name, level, path
        for level, one, other in re.findall(
                r'\blog_(debug|info|warn|error)\([^;"]*\?\s*"([a-z_.]+)"\s*:\s*"([a-z_.]+)"', text):
            yield one, level, path
            yield other, level, path


def check_log_events():
    """Every log call is in lib/kit/log_events.def with its level, and the other way round."""
    listed = {name: set(levels) for _, events in docs.log_events() for name, levels, _ in events}
    used = collections.defaultdict(set)
    for name, level, path in logged_events():
        if path.name == "log.h":   # the example in its head comment
            continue
        used[name].add(level)
        if level not in listed.get(name, ()):
            yield f"{path.relative_to(ROOT)} logs {name} at level {level}, which log_events.def does not have"
    for name, levels in listed.items():
        for level in sorted(levels - used[name]):
            yield f"log_events.def has {name} at level {level}, which nothing logs"
        if not re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name):
            yield f"log_events.def: {name} is not noun.verb"


def check_metrics():
    yield from metrics.problems()


def routes():
    """(method, path, who, scope, operationId) of each line of hub/api/routes.def, in its order."""
    scopes = {perm: scope for scope, perm in re.findall(
        r'X\("([\w.]+)", PERM_(\w+)\)', (ROOT / "hub/scopes/scope.c").read_text())}
    for macro, columns in re.findall(r'^(\w*ROUTE)\((.+)\)$', (ROOT / "hub/api/routes.def").read_text(), re.M):
        columns = [c.strip().strip('"') for c in columns.split(",")]
        who = "ANYBODY" if macro == "EARLY_ROUTE" else columns[2]
        perm = "NONE" if macro in ("EARLY_ROUTE", "MONITOR_ROUTE") else columns[3]
        yield columns[0], columns[1], who, scopes.get(perm, ""), columns[-1]


def check_routes():
    text = (ROOT / "docs/reference/api.md").read_text()
    for method, path, *_ in routes():
        pattern = re.escape(f"`{method} {path}").replace(r"\*", r"\{\w+\}")
        if not re.search(pattern + r"[`?,]", text) and not re.search(re.escape(path).replace(r"\*", r"\{\w+\}"), text):
            yield f"docs/reference/api.md does not have {method} {path}"


def check_openapi():
    """The document has exactly the routes of the table: "*" there is one {name} here, who may call is the
    security here, and the permission that a client needs is the scope there."""
    document = json.loads((ROOT / "hub/api/openapi.json").read_text())
    # the token endpoint is for anybody, in that it authenticates the client itself
    who = {frozenset(): "ANYBODY", frozenset({"client"}): "ANYBODY", frozenset({"admin"}): "ADMIN",
           frozenset({"receiver", "oauth"}): "CLIENT",
           frozenset({"admin", "receiver", "oauth"}): "EMITTER",
           frozenset({"admin", "metrics"}): "SCRAPER"}
    described = collections.Counter()
    for path, item in document["paths"].items():
        for method in set(item) - {"parameters"}:
            security = {name: " ".join(scope) for scheme in item[method].get("security", [])
                        for name, scope in scheme.items()}
            described[method.upper(), re.sub(r"\{\w+\}", "*", path), who.get(frozenset(security)),
                      security.get("oauth", ""), item[method]["operationId"]] += 1
    served = collections.Counter(routes())
    for route in sorted(served - described, key=str):
        yield f"hub/api/openapi.json does not have {route}"
    for route in sorted(described - served, key=str):
        yield f"hub/api/openapi.json has {route}, which is no route"


def check_links():
    """Links between documents lead somewhere."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)\s#]+)", path.read_text()):
            if not (path.parent / link).exists():
                yield f"{path.relative_to(ROOT)}: {link} does not exist"


def check_fuzz():
    for target in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c")):
        seeds = list((ROOT / "tests/fuzz/corpus" / target.stem[5:]).glob("*"))
        if len(seeds) < 5:
            yield f"{target.name} has {len(seeds)} seeds"
        lists = [p.read_text() for p in (ROOT / "tests/unit").rglob("CMakeLists.txt")]
        if not any("fuzz_target" in t and re.search(rf"\b{target.stem[5:]}\b", t) for t in lists):
            yield f"{target.name} is not built"


def check_adapters():
    """Each source adapter has a page for operators and at least five seeds of its own."""
    pages = "".join(p.read_text() for p in (ROOT / "docs/sources").glob("*.md"))
    seeds = [p.read_bytes() for p in (ROOT / "tests/fuzz/corpus/source_adapter").glob("*")]
    table = re.sub(r"/\*.*?\*/", "", (ROOT / "transmitters/adapters.def").read_text(), flags=re.S)
    for type_ in re.findall(r'^ADAPTER\(\w+, "([\w-]+)"\)', table, re.M):
        if f"`{type_}`" not in pages:
            yield f"docs/sources has no page about `{type_}`"
        count = sum(seed.startswith(f"{type_} ".encode()) for seed in seeds)
        if count < 5:
            yield f"tests/fuzz/corpus/source_adapter has {count} seeds of {type_}"


def check_lessons():
    """docs/lessons-tests.md: a line for each clause and bug, and the tests that it names are there."""
    text = (ROOT / "docs/lessons-tests.md").read_text()
    lines = dict(re.findall(r"^\| (clause \d|B\d+) \|.*\| (.*) \|$", text, re.M))
    wanted = [f"clause {n}" for n in range(1, 7)] + \
        [f"B{n}" for n in range(1, 21) if n not in (15, 17)]   # those two are of parts that are to come
    for name in wanted:
        named = re.findall(r"`([^`]+)`", lines.get(name, ""))
        if not named:
            yield f"docs/lessons-tests.md: {name} has no test"
        for one in named:
            path, _, test = one.partition("::")
            file = ROOT / path if "/" in path else next((ROOT / "tests/e2e").rglob(path), None)
            if file is None or not file.is_file() or not re.search(rf"\b(def|void) {test}\(", file.read_text()) and test:
                yield f"docs/lessons-tests.md: {name}: there is no {one}"


def check_code():
    yield from code_rules.problems()


def check_conformance():
    yield from conformance.problems()


def check_sql():
    """Migrations that have landed do not change; the functions have a new revision when they do."""
    yield from sql_sums.problems()


def main():
    failed = 0
    for name, check in sorted((n[6:], f) for n, f in globals().items() if n.startswith("check_")):
        found = list(check())
        failed += bool(found)
        print(f"{name}: {'ok' if not found else 'WRONG'}")
        for line in found:
            print(f"  {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
