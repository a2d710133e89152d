import hashlib
import json
import pathlib
import subprocess
import sys

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

import android_bench
from android_bench import BenchmarkError, BenchmarkRun
from android_bench.backends import base, host_python


def tensor(name, shape, buffer):
    item = generated.TensorT()
    item.name, item.shape, item.buffer, item.type = name, shape, buffer, 0
    return item


def dense_file(inputs=256, units=512):
    """Build a one-layer .tflite file without TensorFlow."""
    weights = np.random.default_rng(0).random((units, inputs), dtype=np.float32)
    kernel, empty = generated.BufferT(), generated.BufferT()
    kernel.data = weights.view(np.uint8).reshape(-1)
    code = generated.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = 9  # FULLY_CONNECTED
    code.version = 1
    op = generated.OperatorT()
    op.inputs, op.outputs = [0, 1, -1], [2]
    op.builtinOptionsType = generated.BuiltinOptions.FullyConnectedOptions
    op.builtinOptions = generated.FullyConnectedOptionsT()
    graph = generated.SubGraphT()
    graph.tensors = [
        tensor("x", [1, inputs], 0),
        tensor("w", [units, inputs], 1),
        tensor("y", [1, units], 0),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [op]
    model = generated.ModelT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
    model.buffers = [empty, kernel]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "dense.tflite"
    file.write_bytes(dense_file())
    return file


def test_a_file_is_measured(path):
    """Every figure is there, ordered, and belongs to this file on this host."""
    run = android_bench.benchmark(path, max_seconds=1.0)
    latency = run.latency
    assert 0 < latency.min_ms <= latency.p50_ms <= latency.p90_ms <= latency.p95_ms
    assert latency.p95_ms <= latency.max_ms
    assert run.num_runs >= 50
    assert run.init_ms > 0
    assert run.first_ms > 0
    assert run.where == "host"
    assert run.backend == "litert_python"
    assert run.model == "dense.tflite"
    assert run.model_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert run.size_bytes == path.stat().st_size
    assert run.conditions.num_threads == 1
    assert BenchmarkRun.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def test_memory_grows_with_the_file(tmp_path):
    """A file of 64 MB of weights needs at least that, one of 0.5 MB does not."""
    memory = {}
    for name, units in (("small", 512), ("large", 65_536)):
        file = tmp_path / f"{name}.tflite"
        file.write_bytes(dense_file(units=units))
        run = android_bench.benchmark(file, min_runs=3, warmup_runs=1, max_seconds=0.5)
        memory[name] = run.model_memory_bytes
        assert run.peak_memory_bytes > run.model_memory_bytes
    assert memory["small"] < 32_000_000
    assert memory["large"] > memory["small"] + 64_000_000


def test_threads_are_passed_on(path):
    """And recorded."""
    run = android_bench.benchmark(path, num_threads=2, min_runs=3, max_seconds=0.5)
    assert run.conditions.num_threads == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be read\. Received: .*gone\.tflite"),
        (b"", "not a .tflite file"),
        (b"PK\x03\x04" + b"\0" * 100, "expected b'TFL3'"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path, content, message):
    """Before a process is started."""
    file = tmp_path / "gone.tflite"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BenchmarkError, match=message):
        android_bench.benchmark(file)


def test_a_damaged_file_is_one_line(path):
    """Cut in the middle: the child fails or crashes, this process does not."""
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BenchmarkError, match="could not run this file") as caught:
        android_bench.benchmark(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("import os; os.kill(os.getpid(), 11)", "crashed with SIGSEGV"),
        (r"import sys; sys.exit('a\nthe  reason')", r"\(the reason\)"),
        ("import sys; sys.exit(1)", "it failed"),
        ("import time; time.sleep(600)", r"no end after 2\.4 s"),
        ("", "left no answer"),
    ],
)
def test_each_end_of_the_child_is_an_error(path, tmp_path, monkeypatch, child, message):
    """A crash, a failure, a hang and an empty end each have their line."""
    (tmp_path / "bad_child.py").write_text(child)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(host_python, "CHILD", "bad_child")
    if "sleep" in child:
        monkeypatch.setattr(base, "GRACE_S", 2.0)
    with pytest.raises(BenchmarkError, match=message) as caught:
        android_bench.benchmark(path, max_seconds=0.1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "adb"}, "Unknown backend.*'adb'.*litert_python"),
        ({"num_threads": 0}, "num_threads=0"),
        ({"max_seconds": -1.0}, "max_seconds=-1.0"),
    ],
)
def test_settings_are_checked_first(settings, message):
    """Even before the file is looked for."""
    with pytest.raises(ValueError, match=message):
        android_bench.benchmark("nowhere.tflite", **settings)


def test_no_tensorflow_and_nothing_of_tfcompress(path):
    """The whole benchmark runs where they cannot be imported, in its child too."""
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tfcompress'):\n"
        "    sys.modules[name] = None\n"
        "import android_bench\n"
        f"run = android_bench.benchmark({str(path)!r}, max_seconds=0.5)\n"
        "print(run.summary())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "host latency" in done.stdout
    source = pathlib.Path(android_bench.__file__).with_name("host_child.py").read_text()
    assert "tensorflow" not in source
