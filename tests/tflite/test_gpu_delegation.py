"""The table of GPU operators against what the accelerator was seen to take."""

import json
import pathlib
import subprocess
import sys
import zipfile

import pytest

from tfcompress import errors, tflite
from tfcompress.tflite import gpu_delegation as gpu
from tfcompress.tflite import gpu_operators, gpu_rules
from tfcompress.tflite.file_records import Operator, Subgraph, Tensor

DEVICE = pathlib.Path(__file__).parents[1] / "device"
PROBE = json.loads((DEVICE / "gpu_probe.json").read_text("utf-8"))
# Outputs that jump: a rounding step moves them from one end to the other.
JUMPS = {"greater.int8"}


def model(name):
    with zipfile.ZipFile(DEVICE / "op_models.zip") as archive:
        return archive.read(f"{name}.tflite")


def drift(name):
    return tflite.gpu_compatibility(model(name)).delegations["ml_drift"]


def classic(name):
    return tflite.gpu_compatibility(model(name)).delegations["classic"]


@pytest.mark.parametrize("name", sorted(PROBE["models"]))
def test_the_table_agrees_with_the_accelerator(name):
    """Operator by operator: what it took, what it refused, what it computed wrongly."""
    seen = PROBE["models"][name]
    verdict = drift(name)
    if seen["error"]:  # it crashed on the file, or refused all of it
        assert not verdict.full, seen["error"]
        return
    refused = {line.split(":")[0] for line in seen["refused"]}
    assert {op.name for op in verdict.operators if not op.taken} == refused
    assert verdict.taken == seen["taken"]
    differs = seen["difference"] > 0.05 and name not in JUMPS
    assert any(op.wrong for op in verdict.operators) == differs


def test_what_the_table_says_was_tried_was_tried():
    """Each row without a mark is an operator of some probed file."""
    probed = {op.name for name in PROBE["models"] for op in drift(name).operators}
    rows = set(gpu_operators.ROWS)
    assert rows - probed == gpu_operators.UNTRIED
    assert probed <= rows | {"DEQUANTIZE", "QUANTIZE"}


def test_the_probe_is_of_the_version_that_the_table_names():
    """The version in the table, in the probe and in its name are one."""
    assert PROBE["ai_edge_litert"] == gpu_operators.CHECKED_VERSION
    assert gpu_operators.CHECKED_VERSION in gpu_operators.DELEGATES["ml_drift"]


def test_every_refusal_says_how_to_change_the_model():
    """A row that some delegate refuses has a hint."""
    for name, row in gpu_operators.ROWS.items():
        if row.classic or row.ml_drift or row.wrong:
            assert row.hint, name


@pytest.mark.parametrize("name", ["round.float32", "topk_v2.float32", "lstm.float32"])
def test_the_classic_delegate_refuses_what_it_does_not_know(name):
    """ROUND and TOPK_V2 are ML Drift's alone; WHILE is neither's."""
    assert not classic(name).full


def test_a_convolution_runs_whole_on_both():
    """No blockers, one part, nothing to change."""
    found = tflite.gpu_compatibility(model("conv_2d.float32"))
    for delegation in found.delegations.values():
        assert delegation.full
        assert (delegation.taken, delegation.parts) == (1, 1)
        assert delegation.blockers == ()
    assert found.notes == ()


def test_a_blocker_is_named_with_its_tensor_and_a_change():
    """The line has operator, tensor, reason and hint."""
    (blocker,) = drift("gather_nd.float32").blockers
    assert blocker.line() == (
        "GATHER_ND (Identity): the operator is not supported; "
        "use keras.ops.take along one axis"
    )


def test_a_wrong_result_blocks_although_it_is_taken():
    """Grouped convolutions run on ML Drift and come out wrong."""
    verdict = drift("conv_2d_grouped.float32")
    assert verdict.taken == 1
    assert not verdict.full
    assert "grouped" in verdict.blockers[0].line()
    assert "concatenate" in verdict.blockers[0].line()


