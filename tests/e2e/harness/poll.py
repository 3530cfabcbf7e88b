# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition. No test sleeps instead."""
import time

PATIENCE_S = 60


def wait_until(cond, timeout=PATIENCE_S, what=None, interval=0.01):
    """Calls cond until it returns something true, and returns that.

    The timeout only bounds a failure, and is long, so that a busy machine decides no test. A test that
    has to be quick measures the time itself, and is marked serial."""
    deadline = time.monotonic() + timeout
    while True:
        value = cond()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or cond}"
        time.sleep(interval)


def busy_factor():
    """How much longer than on an idle machine a computation takes at the moment: 1 or more."""
    began, cpu = time.monotonic(), time.thread_time()
    while time.thread_time() - cpu < 0.05:
        pass
    return max(1.0, (time.monotonic() - began) / (time.thread_time() - cpu))
