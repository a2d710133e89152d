"""Tests of choosing devices and runners for a user."""

from __future__ import annotations

import pathlib

import pytest

from android_bench import choosing, fetch_runner
from android_bench.choosing import Choice
from android_bench.errors import DeviceError, NoDeviceError, RunnerError
from android_bench.transport import AdbDevice
from tests.android_bench.targets import FakeTransport

PHONE = {"ro.product.cpu.abi": "arm64-v8a"}
LIBRARY = pathlib.Path("/lib/libLiteRt.so")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep fetched runners in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choosing.shutil, "which", lambda name: f"/bin/{name}")
    return tmp_path


def attach(monkeypatch, **states):
    found = [AdbDevice(serial=s, state=v, model="") for s, v in states.items()]
    monkeypatch.setattr(choosing, "list_devices", lambda **_: found)
    monkeypatch.setattr(
        choosing,
        "AdbTransport",
        lambda name, **_: FakeTransport(serial=name, props=PHONE),
    )


def serials(monkeypatch, *devices, **states):
    attach(monkeypatch, **states)
    program = Choice(devices=devices, runner="classic", runner_file=LIBRARY)
    targets, note = choosing.targets(program)
    return [target.transport.serial for target in targets], note


@pytest.mark.parametrize(
    ("asked", "states", "expected"),
    [
        (("auto",), {"A": "device"}, ["A"]),
        (("auto",), {"A": "unauthorized"}, ["local"]),
        (("auto",), {}, ["local"]),
        (("host",), {"A": "device"}, ["local"]),
        (("all",), {"A": "device", "B": "device", "C": "offline"}, ["A", "B"]),
        (("B", "A", "B"), {"A": "device", "B": "device"}, ["B", "A"]),
        (("host", "A"), {"A": "device"}, ["local", "A"]),
    ],
)
def test_which_devices(monkeypatch, asked, states, expected):
    """Each once; `auto` says what it took."""
    found, note = serials(monkeypatch, *asked, **states)
    assert found == expected
    assert bool(note) is (asked == ("auto",))


@pytest.mark.parametrize("asked", ["all", "X"])
@pytest.mark.parametrize("states", [{}, {"A": "unauthorized"}])
def test_no_device(monkeypatch, asked, states):
    """With what is attached, and its state."""
    with pytest.raises(NoDeviceError, match=r"attached: (none|A \(unauthorized\))"):
        serials(monkeypatch, asked, **states)


def test_several_devices_are_not_guessed_from(monkeypatch):
    """The user says which."""
    with pytest.raises(DeviceError, match="Received: A, B"):
        serials(monkeypatch, "auto", A="device", B="device")


def test_no_adb(monkeypatch):
    """`auto` is the host; a device that is asked for is an error."""
    monkeypatch.setattr(choosing.shutil, "which", lambda _: None)
    targets, note = choosing.targets(Choice())
    assert targets[0].transport.serial == "local"
    assert "adb is not installed" in note
    with pytest.raises(NoDeviceError, match="adb"):
        choosing.targets(Choice(devices=("all",), adb="no-such-adb"))


def runner(transport, **choice):
    return choosing.backend(Choice(**choice), transport).name


def test_the_best_runner_here():
    """Python's package on the CPU, our own runner for a GPU."""
    here = FakeTransport(serial="local", where="host")
    assert runner(here) == "litert_python"
    assert runner(here, runner="litert-benchmark") == "litert-benchmark"
    assert runner(here, delegates=("cpu", "gpu"), runner_file=LIBRARY) == "native"


def test_the_best_runner_on_a_phone():
    """Our own with a library, else one that was fetched, else how to get one."""
    phone = FakeTransport(props=PHONE)
    with pytest.raises(RunnerError, match="fetch-runner classic"):
        runner(phone)
    fetched = fetch_runner.default_path("litert", "android-arm64")
    fetched.parent.mkdir(parents=True)
    fetched.write_bytes(b"")
    assert runner(phone) == "litert"
    assert runner(phone, library=LIBRARY, runner_file=LIBRARY) == "native"
    assert runner(phone, runner="app") == "app"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"runner": "native"}, "libLiteRt.so for arm64-v8a"),
        ({"runner": "classic"}, "fetch-runner classic --platform android-arm64"),
        ({"runner": "litert-benchmark"}, "for this computer alone"),
    ],
)
def test_what_is_missing_for_a_phone(choice, message):
    """And how to get it."""
    with pytest.raises(RunnerError, match=message):
        runner(FakeTransport(props=PHONE), **choice)


def test_an_abi_without_a_runner():
    """An old phone: its ABI is named."""
    old = FakeTransport(props={"ro.product.cpu.abi": "armeabi-v7a"})
    with pytest.raises(RunnerError, match="'armeabi-v7a'"):
        runner(old, runner="native", library=LIBRARY)


def test_a_phones_library_takes_no_accelerator_of_this_computer():
    """Its file would be of another ABI."""
    phone = FakeTransport(props=PHONE)
    found = choosing.backend(Choice(library=LIBRARY, runner_file=LIBRARY), phone)
    assert found.accelerator is None
    assert found.version == ""
