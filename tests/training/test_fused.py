"""The fused batch normalization computes what Keras's does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcompress.training import fused

SHAPE = (5, 4, 3, 6)  # small enough that n - 1 and n differ


def build(shape=SHAPE, layer_class=keras.layers.BatchNormalization, **settings):
    layer = layer_class(**settings)
    layer.build((None, *shape[1:]))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return layer


def step(layer, x, **arguments):
    """Return output, gradients and statistics of one training call."""
    x = tf.constant(x)
    variables = [v.value for v in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, **arguments)
        loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 3)
    gradients = tape.gradient(loss, [x, *variables])
    return [np.asarray(t) for t in [y, *gradients, *layer.get_weights()]]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"scale": False},
        {"center": False},
        {"momentum": 0.5, "epsilon": 1e-5},
        {"trainable": False},
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_equals_keras(settings, training, rng):
    """Outputs, gradients and moving statistics are those of the plain layer."""
    x = rng.normal(1.0, 2.0, SHAPE).astype("float32")
    plain = step(build(**settings), x, training=training)
    ours = step(fused.view(build(**settings)), x, training=training)
    for expected, found in zip(plain, ours, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_averages_the_biased_variance():
    """Two values 1 and 3: variance 1, where the kernel alone gives 2."""
    layer = keras.layers.BatchNormalization(momentum=0.0)
    layer.build((None, 1, 1, 1))
    fused.view(layer)(
        np.array([1.0, 3.0], "float32").reshape(2, 1, 1, 1), training=True
    )
    assert float(layer.moving_variance[0]) == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_dtypes_equal_keras(dtype, rng):
    """Half precision is normalised in float32; float64 is left to Keras."""
    x = rng.normal(size=SHAPE)
    plain = build(dtype=dtype)
    expected = plain(x, training=True)
    layer = build(dtype=dtype)
    found = fused.view(layer)(x, training=True)
    assert found.dtype == expected.dtype
    tolerance = 2e-2 if "bfloat" in dtype else 2e-3
    np.testing.assert_allclose(
        np.asarray(found, "float64"), np.asarray(expected, "float64"), atol=tolerance
    )
    for ours, theirs in zip(layer.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((5, 6), {}),
        ((5, 4, 6), {}),
        ((5, 2, 2, 2, 6), {}),
        ((5, 6, 3, 4), {"axis": 1}),
    ],
)
def test_other_ranks_and_axes_are_left_to_keras(shape, settings, rng):
    """What the kernel does not cover is bit for bit Keras's."""
    x = rng.normal(size=shape).astype("float32")
    expected = step(build(shape, **settings), x, training=True)
    found = step(fused.view(build(shape, **settings)), x, training=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_masked_input_is_left_to_keras(rng):
    """A mask takes positions out of the statistics."""
    x = rng.normal(size=SHAPE).astype("float32")
    mask = rng.random(SHAPE[:3]) < 0.5
    expected = step(build(), x, training=True, mask=mask)
    found = step(fused.view(build()), x, training=True, mask=mask)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


class OwnCall(keras.layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) * 2


class Inherits(keras.layers.BatchNormalization):
    pass


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: build(), True),
        (lambda: build(layer_class=Inherits), True),
        (lambda: build(layer_class=OwnCall), False),
        (lambda: build(renorm=True), False),
        (lambda: build(synchronized=True), False),
        (lambda: build(epsilon=1e-7), False),
        (lambda: keras.layers.BatchNormalization(), False),  # not built
        (lambda: keras.layers.ReLU(), False),
    ],
)
def test_can_view(layer, expected):
    """Only layers that compute as Keras's are replaced."""
    assert fused.can_view(layer()) is expected


def test_view_is_the_layer():
    """Flags, regularisers and variables are one and the same."""
    layer = build()
    view = fused.view(layer)
    layer.trainable = False
    layer.gamma.regularizer = keras.regularizers.L1(0.1)
    assert view.trainable is False
    assert view.gamma is layer.gamma
    assert type(view).__name__ == "BatchNormalization"


def test_a_stateless_call_leaves_the_layer_alone(rng):
    """And gives the statistics that a call would have left."""
    x = rng.normal(1.0, 2.0, SHAPE).astype("float32")
    layer = build()
    view, before = fused.view(layer), layer.get_weights()
    weights, state = (
        [tf.convert_to_tensor(v) for v in variables]
        for variables in (layer.trainable_variables, layer.non_trainable_variables)
    )
    _, found = view.stateless_call(weights, state, x, training=True)
    for old, now in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    view(x, training=True)
    for expected, given in zip(layer.non_trainable_variables, found, strict=True):
        np.testing.assert_allclose(np.asarray(given), np.asarray(expected), rtol=1e-6)
