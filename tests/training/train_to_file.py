"""Train a network into a file, slowly enough to be killed; run by test_resume.py."""

from __future__ import annotations

import pathlib
import sys
import time

import keras

from tests.training.networks import blobs
from tfcompress import training


def main(folder: str, pause: str) -> None:
    place = pathlib.Path(folder)
    model = keras.models.load_model(place.parent / "start.keras")

    def report(progress: training.Progress) -> None:
        sys.stdout.write(f"{progress.epoch} {progress.step}\n")
        sys.stdout.flush()
        time.sleep(float(pause))

    result = training.train(
        model,
        blobs(320),
        config=training.TrainConfig(
            epochs=4, batch_size=32, learning_rate=0.01, early_stopping=3
        ),
        state_dir=place / "state",
        progress=report,
    )
    model.save_weights(place / "end.weights.h5")
    (place / "history.txt").write_text(repr(result.history))


if __name__ == "__main__":
    main(*sys.argv[1:])
