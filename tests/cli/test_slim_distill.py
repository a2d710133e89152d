"""Tests of ``tfcompress slim`` and ``distill``: refusals before work, and the work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.cli.conftest import DATA

SETS = "tests.cli.data_sets"


@pytest.fixture
def slim(model_file, tmp_path):
    """Return the arguments of a slim command without data."""
    return ["slim", model_file, "-o", tmp_path / "s.keras", "--epochs", "1"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("grey", "channels=3"),
        ("flat", "do not fit the model's input"),
        ("too_many_classes", "classes"),
        ("raw_pixels", "scale=1/255"),
        ("with_nan", "NaN"),
        ("empty", "Received"),
        ("no_such_function", "no_such_function"),
    ],
)
def test_data_that_do_not_fit_are_refused(refused, slim, tmp_path, data, expected):
    assert expected in refused(*slim, "--data", f"{SETS}:{data}")
    assert not (tmp_path / "s.keras").exists()


@pytest.mark.parametrize("data", ["flat", "too_many_classes", "raw_pixels"])
def test_a_cut_that_asks_the_data_refuses_those_that_do_not_fit(
    refused, model_file, tmp_path, data
):
    arguments = ["prune", model_file, "--criterion", "taylor", "--macs", "0.7"]

    message = refused(
        *arguments, "-o", tmp_path / "p.keras", "--data", f"{SETS}:{data}"
    )

    assert "Received" in message
    assert "Unexpected" not in message
    assert not (tmp_path / "p.keras").exists()


def test_a_student_refuses_data_that_do_not_fit(refused, model_file, tmp_path):
    arguments = ["distill", model_file, "--teacher", model_file, "--epochs", "1"]

    message = refused(
        *arguments, "-o", tmp_path / "d.keras", "--data", f"{SETS}:too_many_classes"
    )

    assert "do not fit the model's output" in message


@pytest.mark.parametrize("source", ["mnits", "no/such/folder", "none.npz"])
def test_data_that_are_not_there(refused, slim, source):
    assert source in refused(*slim, "--data", source)


def test_without_norms_it_suggests_prune(refused, without_norms, tmp_path):
    arguments = ["-o", tmp_path / "s.keras", "--data", DATA]

    message = refused("slim", without_norms, *arguments)

    assert "`tfcompress prune --criterion l1" in message


def test_frozen_norms_are_refused_with_the_way_out(refused, model_file, tmp_path):
    model = keras.saving.load_model(model_file)
    model.trainable = False
    model.save(tmp_path / "frozen.keras")
    arguments = ["-o", tmp_path / "s.keras", "--data", DATA]

    message = refused("slim", tmp_path / "frozen.keras", *arguments)

    assert "unfreeze" in message


def test_a_budget_that_cannot_be_met_is_told_before_training(refused, slim):
    message = refused(*slim, "--data", DATA, "--macs", "0.01", code=3)

    assert "macs" in message.lower()


def test_weights_that_are_nan(refused, model_file, tmp_path):
    model = keras.saving.load_model(model_file)
    kernel = model.get_layer("conv0").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    model.save(tmp_path / "nan.keras")
    arguments = ["-o", tmp_path / "s.keras", "--data", DATA]

    assert "not finite" in refused("slim", tmp_path / "nan.keras", *arguments)


def test_a_teacher_that_is_missing(refused, model_file, tmp_path):
    arguments = ["-o", tmp_path / "s.keras", "--data", DATA]
    message = refused(
        "distill", model_file, "--teacher", tmp_path / "t.keras", *arguments
    )

    assert "t.keras" in message


@pytest.mark.slow
def test_slim_then_distill(tfcompress, model_file, tmp_path):
    slimmed, distilled = tmp_path / "slim.keras", tmp_path / "distilled.keras"
    training = ["--epochs", "1", "--batch-size", "32", "--data", DATA, "--json"]

    answer = tfcompress(
        "slim", model_file, "-o", slimmed, "--sparse-epochs", "1", *training
    )
    assert answer.code == 0, answer.err
    record = answer.record
    macs = record["model"]["cost"]["macs"]
    assert macs <= 0.5 * record["before"]["cost"]["macs"]
    assert record["scales"]
    assert record["history"]["loss"]
    assert record["before"]["evaluation"]["test"]["num_examples"] == 60

    answer = tfcompress(
        "distill", slimmed, "--teacher", model_file, "-o", distilled, *training
    )
    assert answer.code == 0, answer.err
    assert answer.record["model"]["cost"]["macs"] == macs
    assert not (tmp_path / ".state").exists()


@pytest.mark.slow
def test_an_interrupted_training_resumes(model_file, tmp_path):
    """Ctrl-C says how to go on in a line; the same command then ends the training."""
    output = tmp_path / "s.keras"
    command = [sys.executable, "-m", "tfcompress.cli", "slim", str(model_file)]
    command += ["-o", str(output), "--data", DATA, "--sparse-epochs", "2"]
    command += ["--epochs", "400", "--batch-size", "8"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        states = tmp_path / ".state"
        while not list(states.glob("s-*/**/training.npz")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    last = err.strip().splitlines()[-1]
    assert last == "Interrupted. Run the same command again to resume."
    assert "Traceback" not in err
    assert not output.exists()
    assert list(states.glob("s-*/**/training.npz"))


@pytest.mark.slow
def test_a_loss_that_is_no_number_ends_it(refused, model_file, tmp_path):
    arguments = ["--data", DATA, "--sparse-epochs", "1", "--epochs", "1"]
    message = refused(
        "slim",
        model_file,
        "-o",
        tmp_path / "s.keras",
        *arguments,
        "--learning-rate",
        "1e30",
    )

    assert "learning rate" in message
    log = json.dumps((tmp_path / "s.log").read_text())
    assert "failed" in log
