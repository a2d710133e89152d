import gzip
import json

import pytest

from tests.tflite.editing import edited, set_value
from tfcompress import errors, tflite

# conv0 12x12x8 from 3; conv1 6x6x16 from 8; conv2 and res_conv 6x6x16 from 16; 5 x 16
MACS = 144 * 8 * 27 + 36 * 16 * 72 + 2 * 36 * 16 * 144 + 80


def test_float_file(converted):
    """Operators, types, MACs and sizes of a plain file, worked out by hand."""
    content = converted("float32").content
    found = tflite.inspect(content)
    assert found.operator_counts == {
        "CONV_2D": 4,
        "ADD": 1,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
    }
    assert found.macs == MACS
    assert found.unknown_macs == ()
    assert found.size_bytes == len(content)
    assert len(gzip.decompress(gzip.compress(content))) == found.size_bytes
    assert 0 < found.gzip_bytes < found.size_bytes
    assert found.weights == ()
    assert found.inputs[0].name == "image"
    assert found.inputs[0].shape == (1, 12, 12, 3)
    assert found.outputs[0].dtype == "float32"
    assert len(found.float_operators) == 7


def test_int8_file_is_per_channel(converted):
    """Each convolution's weights have one scale per output channel."""
    found = tflite.inspect(converted("int8").content)
    kernels = {w.shape: w for w in found.weights if w.dtype == "int8"}
    assert len(kernels[8, 3, 3, 3].scales) == 8
    assert kernels[8, 3, 3, 3].axis == 0
    assert kernels[5, 16].per_channel  # Dense as well
    assert found.float_operators == ()
    assert found.tensor_types["int8"] > 0
    assert found.macs == MACS


def test_int8_borders_have_scales(converted):
    """Integer inputs and outputs say how to quantize them."""
    found = tflite.inspect(converted("int8", "int8").content)
    assert found.inputs[0].dtype == found.outputs[0].dtype == "int8"
    # inputs lie in [0, 1]: scale 1 / 255, zero point -128
    assert found.inputs[0].scale == pytest.approx(1 / 255, rel=1e-3)
    assert found.inputs[0].zero_point == -128


def test_the_record_survives_json(converted):
    """`to_dict` has plain values only, scales summed up."""
    record = tflite.inspect(converted("int8").content).to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert {"num_scales", "min_scale", "max_scale"} <= set(record["weights"][0])


def test_metadata_is_read(converted):
    """The note says how the file was made."""
    note = tflite.inspect(converted("int8").content).metadata
    assert note["recipe"] == "int8"
    assert note["labels"] == list("abcde")
    assert set(note["versions"]) == {
        "tensorflow",
        "keras",
        "ai-edge-litert",
        "tfcompress",
    }


def test_another_tools_file_has_no_note(converted):
    """A file without our entry, or with a broken one, has empty metadata."""

    def strip(model):
        model.metadata = []

    def scramble(model):
        entry = next(m for m in model.metadata if m.name == b"tfcompress")
        model.buffers[entry.buffer].data = list(b"\xff{")

    content = converted("float32").content
    assert tflite.inspect(edited(content, strip)).metadata == {}
    assert tflite.inspect(edited(content, scramble)).metadata == {}


def test_an_operator_with_too_few_inputs_has_unknown_macs(converted):
    """What cannot be counted is named, not counted as 0."""
    change = set_value("operators[0].inputs", [0])
    found = tflite.inspect(edited(converted("float32").content, change))
    assert found.unknown_macs == ("CONV_2D",)


def test_missing_file(tmp_path):
    """One line with the path."""
    with pytest.raises(
        errors.TfliteFileError, match=r"cannot be read.*nowhere\.tflite"
    ):
        tflite.inspect(tmp_path / "nowhere.tflite")


def test_a_folder_is_no_file(tmp_path):
    """One line with the reason."""
    with pytest.raises(errors.TfliteFileError, match="cannot be read"):
        tflite.inspect(tmp_path)
