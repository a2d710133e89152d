"""Tests of measuring on targets: order, failures, what counts, several at once."""

from __future__ import annotations

import array
import os
import signal
import threading
import time

import pytest

from android_bench import parallel
from android_bench.errors import BenchmarkError, DeviceError, RunnerError
from android_bench.parsed import Taken
from android_bench.session import Session, Target
from android_bench.variants import SessionConfig
from tests.android_bench.targets import FakeBackend, FakeTransport, said

CPU = array.array("f", [0.1, 0.2, 0.3, 0.4]).tobytes()
NEAR = array.array("f", [0.1, 0.2, 0.3, 0.401]).tobytes()
FAR = array.array("f", [0.4, 0.3, 0.2, 0.1]).tobytes()
PHONE = {
    "ro.product.model": "Pixel 8",
    "ro.soc.model": "Tensor G3",
    "ro.soc.manufacturer": "Google",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "14",
    "ro.build.version.sdk": "34",
}


@pytest.fixture
def models(tmp_path):
    """Return two files that look like models."""
    paths = []
    for name in ("a.tflite", "b.tflite"):
        path = tmp_path / name
        path.write_bytes(b"\0\0\0\0TFL3" + name.encode())
        paths.append(path)
    return tuple(paths)


def config(models, **changes):
    settings = {"models": models, "rounds": 4, "cool_down_s": 0.0, **changes}
    return SessionConfig(**settings)


def by_model(call):
    return {"a.tflite": 4.0, "b.tflite": 2.0}[call.request.model.name]


def run(models, backend=None, transport=None, **changes):
    target = Target(
        transport=transport or FakeTransport(props=PHONE),
        backend=backend or FakeBackend(by_model),
    )
    return Session(target, config(models, **changes)).run()


def test_each_variant_has_one_record_of_all_rounds(models):
    """Files times threads; the runs of the rounds are put together."""
    result = run(models, threads=(1, 4))
    found = [
        (r.model, r.conditions.num_threads, r.latency.p50_ms) for r in result.records
    ]
    assert found == [
        ("a.tflite", 1, 4.0),
        ("a.tflite", 4, 4.0),
        ("b.tflite", 1, 2.0),
        ("b.tflite", 4, 2.0),
    ]
    record = result.records[0]
    assert record.num_runs == 12
    assert [part.index for part in record.rounds] == [0, 1, 2, 3]
    assert record.where == "device"
    assert (record.device.name, record.device.soc) == ("Pixel 8", "Google Tensor G3")
    assert (record.device.android_version, record.device.api_level) == ("14", 34)
    assert record.argv == ("runner", "--model", "a.tflite")
    assert record.runner_version == "2.3.0"
    assert record.counts


def test_the_order_is_random_and_repeatable(models):
    """Each round visits all, in an order of its own; a seed gives the same ones."""
    orders = []
    for _ in range(2):
        backend = FakeBackend(by_model)
        run(models, backend, threads=(1, 2, 3), rounds=6, seed=5)
        orders.append([(r.model.name, r.num_threads) for r in backend.requests])
    assert orders[0] == orders[1]
    rounds = [orders[0][i : i + 6] for i in range(0, 36, 6)]
    assert all(len(set(part)) == 6 for part in rounds)
    assert len({tuple(part) for part in rounds}) > 1


def test_a_failing_file_does_not_stop_the_others(models):
    """It is named with its reason, once, and not tried again."""

    def latency(call):
        if call.request.model.name == "a.tflite":
            return RunnerError("It crashed. Received: SIGSEGV. Look.")
        return 2.0

    backend = FakeBackend(latency)
    result = run(models, backend)
    assert [r.model for r in result.records] == ["b.tflite"]
    (failure,) = result.failures
    assert failure.what == "a.tflite on cpu, 1 thread"
    assert "SIGSEGV" in failure.message
    assert [r.model.name for r in backend.requests].count("a.tflite") == 1


def test_a_lost_device_keeps_what_it_gave(models):
    """After two rounds it is gone: their records stay, one line says so."""

    def latency(call):
        return (
            DeviceError("The device is gone. Received: x.") if call.count > 5 else 3.0
        )

    result = run(models, FakeBackend(latency))
    assert sum(len(record.rounds) for record in result.records) == 5
    (failure,) = result.failures
    assert failure.what == "the device"


GPU = {"delegates": ("cpu", "gpu"), "rounds": 1}


@pytest.mark.parametrize(
    ("taken", "output", "reason"),
    [
        (Taken(applied="full", delegated_ops=9, total_ops=9), NEAR, None),
        (Taken(applied="partial", delegated_ops=8, total_ops=9), CPU, None),
        (
            Taken(applied="none", refused_ops=("ROUND: no", "SUM: no")),
            CPU,
            "took nothing of the graph (ROUND: no; SUM: no)",
        ),
        (Taken(applied="unknown"), CPU, "not known whether the GPU delegate took"),
        (Taken(applied="full"), FAR, "outputs differ by 1 of their range"),
        (Taken(applied="full"), CPU[:8], "has 8 bytes, the CPU's 16"),
    ],
)
def test_what_makes_a_gpu_result_count(models, taken, output, reason):
    """The delegate took the graph, and computes what the CPU does."""
    backend = FakeBackend(by_model, outputs={"cpu": CPU, "gpu": output}, taken=taken)
    records = run(models[:1], backend, **GPU).records
    cpu, gpu = records
    assert cpu.counts
    assert gpu.delegation.applied == taken.applied
    assert gpu.delegation.refused_ops == taken.refused_ops
    if reason is None:
        assert gpu.counts
        assert gpu.agreement.agrees
    else:
        assert reason in "; ".join(gpu.not_counted)
        assert reason in gpu.summary()


