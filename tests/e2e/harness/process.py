# SPDX-License-Identifier: Apache-2.0
"""Child processes whose output can be read while they run."""
import os
import pathlib
import signal
import subprocess

from .poll import wait_until

SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
                   "runtime error:", "UndefinedBehaviorSanitizer")


class Proc:
    """A child process. stdout and stderr go to files; stop() or close() ends it, by its pid."""

    def __init__(self, argv, folder, name=None, env=None, cwd=None):
        self.name = name or os.path.basename(argv[0])
        self.stdout_path = pathlib.Path(folder) / f"{self.name}.out"
        self.stderr_path = pathlib.Path(folder) / f"{self.name}.err"
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                          env={**os.environ, **(env or {})}, cwd=cwd)
        self.pid = self.popen.pid

    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def log(self):
        return self.stderr_path.read_text(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def wait_stdout(self, text):
        """Waits for a line of stdout that contains text, and returns it."""
        def line():
            found = [ln for ln in self.stdout().splitlines() if text in ln]
            assert found or self.alive(), f"{self.name} ended: {self.log()}"
            return found
        return wait_until(line, what=f"{self.name} prints {text!r}")[0]

    def wait_log(self, text, count=1):
        try:
            wait_until(lambda: self.log().count(text) >= count)
        except AssertionError as e:
            raise AssertionError(f"{self.name} does not log {text!r} {count} times; log:\n"
                                 f"{self.log()}") from e

    def send_signal(self, signo):
        os.kill(self.pid, signo)

    def stop(self, signo=signal.SIGTERM, timeout=60.0):
        """Asks the process to end, and returns its exit status."""
        if self.alive():
            self.send_signal(signo)
        return self.popen.wait(timeout)

    def check(self):
        """No sanitizer has reported anything."""
        log = self.log()
        for mark in SANITIZER_MARKS:
            assert mark not in log, f"{self.name}: {log}"

    def close(self, timeout=60.0):
        """For teardown: ends the process, even a stopped one, then check(). It ends by SIGTERM where
        possible, because leaks are reported only then."""
        if self.alive():
            self.send_signal(signal.SIGCONT)
            self.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(60)
        self.check()
