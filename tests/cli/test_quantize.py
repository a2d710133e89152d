"""Tests of ``tfcompress quantize``, and of converting what it makes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.cli.conftest import DATA
from tfcompress import quantize


def test_a_layer_that_is_not_there(refused, model_file, tmp_path):
    arguments = ["-o", tmp_path / "q.keras", "--data", DATA, "--skip", "conv_0"]
    message = refused("quantize", model_file, *arguments)
    assert "Did you mean 'conv0'?" in message


def test_a_quantized_model_is_refused(refused, model_file, tmp_path):
    model, _ = quantize.quantize_aware(keras.saving.load_model(model_file))
    model.save(tmp_path / "q.keras")
    arguments = ["-o", tmp_path / "qq.keras", "--data", DATA]
    message = refused("quantize", tmp_path / "q.keras", *arguments)
    assert "quantized already" in message


def test_ranges_that_never_saw_data(refused, model_file, tmp_path):
    model, _ = quantize.quantize_aware(keras.saving.load_model(model_file))
    model.save(tmp_path / "q.keras")
    message = refused("convert", tmp_path / "q.keras", "-o", tmp_path / "q.tflite")
    assert "not seen any data" in message


@pytest.mark.parametrize("name", ["--temperature", "--alpha"])
def test_options_of_a_teacher_need_one(tfcompress, model_file, tmp_path, name):
    """They would do nothing."""
    arguments = ["-o", tmp_path / "q.keras", "--data", DATA, name, "0.5"]

    answer = tfcompress("quantize", model_file, *arguments)

    assert answer.code == 2
    assert f"{name} needs --teacher" in answer.err


@pytest.mark.slow
@pytest.mark.parametrize("teacher", [False, True])
def test_quantize_then_convert_without_data(tfcompress, model_file, tmp_path, teacher):
    trained, file = tmp_path / "q.keras", tmp_path / "q.tflite"
    arguments = ["--epochs", "1", "--batch-size", "32", "--data", DATA, "--json"]
    if teacher:
        arguments += ["--teacher", str(model_file)]

    answer = tfcompress("quantize", model_file, "-o", trained, *arguments)
    assert answer.code == 0, answer.err
    record = answer.record
    assert record["details"]["quantization"]["fully_quantized"]
    assert record["history"]["loss"]
    before, after = record["before"]["cost"]["macs"], record["model"]["cost"]["macs"]
    assert before == after

    answer = tfcompress("convert", trained, "-o", file, "--json")
    assert answer.code == 0, answer.err
    conversion = answer.record["details"]["conversion"]
    assert conversion["recipe"] == "int8"
    assert conversion["float_operators"] == []
    assert conversion["calibration_examples"] == 0


def test_a_trained_recipe_may_be_named(tfcompress, refused, model_file, tmp_path):
    """It needs no data then either; another recipe is refused, not ignored."""
    model = keras.saving.load_model(model_file)
    trained, _ = quantize.quantize_aware(model)
    quantize.calibrate(trained, [np.ones((8, *model.input_shape[1:]), np.float32)])
    trained.save(tmp_path / "q.keras")

    arguments = ["convert", tmp_path / "q.keras", "-o", tmp_path / "q.tflite"]
    assert "trained for 'int8'" in refused(*arguments, "--recipe", "float32")
    answer = tfcompress(*arguments, "--recipe", "int8", "--json")
    assert answer.code == 0, answer.err
    assert answer.record["details"]["conversion"]["recipe"] == "int8"
