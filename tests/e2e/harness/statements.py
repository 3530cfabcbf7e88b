# SPDX-License-Identifier: Apache-2.0
"""The SQL of the hub: its statements (hub/db/stmt.def), and its schema as the program applies it (sql/)."""
import json
import re

from .paths import ROOT


def statements():
    """{name: (number of parameters, text)}, as the hub compiles them in."""
    text = (ROOT / "hub" / "db" / "stmt.def").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = {}
    for name, params, strings in re.findall(
            r"STMT\((\w+),\s*PARAMS\(([^)]*)\),((?:\s*\"(?:[^\"\\]|\\.)*\")+)\)", text):
        sql = "".join(json.loads(s) for s in re.findall(r'"(?:[^"\\]|\\.)*"', strings))
        found[name] = (len([t for t in params.split(",") if t.strip()]), sql)
    assert len(found) == text.count("STMT(")
    return found


def schema_sql():
    """Tables, then functions: one of these may name another that comes after it."""
    files = sorted((ROOT / "sql/schema").glob("*.sql")), sorted((ROOT / "sql/functions").glob("*.sql"))
    schema, functions = ("\n".join(p.read_text() for p in part) for part in files)
    return f"{schema}\nset check_function_bodies = off;\n{functions}\nreset check_function_bodies;"


def python_form(sql):
    """$2 becomes %(p2)s."""
    return re.sub(r"\$(\d+)", r"%(p\1)s", sql.replace("%", "%%"))
