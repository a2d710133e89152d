"""Faults of a device, with the real adb: one clear line each, nothing left running."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import signal
import threading
import time

import pytest

from android_bench.errors import BenchmarkError, DeviceError, RunnerError
from android_bench.transport import AdbTransport, list_devices
from android_bench.transport.adb_shell import AdbShell
from tests.fakes.adb_faults import Faults
from tests.fakes.adbd import FakeDevice
from tests.fakes.leftovers import running, wait_until_gone

AARCH64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00" + bytes(44)


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


def fails(error, call, *arguments, **settings) -> str:
    """Return the message of a call that fails, which is one line of three parts."""
    with pytest.raises(BenchmarkError) as caught:
        call(*arguments, **settings)
    assert type(caught.value) is error, caught.value
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert ". Received: " in message
    assert message.endswith(".")
    return message


def files(device) -> list[str]:
    return sorted(path.name for path in device.storage.rglob("*") if path.is_file())


def test_gone_in_the_middle_of_a_push(faulty, model):
    device, transport = faulty(vanish_in_push=1_000_000)

    message = fails(DeviceError, transport.push, model, "m.tflite")

    assert "went away" in message
    assert device.serial in message
    assert "m.tflite" not in files(device)
    assert not wait_until_gone(f"{device.server_port} -s {device.serial}")


def test_what_a_broken_push_left_is_removed_by_the_next(over_adb, device, model):
    left = device.storage / "tfcompress" / "m.tflite.part-0123"
    left.parent.mkdir()
    left.write_bytes(b"half")

    over_adb.push(model, "m.tflite")

    assert files(device) == ["m.tflite"]


def test_gone_in_the_middle_of_a_pull(faulty, model, tmp_path):
    _, transport = faulty(vanish_in_pull=200_000)
    remote = transport.push(model, "m.tflite")
    target = tmp_path / "out" / "back"
    target.parent.mkdir()

    message = fails(DeviceError, transport.pull, remote, target)

    assert "went away" in message
    assert list(target.parent.iterdir()) == []


def test_gone_in_the_middle_of_a_run(faulty):
    """What ran on the device is killed there, though nobody can tell it to end."""
    device, transport = faulty(vanish_on_output=b"started")
    command = "echo started; sleep 6001.5 & sleep 6001.5"

    message = fails(DeviceError, transport.shell, ["sh", "-c", command], timeout_s=60)

    assert "went away" in message
    assert not wait_until_gone("sleep 6001.5")
    assert not running(f"{device.server_port} -s {device.serial}")


def test_a_killed_client_ends_its_program_on_the_device(over_adb, monkeypatch):
    """As when this process crashes: the device sees only the end of adb."""
    monkeypatch.setattr(AdbShell, "_sweep", lambda *_: None)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(over_adb.shell, ["sleep", "6002.5"], timeout_s=60)
        deadline = time.monotonic() + 20
        while not running("sleep 6002.5"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for client in over_adb._shell._running._processes:
            os.kill(client._popen.pid, signal.SIGKILL)
        fails(RunnerError, run.result, 20)

    assert not wait_until_gone("sleep 6002.5")


def test_ctrl_c_ends_the_program_on_the_device(over_adb):
    """An exception in the waiting thread, whichever, leaves nothing running."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            over_adb.shell(["sleep", "6003.5"], timeout_s=60)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)

    assert not wait_until_gone("sleep 6003.5")


def test_a_full_device(faulty, model):
    device, transport = faulty(space_bytes=1_000_000)

    message = fails(DeviceError, transport.push, model, "m.tflite")

    assert "no space left" in message
    assert "m.tflite" in message
    assert files(device) == []


def test_the_old_file_stays_when_a_new_one_does_not_fit(faulty, model, tmp_path):
    device, transport = faulty()
    small = tmp_path / "small"
    small.write_bytes(b"old")
    remote = transport.push(small, "m.tflite")
    device.faults.space_bytes = 1_000_000

    fails(DeviceError, transport.push, model, "m.tflite")

    assert transport.shell(["cat", remote]).stdout == "old"


