# SPDX-License-Identifier: Apache-2.0
"""Counts test cases in a JUnit file of ctest or pytest: prints "PASSED FAILED", and to stderr the
names of those that failed and how many were skipped.

A test of ctest is a program. Where it is one of cmocka's, its cases are counted, as cmocka
itself prints them; a program that failed without naming a case (it crashed, say) counts as one.
"""
import re
import sys
import xml.etree.ElementTree

PASSED = re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M)
FAILED = re.compile(r"^\[  FAILED  \] .*?(\d+) test\(s\), listed below", re.M)
SKIPPED = re.compile(r"^\[  SKIPPED \] .*?(\d+) test\(s\), listed below", re.M)


def total(pattern, text):
    return sum(map(int, pattern.findall(text)))


def count(case):
    """(passed, failed, skipped) of one <testcase>."""
    output = case.findtext("system-out") or ""
    passed, failed, skipped = (total(p, output) for p in (PASSED, FAILED, SKIPPED))
    if case.find("failure") is not None or case.find("error") is not None:
        return passed, max(failed, 1), skipped
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return 0, 0, 1
    return (passed, 0, skipped) if passed + skipped > 0 else (1, 0, 0)


def main(path):
    sums = [0, 0, 0]
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        counts = count(case)
        sums = [a + b for a, b in zip(sums, counts)]
        if counts[1] > 0:
            print(f"failed: {case.get('classname')} {case.get('name')}", file=sys.stderr)
    if sums[2] > 0:
        print(f"skipped: {sums[2]}", file=sys.stderr)
    print(sums[0], sums[1])


main(sys.argv[1])
