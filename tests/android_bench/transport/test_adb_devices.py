"""Which device is taken, and why one is not, with the real adb."""

from __future__ import annotations

from android_bench.errors import DeviceError, NoDeviceError
from android_bench.transport import AdbTransport, list_devices
from tests.android_bench.transport.one_line import fails
from tests.fakes.adb_faults import Faults
from tests.fakes.adbd import FakeDevice


def test_unauthorised(adb_server, tmp_path):
    faults = Faults(unauthorised=True)
    with FakeDevice(tmp_path, faults=faults, server=adb_server) as device:
        message = fails(
            DeviceError, AdbTransport, device.serial, server_port=device.server_port
        )
        assert "does not trust this computer" in message
        assert "allow USB debugging" in message
        listed = {d.serial: d.state for d in list_devices(server_port=adb_server.port)}
        assert listed[device.serial] == "unauthorized"


def test_two_devices_and_no_name(faulty):
    first, second = faulty("first")[0], faulty("second")[0]

    message = fails(DeviceError, AdbTransport, server_port=first.server_port)

    assert "Several devices" in message
    assert first.serial in message
    assert second.serial in message


def test_the_only_device_needs_no_name(device):
    assert AdbTransport(server_port=device.server_port).serial == device.serial


def test_a_device_that_is_not_there(device):
    message = fails(
        NoDeviceError, AdbTransport, "ABSENT1", server_port=device.server_port
    )

    assert "'ABSENT1'" in message
    assert device.serial in message


def test_a_network_device_is_connected_to(device):
    """`host:port` need not be on the list before."""
    device.server.adb("disconnect", device.serial)

    transport = AdbTransport(device.serial, server_port=device.server_port)

    assert transport.getprop("ro.product.model") == "Test Device"


def test_no_device(adb_server):
    message = fails(NoDeviceError, AdbTransport, server_port=adb_server.port)

    assert "No device is connected" in message


def test_an_emulator_is_not_a_device(over_adb, adb_server, tmp_path):
    """What it measures may not be called a phone's."""
    assert over_adb.where == "emulated"
    with FakeDevice(tmp_path / "b", props={"ro.boot.qemu": ""}, server=adb_server) as b:
        other = AdbTransport(b.serial, server_port=b.server_port)
        assert other.where == "device"


def test_an_old_device_without_shell_v2(adb_server, tmp_path):
    """Exit codes arrive all the same; both outputs are one."""
    with FakeDevice(tmp_path, features="cmd", server=adb_server) as device:
        transport = AdbTransport(device.serial, server_port=device.server_port)
        result = transport.shell(["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert result.exit_code == 3
        assert result.stdout == "out\nerr\n"
