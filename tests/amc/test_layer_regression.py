"""Tests of `tfcompress.amc.layer_regression`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tfcompress import errors, graph
from tfcompress.amc.layer_regression import LayerRegression, regress_masked

L = keras.layers


def exact(gram, old, keep_mask):
    """Solve every output by itself, by plain least squares on what stays."""
    new = np.zeros_like(old)
    for output in range(old.shape[1]):
        kept = keep_mask[:, output].astype(bool)
        right = gram @ old[:, output]
        new[kept, output] = np.linalg.solve(gram[np.ix_(kept, kept)], right[kept])
    return new


def test_enough_steps_give_the_least_squares_solution(rng):
    """As many steps as columns, in exact arithmetic."""
    rows = rng.normal(size=(50, 6))
    gram, old = rows.T @ rows / 50, rng.normal(size=(6, 4))
    keep_mask = (rng.random((6, 4)) < 0.6).astype(float)
    found = regress_masked(gram[None], old[None], keep_mask[None], steps=12)[0]
    np.testing.assert_allclose(found, exact(gram, old, keep_mask), atol=1e-8)


def test_each_step_lowers_the_error(rng):
    """And none raises it again, however many there are."""
    rows = rng.normal(size=(30, 8)) * np.arange(1, 9)
    gram, old = rows.T @ rows / 30, rng.normal(size=(8, 3))
    keep_mask = (rng.random((8, 3)) < 0.5).astype(float)
    found = []
    for steps in (0, 1, 2, 4, 50):
        new = regress_masked(gram[None], old[None], keep_mask[None], steps=steps)[0]
        assert np.all(new[keep_mask == 0] == 0)
        found.append(float(np.trace((new - old).T @ gram @ (new - old))))
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0]


def test_columns_that_are_never_seen_change_nothing():
    """A Gram matrix of zeros has no gradient; nothing becomes NaN."""
    old, keep_mask = np.ones((1, 2, 1)), np.array([[[1.0], [0.0]]])
    found = regress_masked(np.zeros((1, 2, 2)), old, keep_mask, steps=5)
    assert found.ravel().tolist() == [1.0, 0.0]


def test_a_grouped_convolution_is_regressed_group_by_group(rng):
    """Channel 1 repeats channel 0, so its weight goes over to it."""
    image = keras.Input((4, 4, 4))
    x = L.Conv2D(4, 1, use_bias=False, name="first")(image)
    x = L.Conv2D(2, 1, groups=2, use_bias=False, name="grouped")(x)
    model = keras.Model(image, L.Conv2D(2, 1, name="head")(x))
    twice = np.eye(4)
    twice[:, 1] = twice[:, 0]
    model.get_layer("first").kernel.assign(twice[None, None])
    kernel = np.array([[1.0, 3.0], [2.0, 4.0]], np.float32)[None, None]
    model.get_layer("grouped").kernel.assign(kernel)
    x = rng.normal(size=(30, 4, 4, 4)).astype("float32")
    regression = LayerRegression(model, x, positions=16)
    keep_mask = np.array([[True, True], [False, True]])[None, None]
    found = regression({("grouped", "kernel"): keep_mask})["grouped", "kernel"]
    np.testing.assert_allclose(found, [[[[3.0, 3.0], [0.0, 4.0]]]], atol=1e-4)


def test_layers_without_zeros_are_left_alone(rng):
    """They would be regressed to themselves."""
    model = randomise(conv_bn_net(widths=(8, 16)))
    x = rng.normal(size=(8, 12, 12, 3)).astype("float32")
    regression = LayerRegression(graph.trace(model), x)
    kernel = model.get_layer("conv1").kernel
    assert regression({("conv1", "kernel"): np.ones(kernel.shape, bool)}) == {}


def test_layers_that_are_left_out_are_named(rng):
    """One is called twice."""
    image = keras.Input((4,))
    shared = L.Dense(4, name="shared")
    x = shared(shared(L.Dense(4, name="first")(image)))
    model = keras.Model(image, L.Dense(2, name="head")(x))
    regression = LayerRegression(model, rng.normal(size=(8, 4)).astype("float32"))
    assert any("shared" in note for note in regression.notes)


def test_settings_out_of_range_are_refused():
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match="steps"):
        LayerRegression(conv_bn_net(), np.zeros((2, 12, 12, 3)), steps=-1)


def test_examples_that_are_missing_are_refused():
    """There is nothing to take features from."""
    with pytest.raises(errors.DataError):
        LayerRegression(conv_bn_net(), np.zeros((0, 12, 12, 3), np.float32))
