"""Tests of the stage `quantize` in a run: trained, or found to be needless."""

from __future__ import annotations

import json

import keras
import pytest

from tests.models import conv_bn_net, randomise
from tfcompress import errors, quantize
from tfcompress.pipeline import parse_workflow, run_workflow
from tfcompress.pipeline.stages import quantize as stage

DATA = {"source": "tests.cli.data_sets:fitting"}
TRAINING = {"kind": "quantize", "epochs": 1, "batch_size": 20}
CONVERT = {"kind": "convert", "recipe": "int8"}


@pytest.fixture
def model(tmp_path):
    """Return the path of a trained-looking network."""
    path = tmp_path / "net.keras"
    randomise(conv_bn_net(widths=(8, 8))).save(path)
    return path


def ran(model, directory, *stages):
    """Run the stages; return the records by stage."""
    content = {"model": {"path": str(model)}, "data": DATA, "stage": list(stages)}
    run_workflow(parse_workflow(content, folder="/"), directory)
    names = [one["kind"] for one in stages]
    return {
        name: json.loads((directory / f"{name}.json").read_text()) for name in names
    }


@pytest.mark.slow
@pytest.mark.parametrize(("drop", "trained"), [(0.02, True), (0.01, False)])
def test_it_trains_only_if_the_file_loses_too_much(
    model, tmp_path, monkeypatch, drop, trained
):
    """The file that follows is one of integers either way; one needs calibration."""
    monkeypatch.setattr(stage, "_drop_without_training", lambda *_: drop)
    directory = tmp_path / "run"
    records = ran(model, directory, {**TRAINING, "max_drop": 0.01}, CONVERT)
    found = records["quantize"]["details"]["quantization"]
    assert found["trained"] == trained
    assert (found["drop_without_training"], found["max_drop"]) == (drop, 0.01)
    made = keras.saving.load_model(directory / records["quantize"]["outputs"]["model"])
    assert quantize.is_quantized(made) == trained
    conversion = records["convert"]["details"]["conversion"]
    assert conversion["float_operators"] == []
    assert (conversion["calibration_examples"] == 0) == trained


@pytest.mark.slow
def test_the_drop_is_that_of_a_real_file(model, tmp_path):
    """Nothing is lost by a limit of 1: the metric is an accuracy."""
    records = ran(model, tmp_path / "run", {**TRAINING, "max_drop": 1.0})
    found = records["quantize"]["details"]["quantization"]
    assert not found["trained"]
    assert -1 <= found["drop_without_training"] <= 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_drop": -0.1}, "max_drop=-0.1"),
        ({"max_drop": 0.1, "recipe": "int8_w4"}, "recipe='int8_w4'"),
        ({"recipe": "int4"}, "recipe='int4'"),
    ],
)
def test_settings_are_refused_before_the_run(model, settings, expected):
    content = {
        "model": {"path": str(model)},
        "data": DATA,
        "stage": [{"kind": "quantize", **settings}],
    }
    with pytest.raises(errors.ConfigError, match=expected):
        parse_workflow(content, folder="/")
