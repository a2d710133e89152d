"""Faults of the real adbd; `test_real_adbd` runs these where it runs."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import time

import pytest

from android_bench.errors import DeviceError
from android_bench.transport import AdbTransport
from tests.fakes.leftovers import running, wait_until_gone

ADBD = os.environ.get("TFCOMPRESS_TEST_ADBD")

pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(ADBD is None, reason="run by tests/device/test_real_adbd.py"),
]


@pytest.fixture
def adbd():
    return AdbTransport(
        os.environ["TFCOMPRESS_TEST_SERIAL"],
        folder=os.environ["TFCOMPRESS_TEST_FOLDER"],
    )


def itself(text):
    """Whether the program runs, not only a shell or adb with its text."""
    return any(line.startswith(text) for line in running(text))


def wait_until_running(text):
    deadline = time.monotonic() + 30
    while not itself(text):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_client_ends_what_the_shell_started(adbd):
    """adbd hangs up on the shell alone: a bare `adb shell` would leave its child."""
    process = adbd._shell._client.start(
        "shell", "sleep 7001.5 & wait", serial=adbd.serial
    )
    wait_until_running("sleep 7001.5")
    process.stop("killed")
    process.wait(10)
    time.sleep(1)
    assert itself("sleep 7001.5")

    adbd._shell._sweep = lambda *_: None  # the watcher on the device has to do it
    with concurrent.futures.ThreadPoolExecutor() as pool:
        command = ["sh", "-c", "sleep 7002.5 & wait"]
        run = pool.submit(adbd.shell, command, timeout_s=60)
        wait_until_running("sleep 7002.5")
        adbd.cancel()
        assert "cancelled" in str(run.exception(30))
    assert not wait_until_gone("sleep 7002.5")


def test_adbd_dies_in_the_middle_of_a_run(adbd):
    """As at a reboot; it is the last test, for there is no device after it."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(adbd.shell, ["sleep", "7003.5"], timeout_s=60)
        wait_until_running("sleep 7003.5")
        os.kill(int(ADBD), signal.SIGKILL)
        error = run.exception(60)

    assert isinstance(error, DeviceError), error
    assert "went away" in str(error)
    assert "\n" not in str(error)
    assert not wait_until_gone("sleep 7003.5")
