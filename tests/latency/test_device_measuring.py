"""Tests of measuring operators on a device, with one that is arithmetic."""

from __future__ import annotations

import pytest

from android_bench import cooling
from android_bench.errors import DeviceError, RunnerError
from android_bench.parsed import Taken
from android_bench.session import Target
from tests.android_bench.targets import FakeBackend, FakeTransport, said
from tests.latency.conftest import fake_ms
from tfcompress import errors, latency


def measuring(
    answer=lambda call: fake_ms(call.request.model), *, taken=None, **options
):
    """Return a measurement on a fake phone."""
    props = {"ro.product.model": "Phone 9", "ro.board.platform": "chip"}
    backend = FakeBackend(answer, taken=taken, software=options.pop("software", False))
    target = Target(transport=FakeTransport(props=props), backend=backend)
    return latency.DeviceMeasure(target=target, **options)


def test_a_table_of_a_device_is_that_of_its_times(layer_graph, tmp_path):
    """The same points as on the host; target and conditions are the device's."""
    measure = measuring(num_threads=2)
    table = latency.build_table(
        layer_graph,
        "phone-1",
        num_threads=2,
        num_networks=2,
        measure=measure,
        conditions=measure.conditions("float32"),
        run_dir=tmp_path,
    )
    assert table.conditions.target == "phone-1"
    assert table.conditions.where == "device"
    assert table.conditions.device == "Phone 9, chip"
    assert table.conditions.runtime == "fake"
    stem = table.points["conv 8x8 3x3 /1x1"]
    assert stem[3, 8] == pytest.approx((8 * 8 * 9 * 3 * 8 + 8 * 8 * 8) * 1e-6)


def test_every_file_has_its_turns_and_is_removed(tmp_path):
    """The least median counts; nothing is left on the device."""
    paths = [tmp_path / name for name in ("a.tflite", "b.tflite")]
    times = {"a.tflite": iter((3.0, 2.0)), "b.tflite": iter((5.0, 6.0))}
    measure = measuring(lambda call: next(times[call.request.model.name]), rounds=2)
    assert measure(paths) == [2.0, 5.0]
    removed = measure.target.transport.removed
    assert [name.endswith("a.tflite") for name in removed].count(True) == 2
    assert len(removed) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"taken": Taken(applied="partial", delegated_ops=1, total_ops=2)}, "partial"),
        ({"software": True}, "computes on the CPU"),
    ],
)
def test_a_gpu_that_did_not_compute_is_refused(tmp_path, options, words):
    """Its time would be the CPU's."""
    measure = measuring(lambda _: 1.0, delegate="gpu", **options)
    with pytest.raises(errors.BenchmarkError, match=words):
        measure([tmp_path / "a.tflite"])


def test_a_lost_device_is_one_line(tmp_path):
    """The build ends; what it had measured is in its table."""
    measure = measuring(lambda _: DeviceError("The device is gone. Received: x."))
    with pytest.raises(errors.BenchmarkError, match="gone"):
        measure([tmp_path / "a.tflite"])


def paths_of(tmp_path, count):
    return [tmp_path / f"{number}.tflite" for number in range(count)]


def test_a_device_that_gets_slower_is_measured_once_more(tmp_path, caplog):
    """It throttles in the first eight turns; then it is as quick as at the start."""
    measure = measuring(lambda call: 1 + 0.1 * call.count if call.count < 9 else 1.0)

    assert measure(paths_of(tmp_path, 4)) == [1.0] * 4

    assert len(measure.target.backend.requests) == 16
    (line,) = caplog.messages
    assert line.startswith("phone-1 is ")
    assert line.endswith("slower while measured; once more.")


def test_a_device_that_stays_slow_is_said_to(tmp_path, caplog):
    measure = measuring(lambda call: 1 + 0.1 * call.count)
    assert len(measure(paths_of(tmp_path, 4))) == 4
    assert len(measure.target.backend.requests) == 16
    assert "slower again; times may be too long" in caplog.messages[-1]


def test_a_steady_device_is_measured_once(tmp_path, caplog):
    measure = measuring(lambda call: 1 + 0.001 * (call.count % 3))
    measure(paths_of(tmp_path, 4))
    assert len(measure.target.backend.requests) == 8
    assert caplog.messages == []


def test_a_hot_device_cools_first(tmp_path, monkeypatch, caplog):
    """Nothing is measured while Android says that it throttles."""
    monkeypatch.setattr(cooling, "_STEP_S", 0.001)
    measure = measuring(lambda _: 1.0, max_cool_down_s=0.01)
    asked = []
    transport = measure.target.transport

    def state(_):
        asked.append(len(measure.target.backend.requests))
        return said(f"Thermal Status: {3 if len(asked) < 4 else 1}\n")

    transport.says["thermalservice"] = state
    measure(paths_of(tmp_path, 1))
    assert asked == [0, 0, 0, 0]
    assert caplog.messages == []

    transport.says["thermalservice"] = said("Thermal Status: 3\n")
    measure(paths_of(tmp_path, 1))
    assert "still hot after 0.01 s" in caplog.messages[0]


def test_a_runner_that_may_not_be_moved_is_not_pinned(tmp_path):
    """The app's process is another user's."""
    measure = measuring(lambda _: 1.0)
    cores = said("0=1000\n1=2000\ntaskset\n")
    measure.target.transport.says["cpuinfo_max_freq"] = cores
    measure(paths_of(tmp_path, 1))
    measure.target.backend.pins = False
    measure(paths_of(tmp_path, 1))
    pinned = [request.cores for request in measure.target.backend.requests]
    assert pinned == [(1,), (1,), (), ()]


def test_a_file_that_crashes_the_runner_is_removed(tmp_path):
    measure = measuring(lambda _: RunnerError("It crashed. Received: SIGSEGV."))
    with pytest.raises(errors.BenchmarkError, match="SIGSEGV"):
        measure([tmp_path / "a.tflite"])
    assert len(measure.target.transport.removed) == 1


def test_finalists_of_a_device_are_not_measured_on_the_host(layer_graph):
    """Its prediction would be compared with another machine's time."""
    conditions = measuring().conditions("float32")
    table = latency.Table(conditions=conditions)
    with pytest.raises(errors.ConfigError, match="target='phone-1'"):
        latency.remeasure(layer_graph, [{}], table)
