# SPDX-License-Identifier: Apache-2.0
"""What a name on the command line of tests/run.sh means: a part, an area (a folder of tests/unit or
tests/e2e), a file or a test."""
import difflib
import pathlib
import re

import parts
from commands import ROOT

UNIT = ROOT / "tests" / "unit"
FUZZ = ROOT / "tests" / "fuzz"
E2E = ROOT / "tests" / "e2e"
PROGRAMS = ("ssfhub", "ssf-receive")   # what end-to-end tests run
NOT_CMOCKA = {"cross_jwcrypto": "jwsctl"}   # tests that are scripts, and the program they run


class Unknown(Exception):
    pass


class Selection:
    """What to run. An empty list of programs, e2e or targets means all of them."""

    def __init__(self):
        self.parts = set()
        self.programs = []   # names of ctest
        self.e2e = []        # paths or node ids of pytest
        self.targets = []    # of the build
        self.is_long = False


def unit_files():
    return sorted([*UNIT.rglob("test_*.c"), *(p for n in NOT_CMOCKA for p in UNIT.rglob(f"{n}.py"))])


def fuzz_files():
    return sorted(FUZZ.glob("fuzz_*.c"))


def e2e_files():
    return sorted(E2E.rglob("test_*.py"))


def areas():
    """{name: folders of tests/unit and tests/e2e that have it}"""
    found = {}
    for file in [*unit_files(), *e2e_files()]:
        if file.parent not in (UNIT, E2E):
            found.setdefault(file.parent.name, set()).add(file.parent)
    return found


def listing():
    yield "parts"
    for part in parts.ALL:
        yield f"  {part.name:<12} {part.help}"
    yield "areas (their unit and their end-to-end tests)"
    yield "  " + " ".join(sorted(areas()))
    for title, files in (("unit tests", unit_files()), ("fuzz targets", fuzz_files()),
                         ("end-to-end tests", e2e_files())):
        yield title
        for file in files:
            yield f"  {file.stem:<28} {file.relative_to(ROOT)}"
    yield "and each test in these files by its name"


# --- from names to tests ----------------------------------------------------------------------

def select(names):
    selection = Selection()
    if not names:
        selection.parts = {part.name for part in parts.ALL}
        selection.e2e = ["tests/e2e"]
        selection.is_long = True
        return selection
    for name in names:
        if not any([_part(selection, name), _area(selection, name), _file(selection, name)]) and \
                not _test(selection, name):
            raise Unknown(f"nothing is called {name}{_hint(name)}; see sh tests/run.sh --list")
    if selection.parts & {"unit", "e2e", "timing"}:
        selection.parts.add("build")
    if None in selection.targets:
        selection.targets = []
    if "unit" in selection.parts and "all units" in selection.programs:
        selection.programs = []
    return selection


def _part(selection, name):
    if name not in [part.name for part in parts.ALL]:
        return False
    selection.parts.add(name)
    if name in ("e2e", "timing"):
        selection.parts |= {"e2e", "timing"} if name == "e2e" else {"timing"}
        selection.e2e.append("tests/e2e")
        selection.targets += PROGRAMS
        selection.is_long = True
    elif name in ("unit", "build"):
        selection.targets.append(None)   # all
        selection.programs.append("all units")
    return True


def _area(selection, name):
    found = [file for folder in areas().get(name.rstrip("/"), ()) for file in sorted(folder.iterdir())]
    for file in found:
        if file in unit_files():
            _add_unit(selection, file)
        elif file in e2e_files():
            _add_e2e(selection, str(file.relative_to(ROOT)))
    return bool(found)


def _file(selection, name):
    """test_window, window, test_window.c, tests/unit/hub/deliver/test_window.c"""
    path = pathlib.PurePath(name)

    def fits(file, prefix):
        if len(path.parts) > 1:
            return file == ROOT / name or file == pathlib.Path(name).resolve()
        return path.stem in (file.stem, file.stem.removeprefix(prefix)) and \
            path.suffix in ("", file.suffix)
    found = False
    for file in unit_files():
        if fits(file, "test_"):
            _add_unit(selection, file)
            found = True
    for file in fuzz_files():
        if fits(file, "fuzz_"):
            _add_fuzz(selection, file)
            found = True
    for file in e2e_files():
        if fits(file, "test_"):
            _add_e2e(selection, str(file.relative_to(ROOT)))
            found = True
    return found


def _test(selection, name):
    """A function: a cmocka test (then its whole program runs), or a test of pytest, perhaps with its
    parameters or its path."""
    path, _, test = name.rpartition("::")
    function = test.split("[")[0]
    found = False
    for file in e2e_files():
        if path and not str(file).endswith("/" + path):
            continue
        if re.search(rf"^def {re.escape(function)}\(", file.read_text(), re.M):
            _add_e2e(selection, f"{file.relative_to(ROOT)}::{test}")
            found = True
    for file in unit_files() if not path else []:
        if re.search(rf"^static void {re.escape(function)}\(void \*\*", file.read_text(), re.M):
            _add_unit(selection, file)
            found = True
    return found


def _add_unit(selection, file):
    selection.parts.add("unit")
    selection.programs.append("unit." + file.stem)
    selection.targets.append(NOT_CMOCKA.get(file.stem, file.stem))


def _add_fuzz(selection, file):
    name = file.stem.removeprefix("fuzz_")
    selection.parts.add("unit")
    selection.programs.append("fuzz." + name)
    selection.targets.append("replay_" + name)


def _add_e2e(selection, test):
    selection.parts |= {"e2e", "timing"}
    selection.is_long = selection.is_long or len({t.split("::")[0] for t in [*selection.e2e, test]}) > 1
    selection.e2e.append(test)
    selection.targets += PROGRAMS


def _hint(name):
    known = [part.name for part in parts.ALL] + sorted(areas())
    known += [f.stem for f in [*unit_files(), *fuzz_files(), *e2e_files()]]
    close = difflib.get_close_matches(name, known + [k.split("_", 1)[-1] for k in known], 3)
    return f" (did you mean {', '.join(dict.fromkeys(close))}?)" if close else ""
