"""Tests of ``tfcompress inspect``."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

OP_MODELS = pathlib.Path(__file__).parents[1] / "device" / "op_models.zip"


def test_a_keras_file_as_json(tfcompress, model_file):
    answer = tfcompress("inspect", model_file, "--json")

    assert answer.code == 0
    record = answer.record
    assert record["name"] == "conv_bn_net"
    assert record["outputs"] == {"predictions": [None, 5]}
    groups = {tuple(g["layers"]): g["size"] for g in record["groups"]}
    assert groups[("conv0",)] == 16
    assert {24} == {size for layers, size in groups.items() if "res_conv" in layers}
    assert "predictions" in record["pinned"]
    params = keras.saving.load_model(model_file).count_params()
    assert record["cost"]["params"] == params
    assert sum(layer["params"] for layer in record["layers"].values()) == params


def test_a_keras_file_as_tables(tfcompress, model_file):
    answer = tfcompress("inspect", model_file)

    assert answer.code == 0
    for text in ("MACs", "Channels that can be removed", "conv0", "fixed"):
        assert text in answer.out


def test_a_tflite_file(tfcompress, tflite_file):
    answer = tfcompress("inspect", tflite_file, "--json")

    assert answer.code == 0
    assert answer.record["operator_counts"]["CONV_2D"] == 4
    shown = tfcompress("inspect", tflite_file).out
    assert "CONV_2D" in shown
    assert "image" in shown


def test_what_a_gpu_takes_of_a_tflite_file(tfcompress, tmp_path):
    """Counts for each delegate, and each blocker with the change to make."""
    path = tmp_path / "net.tflite"
    with zipfile.ZipFile(OP_MODELS) as archive:
        path.write_bytes(archive.read("gather_nd.float32.tflite"))
    record = tfcompress("inspect", path, "--json").record["gpu"]
    drift = record["delegates"]["ml_drift"]
    assert (drift["taken"], drift["total"], drift["full"]) == (0, 1, False)
    assert drift["blockers"][0]["name"] == "GATHER_ND"
    shown = " ".join(tfcompress("inspect", path).out.split())
    assert "ml drift: GATHER_ND (Identity): the operator is not supported;" in shown
    assert "keras.ops.take along one axis" in shown


def test_a_tflite_file_needs_no_tensorflow(tflite_file):
    code = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from tfcompress.cli.main import run\n"
        f"sys.exit(run(['inspect', {str(tflite_file)!r}, '--json']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )

    assert result.returncode == 0, result.stderr


def test_a_damaged_tflite_file(refused, tflite_file, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(tflite_file.read_bytes()[:2000])

    assert "cut.tflite" in refused("inspect", path)


def test_a_flexible_model_needs_a_shape(tfcompress, refused, tmp_path):
    path = tmp_path / "flexible.keras"
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, name="conv")(inputs)
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x)).save(path)

    assert "input_shape" in refused("inspect", path).replace("-", "_")
    answer = tfcompress("inspect", path, "--input-shape", "10,10,3", "--json")
    assert answer.record["cost"]["macs"] == 8 * 8 * 3 * 3 * 3 * 8


def test_a_shape_that_is_none_is_wrong_usage(tfcompress, model_file):
    answer = tfcompress("inspect", model_file, "--input-shape", "big")

    assert answer.code == 2
    assert "224,224,3" in answer.err


@pytest.mark.parametrize("first", [("image=12,12,3", "3"), ("3", "image=12,12,3")])
def test_shapes_are_named_or_there_is_one(tfcompress, model_file, first):
    shapes = [word for shape in first for word in ("--input-shape", shape)]
    answer = tfcompress("inspect", model_file, *shapes)

    assert answer.code == 2
    assert "Name the inputs" in answer.err


def test_a_file_of_another_kind_is_told_by_its_content(refused, tflite_file, tmp_path):
    """Renaming would not make a model of it."""
    arrays = tmp_path / "data.npz"
    np.savez(arrays, x=np.zeros(2))
    assert "not a Keras model" in refused("inspect", arrays)
    output = ("-o", tmp_path / "s.keras", "--macs", "0.5")
    assert "This is a .tflite file" in refused("prune", tflite_file, *output)
    assert "This is a folder" in refused("prune", tmp_path, *output)


def test_a_damaged_model_is_one_line(refused, model_file, tmp_path):
    """Its directory is whole, its weights are not."""
    content = bytearray(model_file.read_bytes())
    middle = len(content) // 2  # most of the file is weights
    content[middle : middle + 400] = bytes(255 - b for b in content[middle:][:400])
    path = tmp_path / "damaged.keras"
    path.write_bytes(content)

    assert "damaged" in refused(
        "prune", path, "-o", tmp_path / "s.keras", "--macs", 0.5
    )


def test_a_missing_file(refused, tmp_path):
    assert "no such model file" in refused("inspect", tmp_path / "none.keras")
