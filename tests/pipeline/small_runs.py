"""A real run, small: every stage with its method, on a network of a few channels."""

from __future__ import annotations

import os
import pathlib
import signal

import keras

from tfcompress.pipeline import Observer, parse_workflow, run_workflow

SOURCE = "tests.cli.data_sets:fitting"


def build(dataset) -> keras.Model:
    """Build an untrained conv-BN network for the data set."""
    x = inputs = keras.Input(dataset.input_shapes[0], name="image")
    for index in range(2):
        x = keras.layers.Conv2D(16, 3, use_bias=False, name=f"conv{index}")(x)
        x = keras.layers.BatchNormalization(momentum=0.8, name=f"bn{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    x = keras.layers.Dropout(0.1, name="dropout")(x)  # its seeds must resume, too
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = keras.layers.Dense(5, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, outputs, name="small_net")


def workflow(**settings):
    """Return every kind of stage but `prune` and `finetune`, in the usual order."""
    training = {"batch_size": 16, "learning_rate": 0.01}
    return parse_workflow(
        {
            "name": "small",
            "model": {
                "builder": "tests.pipeline.small_runs:build",
                "train": {"epochs": 3, **training},
            },
            "data": {"source": SOURCE},
            "slim": {"macs": 0.6, "sparse_epochs": 2, "epochs": 2, **training},
            "distill": {"epochs": 2, **training},
            "convert": {"recipe": "int8", "calibration_examples": 40},
            "verify": {"max_drop": 0.2, **settings.get("verify", {})},
            "benchmark": {"max_seconds": 0.3},
            "report": {},
        }
    )


class Killer(Observer):
    """Kills the process in the middle of a training."""

    def __init__(self, stage: str, epoch: int) -> None:
        self._stage, self._epoch = stage, epoch

    def progress(self, name, progress):
        """Die at the third step of the epoch."""
        at = (name, progress.epoch, progress.step)
        if at == (self._stage, self._epoch, 3):
            os.kill(os.getpid(), signal.SIGKILL)


def run_and_die(directory: pathlib.Path, stage: str, epoch: int) -> None:
    """Run the workflow, and die in a training if a stage is given."""
    observer = Killer(stage, epoch) if stage else None
    run_workflow(workflow(), directory, observer=observer, command="c")
