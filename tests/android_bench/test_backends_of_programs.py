"""Tests of what each backend pushes, runs and reads."""

from __future__ import annotations

import json
import pathlib
import struct

import pytest

from android_bench.backends import (
    ClassicBackend,
    LiteRtBackend,
    LiteRtScriptBackend,
    NativeBackend,
    RunRequest,
)
from android_bench.backends.base import last_words, model_name, pinned
from android_bench.errors import BenchmarkError, ParseError, RunnerError
from tests.android_bench.targets import FakeTransport, said

LOGS = pathlib.Path(__file__).with_name("logs")
PROGRAM = pathlib.Path("/tools/benchmark_model")
MODEL = pathlib.Path("/models/my net.tflite")
CLASSIC = ClassicBackend(program=PROGRAM)
LITERT = LiteRtBackend(program=PROGRAM, accelerator=pathlib.Path("/l/libGpu.so"))
NATIVE = NativeBackend(
    runner=pathlib.Path("/b/runner-host"),
    library=pathlib.Path("/l/libLiteRt.so"),
    accelerator=pathlib.Path("/l/libGpu.so"),
)


def log(name):
    return (LOGS / name).read_text("utf-8")


def message(*, median=7.5):
    """Return a result file with a median of its own, made with `struct` alone."""
    floats = {1: 8.0, 2: 7.0, 3: 9.0, 4: 0.5, 5: median, 8: 45.0, 9: 12.0, 10: 9.0}
    latency = b"".join(
        bytes([n << 3 | 5]) + struct.pack("<f", v) for n, v in floats.items()
    )
    misc = bytes([2 << 3, 50, 3 << 3, 10])
    return (
        bytes([2 << 3 | 2, len(latency)])
        + latency
        + bytes([4 << 3 | 2, len(misc)])
        + misc
    )


def native_answer(**changes):
    answer = {
        "schema": 1,
        "delegate_asked": "cpu",
        "delegate_applied": "none",
        "library_version": "2.3.0",
        "init_ms": 4.0,
        "first_ms": 3.0,
        "samples_ms": [2.0, 1.0, 3.0],
        "stable": True,
        "error": None,
        **changes,
    }
    return json.dumps(answer).encode()


@pytest.mark.parametrize("backend", [CLASSIC, LITERT])
def test_the_result_file_is_preferred(backend):
    """It has the median, which the text of the same run has not."""
    text = log(
        "classic_cpu.log" if backend is CLASSIC else "litert_benchmark_model.log"
    )
    transport = FakeTransport(says={"--graph": said(text)})
    transport.files["benchmark_result.pb"] = message()
    answer = backend.measure(transport, RunRequest(model=MODEL))
    assert answer.parsed.p50_ms == 7.5
    assert answer.parsed.num_runs == 50


@pytest.mark.parametrize("left", [None, message()])
def test_an_old_build_is_read_by_its_text(left):
    """It does not know the flag: a file of another run is not taken for its own."""
    text = "WARN: Unconsumed cmdline flags: --result_file_path=x\n" + log(
        "classic_cpu.log"
    )
    transport = FakeTransport(says={"--graph": said(text)})
    if left:
        transport.files["benchmark_result.pb"] = left
    answer = CLASSIC.measure(transport, RunRequest(model=MODEL))
    assert answer.parsed.mean_ms == pytest.approx(119.375)
    assert any(name.endswith("benchmark_result.pb") for name in transport.removed)


def test_both_streams_are_read():
    """LiteRT's tool prints on stderr."""
    transport = FakeTransport(
        says={"--graph": said("STARTING!", log("litert_benchmark_model.log"))}
    )
    answer = LITERT.measure(transport, RunRequest(model=MODEL))
    assert answer.parsed.mean_ms == 9.05


@pytest.mark.parametrize(
    ("backend", "delegate", "words"),
    [
        (CLASSIC, "cpu", {"--use_xnnpack=true", "--num_threads=4"}),
        (CLASSIC, "gpu", {"--use_gpu=true", "--gpu_precision_loss_allowed=true"}),
        (CLASSIC, "nnapi", {"--use_nnapi=true"}),
        (LITERT, "cpu", {"--use_gpu=false", "--use_cpu=true"}),
        (LITERT, "gpu", {"--use_gpu=true", "--use_cpu=false", "--allow_fp16=true"}),
        (
            NATIVE,
            "cpu",
            {"--threads", "4", "--delegate", "cpu", "--max-seconds", "2.5"},
        ),
        (NATIVE, "gpu", {"--accelerator", "--fp16", "gpu"}),
    ],
)
def test_the_command(backend, delegate, words):
    """Paths on the target, threads, delegate, precision."""
    request = RunRequest(
        model=MODEL, delegate=delegate, num_threads=4, fp16=True, max_seconds=2.5
    )
    folder = FakeTransport.folder
    at = {item.name: f"{folder}/{item.name}" for item in backend.files(request)}
    argv = backend.argv(request, {**at, "folder": folder})
    assert words <= set(argv)
    assert argv[0].startswith(folder)
    assert any(model_name(MODEL) in word for word in argv)
    assert not any(" " in word for word in argv)


