"""The runner on this computer's CPU: its figures, its outputs, its errors."""

import os
import statistics
import subprocess

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tests.android_bench.native.conftest import FLOAT, INT8, LIBRARY


def reference(model, images):
    """Return the Python interpreter's outputs, one row for an image."""
    interpreter = Interpreter(str(model), num_threads=1)
    interpreter.allocate_tensors()
    rows = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        detail = interpreter.get_output_details()[0]
        rows.append(interpreter.get_tensor(detail["index"]).copy())
    return np.stack(rows)


def images_for(model, count=4):
    detail = Interpreter(str(model)).get_input_details()[0]
    noise = np.random.default_rng(3).random((count, *detail["shape"]))
    noise *= np.linspace(0.2, 1, count).reshape(-1, 1, 1, 1, 1)
    if np.issubdtype(detail["dtype"], np.integer):
        noise = noise * 255 - 128
    return noise.astype(detail["dtype"])


def measured(start, tmp_path, model, image, *options):
    """Return the runner's output for an image."""
    path = tmp_path / "input.bin"
    path.write_bytes(image.tobytes())
    done = start(model, "--input", path, "--output-folder", tmp_path, *options)
    assert done.code == 0, done.line
    described = done.answer["outputs"][0]
    content = (tmp_path / described["file"]).read_bytes()
    return np.frombuffer(content, described["type"]).reshape(described["shape"])


@pytest.mark.parametrize("threads", [1, 2])
def test_float_outputs_are_the_interpreter_s(start, tmp_path, threads):
    """Within 1e-5, for inputs whose outputs differ by far more."""
    images = images_for(FLOAT)
    expected = reference(FLOAT, images)
    assert np.ptp(expected, axis=0).max() > 0.05
    for image, row in zip(images, expected, strict=True):
        made = measured(start, tmp_path, FLOAT, image, "--threads", threads)
        np.testing.assert_allclose(made, row, rtol=0, atol=1e-5)


def test_int8_outputs_are_the_interpreter_s(start, tmp_path):
    """Equal in every bit."""
    images = images_for(INT8)
    expected = reference(INT8, images)
    assert len({row.tobytes() for row in expected}) > 1
    for image, row in zip(images, expected, strict=True):
        np.testing.assert_array_equal(measured(start, tmp_path, INT8, image), row)


def test_the_answer_has_every_key_and_sound_figures(start):
    """What the contract names is there; times are positive and in milliseconds."""
    answer = start(INT8, "--library-version", "2.3.0").answer
    assert answer["schema"] == 1
    assert answer["runner"] == "tfcompress 1"
    assert answer["library_version"] == "2.3.0"
    assert answer["delegate_asked"] == "cpu"
    assert answer["delegate_applied"] == "none"
    assert (answer["delegated_ops"], answer["refused_ops"]) == (0, [])
    assert answer["total_ops"] >= 6
    assert answer["error"] is None
    assert answer["op_profile"] == []
    assert len(answer["samples_ms"]) >= 3
    assert all(0 < ms < 1000 for ms in answer["samples_ms"])
    assert 0 < answer["init_ms"] < 5000
    assert 0 < answer["first_ms"] < 5000
    assert 1e6 < answer["model_memory_bytes"] < answer["peak_memory_bytes"] < 1e9
    assert answer["inputs"][0]["name"] == "image"
    assert answer["inputs"][0]["shape"] == [1, 28, 28, 1]


def test_it_runs_until_the_median_settles(start):
    """Half a second at least, so that a network of microseconds runs often."""
    answer = start(FLOAT, "--max-seconds", "5", quick=False).answer
    assert answer["stable"]
    samples = answer["samples_ms"]
    assert len(samples) > 50
    half = len(samples) // 2
    older, newer = samples[-2 * half : -half], samples[-half:]
    middle = statistics.median(newer)
    assert abs(statistics.median(older) - middle) <= 0.0201 * middle


def test_it_stops_when_the_time_is_over(start):
    """The least number of runs is made, and no more after the time."""
    answer = start(FLOAT, "--min-runs", "7", "--max-seconds", "0.000001").answer
    assert len(answer["samples_ms"]) == 7


