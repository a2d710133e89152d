"""Tests of ``tfcompress benchmark``: on this computer, and on test devices over adb."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import psutil
import pytest

from android_bench import choosing
from android_bench.errors import RunnerError
from android_bench.session import Target
from android_bench.transport import AdbDevice
from tests.android_bench.targets import FakeBackend, FakeTransport
from tests.fakes.adb_faults import Faults
from tests.fakes.adb_server import ABSENT, ADB, AdbServer
from tests.fakes.adbd import FakeDevice

NATIVE = pathlib.Path(__file__).parents[1] / "android_bench" / "native"
FLOAT, INT8 = NATIVE / "digits_float.tflite", NATIVE / "digits_int8.tflite"
QUICK = ("--max-seconds", "0.1", "--rounds", "1")
HOST = ("--device", "host", *QUICK)


@pytest.fixture
def fakes(monkeypatch):
    """Let the command measure on fakes: give it targets."""

    def use(*targets):
        monkeypatch.setattr(choosing, "targets", lambda _: (list(targets), ""))

    return use


def target(latency=lambda _: 2.0, **settings):
    outputs = settings.pop("outputs", None)
    return Target(
        transport=FakeTransport(props={"ro.product.model": "P8"}, **settings),
        backend=FakeBackend(latency, outputs=outputs),
    )


def test_on_this_computer(tfcompress, tmp_path):
    """One record, marked `host`; the file has what stdout has."""
    answer = tfcompress("benchmark", FLOAT, *HOST, "--json", "-o", tmp_path / "b.json")
    assert answer.code == 0, answer.err
    (run,) = answer.record["benchmark"]
    assert (run["where"], run["schema"], run["file"]) == ("host", 2, str(FLOAT))
    assert run["latency"]["p50_ms"] <= run["latency"]["p90_ms"]
    assert json.loads((tmp_path / "b.json").read_text()) == answer.record


def test_the_table_says_that_it_is_no_phone(tfcompress):
    """The old name of the option still works."""
    answer = tfcompress("benchmark", FLOAT, *HOST, "--num-threads", "2")
    assert "not a phone" in answer.out
    assert FLOAT.name in answer.out
    assert "median ms" in answer.out


def test_it_needs_no_tensorflow():
    """Nor Keras."""
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from tfcompress.cli.main import run\n"
        f"sys.exit(run(['benchmark', {str(FLOAT)!r}, *{HOST!r}]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_files_threads_and_delegates(tfcompress, fakes):
    """Commas and repetition mean the same; the GPU is measured once."""
    fakes(target())
    words = ["--threads", "1,4", "--threads", "2", "--delegate", "cpu,gpu"]
    answer = tfcompress("benchmark", FLOAT, INT8, *words, *QUICK, "--json")
    found = [
        (run["model"], run["conditions"]["delegate"], run["conditions"]["num_threads"])
        for run in answer.record["benchmark"]
    ]
    assert found[:4] == [
        (FLOAT.name, "cpu", 1),
        (FLOAT.name, "cpu", 4),
        (FLOAT.name, "cpu", 2),
        (FLOAT.name, "gpu", 1),
    ]
    assert len(found) == 8


def test_two_files_compared(tfcompress, fakes):
    """Twice as fast in each round: the interval is the ratio itself."""
    fakes(target(lambda call: 2.0 if "float" in call.request.model.name else 1.0))
    words = ["--compare", "--rounds", "4"]
    answer = tfcompress("benchmark", FLOAT, INT8, *words)
    assert "0.500 of the latency, 95% interval 0.500 to 0.500 over 4" in answer.out
    answer = tfcompress("benchmark", FLOAT, INT8, *words, "--json")
    (compared,) = answer.record["comparisons"]
    assert compared["ratio"]["ratio"] == pytest.approx(0.5)


def test_a_serial_number_is_not_shared(tfcompress, fakes, tmp_path):
    """Neither in the file nor on stdout; one phone still has one mark."""
    fakes(target(serial="SECRET01"), target(serial="OTHER02"))
    output = tmp_path / "b.json"
    answer = tfcompress("benchmark", FLOAT, *QUICK, "--json", "-o", output)
    assert "SECRET01" not in output.read_text() + answer.out
    serials = [run["device"]["serial"] for run in answer.record["benchmark"]]
    assert all(serial.startswith("sha256:") for serial in serials)
    assert len(set(serials)) == 2


def test_the_records_never_overwrite_a_file(refused, tmp_path):
    """Not with --force either."""
    file = tmp_path / "net.tflite"
    file.write_bytes(b"mine")
    assert "made of" in refused("benchmark", file, "-o", file, "--force")
    assert file.read_bytes() == b"mine"


def test_places_are_never_in_one_table(tfcompress, fakes):
    """A device, an emulator and a host: three titles."""
    fakes(target(), target(where="emulated"), target(where="host"))
    out = tfcompress("benchmark", FLOAT, *QUICK).out
    assert "Latency on Android devices" in out
    assert "Emulated: not a phone" in out
    assert "on this computer (not a phone)" in out


def test_what_does_not_count_is_in_brackets(tfcompress, fakes):
    """And says why."""
    fakes(target())
    out = tfcompress("benchmark", FLOAT, *QUICK, "--delegate", "gpu").out
    assert "(2.000)" in out
    assert "does not count" in out
    assert "no outputs to compare" in out


def test_one_failure_keeps_the_rest(tfcompress, fakes):
    """The table has what was measured, stderr the line, the exit code is 1."""

    def latency(call):
        bad = "int8" in call.request.model.name
        return RunnerError("It crashed. Received: SIGSEGV.") if bad else 2.0

    fakes(target(latency))
    answer = tfcompress("benchmark", FLOAT, INT8, *QUICK)
    assert answer.code == 1
    assert FLOAT.name in answer.out
    assert "Not measured: digits_int8.tflite on cpu, 1 thread: It crashed" in answer.err


@pytest.mark.parametrize("words", [("--device", "PHONE1"), ("--device", "all")])
def test_no_device_is_exit_code_4(refused, monkeypatch, words):
    """One line, with what is attached."""
    monkeypatch.setattr(choosing, "list_devices", lambda **_: [])
    line = refused("benchmark", FLOAT, *words, code=4)
    assert f"Received: --device {words[1]}, attached: none" in line


def test_auto_without_a_device_is_the_host(tfcompress, monkeypatch):
    """And says so."""
    monkeypatch.setattr(choosing, "list_devices", lambda **_: [])
    answer = tfcompress("benchmark", FLOAT, *QUICK, "--json")
    assert "this computer is measured, not a phone" in answer.err
    assert answer.record["benchmark"][0]["where"] == "host"


def test_auto_with_several_devices_asks(refused, monkeypatch):
    """It does not guess."""
    two = [AdbDevice(serial=name, state="device", model="") for name in ("A1", "B2")]
    monkeypatch.setattr(choosing, "list_devices", lambda **_: two)
    monkeypatch.setattr(choosing.shutil, "which", lambda _: "adb")
    assert "A1, B2" in refused("benchmark", FLOAT)


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """Connect two test devices, and let adb find them."""
    if ADB is None:
        pytest.skip(ABSENT)
    with (
        AdbServer() as server,
        FakeDevice(tmp_path / "one", serial="ONE", server=server) as one,
        FakeDevice(tmp_path / "two", serial="TWO", server=server) as two,
    ):
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(one.server_port))
        yield one, two


@pytest.mark.usefixtures("devices")
def test_on_two_devices_with_the_real_adb(tfcompress, parts, tmp_path):
    """Push, run, pull, at once; test devices say that they are emulated."""
    output = tmp_path / "b.json"
    words = ["--device", "all", *parts, *QUICK, "--cool-down", "0", "-o", output]
    answer = tfcompress("benchmark", FLOAT, INT8, *words)
    assert answer.code == 0, answer.err
    assert "Emulated: not a phone" in answer.out
    runs = json.loads(output.read_text())["benchmark"]
    assert len(runs) == 4
    for run in runs:
        assert (run["where"], run["backend"]) == ("emulated", "native")
        assert run["device"]["name"] == "Test Device"
        assert run["latency"]["p50_ms"] > 0
        assert run["peak_memory_bytes"] > 1_000_000
    assert len({run["device"]["serial"] for run in runs}) == 2


def test_a_device_lost_in_a_push_keeps_the_others_results(tfcompress, devices, parts):
    """One line, exit code 1, the other device's record."""
    one, two = devices
    two.faults.vanish_in_push = 1_000_000
    words = ["--device", one.serial, "--device", two.serial, *parts, *QUICK]
    answer = tfcompress("benchmark", FLOAT, *words, "--cool-down", "0", "--json")
    assert answer.code == 1
    (run,) = answer.record["benchmark"]
    assert run["latency"]["p50_ms"] > 0
    (line,) = [line for line in answer.err.splitlines() if "Not measured" in line]
    assert "went away" in line
    (failure,) = answer.record["failures"]
    assert "went away" in failure["message"]


def test_an_unauthorised_device_is_one_line(refused, tmp_path, monkeypatch, parts):
    """Asked for by name."""
    if ADB is None:
        pytest.skip(ABSENT)
    faults = Faults(unauthorised=True)
    with (
        AdbServer() as server,
        FakeDevice(tmp_path / "d", faults=faults, server=server) as device,
    ):
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(device.server_port))
        line = refused("benchmark", FLOAT, "--device", device.serial, *parts)
    assert "unauthori" in line


def test_ctrl_c_keeps_what_is_done(tmp_path):
    """Exit code 130, nothing left running, the finished rounds in the file."""
    output = tmp_path / "b.json"
    words = [FLOAT, "--device", "host", "--rounds", "500", "-o", output]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfcompress.cli", "benchmark", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(2):
        assert process.stderr.readline().startswith("round ")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert FLOAT.name in out
    assert err.splitlines()[-1].startswith("Interrupted.")
    (run,) = json.loads(output.read_text())["benchmark"]
    assert 2 <= len(run["rounds"]) < 500
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
