# SPDX-License-Identifier: Apache-2.0
"""Counts test cases in what the test programs have written."""
import pathlib
import re
import xml.etree.ElementTree

import commands

SHOWN = 25   # lines of each failed test
CMOCKA_PASSED = re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M)
CMOCKA_FAILED = re.compile(r"^\[  FAILED  \] .*?(\d+) test\(s\), listed below", re.M)
CMOCKA_SKIPPED = re.compile(r"^\[  SKIPPED \] .*?(\d+) test\(s\), listed below", re.M)


class Result:
    """What came of a part. times: (seconds, test) of each test that was timed. details: the lines to show
    of failures; without them the end of the log is shown."""

    def __init__(self, what, log, passed, failed, times=(), details=()):
        self.what = what
        self.log = log
        self.passed = passed
        self.failed = failed
        self.times = list(times)
        self.details = list(details)


def of_status(what, log, status):
    return Result(what, log, *((1, 0) if status == 0 else (0, 1)))


def of_counts(what, log):
    """A program whose last line is "PASSED FAILED"."""
    found = re.fullmatch(r"(\d+) (\d+)", commands.end_of(log)[-1])
    return Result(what, log, *map(int, found.groups())) if found else Result(what, log, 0, 1)


def of_lines(what, log):
    """A program that prints a line a check, which ends with ": ok" or ": WRONG"."""
    text = pathlib.Path(log).read_text(errors="replace")
    passed, failed = (len(re.findall(rf": {word}$", text, re.M)) for word in ("ok", "WRONG"))
    return Result(what, log, passed, failed if passed + failed else 1)


def of_junit(what, log, xml_path, status, name_of):
    """A JUnit file of ctest or pytest. name_of(classname, name) is how a test is shown."""
    try:
        cases = list(xml.etree.ElementTree.parse(xml_path).getroot().iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError):
        return Result(what, log, 0, 1)
    passed = failed = skipped = 0
    times, details = [], []
    for case in cases:
        counts = _count(case)
        passed, failed, skipped = (a + b for a, b in zip((passed, failed, skipped), counts))
        name = name_of(case.get("classname") or "", case.get("name"))
        times.append((float(case.get("time") or 0), name))
        if counts[1]:
            details += [f"failed: {name}", *("    " + line for line in _why(case))]
    if failed == 0 and status != 0:
        failed = 1   # it crashed, or its tests could not be collected
    if skipped:
        what += f" ({skipped} skipped)"
    return Result(what, log, passed, failed, times, details)


def _why(case):
    """The end of what a failed test has said."""
    said = [case.findtext(tag) or "" for tag in ("failure", "error", "system-out")]
    return "\n".join(said).rstrip().splitlines()[-SHOWN:]


def _count(case):
    """(passed, failed, skipped) of a <testcase>. A test of ctest is a program: cmocka's cases in it are
    counted. A program that fails without naming a case (a crash, say) is one failure."""
    output = case.findtext("system-out") or ""
    passed, failed, skipped = (sum(map(int, pattern.findall(output))) for pattern in
                               (CMOCKA_PASSED, CMOCKA_FAILED, CMOCKA_SKIPPED))
    if case.find("failure") is not None or case.find("error") is not None:
        return passed, max(failed, 1), skipped
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return 0, 0, 1
    return (passed, 0, skipped) if passed + skipped > 0 else (1, 0, 0)


def program_name(_, name):
    return name


def pytest_name(classname, name):
    """tests/e2e/deliver/test_push.py::test_x. pytest-xdist appends its group to the name."""
    path = classname.replace(".", "/") + ".py"
    if not (commands.ROOT / path).exists():
        path = classname
    return f"{path.removeprefix('tests/e2e/')}::{re.sub(r'@[^@]*$', '', name)}"
