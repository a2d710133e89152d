"""Run tests against the real adbd, inside a private network namespace.

Started by `test_real_adbd` as ``python -m tests.device.in_namespace ADBD FOLDER TESTS``
under ``unshare``: adbd listens on all interfaces and lets everybody in, so there is
none but this namespace's own loopback.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

from tests.fakes.adb_server import AdbServer

PORT = 5555
SERIAL = f"127.0.0.1:{PORT}"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def main(adbd: str, folder: str, *tests: str) -> int:
    """Start adbd and an adb server, run pytest, and return its exit code."""
    if len(socket.if_nameindex()) != 1:
        raise SystemExit("not in a network namespace of its own")
    _loopback_up()
    daemon = subprocess.Popen(
        [adbd],
        env={**os.environ, "ADBD_PORT": str(PORT), "HOME": folder},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with AdbServer() as server:
            _connect(server)
            env = {
                **os.environ,
                "ANDROID_ADB_SERVER_PORT": str(server.port),
                "TFCOMPRESS_TEST_SERIAL": SERIAL,
                "TFCOMPRESS_TEST_FOLDER": os.path.join(folder, "work"),
                "TFCOMPRESS_TEST_ADBD": str(daemon.pid),
            }
            command = [sys.executable, "-m", "pytest", "-q", *tests]
            return subprocess.run(command, env=env, check=False).returncode
    finally:
        daemon.kill()
        daemon.wait()


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14x", b"lo", 0)
        answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, request)
        flags = struct.unpack("16sH14x", answer)[1] | _IFF_UP
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))


def _connect(server: AdbServer) -> None:
    deadline = time.monotonic() + 20
    while "connected to" not in server.adb("connect", SERIAL):
        if time.monotonic() > deadline:
            raise SystemExit("adbd does not answer")
        time.sleep(0.1)
    server.wait_for(SERIAL, "device")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
