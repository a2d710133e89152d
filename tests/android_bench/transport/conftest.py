"""Transports to test: this computer, a test device, or a device that is named.

With TFCOMPRESS_TEST_SERIAL the tests of what every transport does run on that device,
through adb's own server or that at ANDROID_ADB_SERVER_PORT: a phone, or the real adbd.
"""

from __future__ import annotations

import os

import pytest

from android_bench.transport import AdbTransport, LocalTransport
from tests.fakes.adb_server import ABSENT, ADB, AdbServer
from tests.fakes.adbd import FakeDevice

SERIAL = os.environ.get("TFCOMPRESS_TEST_SERIAL")
FOLDER = os.environ.get("TFCOMPRESS_TEST_FOLDER", "/data/local/tmp/tfcompress-test")


@pytest.fixture(scope="module")
def adb_server():
    """Start an adb server on a port of its own."""
    if ADB is None:
        pytest.skip(ABSENT)
    with AdbServer() as server:
        yield server


@pytest.fixture
def device(adb_server, tmp_path):
    """Return a connected test device."""
    with FakeDevice(tmp_path / "device", server=adb_server) as device:
        yield device


@pytest.fixture
def over_adb(device):
    """Return a transport to the test device, with little patience."""
    return AdbTransport(device.serial, server_port=device.server_port, patience_s=10.0)


@pytest.fixture(params=["local", "adb"])
def transport(request, tmp_path):
    """Return each transport in turn."""
    if request.param == "local":
        yield LocalTransport(tmp_path / "work")
    elif SERIAL is None:
        yield request.getfixturevalue("over_adb")
    else:
        named = AdbTransport(SERIAL, folder=FOLDER)
        named.shell(["true"])
        yield named
        named.shell(["rm", "-rf", FOLDER])
