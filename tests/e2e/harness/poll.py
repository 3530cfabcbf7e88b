# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition. No test sleeps instead."""
import time

PATIENCE_S = 60


def wait_until(cond, timeout=PATIENCE_S, what=None):
    """Calls cond until it returns something true, and returns that.

    The timeout only bounds a failure, and is long, so that a busy machine decides no test. A test that
    has to be quick measures the time itself, and is marked serial."""
    deadline = time.monotonic() + timeout
    while True:
        value = cond()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or cond}"
        time.sleep(0.01)
