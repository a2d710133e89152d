"""Tests of measuring operators on a device, with one that is arithmetic."""

from __future__ import annotations

import pytest

from android_bench.errors import DeviceError
from android_bench.parsed import Taken
from android_bench.session import Target
from tests.android_bench.targets import FakeBackend, FakeTransport
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
