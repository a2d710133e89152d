import dataclasses
import json

import numpy as np
import pytest

from android_bench import BenchmarkError, BenchmarkRun, Conditions, Device, Latency
from android_bench.records import quantile

CONDITIONS = Conditions(
    num_threads=1,
    warmup_runs=10,
    min_runs=50,
    max_seconds=10.0,
    delegate="xnnpack",
    runtime="ai-edge-litert 2.3.0",
)


def run(**changes):
    record = BenchmarkRun(
        where="host",
        backend="litert_python",
        model="net.tflite",
        model_sha256="00" * 32,
        size_bytes=1234,
        device=Device(name="host", cpu="a cpu", cores=2, system="Linux"),
        conditions=CONDITIONS,
        latency=Latency.of([1.0, 2.0, 3.0]),
        num_runs=3,
        stable=True,
        init_ms=4.0,
        first_ms=5.0,
        peak_memory_bytes=100,
        model_memory_bytes=None,
        started="2026-01-01T00:00:00+00:00",
    )
    return dataclasses.replace(record, **changes)


def test_latency_by_hand():
    """Median, p90 and p95 of 1 to 11, interpolated."""
    latency = Latency.of([float(i) for i in range(11, 0, -1)])
    assert (latency.p50_ms, latency.p90_ms, latency.p95_ms) == (6.0, 10.0, 10.5)
    assert (latency.min_ms, latency.max_ms, latency.mean_ms) == (1.0, 11.0, 6.0)
    assert latency.std_ms == pytest.approx(10**0.5)


def test_quantiles_are_numpys(rng):
    """The same interpolation as the tool that everybody checks with."""
    values = sorted(rng.random(37))
    for share in (0.0, 0.1, 0.5, 0.9, 0.95, 1.0):
        assert quantile(values, share) == pytest.approx(np.quantile(values, share))


def test_no_runs_are_refused():
    """There is no median of nothing."""
    with pytest.raises(BenchmarkError, match="no runs"):
        Latency.of([])


def test_a_record_survives_json():
    """Write, read, equal."""
    record = run()
    content = json.loads(json.dumps(record.to_dict(), allow_nan=False))
    assert content["schema"] == 1
    assert BenchmarkRun.from_dict(content) == record


@pytest.mark.parametrize("where", ["host", "emulator", "software_gpu"])
def test_what_is_no_device_is_never_called_one(where):
    """Neither the label nor the summary says device."""
    record = run(where=where)
    assert "device" not in record.label
    assert "device" not in record.summary()
    assert where.replace("_", " ") in record.summary()


def test_a_devices_latency_is_called_so():
    """The one place whose figures are a phone's."""
    assert run(where="device").label == "device latency"


def test_the_summary_says_when_it_did_not_settle():
    """An unstable figure is marked; threads are counted in words that fit."""
    conditions = dataclasses.replace(CONDITIONS, num_threads=2)
    assert "not settled" in run(stable=False).summary()
    assert "not settled" not in run().summary()
    assert "2 threads" in run(conditions=conditions).summary()


def test_unknown_places_are_refused():
    """A place that reports do not know is a mistake."""
    with pytest.raises(ValueError, match="where='phone'"):
        run(where="phone")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema=2; expected 1"),
        ({"schema": None}, "schema=None"),
        ({"surprise": 1}, "surprise"),
        ({"device": {"name": "x"}}, "cannot be read"),
    ],
)
def test_other_records_are_refused(change, message):
    """Another version, an unknown field, a missing one."""
    with pytest.raises(BenchmarkError, match=message):
        BenchmarkRun.from_dict({**run().to_dict(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"num_threads": 0},
        {"num_threads": 1.5},
        {"warmup_runs": -1},
        {"min_runs": 0},
        {"max_seconds": 0},
        {"max_seconds": float("inf")},
    ],
)
def test_conditions_are_checked(change):
    """The message names the setting and its value."""
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        dataclasses.replace(CONDITIONS, **change)


def test_this_computer_is_described():
    """As a host with a processor."""
    host = Device.host()
    assert host.name == "host"
    assert host.cpu
    assert host.cores >= 1
    assert host.serial is None
