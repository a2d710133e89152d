"""LiteRT's GPU accelerator, really run, on a software Vulkan driver.

What it takes of a file and what it computes are real; its times mean nothing, so every
record of these runs says ``software_gpu``.
"""

import numpy as np
import pytest

from android_bench.backends import NativeBackend
from tests.device import parts, probe_gpu
from tests.device.measuring import FLOAT, INT8, measured, session

pytestmark = pytest.mark.device


@pytest.fixture
def both(tmp_path):
    """Return a function that runs a file on the accelerator and on the CPU."""

    def run(model, *options):
        env = parts.software_vulkan(tmp_path)
        gpu = parts.run(
            parts.on_gpu(model, *probe_gpu.ONCE, *options), tmp_path / "gpu", env=env
        )
        cpu = parts.run(parts.on_cpu(model, *probe_gpu.ONCE), tmp_path / "cpu")
        assert (gpu.code, cpu.code) == (0, 0), (gpu.line, cpu.line)
        rows = [np.frombuffer(r.outputs[0], np.float32) for r in (gpu, cpu)]
        return gpu.answer, *rows

    return run


def model_of(tmp_path, name):
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(probe_gpu.models()[name])
    return path


def test_a_float_network_runs_whole_and_agrees(both):
    """Every operator is on the GPU; float32 agrees with the CPU within 1e-5."""
    answer, gpu, cpu = both(FLOAT)
    assert answer["delegate_applied"] == "full"
    assert answer["delegated_ops"] == answer["total_ops"] > 5
    assert answer["refused_ops"] == []
    np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-5)


def test_half_precision_is_another_computation(both):
    """float16 agrees less well, and is really what was asked for."""
    answer, gpu, cpu = both(FLOAT, "--fp16")
    assert answer["precision"] == "fp16"
    difference = np.abs(gpu - cpu).max()
    assert 1e-6 < difference < 1e-2


def test_an_int8_network_is_close_to_the_cpu_s(both):
    """It computes in floats what the CPU computes in integers."""
    answer, gpu, cpu = both(INT8)
    assert answer["delegate_applied"] == "full"
    assert np.abs(gpu - cpu).max() < 0.05


def test_a_partial_delegation_is_counted_and_named(both, tmp_path):
    """Operators on the GPU, of how many, and the refused ones with their reasons."""
    answer, _, _ = both(model_of(tmp_path, "lstm.float32"))
    assert answer["delegate_applied"] == "partial"
    assert (answer["delegated_ops"], answer["total_ops"]) == (1, 3)
    assert [line.split(":")[0] for line in answer["refused_ops"]] == [
        "STRIDED_SLICE",
        "WHILE",
    ]


def test_a_file_that_the_gpu_leaves_alone_is_not_a_gpu_run(both, tmp_path):
    """Nothing delegated is said so, although the file ran."""
    answer, _, _ = both(model_of(tmp_path, "gather_nd.float32"))
    assert answer["delegate_applied"] == "none"
    assert answer["delegated_ops"] == 0
    assert answer["refused_ops"] == ["GATHER_ND: Operation is not supported."]


def test_a_profile_that_the_backend_lacks_leaves_the_run(both):
    """The WebGPU backend has no profiler: a reason, and the figures stand."""
    answer, _, _ = both(FLOAT, "--profile")
    assert answer["profile_error"]
    assert answer["op_profile"] == []
    assert answer["samples_ms"]


def test_no_driver_is_one_line(tmp_path):
    """Without a Vulkan driver the run fails; it does not fall back unseen."""
    parts.software_vulkan(tmp_path)
    run = parts.run(
        parts.on_gpu(FLOAT, *probe_gpu.ONCE),
        tmp_path,
        env={"VK_ICD_FILENAMES": "/none.json", "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert run.code != 0
    assert run.line.startswith("runner: ")
    assert run.answer["error"] in run.line


def test_its_record_says_software_gpu(tmp_path):
    """A session on it makes records that no report can take for a device's."""
    backend = NativeBackend(
        runner=parts.host_runner(),
        library=parts.LITERT / "libLiteRt.so",
        accelerator=parts.LITERT / "libLiteRtWebGpuAccelerator.so",
        version=parts.VERSION,
        variables=parts.software_vulkan(tmp_path),
    )
    result = session(tmp_path / "target", backend, delegates=("gpu",))
    (record,) = result.records
    assert record.where == "software_gpu"
    assert record.label == "software gpu latency"
    assert record.delegation.applied == "full"
    measured(record)


@pytest.mark.parametrize("name", sorted(probe_gpu.models()))
def test_the_accelerator_still_does_what_the_probe_saw(name, tmp_path):
    """The committed probe, from which the table is, is what this library does."""
    parts.software_vulkan(tmp_path)
    seen = probe_gpu.recorded()["models"][name]
    now = probe_gpu.probe(probe_gpu.models()[name], tmp_path)
    for key in ("taken", "total", "refused"):
        assert now[key] == seen[key]
    assert bool(now["error"]) == bool(seen["error"])
