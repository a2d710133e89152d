"""The apps' Kotlin, compiled and run against stubs of Android and LiteRT."""

import base64
import json
import os
import shutil
import subprocess

import pytest

from android_bench import app_record
from android_bench.errors import RunnerError
from tests.android_bench import java, kotlin

pytestmark = [java.needs_javac, kotlin.needs_kotlin]
MODEL = java.RESOURCES / "model.tflite"
REFUSAL = """\
Following operations are not supported by GPU delegate:
SOFTMAX: Operation is not supported.
7 operations will run on the GPU, and the remaining 2 operations will run on the \
CPU."""


@pytest.fixture(scope="session")
def classes(tmp_path_factory):
    folder, compiled = tmp_path_factory.mktemp("kotlin"), []
    for module in ("modelfile", "core"):
        files = java.sources(module, "main")
        compiled.append(java.compile_java(files, folder / module, *compiled))
    return [kotlin.compile_kotlin(folder / "apps", *compiled), *compiled]


@pytest.fixture
def start(classes, tmp_path):
    """Return a function that starts an activity; it returns the printed lines."""
    logcat = tmp_path / "logcat"
    log = tmp_path / "log"
    log.touch()
    logcat.write_text(f"#!/bin/sh\nexec cat '{log}'\n")
    logcat.chmod(0o755)
    storage = tmp_path / "storage"
    storage.mkdir()

    def run(activity, **extras):
        words = [word for pair in extras.items() for word in pair]
        words = [word.replace("stub_", "stub.") for word in words]
        path = java.class_path(*classes, kotlin.runtime())
        command = ["java", f"-Dstub.log={log}", "-cp", path]
        command += ["org.tfcompress.benchmark.MainKt", activity, str(storage), *words]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=800,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    run.storage = storage
    return run


def read(start, name="record.json"):
    return json.loads((start.storage / name).read_text("utf-8"))


def test_both_delegates_are_measured(start):
    """One record with a run each, compared outputs, and nothing left open."""
    said = start(
        "benchmark",
        models=str(MODEL),
        delegate="cpu,gpu",
        threads="3",
        fp16="true",
        min_runs="5",
        max_seconds="0.6",
        output="r.json",
        output_folder="out",
    )
    assert said[:3] == ["Done: r.json", "finished true, screen 128", "open handles 0"]
    assert said[3:] == [
        "CPU 3 null",
        "GPU null FP16 benchmarkMode=true",
        "CPU 3 null",  # the reference
    ]
    record = read(start, "r.json")
    assert record["finished"] is True
    assert record["error"] is None
    assert record["device"]["model"] == "Stub Phone"
    assert record["device"]["battery_celsius"] == 30.5
    cpu, gpu = record["runs"]
    assert cpu["error"] is None
    assert gpu["delegate_applied"] == "full"
    assert gpu["delegated_ops"] == gpu["total_ops"] == cpu["total_ops"]
    assert gpu["agreement"]["agrees"] is True
    assert min(gpu["samples_ms"]) >= 1
    assert gpu["precision"] == "fp16"
    assert cpu["precision"] == "fp32"
    assert (start.storage / "out" / "output_0.bin").stat().st_size == 10


def test_the_host_reads_what_the_app_writes(start):
    """The record of one run is what `app_runner` expects."""
    start("benchmark", models=str(MODEL), min_runs="3", max_seconds="0.6")
    content = (start.storage / "record.json").read_bytes()
    read_back = app_record.read(content, model=MODEL)
    assert read_back.run["library_version"] == "LiteRT 2.3.0"
    assert read_back.about["app_version"] == "0.1.0"
    parse = pytest.importorskip("android_bench.parse")
    parsed = parse.read_native(json.dumps(read_back.run).encode())
    assert parsed.num_runs == len(read_back.run["samples_ms"])
    assert parsed.outputs[0].name == "class"


def test_a_part_on_the_gpu_is_read_from_the_log(start):
    """The GPU alone is tried first; the runtime's log says what it took."""
    said = start(
        "benchmark",
        models=str(MODEL),
        delegate="gpu",
        max_seconds="0.6",
        stub_refuses=REFUSAL,
    )
    assert said[3] == "GPU null FP32 benchmarkMode=true"
    assert said[4] == "GPU+CPU 1 FP32 benchmarkMode=true"
    assert said[2] == "open handles 0"
    (run,) = read(start)["runs"]
    assert run["delegate_applied"] == "partial"
    assert run["delegated_ops"] == 7
    assert run["refused_ops"] == ["SOFTMAX: Operation is not supported."]


def test_garbage_of_the_gpu_does_not_agree(start):
    start(
        "benchmark",
        models=str(MODEL),
        delegate="gpu",
        max_seconds="0.6",
        stub_wrong="1",
    )
    (run,) = read(start)["runs"]
    assert run["agreement"]["agrees"] is False


def test_a_wrong_option_is_in_the_record(start):
    """The host need not wait for a record that never comes."""
    said = start("benchmark", models=str(MODEL), delegate="npu", output="r.json")
    assert read(start, "r.json")["error"] == said[0]
    assert 'Received: delegate="npu"' in said[0]
    with pytest.raises(RunnerError, match="npu"):
        app_record.read((start.storage / "r.json").read_bytes(), model=MODEL)


def test_started_by_hand_it_says_what_it_needs(start):
    """Without extras the words stay on the screen."""
    said = start("benchmark")
    assert "paths of .tflite files" in said[0]
    assert said[1] == "finished false, screen 128"


def test_a_file_that_is_no_model_is_an_error_of_its_run(start, tmp_path):
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"not a model at all")
    start("benchmark", models=f"{bad},{MODEL}", max_seconds="0.6")
    first, second = read(start)["runs"]
    assert "not a .tflite file" in first["error"]
    assert second["error"] is None


def test_the_example_prepares_a_picture_and_names_its_class(start):
    """The stub gives the first ten input bytes back: the ranking is that of them."""
    assets = java.APP / "example" / "src" / "main" / "assets"
    for file in assets.iterdir():
        shutil.copy(file, start.storage)
    shown = start("example")
    expected = json.loads((java.RESOURCES / "expected.json").read_text("utf-8"))
    first = base64.b64decode(expected["pictures"][0]["input"])[:10]
    scores = [(byte - 256 if byte > 127 else byte) for byte in first]
    best = max(range(10), key=lambda i: (scores[i], -i))
    label = expected["note"]["labels"][best]
    assert shown[0] == f"{label} {(scores[best] + 128) / 256:.2f}"
    assert "open handles 0" in shown
