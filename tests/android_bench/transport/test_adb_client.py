"""What adb prints, and what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from android_bench.errors import DeviceError
from android_bench.transport import adb_client
from android_bench.transport.adb_client import AdbClient, AdbDevice
from android_bench.transport.processes import Outcome

LISTING = """\
* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
1A2B3C                 device usb:1-1 product:panther model:Pixel_7 device:panther \
transport_id:1
emulator-5554          offline transport_id:2
192.168.1.9:5555       unauthorized transport_id:3
R58M                   no permissions (user in plugdev group; are your udev rules \
wrong?); see [http://developer.android.com/tools/device.html] usb:1-2 transport_id:4
(no serial number)     device usb:1-3

"""


def device(serial="1A", state="device"):
    return AdbDevice(serial=serial, state=state, model="")


def test_a_listing():
    found = [(d.serial, d.state, d.model) for d in adb_client.parse_devices(LISTING)]

    assert found[:3] == [
        ("1A2B3C", "device", "Pixel 7"),
        ("emulator-5554", "offline", ""),
        ("192.168.1.9:5555", "unauthorized", ""),
    ]
    assert found[3][0] == "R58M"
    assert found[3][1].startswith("no permissions (user in plugdev group")
    assert found[4] == ("(no serial number)", "device", "")


@pytest.mark.parametrize("text", ["", "List of devices attached\n\n", "adb: what?\n"])
def test_no_devices(text):
    assert adb_client.parse_devices(text) == []


@given(st.text())
def test_any_text_is_read(text):
    """A listing that is garbled gives devices or none, never an exception."""
    adb_client.parse_devices("List of devices attached\n" + text)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS", "trust"),
        ("error: device still authorizing", "trust"),
        ("error: insufficient permissions for device", "may not talk"),
        ("error: more than one device/emulator", "Several devices"),
        ("adb: error: failed to copy 'a' to 'b': No space left on device", "no space"),
        ("adb: error: failed to copy 'a' to '/b': Permission denied", "not allow"),
        ("error: cannot connect to daemon at tcp:5037: Connection refused", "server"),
        ("error: device offline", "not connected"),
        ("error: device '1A' not found", "not connected"),
        ("error: no devices/emulators found", "not connected"),
        ("error: closed", "not connected"),
        ("error: protocol fault (couldn't read status): Connection reset by peer",
         "not connected"),
        ("something else", "adb failed"),
    ],
)  # fmt: skip
def test_complaints(said, meaning):
    ended = Outcome(exit_code=1, stdout=b"[ 8%] /x\n", stderr=said.encode())

    message = str(adb_client.explain(ended, "1A", doing="pushing m.tflite"))

    assert meaning in message.partition(". Received: 1A (")[0]
    assert message.endswith(".")
    assert "pushing m.tflite" in message
    assert "\n" not in message


def test_a_call_that_was_stopped():
    ended = Outcome(exit_code=-9, stdout=b"", stderr=b"", stopped="no end after 3 s")

    assert "does not answer. Received: 1A (no end after 3 s)" in str(
        adb_client.explain(ended, "1A")
    )


def test_control_characters_are_not_repeated():
    assert adb_client.last_line("first\nadb: error: \x1b[2Jbad\x07\n\n") == "?[2Jbad?"


def test_the_named_device_is_chosen():
    devices = [device("1A"), device("2B")]

    assert adb_client.choose(devices, "2B") == devices[1]


def test_the_only_ready_device_is_chosen():
    devices = [device("1A", "unauthorized"), device("2B")]

    assert adb_client.choose(devices, None) == devices[1]


@pytest.mark.parametrize(
    ("devices", "serial", "message"),
    [
        ([], None, "No device is connected"),
        ([], "1A", "'1A'; connected: none"),
        ([device("1A")], "2B", "'2B'; connected: 1A"),
        ([device("1A"), device("2B")], None, "Several devices.*1A, 2B"),
        ([device("1A", "unauthorized")], None, "does not trust.*state unauthorized"),
        ([device("1A", "offline"), device("2B")], "1A", "state offline"),
        ([device("1A", "recovery")], "1A", "state recovery"),
    ],
)
def test_no_choice(devices, serial, message):
    with pytest.raises(DeviceError, match=message):
        adb_client.choose(devices, serial)


@pytest.mark.parametrize("name", ["no-such-adb", "/etc/passwd"])
def test_adb_that_cannot_be_started(name):
    with pytest.raises(DeviceError, match=r"cannot be started.*apt install adb"):
        adb_client.list_devices(adb=name)


def test_a_program_that_is_not_adb():
    with pytest.raises(DeviceError, match=r"adb failed.*exit code 1"):
        adb_client.list_devices(adb="false")


def test_the_port_and_the_serial_are_passed_on():
    ended = AdbClient(adb="echo", server_port=5099).call("get-state", serial="1A")

    assert ended.stdout == b"-P 5099 -s 1A get-state\n"
