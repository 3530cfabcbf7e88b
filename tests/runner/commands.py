# SPDX-License-Identifier: Apache-2.0
"""Runs programs with their output in a log file."""
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "test-logs"
CORES = len(os.sched_getaffinity(0))
SHOWN = 60   # lines of the log of what failed

# the file alone: its package needs modules that take a second to load
_spec = importlib.util.spec_from_file_location("paths", ROOT / "tests/e2e/harness/paths.py")
_paths = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_paths)

_running = set()
_lock = threading.Lock()


def environment():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1:"
                                   "detect_stack_use_after_return=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.setdefault("SSF_TMP", _paths.temporary_base())
    if shutil.which("ccache"):
        env.setdefault("CMAKE_C_COMPILER_LAUNCHER", "ccache")
    return env


def fixed_addresses():
    """The prefix of commands that run sanitized programs. Sanitizers of older compilers cannot cope with
    more than 28 random bits in addresses."""
    bits = pathlib.Path("/proc/sys/vm/mmap_rnd_bits")
    try:
        many = int(bits.read_text()) > 28
    except OSError:
        return []
    if many and subprocess.run(["setarch", "-R", "true"], stderr=subprocess.DEVNULL).returncode == 0:
        return ["setarch", "-R"]
    return []


def run(log, argv, timeout=2700, mode="wb", **env):
    """Runs a program in a process group of its own, which is killed as a whole after the timeout. Returns
    the exit status, or -1 after the timeout."""
    with open(log, mode) as out:
        out.write(f"$ {' '.join(map(str, argv))}\n".encode())
        out.flush()
        process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, env={**environment(), **env},
                                   start_new_session=True)
        with _lock:
            _running.add(process.pid)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            kill(process.pid)
            process.wait()
            out.write(f"\nstill running after {timeout} s\n".encode())
            return -1
        finally:
            with _lock:
                _running.discard(process.pid)


def kill(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def kill_all():
    with _lock:
        for group in _running:
            kill(group)


def end_of(log):
    return pathlib.Path(log).read_text(errors="replace").splitlines()[-SHOWN:]
