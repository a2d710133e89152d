"""Tests of the readers: true numbers, or an error."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from android_bench import parse
from android_bench.errors import ParseError
from tests.android_bench.mangling import mangled

LOGS = pathlib.Path(__file__).with_name("logs")
READERS = {
    "classic_2019.log": parse.read_classic,
    "classic_cpu.log": parse.read_classic,
    "classic_gpu_new.log": parse.read_classic,
    "classic_csv_profile.log": parse.read_classic,
    "litert_benchmark_model.log": parse.read_litert,
    "litert-benchmark_cpu.log": parse.read_litert,
    "litert-benchmark_gpu_swiftshader.log": parse.read_litert,
}
FIGURES = [
    field.name
    for field in dataclasses.fields(parse.Parsed)
    if field.name.endswith(("_ms", "_bytes", "_runs"))
]


def log(name):
    return (LOGS / name).read_text("utf-8")


@pytest.mark.parametrize("name", READERS)
def test_logs_as_read(name, golden):
    """Every figure of every log, as it was checked by hand against the log."""
    figures = dataclasses.asdict(READERS[name](log(name)))
    golden(f"android_bench/{name}.json", json.dumps(figures, indent=2) + "\n")


def test_old_classic_output():
    """Microseconds to milliseconds; the first run is the warm-up's; no median."""
    parsed = parse.read_classic(log("classic_2019.log"))
    assert parsed.mean_ms == pytest.approx(79.7609)
    assert parsed.init_ms == pytest.approx(38.467)
    assert parsed.first_ms == pytest.approx(105.001)
    assert parsed.warmup_ms == pytest.approx(83.2353)
    assert (parsed.num_runs, parsed.num_warmup_runs) == (50, 6)
    assert parsed.p50_ms is None


def test_new_classic_output():
    """Scientific notation, quantiles, memory and the partition by name."""
    parsed = parse.read_classic(log("classic_gpu_new.log"))
    assert parsed.mean_ms == pytest.approx(6.04862)
    assert (parsed.p5_ms, parsed.p50_ms, parsed.p95_ms) == (5.921, 6.01, 6.421)
    assert parsed.warmup_ms == parsed.first_ms == pytest.approx(1010.13)
    assert parsed.peak_memory_bytes == round(98.4414 * 1024**2)
    assert parsed.taken == parse.Taken(
        applied="partial",
        delegated_ops=62,
        total_ops=65,
        refused_ops=(
            "ROUND: Operation is not supported.",
            "TOPK_V2: Operation is not supported.",
        ),
    )


def test_a_constant_series_has_all_quantiles():
    """`curr=4000(all same)`: no spread; commas and semicolons stay in names."""
    parsed = parse.read_classic(log("classic_csv_profile.log"))
    assert parsed.mean_ms == parsed.p50_ms == parsed.p90_ms == parsed.max_ms == 4.0
    assert parsed.std_ms == 0.0
    assert [op.avg_ms for op in parsed.ops] == [2.4, 1.2, 0.4]
    assert parsed.ops[0].name.endswith("FusedBatchNormV3, model/conv1/Conv2D]:0")
    assert parsed.ops[1].type == "Delegate/Convolution (NHWC, F32) IGEMM"
    assert parsed.ops[1].calls == 2


def test_the_genuine_op_profile():
    """32 rows in the order of execution; their sum is the mean of a run."""
    ops = parse.read_ops(log("cpu_int8_op_profile.log"))
    assert len(ops) == 32
    assert ops[3].type == "Delegate/Convolution (NHWC, QC8) DWConv"
    assert ops[31] == parse.OpTime(
        name="[Builtin]:30", type="SOFTMAX", avg_ms=0.001, calls=5
    )
    assert sum(op.avg_ms for op in ops) == pytest.approx(0.282, abs=0.01)


@pytest.mark.parametrize(
    ("name", "applied", "counts", "refused"),
    [
        ("gpu_not_delegated.log", "none", (0, 4), 4),
        ("gpu_partial_delegation.log", "partial", (1, 2), 1),
        ("litert-benchmark_gpu_swiftshader.log", "full", (None, None), 0),
        ("gpu_no_adapter.log", "unknown", (None, None), 0),
        ("litert-benchmark_cpu.log", "unknown", (None, None), 0),
    ],
)
def test_genuine_delegations(name, applied, counts, refused):
    """What the accelerator said; silence alone is not taken for success."""
    taken = parse.read_taken(log(name))
    assert taken.applied == applied
    assert (taken.delegated_ops, taken.total_ops) == counts
    assert len(taken.refused_ops) == refused


GRAPH = "GPU delegate, and the model graph will be"
SENTENCES = {
    f"Explicitly applied {GRAPH} completely executed by the delegate.": "full",
    "INFO: Though GPU delegate is explicitly applied, the model graph will not be "
    "executed by the delegate.": "none",
    "ERROR: Failed to apply GPU delegate.": "none",
    "First 3 operations will run on the GPU, and the remaining 2 on the CPU.": (
        "partial"
    ),
    "First 0 operations will run on the GPU, and the remaining 2 on the CPU.": "none",
    f"Explicitly applied {GRAPH} partially executed by the delegate w/ 2 delegate "
    "kernels.": "partial",
    "Explicitly applied XNNPACK delegate, and the model graph will be partially "
    "executed by the delegate w/ 2 delegate kernels.": "unknown",
}


@pytest.mark.parametrize("line", SENTENCES)
def test_sentences_about_delegates(line):
    """Of the classic tool, old and new; the CPU's own delegate is none."""
    assert parse.read_taken(line + "\n").applied == SENTENCES[line]


