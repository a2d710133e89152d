"""Transports to test: this computer, a test device, or a device that is named.

With TFCOMPRESS_TEST_SERIAL the tests of what every transport does run on that device,
through adb's own server or that at ANDROID_ADB_SERVER_PORT: a phone, or the real adbd.
"""

from __future__ import annotations

import os

import pytest

from android_bench.transport import AdbTransport, LocalTransport
from tests.fakes.adb_faults import Faults
from tests.fakes.adbd import FakeDevice

SERIAL = os.environ.get("TFCOMPRESS_TEST_SERIAL")
FOLDER = os.environ.get("TFCOMPRESS_TEST_FOLDER", "/data/local/tmp/tfcompress-test")


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


@pytest.fixture
def faulty(adb_server, tmp_path):
    """Return a function that connects a device with faults, and a transport to it."""
    devices = []

    def connect(name="device", *, patience_s=10.0, **faults):
        device = FakeDevice(
            tmp_path / name, faults=Faults(**faults), server=adb_server
        ).__enter__()
        devices.append(device)
        transport = AdbTransport(
            device.serial, server_port=device.server_port, patience_s=patience_s
        )
        return device, transport

    yield connect
    for device in devices:
        device.__exit__()


@pytest.fixture
def model(tmp_path, rng):
    """Return a file of 3 MB."""
    path = tmp_path / "m.tflite"
    path.write_bytes(rng.bytes(3_000_000))
    return path
