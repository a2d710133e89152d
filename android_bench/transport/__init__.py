"""Reach the place where a model runs: an Android device over adb, or this computer.

Both transports do the same few things (`Transport`): push a file, run a program with
its exit code, both its outputs and a time limit, pull a result, and leave nothing
running.  Only `AdbTransport` and `list_devices` ever start adb.
"""

from __future__ import annotations

from android_bench.transport.adb_client import AdbDevice, list_devices
from android_bench.transport.adb_transport import DEVICE_FOLDER, AdbTransport
from android_bench.transport.local import LocalTransport
from android_bench.transport.protocol import ShellResult, Transport

__all__ = [
    "DEVICE_FOLDER",
    "AdbDevice",
    "AdbTransport",
    "LocalTransport",
    "ShellResult",
    "Transport",
    "list_devices",
]
