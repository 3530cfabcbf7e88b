#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what is in sql/, after a change there: run it once before you commit.

- sql/schema/SHA256SUMS gets a line for each new file. A file that has a line never changes.
- sql/functions/REVISION is "N DIGEST", of all files there. When they have changed, N grows by one: a program
  refuses a database whose functions have a higher revision than its own (hub/db/migrate.h).
"""
import hashlib
import pathlib
import re
import sys

SQL = pathlib.Path(__file__).resolve().parent.parent / "sql"
SUMS = SQL / "schema" / "SHA256SUMS"
REVISION = SQL / "functions" / "REVISION"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recorded_sums():
    """{file: SHA-256}"""
    return dict(reversed(line.split()) for line in SUMS.read_text().splitlines()) if SUMS.exists() else {}


def functions_digest():
    lines = [f"{path.name} {sha256(path)}\n" for path in sorted((SQL / "functions").glob("*.sql"))]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def recorded_revision():
    """(N, digest)"""
    number, digest = REVISION.read_text().split() if REVISION.exists() else (0, "")
    return int(number), digest


def problems():
    """What a commit must not have: a list of lines."""
    found = []
    files = {path.name: sha256(path) for path in (SQL / "schema").glob("*.sql")}
    recorded = recorded_sums()
    for name in sorted(files.keys() | recorded.keys()):
        if name not in files:
            found.append(f"sql/schema/{name}: a migration that has landed is gone")
        elif name not in recorded:
            found.append(f"sql/schema/{name}: not in SHA256SUMS; run scripts/sql_sums.py")
        elif files[name] != recorded[name]:
            found.append(f"sql/schema/{name}: a migration that has landed must not change; add another one")
    if recorded_revision()[1] != functions_digest():
        found.append("sql/functions: changed without a new REVISION; run scripts/sql_sums.py")
    for path in (SQL / "functions").glob("*.sql"):
        created = set(re.findall(r"^create function (\w+)\(", path.read_text(), flags=re.M))
        if created != {path.stem}:
            found.append(f"sql/functions/{path.name}: must create {path.stem}() and nothing else")
    return found


def main():
    recorded = recorded_sums()
    for path in (SQL / "schema").glob("*.sql"):
        recorded.setdefault(path.name, sha256(path))
    SUMS.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(recorded.items())))
    number, digest = recorded_revision()
    if digest != functions_digest():
        REVISION.write_text(f"{number + 1} {functions_digest()}\n")
    for problem in problems():
        print(problem, file=sys.stderr)
    return 1 if problems() else 0


if __name__ == "__main__":
    sys.exit(main())