def test_a_gpu_result_that_is_not_checked_does_not_count(models):
    """A runner without outputs proves nothing."""
    _, gpu = run(models[:1], FakeBackend(by_model), **GPU).records
    assert gpu.not_counted == (
        "the runner fake gives no outputs to compare with the CPU's",
    )


def test_a_software_gpu_is_called_so(models):
    """Whatever the transport says; the CPU's record keeps its place."""
    backend = FakeBackend(by_model, outputs={"cpu": CPU, "gpu": CPU}, software=True)
    cpu, gpu = run(models[:1], backend, **GPU).records
    assert (cpu.where, gpu.where) == ("device", "software_gpu")
    assert gpu.device.gpu == "SwiftShader"
    assert "device" not in gpu.label


def test_an_emulators_place_is_kept(models):
    """The target may say it where the transport cannot know."""
    target = Target(
        transport=FakeTransport(), backend=FakeBackend(by_model), where="emulated"
    )
    (record,) = Session(target, config(models[:1])).run().records
    assert record.where == "emulated"


def test_throttling_is_noticed(models):
    """Every round is slower than the one before, for all files."""
    started = time.monotonic()

    def latency(_):
        time.sleep(0.002)
        return 2.0 + (time.monotonic() - started) * 100

    result = run(models, FakeBackend(latency), rounds=6)
    assert result.records[0].drift.throttled
    assert result.records[0].drift.rise > 0.05
    steady = run(models, FakeBackend(by_model), rounds=6)
    assert not steady.records[0].drift.throttled


def test_it_waits_while_the_device_is_hot(models):
    """Until Android takes its warning back; the state is in the record."""
    status = iter(["0", "0", "3", "3", "1", "0", *"000000"])
    transport = FakeTransport(
        says={"dumpsys": lambda _: said(f"Thermal Status: {next(status)}\n")}
    )
    session = Session(
        Target(transport=transport, backend=FakeBackend(by_model)),
        config(models[:1], rounds=2),
    )
    waits = []
    session._stop.wait = waits.append
    (record,) = session.run().records
    assert waits.count(5.0) == 2
    assert record.before.thermal_name == "none"
    assert record.after is not None


def test_the_fastest_processors_are_used(models):
    """Where there are some and the threads fit on them."""
    cores = (
        "".join(f"{i}={1800000 + 600000 * (i > 3)}\n" for i in range(6)) + "taskset\n"
    )
    backend = FakeBackend(by_model)
    transport = FakeTransport(says={"cpuinfo_max_freq": said(cores)})
    result = run(models[:1], backend, transport, threads=(1, 4), rounds=1)
    assert {r.num_threads: r.cores for r in backend.requests} == {1: (4, 5), 4: ()}
    assert result.records[0].conditions.pinned_cores == (4, 5)


def test_files_are_checked_before_the_device(models, tmp_path):
    """A missing file ends it at once."""
    transport = FakeTransport()
    with pytest.raises(BenchmarkError, match=r"gone\.tflite"):
        run((*models, tmp_path / "gone.tflite"), transport=transport)
    assert transport.calls == []


@pytest.mark.parametrize(
    "change",
    [
        {"delegates": ("tpu",)},
        {"threads": (0,)},
        {"rounds": 0},
        {"max_seconds": 0},
        {"models": ()},
    ],
)
def test_settings_are_checked(models, change):
    """The message names the setting."""
    name = next(iter(change))
    with pytest.raises(ValueError, match=f"Received: {name}="):
        config(**{"models": models, **change})


def test_two_devices_at_once(models):
    """Each in its own thread, one table; they really overlap."""
    barrier = threading.Barrier(2, timeout=10)

    def latency(call):
        if call.count == 1:
            barrier.wait()
        return 1.0

    targets = [
        Target(transport=FakeTransport(serial=name), backend=FakeBackend(latency))
        for name in ("one", "two")
    ]
    result = parallel.measure(targets, config(models[:1]))
    assert [r.device.serial for r in result.records] == ["one", "two"]


def test_a_lost_device_does_not_stop_the_other(models):
    """Its line is kept beside the other's records."""

    def latency(call):
        lost = call.transport.serial == "lost"
        return DeviceError("The device is gone. Received: x.") if lost else 1.0

    backend = FakeBackend(latency)
    targets = [
        Target(transport=FakeTransport(serial=name), backend=backend)
        for name in ("lost", "fine")
    ]
    result = parallel.measure(targets, config(models[:1]))
    assert [r.device.serial for r in result.records] == ["fine"]
    assert [(f.serial, f.what) for f in result.failures] == [("lost", "the device")]
    with pytest.raises(BenchmarkError, match="gone"):
        parallel.measure(targets[:1], config(models[:1]))


@pytest.fixture
def interruptible():
    """Let SIGINT raise KeyboardInterrupt, whatever started this process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_all_and_keeps_what_is_done(models):
    """What runs is cancelled; the rounds before are in the records."""

    def latency(call):
        if call.count < 3:
            return 1.0
        time.sleep(0.3)  # until the main thread waits, as it nearly always does
        os.kill(os.getpid(), signal.SIGINT)
        call.transport.cancelled.wait(10)
        return RunnerError("It was cancelled.")

    transport = FakeTransport()
    target = Target(transport=transport, backend=FakeBackend(latency))
    result = parallel.measure([target], config(models[:1]))
    assert result.interrupted
    assert transport.cancelled.is_set()
    assert len(result.records[0].rounds) == 2
    assert result.failures == ()