def test_a_quantized_file_has_a_note():
    """It does not compute on a GPU what it computes on a CPU."""
    assert "floating point" in tflite.gpu_compatibility(model("tanh.int8")).notes[0]


def graph(op, *tensors):
    """Return a graph of one operator that reads all but the last tensor."""
    records = tuple(
        Tensor(
            index=i,
            name=f"t{i}",
            shape=shape,
            dtype=dtype,
            scales=(),
            zero_points=(),
            axis=0,
            data=None,
            dynamic=dynamic,
            sparse=False,
            variable=False,
        )
        for i, (shape, dtype, dynamic) in enumerate(tensors)
    )
    last = len(tensors) - 1
    made = Operator(
        index=0, name=op, version=1, inputs=tuple(range(last)), outputs=(last,), flag=0
    )
    return made, Subgraph(tensors=records, operators=(made,), inputs=(), outputs=())


IMAGE = ((1, 8, 8, 4), "float32", False)


@pytest.mark.parametrize(
    ("op", "tensors", "classic_words", "drift_words"),
    [
        ("TANH", [IMAGE, IMAGE], "", ""),
        ("TANH", [((1, 2, 3, 4, 5), "float32", False)] * 2, "5 dim", "5 dim"),
        ("TANH", [((1, 4), "float32", True)] * 2, "known only", "known only"),
        ("CAST", [IMAGE, ((1, 8, 8, 4), "int64", False)], "int64", "int64"),
        ("ADD", [((1, 4), "int32", False)] * 3, "int32", ""),
        ("SLICE", [((3, 4), "float32", False)] * 2, "2 dimensions", ""),
        ("STRIDED_SLICE", [IMAGE, ((8, 8, 4), "float32", False)], "axis", "axis"),
        ("SUM", [IMAGE, ((2,), "float32", False), IMAGE], "no constant", ""),
        (
            "GATHER",
            [IMAGE, ((2, 2), "int32", False), IMAGE],
            "one-dimensional int32",
            "",
        ),
        ("GATHER", [((9,), "int32", False)] * 3, "t0 is of type int32", ""),
    ],
)
def test_limits(op, tensors, classic_words, drift_words):
    """Types, dimensions and shapes that one delegate takes and another does not."""
    made, whole = graph(op, *tensors)
    for delegate, words in (("classic", classic_words), ("ml_drift", drift_words)):
        reason = gpu_rules.limit(made, whole, delegate)
        assert words in reason
        assert bool(words) == bool(reason)


def test_parts_are_runs_of_operators_on_the_gpu():
    """Each stretch between refused operators is one."""

    def verdict(taken):
        return gpu.OperatorVerdict(
            index=0,
            name="ADD",
            output="x",
            taken=taken,
            reason="" if taken else "no",
            wrong="",
            hint="",
            tried=True,
        )

    flags = [True, True, False, True, False, False, True]
    found = gpu.Delegation(
        delegate="classic", version="1", operators=tuple(map(verdict, flags))
    )
    assert (found.taken, found.parts, len(found.blockers)) == (4, 3, 3)
    assert found.to_dict()["parts"] == 3


def test_an_unknown_operator_is_refused_with_a_line():
    """A custom operator is in no table."""
    made, whole = graph("CUSTOM:Mine", IMAGE, IMAGE)
    verdict = gpu._verdict(made, whole, "ml_drift")
    assert not verdict.taken
    assert not verdict.tried
    assert "not in the table" in verdict.line()


def test_a_damaged_file_is_one_line():
    """No native code sees the file."""
    with pytest.raises(errors.TfliteFileError, match=r"not a \.tflite file"):
        tflite.gpu_compatibility(b"not a model at all")


def test_it_needs_no_tensorflow(tmp_path):
    """It works where TensorFlow and Keras cannot be imported."""
    path = tmp_path / "net.tflite"
    path.write_bytes(model("tanh.float32"))
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tf_keras'): sys.modules[name] = None\n"
        "from tfcompress import tflite\n"
        f"found = tflite.gpu_compatibility({str(path)!r})\n"
        "print(found.delegations['ml_drift'].full)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"