def test_a_damaged_copy_is_noticed(faulty, model):
    device, transport = faulty(damage=True)

    message = fails(DeviceError, transport.push, model, "m.tflite")

    assert "not what was sent" in message
    assert files(device) == []


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


def test_a_device_that_does_not_answer(faulty):
    device, transport = faulty(patience_s=1.0)
    device.faults.silent = True

    message = fails(DeviceError, transport.getprop, "ro.product.model")

    assert "does not answer" in message


def test_a_program_on_a_device_that_does_not_answer(faulty):
    device, transport = faulty(patience_s=1.0)
    device.faults.silent = True

    assert "does not answer" in fails(
        DeviceError, transport.shell, ["true"], timeout_s=1.0
    )


def test_a_push_that_is_never_acknowledged(faulty, tmp_path):
    device, transport = faulty(patience_s=1.0)
    device.faults.silent_in_push = True
    small = tmp_path / "small"
    small.write_bytes(b"x")

    assert "does not answer" in fails(DeviceError, transport.push, small, "small")


@pytest.mark.parametrize(
    "garbage", [b"\0\xff\x1b[2J\n\n", b"WARNING: linker\nnothing more", b"%s" * 999]
)
def test_garbage_instead_of_output(faulty, garbage):
    device, transport = faulty(patience_s=3.0)
    device.faults.garbage = garbage

    assert device.serial in fails(DeviceError, transport.shell, ["true"], timeout_s=3.0)


def test_another_abi(faulty, tmp_path):
    """Android's shell refuses the file; dash would read it as a script."""
    _, transport = faulty()
    if not shutil.which("mksh"):
        pytest.skip("mksh, Android's shell, is not installed (apt install mksh)")
    program = tmp_path / "runner"
    program.write_bytes(AARCH64)
    remote = transport.push(program, "runner", executable=True)

    message = fails(DeviceError, transport.shell, [remote])

    assert "cannot execute" in message
    assert "x86_64" in message


def test_a_device_without_sha256sum(faulty, model):
    """Equal files are found, and damaged ones noticed, by reading them back."""
    device, transport = faulty(missing=("sha256sum",))
    remote = transport.push(model, "m.tflite")
    first = transport.shell(["ls", "-i", remote]).stdout

    transport.push(model, "m.tflite")
    assert transport.shell(["ls", "-i", remote]).stdout == first

    model.write_bytes(model.read_bytes()[::-1])
    device.faults.damage = True
    assert "not what was sent" in fails(DeviceError, transport.push, model, "m.tflite")


def test_a_shell_killed_on_the_device(over_adb):
    """As Android's low-memory killer does; the device is still there."""
    message = fails(RunnerError, over_adb.shell, ["sh", "-c", "kill -KILL $PPID 0"])

    assert "killed on the device" in message


def test_cancelling_a_push(faulty, tmp_path):
    device, transport = faulty()
    device.faults.silent_in_push = True
    small = tmp_path / "small"
    small.write_bytes(b"x")
    timer = threading.Timer(2.0, transport.cancel)
    timer.start()

    assert "cancelled" in fails(RunnerError, transport.push, small, "small")
    timer.join()


def test_two_devices_at_once_and_one_vanishes(faulty, model):
    """The other's result is kept."""
    good, bad = faulty("good")[1], faulty("bad", vanish_on_output=b"started")[1]

    def measure(transport):
        remote = transport.push(model, "m.tflite")
        command = f"echo started; sleep 1; wc -c < {remote}"
        return transport.shell(["sh", "-c", command], timeout_s=30).stdout.split()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = [pool.submit(measure, good), pool.submit(measure, bad)]

    assert results[0].result() == ["started", "3000000"]
    assert good.serial != bad.serial
    fails(DeviceError, results[1].result)


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
        DeviceError, AdbTransport, "ABSENT1", server_port=device.server_port
    )

    assert "'ABSENT1'" in message
    assert device.serial in message


def test_a_network_device_is_connected_to(device):
    """`host:port` need not be on the list before."""
    device.server.adb("disconnect", device.serial)

    transport = AdbTransport(device.serial, server_port=device.server_port)

    assert transport.getprop("ro.product.model") == "Test Device"


def test_no_device(adb_server):
    message = fails(DeviceError, AdbTransport, server_port=adb_server.port)

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
