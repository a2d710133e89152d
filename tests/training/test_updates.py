"""Faster optimizer steps give Keras's own numbers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcompress.training import updates

RATE = keras.optimizers.schedules.CosineDecay(0.1, 20)
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "adam, all options": lambda: keras.optimizers.Adam(
        0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3, clipnorm=1.0, use_ema=True
    ),
    "adamw": lambda: keras.optimizers.AdamW(RATE, weight_decay=0.1),
    "accumulating": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(RATE, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
}


def descend(optimizer, steps=8):
    """Return weights and slots after some steps."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype("float32") for shape in ((4, 3), (3,))]
    weights = [keras.Variable(value) for value in start]
    optimizer.build(weights)
    apply = tf.function(lambda gradients: optimizer.apply(gradients, weights))
    for _ in range(steps):
        apply([tf.constant(rng.normal(size=w.shape), tf.float32) for w in weights])
    return [np.asarray(v) for v in [*weights, *optimizer.variables]]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_keras(name):
    """Weights, slots and counters agree after several steps."""
    expected = descend(OPTIMIZERS[name]())
    fused = updates.fuse(OPTIMIZERS[name]())
    inner = getattr(fused, "inner_optimizer", fused)
    assert "_backend_update_step" in vars(inner)
    for one, other in zip(descend(fused), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


class OwnStep(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, gradient * learning_rate * 2.0)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: OwnStep(0.1),
        lambda: keras.optimizers.Adam(0.1, amsgrad=True),
        lambda: keras.optimizers.RMSprop(0.1),
    ],
)
def test_other_optimizers_keep_their_update(optimizer):
    """What is not known by its update is not touched."""
    assert "_backend_update_step" not in vars(updates.fuse(optimizer()))


def test_sparse_gradients_keep_kerass_update():
    """An embedding's gradient has rows only."""
    results = []
    for fuse in (lambda same: same, updates.fuse):
        table = keras.Variable(np.ones((4, 2), "float32"))
        optimizer = fuse(keras.optimizers.SGD(0.5, momentum=0.9))
        rows = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 3]), (4, 2))
        optimizer.apply([rows], [table])
        results.append(np.asarray(table))
    np.testing.assert_array_equal(results[0], results[1])


def test_fusing_twice_changes_nothing():
    """An optimizer may be compiled into several twins."""
    once = updates.fuse(keras.optimizers.SGD(0.1))
    step = once._backend_update_step
    assert updates.fuse(once)._backend_update_step is step
