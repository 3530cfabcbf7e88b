# SPDX-License-Identifier: Apache-2.0
"""The SQL statements of the hub (hub/db/stmt.def)."""
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


def python_form(sql):
    """$2 becomes %(p2)s."""
    return re.sub(r"\$(\d+)", r"%(p\1)s", sql.replace("%", "%%"))
