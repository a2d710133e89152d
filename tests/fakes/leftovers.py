"""Find processes that a test should not have left."""

from __future__ import annotations

import contextlib
import os
import time

import psutil


def running(text: str) -> list[str]:
    """Return the command lines, but this process's, in which a text occurs."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if text in line and process.pid != os.getpid():
                found.append(line)
    return found


def wait_until_gone(text: str, *, timeout_s: float = 5.0) -> list[str]:
    """Return what still runs after a while, nothing at best."""
    deadline = time.monotonic() + timeout_s
    while (found := running(text)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found
