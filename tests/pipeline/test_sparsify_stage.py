"""Tests of the stage `sparsify` in a run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tfcompress import errors, report, sparsity
from tfcompress.pipeline import Observer, parse_workflow, run_workflow

DATA = {"source": "tests.cli.data_sets:fitting"}
STAGE = {"kind": "sparsify", "epochs": 2, "batch_size": 20, "sparsity": 0.75}


@pytest.fixture
def model(tmp_path):
    """Return the path of a trained-looking network."""
    path = tmp_path / "net.keras"
    randomise(conv_bn_net(widths=(8, 8, 8))).save(path)
    return path


def workflow(model, *stages, data=DATA):
    content = {"model": {"path": str(model)}, "stage": list(stages)}
    return parse_workflow({**content, "data": data} if data else content, folder="/")


def zeros(path):
    plain = keras.saving.load_model(path)
    return {k.layer: k.sparsity for k in sparsity.report(plain).kernels}


def test_a_teacher_is_read_only_if_it_is_named(model):
    plain, taught = (
        workflow(model, {**STAGE, **more}).stages[1]
        for more in ({}, {"teacher": "original"})
    )
    assert plain.inputs == {"model": "original"}
    assert taught.inputs == {"model": "original", "teacher": "original"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"sparsity": 1.5}, "sparsity=1.5"), ({"sparcity": 0.5}, "mean 'sparsity'")],
)
def test_settings_are_refused_before_the_run(model, settings, expected):
    with pytest.raises(errors.ConfigError, match=expected):
        workflow(model, {"kind": "sparsify", **settings})


def test_it_needs_data(model):
    with pytest.raises(errors.ConfigError, match="needs data"):
        workflow(model, STAGE, data=None)


@pytest.mark.slow
def test_it_writes_a_plain_model_a_record_and_the_report(tmp_path, model):
    directory = tmp_path / "run"
    run_workflow(workflow(model, {**STAGE, "teacher": "original"}), directory)

    record = json.loads((directory / "sparsify.json").read_text())
    found = zeros(directory / "sparsify.keras")
    assert found["conv1"] == found["res_conv"] == 0.75
    assert found["conv0"] == found["predictions"] == 0
    assert record["details"]["sparsity"]["sparsity"] == 0.75
    assert record["history"]["sparsity"][-1] == 0.75
    assert record["history"]["distillation_loss"]
    (sparse,) = report.build(directory).sparsities
    assert sparse.teacher
    assert {k.name: k.sparsity for k in sparse.kernels}["conv2"] == 0.75
    assert dict(sparse.skipped)["conv0"] == "it is a first layer"


class Killed(Observer):
    """Ends the process in the second epoch."""

    def progress(self, name, progress):
        if name == "sparsify" and progress.epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(model, directory):
    run_workflow(workflow(model, STAGE), directory, observer=Killed())


@pytest.mark.slow
def test_after_a_kill_it_ends_with_the_same_weights(tmp_path, model):
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=run_and_die, args=(model, tmp_path / "killed"))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL

    for name in ("killed", "whole"):
        run_workflow(workflow(model, STAGE), tmp_path / name)

    first, second = (
        keras.saving.load_model(tmp_path / name / "sparsify.keras").get_weights()
        for name in ("killed", "whole")
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    "later",
    [
        {"kind": "quantize", "max_drop": None},
        {"kind": "distill"},
        {"kind": "finetune", "arm": "finetune"},
    ],
    ids=lambda later: later["kind"],
)
def test_a_later_training_keeps_the_zeros(tmp_path, model, later):
    """And trains: the weights that are left have moved."""
    stage = {"epochs": 2, "batch_size": 20, "learning_rate": 0.01, **later}
    directory = tmp_path / "run"
    run_workflow(workflow(model, STAGE, stage), directory)

    found = zeros(directory / f"{later['kind']}.keras")
    assert found["conv1"] == found["res_conv"] == 0.75
    before, after = (
        keras.saving.load_model(directory / f"{name}.keras").get_layer("conv1").kernel
        for name in ("sparsify", later["kind"])
    )
    np.testing.assert_array_equal(np.asarray(before) == 0, np.asarray(after) == 0)
    assert np.abs(np.asarray(before) - np.asarray(after)).max() > 1e-4
