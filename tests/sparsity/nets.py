"""Small networks and data of the sparsity tests."""

from __future__ import annotations

import keras
import numpy as np

from tfcompress import sparsity
from tfcompress.sparsity.pruned_model import state_of


def dense_net(seed=0, width=10) -> keras.Model:
    """Return four Dense layers; `b` and `c` are neither first nor last."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((6,))
    for name in ("a", "b", "c"):
        x = keras.layers.Dense(width, activation="tanh", name=name)(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="d")(x), name="dense_net")


def numbers(examples=32, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, 6)).astype("float32")
    return x, rng.normal(size=(examples, 3)).astype("float32")


def quick_schedule(final=0.8, **settings):
    """Masks at steps 0, 2, 4 and 6."""
    return sparsity.polynomial_decay(
        **{"initial_sparsity": 0.2, "final_sparsity": final, "end_step": 6}
        | {"frequency": 2}
        | settings
    )


def alive(model) -> int:
    """Return how many masked weights of a model are not zero."""
    state = state_of(model)
    return sum(
        int(np.count_nonzero(np.asarray(v.value)[~np.asarray(m.value)]))
        for v, m in zip(state.variables_pruned, state.masks, strict=True)
    )


def zero_shares(model) -> dict[str, float]:
    """Return the fraction of zeros by layer."""
    return {k.layer: round(k.sparsity, 6) for k in sparsity.report(model).kernels}


class Watch(keras.callbacks.Callback):
    """Counts, after every batch callback, masked weights that are not zero."""

    def __init__(self):
        super().__init__()
        self.alive = 0
        self.shares = []

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002 - Keras passes them
        self.alive += alive(self.model)
        masks = state_of(self.model).masks
        self.shares.append(round(1 - float(np.mean(masks[0].numpy())), 3))