def enlarged(path, model, factor):
    """Write the network for images `factor` times as high and wide; return the path."""
    parsed = schema.ModelT.InitFromPackedBuf(model.read_bytes())
    for tensor in parsed.subgraphs[0].tensors:
        if len(tensor.shape) == 4 and tensor.buffer and tensor.shape[1] in (28, 14, 7):
            tensor.shape = [
                1,
                *(factor * n for n in tensor.shape[1:3]),
                tensor.shape[3],
            ]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(parsed.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_operators_add_up_to_about_the_run(start, tmp_path):
    """Each operator of the graph is timed; their sum is nearly the profiled run."""
    model = enlarged(tmp_path / "large.tflite", FLOAT, 20)
    answer = start(model, "--profile").answer
    profile = answer["op_profile"]
    assert answer["inputs"][0]["shape"] == [1, 560, 560, 1]
    assert answer["profile_error"] is None
    assert sum("Convolution" in op["name"] for op in profile) >= 3
    assert len(profile) >= 6
    assert {op["type"] for op in profile} <= {"operator", "delegate_operator"}
    assert all(op["calls"] % answer["profile_runs"] == 0 for op in profile)
    total = sum(op["avg_ms"] for op in profile)
    assert 0.7 * answer["profiled_run_ms"] < total <= answer["profiled_run_ms"]


def test_no_profile_unless_it_is_asked_for(start):
    """The profiler slows the runs, so its runs are apart."""
    answer = start(FLOAT).answer
    assert (answer["op_profile"], answer["profile_runs"]) == ([], 0)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 4, "cannot be read"),
        (b"", 4, "not a .tflite file"),
        (b"hello world, no model", 4, "not a .tflite file"),
        (b"\x1c\0\0\0TFL3" + bytes(range(256)) * 8, None, "load"),
    ],
)
def test_a_bad_model_is_one_line(start, tmp_path, content, code, words):
    """The same line on stderr and in the answer; nothing hangs."""
    model = tmp_path / "bad.tflite"
    if content is not None:
        model.write_bytes(content)
    done = start(model)
    assert done.code == code or (code is None and done.code != 0)
    assert words in done.answer["error"]
    assert done.line == f"runner: {done.answer['error']}"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_model_never_passes_for_one(start, tmp_path, share):
    """The library may crash on it: then the answer says where, without a figure."""
    content = FLOAT.read_bytes()
    model = tmp_path / "short.tflite"
    model.write_bytes(content[: int(len(content) * share)])
    done = start(model)
    assert done.code != 0
    assert done.answer["error"]
    assert not done.answer.get("samples_ms")
    assert done.line == f"runner: {done.answer['error']}"


def test_a_crash_names_the_signal_and_the_stage(start, tmp_path):
    """The process ends by the signal, so that who started it sees that, too."""
    code = tmp_path / "crash.c"
    code.write_text(
        "#include <stdlib.h>\n__attribute__((constructor)) void f(void) { abort(); }\n",
        "utf-8",
    )
    library = tmp_path / "libcrash.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", str(code), "-o", str(library)], check=True
    )
    done = start(library=library)
    assert done.code == -6
    words = "the runtime crashed with SIGABRT while loading the library"
    assert done.answer["error"] == words
    assert done.line == f"runner: {words}"


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("no-such-library.so", "cannot be read"),
        (FLOAT, "cannot be loaded"),
        ("libm.so.6", "no LiteRT 2.3 or newer"),
    ],
)
def test_a_bad_library_is_one_line(start, library, words):
    """Missing, no library, or another one (as an old LiteRT is)."""
    if library == "libm.so.6":
        known = subprocess.run(
            ["cc", "-print-file-name=libm.so.6"], capture_output=True, check=True
        )
        library = known.stdout.decode().strip()
    done = start(library=library)
    assert done.code == 3
    assert words in done.line
    assert done.answer["error"] in done.line


def test_a_missing_accelerator_is_one_line(start, tmp_path):
    """A run on the GPU never falls back to the CPU without a word."""
    done = start(
        FLOAT, "--delegate", "gpu", "--accelerator", tmp_path / "libNoAccelerator.so"
    )
    assert done.code == 3
    assert "GPU accelerator could not be loaded" in done.line


def test_a_wrong_input_is_one_line(start, tmp_path):
    """Too short, too long, too many, missing."""
    path = tmp_path / "input.bin"
    for size in (3, 28 * 28 * 4 + 1):
        path.write_bytes(bytes(size))
        done = start(FLOAT, "--input", path)
        assert done.code == 5
        assert "image needs (3136 bytes)" in done.line
    path.write_bytes(bytes(28 * 28 * 4))
    done = start(FLOAT, "--input", path, "--input", path)
    assert "has 1 inputs, received 2 files" in done.line
    done = start(FLOAT, "--input", tmp_path / "none.bin")
    assert "input cannot be read" in done.line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--threads", "0"), "--threads must be a whole number of at least 1"),
        (("--threads", "2x"), "received 2x"),
        (("--max-seconds", "nan"), "--max-seconds must be a number above 0"),
        (("--delegate", "npu"), "must be cpu or gpu, received npu"),
        (("--delegate", "gpu"), "needs --accelerator"),
        (("--frobnicate", "1"), "unknown option --frobnicate"),
        (("--warmup",), "--warmup needs a value"),
    ],
)
def test_a_wrong_option_is_one_line(start, options, words):
    """Exit code 2, before the library is loaded."""
    done = start(FLOAT, *options)
    assert done.code == 2
    assert words in done.line
    assert words in done.answer["error"]


def test_an_old_answer_does_not_stay(start, tmp_path):
    """A run that fails replaces the answer of the one before."""
    assert start(FLOAT).answer["samples_ms"]
    assert start(tmp_path / "none.tflite").answer["samples_ms"] == []


def test_a_run_that_is_killed_leaves_no_answer(runner, tmp_path):
    """Whoever waits no longer finds nothing that looks like a result."""
    answer = tmp_path / "answer.json"
    command = [runner, "--library", LIBRARY, "--model", FLOAT, "--json", answer]
    command += ["--min-runs", "100000000", "--max-seconds", "1000"]
    process = subprocess.Popen(
        [str(part) for part in command], stderr=subprocess.DEVNULL
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.kill()
    assert process.wait(timeout=10) == -9
    assert os.listdir(tmp_path) == []


def test_an_answer_that_cannot_be_written_is_one_line(start, tmp_path):
    """A folder in its place: exit code 5."""
    (tmp_path / "answer.json").mkdir()
    (tmp_path / "answer.json" / "full").touch()
    with pytest.raises(IsADirectoryError):
        start(FLOAT)
