"""A real adb server of a test's own: its own port, its own keys, ended by the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time

ADB = shutil.which("adb")
ABSENT = "the real adb client is not installed (apt install adb)"
_START_S = 20.0


class AdbServer:
    """Runs ``adb server nodaemon`` as a child; a context manager.

    Example:
        with AdbServer() as server:
            server.adb("connect", "127.0.0.1:4444")
    """

    def __init__(self) -> None:
        self.port = _free_port()
        self._home = tempfile.TemporaryDirectory(prefix="adb-home-")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> AdbServer:
        env = {
            **os.environ,
            "HOME": self._home.name,  # a key pair of its own
            "ANDROID_SDK_HOME": self._home.name,
            "TMPDIR": self._home.name,  # its log
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5554",  # looks for no emulators
        }
        self._process = subprocess.Popen(
            [str(ADB), "-P", str(self.port), "server", "nodaemon"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._home.cleanup()

    def adb(self, *words: str, timeout_s: float = 30.0) -> str:
        """Run the client and return what it printed."""
        command = [str(ADB), "-P", str(self.port), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        return done.stdout + done.stderr

    def wait_for(self, serial: str, state: str) -> None:
        """Wait until `adb devices` lists the device in a state."""
        deadline = time.monotonic() + _START_S
        while f"{serial}\t{state}" not in self.adb("devices"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{serial} is not {state}: {self.adb('devices')}")
            time.sleep(0.05)

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
            else:
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
