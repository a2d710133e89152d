"""Child processes that never outlive their wait."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from android_bench.transport import processes
from android_bench.transport.processes import Process, Running
from tests.fakes.leftovers import wait_until_gone


def shell(text, **settings):
    return Process(["sh", "-c", text], **settings)


def test_the_outcome():
    ended = shell("echo out; echo err >&2; exit 4").wait(20)

    assert (ended.exit_code, ended.stdout, ended.stderr) == (4, b"out\n", b"err\n")
    assert ended.stopped == ""


def test_input_is_empty_or_held_open():
    assert Process(["cat"]).wait(20).stopped == ""
    assert "0.5 s" in Process(["cat"], keep_stdin=True).wait(0.5).stopped


def test_output_before_the_limit_is_kept():
    ended = shell("echo before; exec sleep 9001.5").wait(1.0)

    assert ended.stdout == b"before\n"
    assert ended.stopped == "no end after 1 s"
    assert ended.exit_code == -signal.SIGKILL
    assert not wait_until_gone("sleep 9001.5")


def test_what_is_left_in_the_background_is_killed():
    """Also when it does not hold the output open."""
    ended = shell("sleep 9002.5 >/dev/null 2>&1 & echo done").wait(20)

    assert ended.stdout == b"done\n"
    assert not wait_until_gone("sleep 9002.5")


def test_a_child_that_leaves_the_group_does_not_block():
    """It holds the output open; the wait ends all the same, soon after the limit."""
    started = time.monotonic()
    ended = shell("setsid sleep 9.003 & sleep 9003.5").wait(0.5)

    assert ended.stopped
    assert time.monotonic() - started < 8
    assert not wait_until_gone("sleep 9003.5")


def test_an_exception_in_the_wait_kills_it():
    """Such as Ctrl-C."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        process = shell("sleep 9004.5; true")
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            process.wait(30)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)

    assert not wait_until_gone("sleep 9004.5")


def test_too_much_output(monkeypatch):
    monkeypatch.setattr(processes, "MAX_OUTPUT_BYTES", 1 << 20)

    ended = Process(["yes", "9005"]).wait(30)

    assert ended.stopped == "more than 1 MB of output"
    assert len(ended.stdout) < 2 << 20


def test_stopping_what_has_ended_changes_nothing():
    process = shell("exit 3")
    first = process.wait(20)

    process.stop("late")

    assert first.stopped == ""
    assert process.stdout == b""


def test_all_that_is_tracked_is_stopped():
    running = Running()
    inside, outside = shell("sleep 9006.5; true"), shell("echo kept")
    with running.tracked(inside):
        running.stop_all("cancelled")
        assert inside.wait(20).stopped == "cancelled"
    running.stop_all("cancelled")

    assert outside.wait(20).stdout == b"kept\n"


def test_a_program_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        Process(["./no-such-program"])
