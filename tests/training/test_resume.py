"""A training that is killed ends where it would have ended."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.training.networks import flat

ROOT = pathlib.Path(__file__).parents[2]


def start(folder, *, pause=0.0):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.training.train_to_file",
            str(folder),
            str(pause),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def network():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(4, "softmax")(x))


@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_epoch(tmp_path):
    """The same command again gives the weights and history of an undisturbed run."""
    network().save(tmp_path / "start.keras")
    whole = start(tmp_path / "whole")
    killed = start(tmp_path / "killed", pause=0.2)
    for line in killed.stdout:
        if line.split() == ["2", "3"]:
            killed.send_signal(signal.SIGKILL)
            break
    assert killed.wait() == -signal.SIGKILL
    assert (tmp_path / "killed" / "state" / "training.npz").exists()
    again = start(tmp_path / "killed")
    steps = again.communicate()[0].split("\n")
    whole.communicate()
    assert steps[0] == "2 1"  # epochs 0 and 1 are not run again
    results = []
    for name in ("whole", "killed"):
        model = keras.models.load_model(tmp_path / "start.keras")
        model.load_weights(tmp_path / name / "end.weights.h5")
        results.append((flat(model), (tmp_path / name / "history.txt").read_text()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
