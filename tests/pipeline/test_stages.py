"""Tests of stages that the small runs leave out, and of what stages refuse."""

from __future__ import annotations

import json

import keras
import pytest

from tests.models import conv_bn_net, randomise
from tfcompress import errors, tflite
from tfcompress.pipeline import parse_workflow, run_workflow
from tfcompress.pipeline.stages import KINDS, original
from tfcompress.pipeline.stages.context import Outcome

DATA = {"source": "tests.cli.data_sets:fitting"}


@pytest.fixture
def model(tmp_path):
    """Return the path of a trained-looking network."""
    path = tmp_path / "net.keras"
    randomise(conv_bn_net(widths=(16, 16, 24))).save(path)
    return path


def record(directory, stage):
    return json.loads((directory / f"{stage}.json").read_text())


def run(directory, model, *stages, data=DATA):
    content = {"model": {"path": str(model)}, "stage": list(stages)}
    if data:
        content["data"] = data
    return run_workflow(parse_workflow(content, folder="/"), directory)


@pytest.mark.slow
def test_a_run_without_data_prunes_and_converts(tmp_path, model):
    run(
        tmp_path / "run",
        model,
        {"kind": "prune", "macs": 0.6},
        {"kind": "convert"},
        {"kind": "benchmark", "max_seconds": 0.1, "num_threads": [1, 2]},
        data=None,
    )

    assert record(tmp_path / "run", "prune")["evaluation"] == {
        "validation": None,
        "test": None,
    }
    threads = [
        found["conditions"]["num_threads"]
        for found in record(tmp_path / "run", "benchmark")["details"]["benchmark"]
    ]
    assert threads == [1, 2]


@pytest.mark.slow
def test_prune_by_a_plan_then_each_arm(tmp_path, model):
    """Scratch arms start from new weights and take the original's epochs or compute."""
    run(tmp_path / "first", model, {"kind": "prune", "macs": 0.5}, data=None)
    plan = tmp_path / "first" / "prune.plan.json"
    training = {"kind": "finetune", "batch_size": 32, "input": "prune"}

    run(
        tmp_path / "run",
        model,
        {"kind": "prune", "plan": str(plan)},
        {**training, "epochs": 1, "name": "kept"},
        {**training, "epochs": 1, "name": "fresh", "arm": "scratch_b"},
    )

    fresh = record(tmp_path / "run", "fresh")
    macs = [
        record(tmp_path / "run", s)["model"]["cost"]["macs"]
        for s in ("original", "prune")
    ]
    assert fresh["details"]["epochs"] == int(macs[0] / macs[1])
    kept = keras.saving.load_model(tmp_path / "run" / "kept.keras")
    pruned = keras.saving.load_model(tmp_path / "run" / "prune.keras")
    assert [w.shape for w in kept.get_weights()] == [
        w.shape for w in pruned.get_weights()
    ]


def test_a_budget_that_cannot_be_met(tmp_path, model):
    with pytest.raises(errors.BudgetError):
        run(tmp_path / "run", model, {"kind": "prune", "macs": 0.001}, data=None)
    assert record(tmp_path / "run", "original")["status"] == "done"


def test_data_that_do_not_fit_are_told_by_the_first_stage(tmp_path, model):
    with pytest.raises(errors.DataError, match="channels=3"):
        run(tmp_path / "run", model, data={"source": "tests.cli.data_sets:grey"})
    assert not (tmp_path / "run" / "original.json").exists()


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        ("builtins:repr", "not a Keras model"),
        ("tests.cli.data_sets:images", "images raised TypeError"),
    ],
)
def test_a_builder_that_makes_no_model(tmp_path, builder, expected):
    content = {"model": {"builder": builder}, "data": DATA}

    with pytest.raises(errors.ModelError, match=expected):
        run_workflow(parse_workflow(content), tmp_path / "run")


def test_an_original_that_does_not_convert_is_noted(tmp_path, model, monkeypatch):
    """The report says so; another recipe may still convert it."""

    def refuse(*_arguments, **_settings):
        raise errors.ConversionError("The converter refuses. Received: x. Do y.")

    monkeypatch.setattr(tflite, "convert", refuse)
    run(tmp_path / "run", model, data=None)

    details = record(tmp_path / "run", "original")["details"]
    assert details["float32"] == {"error": "The converter refuses. Received: x. Do y."}


def test_every_kind_says_what_it_reads_and_makes():
    """A kind that reads a file role comes after one that makes a file."""
    made = {kind.makes for kind in KINDS.values()}
    needed = {
        "file" if r == "file" else "model" for k in KINDS.values() for r in k.roles
    }

    assert needed <= made
    assert Outcome().passed
    assert original.run.__doc__


def test_the_path_of_a_precision_map_is_relative_to_the_workflow(tmp_path):
    content = {
        "model": {"path": "net.keras"},
        "data": DATA,
        "stage": [{"kind": "convert", "recipe": "int8", "precision": "map.json"}],
    }

    stage = parse_workflow(content, folder=tmp_path).stages[-1]

    assert stage.config.precision == str(tmp_path / "map.json")


@pytest.mark.slow
def test_precisions_are_chosen_converted_and_reported(tmp_path, model):
    """A drop of 1 is always met, so nothing is raised; the report shows the layers."""
    run(
        tmp_path / "run",
        model,
        {"kind": "sensitivity", "recipe": "int8_w4", "size_bytes": 0.3, "examples": 20},
        {"kind": "convert", "recipe": "int8", "max_drop": 1.0, "equalize": True},
        {"kind": "report"},
    )

    ranked = record(tmp_path / "run", "sensitivity")["details"]
    assert (tmp_path / "run" / ranked["plan"]).exists()
    assert ranked["mixed"]["size_bytes"] <= 0.3 * 4 * sum(
        layer["weights"] for layer in ranked["sensitivity"]["layers"]
    )
    converted = record(tmp_path / "run", "convert")["details"]
    assert converted["mixed"]["raised"] == []
    assert "equalization" in converted["conversion"]["improvements"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What each layer loses by quantization" in page
