"""Prune on two replicas; run by test_distribution.py."""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.sparsity.nets import dense_net, numbers, quick_schedule
from tests.training.distribute import two_replicas
from tfcompress import errors, sparsity, training
from tfcompress.sparsity.pruned_model import state_of

OPTIMIZERS = {
    "adamw": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.5),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "ema": lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9),
    "clipnorm": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "accelerated": lambda: keras.optimizers.Adam(0.1),
}


class Watch(keras.callbacks.Callback):
    """Counts, on both replicas, masked weights that are not zero after a step."""

    def __init__(self):
        super().__init__()
        self.alive = self.apart = 0
        self.shares = []

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002 - Keras passes them
        state = state_of(self.model)
        for variable, mask in zip(state.variables_pruned, state.masks, strict=True):
            weights = [copy.numpy() for copy in variable.value.values]
            masks = [copy.numpy() for copy in mask.value.values]
            self.alive += sum(
                int(np.count_nonzero(w[~m]))
                for w, m in zip(weights, masks, strict=True)
            )
            self.apart += int((masks[0] != masks[1]).sum())
            self.apart += int((weights[0] != weights[1]).sum())
        self.shares.append(round(1 - float(np.mean(state.masks[0].numpy())), 3))


def pruned(strategy, name):
    with strategy.scope():
        model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
        fitted = training.accelerate(model) if name == "accelerated" else model
        fitted.compile(OPTIMIZERS[name](), "mse")
    x, y = numbers()
    before = model.get_layer("b").kernel.numpy()
    watch = Watch()
    fitted.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[watch])
    state = state_of(model)
    plain = sparsity.strip(model)
    return {
        "alive": watch.alive,
        "apart": watch.apart,
        "shares": watch.shares,
        "step": int(state.step.numpy()),
        "zeros": float((plain.get_layer("b").kernel.numpy() == 0).mean()),
        "moved": float(np.abs(model.get_layer("b").kernel.numpy() - before).max()),
    }


def refused(strategy):
    with strategy.scope():
        model = sparsity.prune_low_magnitude(dense_net(), quick_schedule())
        model.compile("adam", "mse", steps_per_execution=5)
    try:
        model.fit(*numbers(), batch_size=8, verbose=0)
    except errors.ModelError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    two = two_replicas()
    found = {name: pruned(two, name) for name in OPTIMIZERS}
    sys.stdout.write(json.dumps({"fitted": found, "refused": refused(two)}))
