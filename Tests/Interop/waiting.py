"""Waiting for what comes about."""

import time


def until(condition, what, timeout=60):
    """The first value of CONDITION that is true; WHAT, or what it returns, is said if there is none in time."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"after {timeout} s: {what() if callable(what) else what}"
        time.sleep(0.05)