def test_what_is_pushed():
    """The program may be executed; the accelerator comes for the GPU alone."""
    cpu = [item.name for item in NATIVE.files(RunRequest(model=MODEL))]
    gpu = [i.name for i in NATIVE.files(RunRequest(model=MODEL, delegate="gpu"))]
    assert cpu == ["runner", "libLiteRt.so", model_name(MODEL)]
    assert gpu == [*cpu, "libGpu.so"]
    executable = [i.executable for i in NATIVE.files(RunRequest(model=MODEL))]
    assert executable == [True, False, False]


def test_two_files_of_one_name_do_not_meet():
    """Their names on the target differ, and stay."""
    names = {model_name(pathlib.Path(folder, "net.tflite")) for folder in "ab"}
    assert len(names) == 2
    assert model_name(MODEL) == model_name(MODEL)


def test_the_native_answer_and_its_outputs():
    """Quantiles of the runs themselves."""
    transport = FakeTransport()
    transport.files = {"runner.json": native_answer(), "output_0.bin": b"abcd"}
    request = RunRequest(model=MODEL, write_outputs=True)
    answer = NATIVE.measure(transport, request)
    assert answer.parsed.p50_ms == 2.0
    assert answer.outputs == {"output_0.bin": b"abcd"}
    assert "--output-folder" in answer.argv


def test_pinning():
    """`taskset` comes before the runner."""
    transport = FakeTransport()
    transport.files = {"runner.json": native_answer()}
    answer = NATIVE.measure(transport, RunRequest(model=MODEL, cores=(4, 7)))
    assert answer.argv[:2] == ("taskset", "90")
    assert pinned(()) == []


@pytest.mark.parametrize(
    ("backend", "shell", "files", "error", "words"),
    [
        (
            CLASSIC,
            said(stderr="a\nERROR: no model\n", exit_code=1),
            {},
            RunnerError,
            "exit code 1 for my net.tflite on cpu; it says: ERROR: no model",
        ),
        (CLASSIC, said(exit_code=139), {}, RunnerError, "exit code 139, signal 11"),
        (CLASSIC, said("garbage\n"), {}, ParseError, "no whole output"),
        (
            LITERT,
            said("garbage\n"),
            {"benchmark_result.pb": b"\x0f"},
            ParseError,
            "result file cannot be read",
        ),
        (NATIVE, said(), {}, RunnerError, "no answer"),
        (
            NATIVE,
            said(),
            {"runner.json": b'{"schema": 1, "init'},
            ParseError,
            "19 bytes",
        ),
        (
            NATIVE,
            said(stderr="runner: x\nINTERNAL: No adapters, failed\n", exit_code=4),
            {"runner.json": native_answer(error="x")},
            RunnerError,
            r"Received: x for .* the log ends: INTERNAL: No adapters",
        ),
    ],
)
def test_each_failure_is_one_line(backend, shell, files, error, words):
    """A crash, garbage, no answer, half of one: of the runner's class, named."""
    transport = FakeTransport(says={"model": shell, "graph": shell})
    transport.files = files
    with pytest.raises(error, match=words) as caught:
        backend.measure(transport, RunRequest(model=MODEL))
    assert "\n" not in str(caught.value)
    assert "Received: " in str(caught.value)


def test_what_a_backend_cannot_do():
    """NNAPI is the classic tool's; the GPU needs its library."""
    with pytest.raises(RunnerError, match=r"nnapi for native, which has cpu, gpu"):
        NATIVE.measure(FakeTransport(), RunRequest(model=MODEL, delegate="nnapi"))
    bare = NativeBackend(runner=PROGRAM, library=PROGRAM)
    with pytest.raises(RunnerError, match="--accelerator"):
        bare.measure(FakeTransport(), RunRequest(model=MODEL, delegate="gpu"))
    with pytest.raises(ValueError, match="delegate='tpu'"):
        RunRequest(model=MODEL, delegate="tpu")


