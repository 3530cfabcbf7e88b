# SPDX-License-Identifier: Apache-2.0
"""The parts of a test run. A part's run(selection) yields one results.Result for each line of output."""
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

import commands
import results
from commands import CORES, LOGS, ROOT

ASAN = ("asan", "clang", ("-DSSF_SANITIZE=address,undefined",))
WORKERS = min(3 * CORES, 12)   # of pytest: tests wait more than they compute
PURGED = re.compile(r"^leaked secret -> cache purged in (\d+ ms)$")


class Part:
    """needs: the part without which this one does not run."""

    def __init__(self, name, help_, run, needs=None, is_build=False):
        self.name = name
        self.help = help_
        self.run = run
        self.needs = needs
        self.is_build = is_build


# --- building blocks --------------------------------------------------------------------------

def build(name, compiler, options, targets=()):
    log, folder = LOGS / f"{name}-build.log", ROOT / "build" / name
    status = 0
    if not (folder / "build.ninja").exists():
        status = commands.run(log, ["cmake", "-S", ".", "-B", folder, "-G", "Ninja",
                                    f"-DCMAKE_C_COMPILER={compiler}", "-DSSF_TESTS=ON", *options])
    if status == 0:
        argv = ["cmake", "--build", folder, *(["--target", *targets] if targets else [])]
        status = commands.run(log, argv, mode="ab" if log.exists() else "wb")
    return results.of_status(f"{name}: builds with {compiler} -Werror", log, status)


def ctest(name, what, *only):
    """Runs the test programs of build/NAME; only: options of ctest that select some."""
    log, xml = LOGS / f"{name}.log", LOGS / f"{name}.xml"
    xml.unlink(missing_ok=True)
    size = "1000000"
    status = commands.run(log, [
        *commands.fixed_addresses(), "ctest", "--test-dir", ROOT / "build" / name,
        "-j", str(2 * CORES), "--timeout", "600", "--no-tests=error", "--output-on-failure",
        "--output-junit", xml, "--test-output-size-passed", size, "--test-output-size-failed", size,
        *only])
    return results.of_junit(what, log, xml, status, results.program_name)


def pytest(name, what, tests, *options):
    log, xml = LOGS / f"{name}.log", LOGS / f"{name}.xml"
    xml.unlink(missing_ok=True)
    status = commands.run(log, [
        *commands.fixed_addresses(), "/usr/bin/python3", "-B", "-m", "pytest", "-q",
        "-p", "no:cacheprovider", "-o", "faulthandler_timeout=300", f"--junitxml={xml}", *options,
        *tests], SSF_BUILD=str(ROOT / "build" / "asan"))
    if status == 5:   # pytest: no test was selected
        return None
    return results.of_junit(what, log, xml, status, results.pytest_name)


# --- parts ------------------------------------------------------------------------------------

def run_build(selection):
    yield build(*ASAN, selection.targets)


def run_unit(selection):
    names = "^(" + "|".join(map(re.escape, selection.programs)) + ")$"
    yield ctest("asan", "unit: unit tests, fuzz corpora, with ASan, UBSan, LSan",
                *(["-R", names] if selection.programs else []))


def run_tsan(_):
    built = build("tsan", "clang", ("-DSSF_SANITIZE=thread",), ["thread-tests"])
    yield built
    if not built.failed:
        yield ctest("tsan", "tsan: the job pool and its users with TSan", "-L", "threads")


def run_e2e(selection):
    parallel = ["-n", str(WORKERS), "--dist", "loadgroup"] if selection.is_long else []
    result = pytest("e2e", "e2e: real programs, real PostgreSQL, real Redis", selection.e2e,
                    "-m", "not serial", *parallel)
    if result is not None:
        yield result


def run_timing(selection):
    result = pytest("timing", "timing: the end-to-end tests that measure time", selection.e2e,
                    "-m", "serial")
    if result is not None:
        yield result


def run_tree(_):
    log = LOGS / "headers.log"
    commands.run(log, ["sh", "tests/meta/check_headers.sh"])
    yield results.of_counts("tree: headers compile alone", log)
    log = LOGS / "tree.log"
    commands.run(log, ["/usr/bin/python3", "-B", "tests/meta/check_tree.py"])
    yield results.of_lines("tree: layers, documents, what is banned", log)


def run_gcc(_):
    yield build("dev", "gcc", ())


def run_model(_):
    log = LOGS / "model.log"
    commands.run(log, ["sh", "tests/model/check.sh"])
    yield results.of_lines("model: cursors and leases, and what would break them", log)


def quickstart(what, log, argv, **env):
    status = commands.run(log, argv, timeout=900, **env)
    found = PURGED.match(commands.end_of(log)[-1])
    if status == 0 and found:
        what += f": {found[1]}"
    return results.of_status(what, log, 0 if status == 0 and found else 1)


def run_quickstart(_):
    if os.geteuid() != 0:
        yield quickstart("quickstart", LOGS / "quickstart.log", ["sh", "examples/quickstart.sh"])
        return
    yield quickstart("quickstart: as root", LOGS / "quickstart.log", ["sh", "examples/quickstart.sh"])
    yield from quickstart_as_nobody()


def quickstart_as_nobody():
    """Run by a user with a home of their own, who may only read the tree."""
    nobody = pwd.getpwnam("nobody")
    may_read = subprocess.run(["test", "-r", str(ROOT / "CMakeLists.txt")], user="nobody",
                              group=nobody.pw_gid, extra_groups=[]).returncode == 0
    if not may_read:
        print(f"quickstart: not run as an ordinary user, who may not read {ROOT}", flush=True)
        return
    home = pathlib.Path(tempfile.mkdtemp(prefix="ssfhub-nobody."))
    try:
        shutil.chown(home, "nobody")
        script = ROOT / "examples" / "quickstart.sh"
        yield quickstart("quickstart: as an ordinary user", LOGS / "quickstart-user.log",
                         ["su", "-s", "/bin/sh", "nobody", "-c",
                          f"HOME='{home}' CMAKE_C_COMPILER_LAUNCHER= exec sh '{script}'"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


BUILD = Part("build", "clang, AddressSanitizer and UBSan: builds without warnings", run_build,
             is_build=True)
UNIT = Part("unit", "unit tests, and fuzz targets over their corpora (tests/unit, tests/fuzz)", run_unit,
            needs="build")
TSAN = Part("tsan", "ThreadSanitizer: the job pool, where the threads are, and its users", run_tsan)
E2E = Part("e2e", "end-to-end tests (tests/e2e), in parallel", run_e2e, needs="build")
TIMING = Part("timing", "end-to-end tests that measure time, one after the other", run_timing,
              needs="build")
TREE = Part("tree", "every header compiles alone; the tree keeps its own rules (tests/meta)", run_tree)
GCC = Part("gcc", "gcc: builds without warnings", run_gcc)
MODEL = Part("model", "Spin: the protocol of cursors and leases (tests/model)", run_model)
QUICKSTART = Part("quickstart", "examples/quickstart.sh, as root (if we are) and as an ordinary user",
                  run_quickstart)
ALL = (BUILD, UNIT, TSAN, E2E, TIMING, TREE, GCC, MODEL, QUICKSTART)
