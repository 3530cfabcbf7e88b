# SPDX-License-Identifier: Apache-2.0
"""Runs the tests; tests/run.sh starts it. Parts are in parts.py, names in names.py."""
import sys
import threading
import time

import commands
import names
import parts
import results

SLOWEST = 20

# Stages follow each other. Within one, the lists run at the same time, and the parts of a list one
# after the other: end-to-end tests mostly wait, which leaves the processor to compilers and Spin.
STAGES = (
    ([parts.BUILD],),
    ([parts.E2E], [parts.UNIT, parts.TSAN], [parts.TREE, parts.GCC, parts.MODEL, parts.QUICKSTART]),
    ([parts.TIMING],),   # measures time, so nothing runs beside it
)


class Run:
    """The parts that were asked for, and what came of them."""

    def __init__(self, selection):
        self.selection = selection
        self.lock = threading.Lock()
        self.passed = self.failed = 0
        self.broken = set()   # parts that failed to build
        self.times = []       # (seconds, test)

    def stage(self, lists):
        threads = [threading.Thread(target=self._list, args=(one,)) for one in lists]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _list(self, one):
        for part in one:
            if part.name in self.selection.parts and part.needs not in self.broken:
                self._part(part)

    def _part(self, part):
        began = time.monotonic()
        for result in part.run(self.selection):
            self._report(result, time.monotonic() - began)
            began = time.monotonic()
            if result.failed and part.is_build:
                self.broken.add(part.name)

    def _report(self, result, seconds):
        with self.lock:
            self.passed += result.passed
            self.failed += result.failed
            self.times += result.times
            print(f"{result.what:<64} {result.passed:4d} passed, {result.failed} failed  "
                  f"({seconds:.0f} s)", flush=True)
            if result.failed:
                for line in result.details or commands.end_of(result.log):
                    print("    " + line)


def main(args):
    if args in (["--list"], ["-l"]):
        print("\n".join(names.listing()))
        return 0
    try:
        selection = names.select(args)
    except names.Unknown as e:
        print(f"run.sh: {e}", file=sys.stderr)
        return 2
    began = time.monotonic()
    run = Run(selection)
    try:
        for stage in STAGES:
            run.stage(stage)
    except KeyboardInterrupt:
        commands.kill_all()
        print("interrupted")
        return 130
    for seconds, test in sorted(run.times, reverse=True)[:SLOWEST]:
        if seconds >= 1:
            print(f"  {seconds:6.1f} s  {test}")
    print(f"all of it took {time.monotonic() - began:.0f} s on {commands.CORES} cores; "
          f"logs are in {commands.LOGS.relative_to(commands.ROOT)}")
    print(f"{run.passed} passed, {run.failed} failed")
    return 0 if run.failed == 0 and run.passed > 0 else 1


sys.exit(main(sys.argv[1:]))
