import keras
import numpy as np
import pytest

from tests.tflite.editing import edited
from tfcompress import tflite
from tfcompress.tflite import metadata


def test_a_note_replaces_the_old_one(converted):
    """There is never more than one entry of ours."""
    content = converted("float32").content
    once = metadata.embed(content, {"a": 1})
    twice = metadata.embed(once, {"b": [2, "ü"]})
    found = tflite.inspect(twice)
    assert found.metadata == {"b": [2, "ü"]}
    assert found.entries.count("tfcompress") == 1


def test_weights_stay_as_they_are(converted, images):
    """Embedding changes no output."""
    content = converted("int8").content
    noted = metadata.embed(content, {"x": "y" * 10_000})
    assert (tflite.Runner(noted)(images) == tflite.Runner(content)(images)).all()


def test_a_file_without_a_signature_keeps_its_names(converted):
    """There is nothing to rename by."""

    def strip(model):
        model.signatureDefs = []

    bare = edited(converted("float32").content, strip)
    found = tflite.inspect(metadata.embed(bare, {"a": 1}, inputs=["x"], outputs=["y"]))
    assert found.metadata == {"a": 1}
    assert found.inputs[0].name == "image"


def test_only_json_goes_in(converted):
    """A value that JSON cannot hold is refused at once."""
    with pytest.raises(TypeError):
        metadata.embed(converted("float32").content, {"a": object()})
    with pytest.raises(ValueError, match="JSON"):
        metadata.embed(converted("float32").content, {"a": float("nan")})


@pytest.mark.parametrize("blob", [b"", b"\xff\xfe", b"[1, 2]", b"{"])
def test_another_tools_entry_is_no_error(blob):
    """What is no JSON object of ours reads as no note."""
    assert metadata.decode({"tfcompress": blob}) == {}


def test_an_output_may_be_called_like_an_input():
    """Each keeps its tensor."""
    x = keras.Input((4,), name="signal")
    y = keras.layers.Dense(4, kernel_initializer="ones")(x)
    model = keras.Model({"signal": x}, {"signal": y})
    runner = tflite.Runner(tflite.convert(model).content)
    assert runner(np.ones((1, 4), "float32")).tolist() == [[4.0] * 4]
