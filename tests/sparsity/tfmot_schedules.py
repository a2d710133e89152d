"""Prune by the schedule objects of tensorflow-model-optimization; print what came out.

A process of its own: importing that package changes the process.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import tensorflow as tf

from tests.sparsity.nets import Watch, dense_net, numbers, zero_shares
from tfcompress import sparsity


def tfmot():
    """Import it without what it does to the process."""
    tf.keras.Model  # noqa: B018 - resolves tf.keras to Keras 3 first
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    import tensorflow_model_optimization

    if before is None:
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
    return tensorflow_model_optimization.sparsity.keras


def shares(schedule, folder):
    """Return the sparsity after each step, and at the end of a loaded copy."""
    import keras

    model = sparsity.prune_low_magnitude(dense_net(), schedule)
    model.compile("adam", "mse")
    watch = Watch()
    x, y = numbers()
    settings = {"batch_size": 8, "verbose": 0, "shuffle": False}
    model.fit(x, y, epochs=1, **settings, callbacks=[watch])
    model.save(f"{folder}/m.keras")
    model.fit(x, y, epochs=2, **settings, callbacks=[watch])
    loaded = keras.saving.load_model(f"{folder}/m.keras")
    loaded.fit(x, y, epochs=2, **settings)
    same = all(
        np.array_equal(a, b)
        for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True)
    )
    return {
        "shares": watch.shares,
        "alive": watch.alive,
        "end": zero_shares(sparsity.strip(model))["b"],
        "loaded alike": same,
    }


def main() -> None:
    """Print one JSON object."""
    import tempfile

    theirs = tfmot()
    decay = theirs.PolynomialDecay(0.2, 0.8, begin_step=0, end_step=6, frequency=2)
    constant = theirs.ConstantSparsity(0.5, begin_step=3, frequency=4)
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "PolynomialDecay": shares(decay, folder),
            "ConstantSparsity": shares(constant, folder),
        }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