def test_logcat_keeps_the_refused_operators():
    """Each line with logcat's prefix; those of other programs are not taken."""
    prefix = "11-22 11:09:12.123  1234  5678 E tflite  : "
    other = "11-22 11:09:12.123   901   955 W FOO: BAR: Operation is not supported.\n"
    lines = log("gpu_partial_delegation.log").splitlines()
    start = next(i for i, line in enumerate(lines) if "Following" in line)
    text = "".join(f"{prefix}{line}\n{other}" for line in lines[start : start + 3])
    taken = parse.read_taken(text)
    assert taken.refused_ops == ("ARG_MAX: Tensor type(INT64) is not supported. o",)


def test_software_adapters_are_recognised():
    """By the adapter's type or name."""
    text = log("litert-benchmark_gpu_swiftshader.log")
    assert parse.read_adapter(text) == ("SwiftShader Device (Subzero)", True)
    assert parse.read_adapter("GL_RENDERER = llvmpipe (LLVM 15)")[1]
    assert parse.read_adapter("nothing") == (None, False)


def test_the_same_line_twice_is_one():
    """Logcat repeats what stdout has."""
    text = log("classic_cpu.log")
    assert parse.read_classic(text + text) == parse.read_classic(text)


def test_two_runs_in_one_output_are_refused():
    """Whose numbers would they be?"""
    other = (
        log("classic_cpu.log").replace("119375", "219375").replace("128213", "228213")
    )
    with pytest.raises(ParseError, match="two different lines of the timings"):
        parse.read_classic(log("classic_cpu.log") + other)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Inference (avg): 119375", "Inference (avg): 11937", "contradict each other"),
        ("avg=119375", "avg=11937", "contradict each other"),
        ("Init: 870557", "Init: 87055", "contradict each other"),
        ("std=1929\n\nInference", "std=19\n29\n\nInference", "torn.*'29'"),
        ("overall=18.7227", "overall=18\n.7227", "torn"),
        ("max=128213", "max=118213", "from 117.385 to 118.213"),
        ("count=50", "coun\nt=50", "torn"),
        ("Inference timings", "Inf", "torn"),
    ],
)
def test_a_changed_classic_output_is_refused(old, new, message):
    """Each figure that matters has something that it must agree with."""
    text = log("classic_cpu.log")
    first, found, last = text.rpartition(old)
    assert found
    with pytest.raises(ParseError, match=message):
        parse.read_classic(first + new + last)


@pytest.mark.parametrize("read", [parse.read_classic, parse.read_litert])
@pytest.mark.parametrize("text", ["", "Segmentation fault\n", "\0\xff\n" * 9])
def test_what_is_no_output_is_refused(read, text):
    """Nothing, a crash, garbage: one line, three parts."""
    with pytest.raises(ParseError, match=r"no whole output.*Received: \d+ lines"):
        read(text)


def test_a_failure_says_the_tools_own_words():
    """The last line that sounds like an error."""
    with pytest.raises(ParseError, match="RuntimeError"):
        parse.read_litert(log("gpu_no_adapter.log"))


def test_the_result_json_of_litert_benchmark():
    """The same figures as its text of the same run."""
    text = log("litert-benchmark_gpu_swiftshader.log")
    parsed = parse.read_litert_json(
        (LOGS / "litert-benchmark_gpu.json").read_bytes(), log=text
    )
    assert parsed == parse.read_litert(text)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(READERS)))
def test_mangled_output_gives_true_numbers_or_an_error(data, name):
    """Cut, torn, mixed with logcat: never another number."""
    text = log(name)
    truth = READERS[name](text)
    try:
        parsed = READERS[name](data.draw(mangled(text)))
    except ParseError:
        return
    for figure in FIGURES:
        assert getattr(parsed, figure) in (None, getattr(truth, figure)), figure
    assert parsed.mean_ms == truth.mean_ms
    assert parsed.ops in ((), truth.ops)
    assert parsed.taken.delegated_ops in (None, truth.taken.delegated_ops)
    assert parsed.taken.total_ops in (None, truth.taken.total_ops)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_mangled_partition_gives_true_counts_or_an_error(data):
    """The line that begins with the number that matters."""
    text = log("gpu_partial_delegation.log").replace(
        "\n1 operations will", "\n12 operations will"
    )
    try:
        taken = parse.read_taken(data.draw(mangled(text)))
    except ParseError:
        return
    assert (taken.delegated_ops, taken.total_ops) in ((None, None), (12, 13))


@settings(max_examples=100, deadline=None)
@given(
    value=st.floats(1.0, 1e9),
    style=st.sampled_from(("{:.6g}", "{:.3e}", "{:.1f}", "{:.0f}", "{:E}")),
)
def test_numbers_in_any_notation(value, style):
    """Six digits, exponents, decimals: the value that is printed."""
    shown = style.format(value)
    text = (
        f"count=3 curr={shown}(all same)\n\nInference timings in us: Init: 5, First "
        f"inference: {shown}, Warmup (avg): {shown}, Inference (avg): {shown}\n"
    )
    assert parse.read_classic(text).mean_ms == float(shown) / 1e3


def test_unknown_flags_are_seen():
    """Then the tool wrote no result file."""
    text = "WARN: Unconsumed cmdline flags: --a=1 --result_file_path=x\n"
    assert parse.flags_are_unknown(text, "--result_file_path")
    assert not parse.flags_are_unknown(text, "--use_gpu")
    assert not parse.flags_are_unknown("--use_gpu\n", "--use_gpu")
