# SPDX-License-Identifier: Apache-2.0
"""Rules of the code that need more than a look at one line: check_tree.py runs them.

Files that broke a rule when it was introduced are in allowed.tsv. That list only shrinks: an entry that
is not needed any more is an error, too.

  code_rules.py --shrink    removes the entries that are not needed any more
"""
import functools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED = pathlib.Path(__file__).with_name("allowed.tsv")
COLUMNS = 100
FIELDS = 25      # of a struct
ARGUMENTS = 6    # of a function in a header
TAB = 8
PROGRAMS = ("lib", "transmitters", "hub", "receivers")


@functools.cache
def text_of(path):
    return path.read_text(errors="replace")


def files(*patterns, tops=(*PROGRAMS, "tests")):
    return sorted(p for top in tops for pattern in patterns for p in (ROOT / top).rglob(pattern))


def name_of(path):
    return str(path.relative_to(ROOT))


def without_comments(path):
    return re.sub(r"/\*.*?\*/", "", text_of(path), flags=re.S)


# --- rules: each yields (what breaks it, why); what is a file unless it says otherwise -----------

def rule_cycle():
    """No include cycles between modules. x.c and x.h are one module; the entry is a module."""
    graph = {}
    for path in files("*.[ch]", tops=PROGRAMS):
        module = name_of(path).rsplit(".", 1)[0]
        used = (i.rsplit(".", 1)[0] for i in re.findall(r'^#include "([^"]+\.h)"', text_of(path), re.M))
        graph.setdefault(module, set()).update(u for u in used if u != module)
    for module in sorted(graph):
        if module in reachable(graph, module):
            around = sorted(m for m in reachable(graph, module)
                            if module in reachable(graph, m) and m != module)
            yield module, f"includes in a circle with {', '.join(around)}"


def reachable(graph, start):
    found, new = set(), [start]
    while new:
        new = [m for n in new for m in graph.get(n, ()) if m not in found]
        found.update(new)
    return found


def rule_columns():
    """Lines of C have at most 100 columns; a tab has 8."""
    for path in files("*.[ch]"):
        long = [i for i, line in enumerate(text_of(path).split("\n"), 1)
                if len(line.expandtabs(TAB)) > COLUMNS]
        if long:
            yield name_of(path), f"has lines above {COLUMNS} columns: {', '.join(map(str, long[:8]))}"


def rule_own_header():
    """Each .c has its .h, but for main programs."""
    for path in files("*.c", tops=PROGRAMS):
        if path.name != "main.c" and not path.with_suffix(".h").exists():
            yield name_of(path), "has no header of its own"


def rule_include_order():
    """A .c includes its own header first. Names are sorted within each group of includes."""
    for path in files("*.[ch]", tops=PROGRAMS):
        found = list(groups(text_of(path)))
        own = name_of(path.with_suffix(".h"))
        names = [name for group in found for name in group]
        if path.suffix == ".c" and own in names and names[0] != own:
            yield name_of(path), "does not include its own header first"
        elif any(group != sorted(group) for group in found):
            group = next(group for group in found if group != sorted(group))
            yield name_of(path), f"does not sort its includes from {group[0]} on"


def groups(text):
    """Names that are included, by group: lines that follow each other."""
    group = []
    for line in text.split("\n"):
        found = re.match(r'#include [<"]([^>"]+)', line)
        if found:
            group.append(found[1])
        elif group:
            yield group
            group = []
    if group:
        yield group


def rule_struct():
    """A struct has at most 25 fields, but for the settings. The entry is file:struct."""
    for path in files("*.[ch]", tops=PROGRAMS):
        for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\}", without_comments(path), re.M | re.S):
            while re.search(r"\{[^{}]*\}", body):
                body = re.sub(r"\{[^{}]*\}", "", body)
            fields = [f for f in (field.strip() for field in body.split(";")) if f]
            count = sum(1 if "(" in f else 1 + f.count(",") for f in fields)
            if count > FIELDS and name != "conf":
                yield f"{name_of(path)}:{name}", f"has {count} fields"


def rule_arguments():
    """A function of a header takes at most 6 arguments. The entry is file:function."""
    for path in files("*.h", tops=PROGRAMS):
        text = re.sub(r"\([^()]*\)\)", ")", without_comments(path))   # attributes
        for name, arguments in re.findall(r"^[\w\s*]*?\b(\w+)\(([^;{}]*?)\)[^;{}()]*;", text, re.M):
            while re.search(r"\([^()]*\)", arguments):
                arguments = re.sub(r"\([^()]*\)", "", arguments)
            if arguments.count(",") + 1 > ARGUMENTS:
                yield f"{name_of(path)}:{name}", f"takes {arguments.count(',') + 1} arguments"


# Private idioms and clauses without a subject, which a reader has to decode.
IDIOMS = re.compile(
    r"\b(anew|of our own|takes part no more|has stopped to|is not of|(?:what|whatever|which) is under way|"
    r"who asks|who waits|who has|what has come|come to)\b", re.I)
HEADLESS = re.compile(r'^\s*(?:/\*\*?|\*|#|"""|--)\s*(?:Who|What|Whoever|Whatever|Of what)\b(?![^.\n]*\?)', re.M)
LANGUAGE_FILES = ("*.[ch]", "*.def", "*.sql", "*.py", "*.sh", "*.md")


def rule_language():
    """Plain technical English: subject first, no private idioms (CONTRIBUTING.md)."""
    here = {pathlib.Path(__file__).resolve(), ROOT / "CONTRIBUTING.md"}
    tops = (*PROGRAMS, "tests", "sql", "docs", "scripts", "examples")
    for path in [*files(*LANGUAGE_FILES, tops=tops), *sorted(ROOT.glob("*.md"))]:
        if path in here or path.suffix == ".tsv":
            continue
        text = text_of(path)
        found = sorted((text.count("\n", 0, m.start()) + 1, " ".join(m[0].split())) for pattern in
                       (IDIOMS, HEADLESS) for m in pattern.finditer(text))
        if found:
            yield name_of(path), "language: " + ", ".join(f"line {n} ({what})" for n, what in found[:6])


RULES = {name[5:]: rule for name, rule in sorted(globals().items()) if name.startswith("rule_")}


# --- the list of exceptions ----------------------------------------------------------------------

def allowed():
    """{(rule, what)}"""
    lines = ALLOWED.read_text().splitlines() if ALLOWED.exists() else []
    return {tuple(line.split("\t")) for line in lines if line and not line.startswith("#")}


def broken():
    """{(rule, what): why}"""
    return {(name, what): why for name, rule in RULES.items() for what, why in rule()}


def problems():
    found, exceptions = broken(), allowed()
    for (rule, what), why in found.items():
        if (rule, what) not in exceptions:
            yield f"{what} {why} ({RULES[rule].__doc__.splitlines()[0]})"
    for rule, what in sorted(exceptions - set(found)):
        yield f"{ALLOWED.name}: {rule} {what} is not needed any more: run tests/meta/code_rules.py --shrink"


def write(entries):
    head = "# Exceptions to the rules of code_rules.py. This list only shrinks.\n"
    ALLOWED.write_text(head + "".join("\t".join(entry) + "\n" for entry in sorted(entries)))


if __name__ == "__main__":
    if sys.argv[1:] == ["--shrink"]:
        write(allowed() & set(broken()))
    else:
        for (_rule, _what), _why in sorted(broken().items()):
            print(f"{_rule}\t{_what}\t{_why}")
