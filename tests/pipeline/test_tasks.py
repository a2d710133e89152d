"""A run for every kind of task, from the model to the report."""

from __future__ import annotations

import json

import keras
import pytest

from tfcompress.pipeline import parse_workflow, run_workflow

pytestmark = pytest.mark.slow


def _features(inputs):
    x = inputs
    for index in range(2):
        x = keras.layers.Conv2D(16, 3, padding="same", name=f"conv{index}")(x)
        x = keras.layers.BatchNormalization(momentum=0.8, name=f"bn{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    return x


def regression(inputs, x):
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="out")(x))
    model.compile("adam", "mse", metrics=["mae"])
    return model


def multilabel(inputs, x):
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="sigmoid")(x))


def segmentation(inputs, x):
    return keras.Model(inputs, keras.layers.Conv2D(5, 1, activation="softmax")(x))


def two_outputs(inputs, x):
    x = keras.layers.GlobalAveragePooling2D()(x)
    kind = keras.layers.Dense(5, activation="softmax", name="scores")(x)
    brightness = keras.layers.Dense(1, name="light")(x)  # labels go by the dict's keys
    return keras.Model(inputs, {"kind": kind, "brightness": brightness})


@pytest.mark.parametrize(
    ("build", "metric"),
    [
        (regression, "mae"),
        (multilabel, None),
        (segmentation, "iou"),
        (two_outputs, None),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_run_of_the_task(tmp_path, build, metric):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3), name="image")
    build(inputs, _features(inputs)).save(tmp_path / "net.keras")
    training = {"epochs": 1, "batch_size": 32}
    content = {
        "model": {"path": str(tmp_path / "net.keras")},
        "data": {"source": f"tests.cli.data_sets:{build.__name__}"},
        "prune": {"macs": 0.8},
        "distill": training,
        "convert": {"recipe": "int8", "calibration_examples": 64},
        "verify": {},
        "report": {},
    }

    result = run_workflow(parse_workflow(content, folder="/"), tmp_path / "run")

    assert result.passed
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    scores = [row for row in report["summary"] if row["key"].startswith("score")]
    assert scores
    assert all(row["before"] is not None and row["after"] is not None for row in scores)
    evaluation = result.records[-2]["details"]["parity"]["tflite"]
    assert metric is None or metric in evaluation["metric"]