def test_a_precision_that_was_not_taken_is_known():
    """An old build ignores the flag."""
    text = "WARN: Unconsumed cmdline flags: --gpu_precision_loss_allowed=true\n"
    transport = FakeTransport(says={"--graph": said(text + log("classic_gpu_new.log"))})
    request = RunRequest(model=MODEL, delegate="gpu", fp16=True)
    assert not CLASSIC.measure(transport, request).fp16_applied


def test_the_script_times_only_the_queueing_of_a_gpu():
    """So its figure is marked."""
    transport = FakeTransport(
        says={"--model": said(log("litert-benchmark_gpu_swiftshader.log"))}
    )
    answer = LiteRtScriptBackend().measure(
        transport, RunRequest(model=MODEL, delegate="gpu")
    )
    assert "queueing" in answer.notes[0]
    assert answer.parsed.software_gpu


@pytest.mark.parametrize("cut", range(1, 44))
def test_a_cut_result_file_is_refused_or_true(cut):
    """At every byte: an error, or the numbers that are whole."""
    from android_bench.parse import read_proto

    whole = read_proto(message())
    assert (whole.mean_ms, whole.p50_ms, whole.num_warmup_runs) == (8.0, 7.5, 10)
    try:
        parsed = read_proto(message()[:cut])
    except ParseError:
        return
    assert parsed == whole


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01",
        b"\x12\x05\x0d",
        b"\xff" * 20,
        b"\x10\x05",
        bytes([2 << 3 | 2, 2, 1 << 3, 7, 4 << 3 | 2, 2, 2 << 3, 5]),
        message(median=float("nan")),
        message(median=100.0),
        b"text, not a message\n",
    ],
)
def test_what_is_no_result_file(content):
    """Empty, of other types, not numbers, impossible ones."""
    from android_bench.parse import read_proto

    with pytest.raises(ParseError, match="Received: "):
        read_proto(content)


def test_unknown_fields_are_skipped():
    """A newer build may have more."""
    from android_bench.parse import read_proto

    more = bytes([15 << 3 | 2, 3]) + b"new" + bytes([14 << 3 | 1]) + b"\0" * 8
    assert read_proto(more + message()) == read_proto(message())


@pytest.mark.parametrize(
    "change",
    [
        {"samples_ms": []},
        {"samples_ms": [1.0, "2"]},
        {"samples_ms": [1.0, float("nan")]},
        {"samples_ms": [-1.0]},
        {"stable": 1},
        {"init_ms": None},
        {"schema": 2},
        {"delegate_asked": "gpu", "delegate_applied": "maybe"},
        {
            "delegate_asked": "gpu",
            "delegate_applied": "full",
            "delegated_ops": 1,
            "total_ops": 2,
        },
        {
            "delegate_asked": "gpu",
            "delegate_applied": "partial",
            "delegated_ops": 2,
            "total_ops": 2,
        },
    ],
)
def test_impossible_answers_are_refused(change):
    """A wrong number is worse than an error."""
    transport = FakeTransport()
    transport.files = {"runner.json": native_answer(**change)}
    with pytest.raises(BenchmarkError, match="Received: "):
        NATIVE.measure(transport, RunRequest(model=MODEL))


def test_last_words():
    """The telling line, not the last one."""
    assert last_words("ok\nERROR: broken  file\nbye\n") == "ERROR: broken file"
    assert last_words("") == "nothing"


def test_the_app_is_a_backend_like_the_others(tmp_path, monkeypatch):
    """Its answer is the native runner's; fp16 is a plain yes or no; outputs come."""
    from android_bench import app_runner
    from android_bench.backends.app import AppBackend

    asked = []

    def run_app(transport, request, *, output_folder, **settings):
        asked.append((transport, request.fp16, settings["apk"]))
        files = ()
        if output_folder is not None:
            files = (output_folder / "output_0.bin",)
            files[0].write_bytes(b"abcd")
        return app_runner.AppAnswer(
            content=native_answer(), about={}, agreement=None, outputs=files
        )

    monkeypatch.setattr(app_runner, "run_app", run_app)
    backend = AppBackend(apk=tmp_path / "app.apk")
    transport = FakeTransport()
    answer = backend.measure(transport, RunRequest(model=MODEL, write_outputs=True))
    assert asked == [(transport, False, tmp_path / "app.apk")]
    assert answer.parsed.p50_ms == 2.0
    assert answer.outputs == {"output_0.bin": b"abcd"}
    assert backend.measure(transport, RunRequest(model=MODEL)).outputs == {}
