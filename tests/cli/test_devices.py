"""Tests of ``tfcompress devices``, with the real adb client and test devices."""

from __future__ import annotations

import pytest

from tests.fakes.adb_faults import Faults
from tests.fakes.adbd import FakeDevice


@pytest.fixture(autouse=True)
def own_server(adb_server, monkeypatch):
    """Let the command talk to this test's server."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(adb_server.port))


@pytest.fixture
def phone(adb_server, tmp_path):
    props = {"ro.boot.qemu": "", "ro.product.manufacturer": "Test"}
    with FakeDevice(tmp_path / "phone", props=props, server=adb_server) as phone:
        yield phone


def test_a_table(tfcompress, phone):
    answer = tfcompress("devices")

    assert answer.code == 0
    assert answer.err == ""
    row = next(line for line in answer.out.splitlines() if phone.serial in line)
    assert row.replace("│", " ").split() == [
        *(phone.serial, "Test", "Device", "14", "Nobody", "T1000", "x86_64", "device")
    ]


def test_json(tfcompress, phone):
    answer = tfcompress("devices", "--json")

    assert answer.code == 0
    assert answer.record == {
        "devices": [
            {
                "serial": phone.serial,
                "model": "Test Device",
                "android": "14",
                "soc": "Nobody T1000",
                "abi": "x86_64",
                "state": "device",
                "problem": "",
            }
        ]
    }


def test_one_that_does_not_obey_is_listed_with_what_to_do(
    tfcompress, phone, adb_server, tmp_path
):
    faults = Faults(unauthorised=True)
    with FakeDevice(tmp_path / "new", faults=faults, server=adb_server) as new:
        answer = tfcompress("devices", "--json")

    states = {found["serial"]: found["state"] for found in answer.record["devices"]}
    assert states == {phone.serial: "device", new.serial: "unauthorized"}
    assert len(answer.err.splitlines()) == 1
    assert new.serial in answer.err
    assert "allow USB debugging" in answer.err


def test_an_emulator_is_called_one(tfcompress, adb_server, tmp_path):
    with FakeDevice(tmp_path / "emulator", server=adb_server):
        answer = tfcompress("devices", "--json")

    assert [found["state"] for found in answer.record["devices"]] == ["emulated"]


def test_no_device_is_4(refused):
    assert "No device is connected" in refused("devices", code=4)


def test_no_adb_is_4(refused):
    message = refused("devices", "--adb", "no-such-adb", code=4)

    assert "'no-such-adb'" in message
    assert "apt install adb" in message
