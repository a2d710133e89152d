import numpy as np
import pytest

from tests.tflite.editing import edited, set_value
from tfcompress import errors
from tfcompress.tflite import parsing


@pytest.fixture(scope="module")
def content(converted):
    return converted("int8").content


def refused(content, match):
    with pytest.raises(errors.TfliteFileError, match=match) as caught:
        parsing.parse(content, name="x.tflite")
    assert "\n" not in str(caught.value)
    assert "x.tflite" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"abc", b"PK\x03\x04 a zip file", b"\0" * 64])
def test_no_tflite_file(content):
    """The identifier is missing."""
    refused(content, "This is not a .tflite file.*expected b'TFL3'.*tfcompress convert")


def test_cut_files_are_refused(content):
    """Whatever is missing at the end, an offset or a buffer is out of the file."""
    for size in np.linspace(8, len(content) - 1, 200).astype(int):
        refused(content[:size], "damaged: .*Copy or convert it again")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tensors[0].buffer", 10_000, "has no buffer 10000"),
        ("tensors[0].type", 99, "has the unknown type 99"),
        ("tensors[0].shape", [1, -3], r"has the shape \(1, -3\)"),
        ("inputs", [500], "a subgraph's input is tensor 500 of"),
        ("outputs", [-1], "a subgraph's output is tensor -1 of"),
        ("operators[1].inputs", [999], "an input of operator 1 is tensor 999"),
        ("operators[1].inputs", [-2, 0], "an input of operator 1 is tensor -2"),
        ("operators[1].outputs", [999], "an output of operator 1 is tensor 999"),
        ("operators[0].opcodeIndex", 77, "operator 0 has no code 77"),
        ("operators[0].outputs", [], "which nothing has written"),
        ("operators[-1].outputs", [], "nothing writes the output tensor"),
    ],
)
def test_indices_and_types(content, path, value, message):
    """Each number that must name something is checked, and the message says which."""
    refused(edited(content, set_value(path, value)), message)


def test_constants_of_the_wrong_size(content):
    """A kernel whose buffer is too short would be read beyond its end."""

    def shorten(model):
        graph = model.subgraphs[0]
        kernel = graph.tensors[graph.operators[1].inputs[1]]
        model.buffers[kernel.buffer].data = model.buffers[kernel.buffer].data[:-1]

    refused(edited(content, shorten), "needs 216 bytes and has 215")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("scale", [0.5, 0.25], r"has 2 scales on axis 0 of \(8, 3, 3, 3\)"),
        ("scale", [float("nan")] * 8, "has a scale that is not finite"),
        ("zeroPoint", [0, 0, 0], "has 8 scales and 3 zero points"),
        ("quantizedDimension", 9, "has 8 scales on axis 9"),
    ],
)
def test_scales(content, field, value, message):
    """Per-channel scales must fit the axis."""

    def change(model):
        graph = model.subgraphs[0]
        kernel = graph.tensors[graph.operators[1].inputs[1]]
        if field == "scale":
            kernel.quantization.zeroPoint = [0] * len(value)
        setattr(kernel.quantization, field, value)

    refused(edited(content, change), message)


def test_unknown_operator_code(content):
    """A code that the runtime's schema does not have."""

    def change(model):
        model.operatorCodes[0].builtinCode = 4_000

    refused(edited(content, change), "has the unknown code 4000")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: setattr(m, "version", 2), "schema version 2, expected 3"),
        (lambda m: setattr(m, "subgraphs", []), "it has no subgraph"),
        (lambda m: setattr(m.metadata[0], "buffer", 900), "has no buffer"),
        (lambda m: setattr(m.signatureDefs[0], "subgraphIndex", 3), "has no subgraph"),
        (
            lambda m: setattr(m.signatureDefs[0].inputs[0], "tensorIndex", 900),
            "has no tensor 900",
        ),
        (lambda m: setattr(m.buffers[1], "offset", 900_000), "a buffer ends at byte"),
    ],
)
def test_the_model_itself(content, change, message):
    """Version, subgraphs, metadata, signatures and outside buffers."""
    refused(edited(content, change), message)


def test_custom_operators_have_a_name(content):
    """A custom operator is known by its own name."""

    def change(model):
        model.operatorCodes[0].builtinCode = 32
        model.operatorCodes[0].deprecatedBuiltinCode = 32
        model.operatorCodes[0].customCode = "mine"

    graph = parsing.parse(edited(content, change)).subgraphs[0]
    assert graph.operators[0].name == "CUSTOM:mine"


def test_flipped_bytes_are_refused_in_a_line_or_read(content):
    """800 damaged files: an error of ours, or a file that parses."""
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(800):
        broken = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 9)):
            broken[at] ^= int(rng.integers(1, 256))
        try:
            parsing.parse(bytes(broken))
        except errors.TfliteFileError as error:
            messages.append(str(error))
    assert 80 < len(messages) < 720  # both happen
    assert not [message for message in messages if "\n" in message]
