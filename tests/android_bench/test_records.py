import dataclasses
import json
import pathlib

import numpy as np
import pytest

from android_bench import BenchmarkError, BenchmarkRun, Conditions, Device, Latency
from android_bench.conditions import Agreement, Delegation
from android_bench.devices import DeviceState
from android_bench.records import Round, quantile
from android_bench.statistics import drift

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
    assert content["schema"] == 2
    assert BenchmarkRun.from_dict(content) == record


@pytest.mark.parametrize("where", ["host", "emulated", "software_gpu"])
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
        ({"schema": 3}, "schema=3; expected 1 or 2"),
        ({"schema": None}, "schema=None"),
        ({"surprise": 1}, "surprise"),
        ({"device": {"name": "x"}}, "cannot be read"),
        ({"device": None}, "cannot be read"),
        ({"init_ms": "4"}, "'4' is no float"),
        ({"num_runs": True}, "True is no int"),
        ({"where": "emulator"}, "where='emulator'"),
        ({"rounds": [{"index": 0}]}, "cannot be read"),
    ],
)
def test_other_records_are_refused(change, message):
    """Another version, an unknown field, a missing one."""
    with pytest.raises(BenchmarkError, match=message):
        BenchmarkRun.from_dict({**run().to_dict(), **change})


def test_a_full_record_survives_json():
    """Every part of it, too."""
    record = run(
        where="device",
        delegation=Delegation(
            asked="gpu",
            applied="partial",
            delegated_ops=3,
            total_ops=4,
            refused_ops=("ROUND: no",),
        ),
        agreement=Agreement(reference="cpu", error=0.001, tolerance=0.02),
        not_counted=("a reason",),
        before=DeviceState(governor="walt", thermal_status=1, battery_celsius=31.5),
        after=DeviceState(thermal_status=3, charging=False),
        drift=drift([0.0, 1.0, 2.0], [1.0, 1.1, 1.2]),
        rounds=(Round(index=0, seconds=0.5, typical_ms=2.0, num_runs=3),),
        argv=("runner", "--model", "x"),
        stable=None,
    )
    content = json.loads(json.dumps(record.to_dict(), allow_nan=False))
    assert BenchmarkRun.from_dict(content) == record
    assert record.after.throttling
    assert record.after.thermal_name == "severe"
    assert record.delegation.text == "partial (3 of 4 operators)"


def test_a_record_of_the_first_schema_is_read():
    """As it was written by the first release; its emulator is `emulated` now."""
    old = {
        "schema": 1,
        "where": "emulator",
        "backend": "litert_python",
        "model": "net.tflite",
        "model_sha256": "00" * 32,
        "size_bytes": 1234,
        "device": {
            "name": "host",
            "cpu": "a cpu",
            "cores": 2,
            "system": "Linux",
            "serial": None,
        },
        "conditions": {
            "num_threads": 1,
            "warmup_runs": 10,
            "min_runs": 50,
            "max_seconds": 10.0,
            "delegate": "xnnpack",
            "runtime": "ai-edge-litert 2.3.0",
        },
        "latency": dataclasses.asdict(Latency.of([1.0, 2.0, 3.0])),
        "num_runs": 3,
        "stable": True,
        "init_ms": 4.0,
        "first_ms": 5.0,
        "peak_memory_bytes": 100,
        "model_memory_bytes": None,
        "started": "2026-01-01T00:00:00+00:00",
    }
    assert BenchmarkRun.from_dict(old) == run(where="emulated")


def test_what_is_shared_has_no_serial_and_no_home():
    """The same phone has the same mark, another one another."""
    home = str(pathlib.Path.home())
    phone = Device(name="P", cpu="c", cores=8, system="Android 14", serial="SECRET")
    shared = run(device=phone, argv=(f"{home}/x/runner",)).shareable()
    assert "SECRET" not in json.dumps(shared.to_dict())
    assert shared.argv == ("~/x/runner",)
    assert shared.device == phone.anonymous() == shared.device.anonymous()
    other = dataclasses.replace(phone, serial="OTHER").anonymous()
    assert other.serial != shared.device.serial


def test_the_summary_of_a_runner_that_gives_means():
    """Is not called a median."""
    summary = run(latency=Latency(mean_ms=5.0)).summary()
    assert "5.000 ms mean" in summary
    assert "median" not in summary


@pytest.mark.parametrize("change", [{"asked": "tpu"}, {"applied": "maybe"}])
def test_unknown_words_of_delegates_are_refused(change):
    """The message has the known ones."""
    words = {"asked": "gpu", "applied": "full", **change}
    name, value = next(iter(change.items()))
    with pytest.raises(ValueError, match=f"{name}='{value}'; it must be one of"):
        Delegation(**words)


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": 0},
        {"precision": "int3"},
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
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        dataclasses.replace(CONDITIONS, **change)


def test_this_computer_is_described():
    """As a host with a processor."""
    host = Device.host()
    assert host.name == "host"
    assert host.cpu
    assert host.cores >= 1
    assert host.serial is None
