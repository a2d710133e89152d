"""`tfcompress.graph.identities`: what a state on disk belongs to."""

from __future__ import annotations

import functools
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from tfcompress import data
from tfcompress.graph.identities import describe, identity

ROOT = pathlib.Path(__file__).parents[2]
L = keras.layers


def net(activation="relu", *, skip=False, trainable=True, function=None):
    """Build a network that names its layers anew each time, with random layers."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((4, 4, 3))
    x = L.RandomFlip()(x)
    inner = keras.Sequential([keras.Input((4, 4, 3)), L.Conv2D(3, 1)])
    y = inner(x)
    x = L.Activation(activation)(y)
    x = L.Add()([x, y]) if skip else L.Add()([x, x])
    x = L.Dropout(0.5)(x)
    x = L.Lambda(function or (lambda value: value * 2))(x)
    x = L.Dense(2, trainable=trainable)(keras.ops.mean(x, axis=(1, 2)))
    return keras.Model(inputs, x)


def test_the_same_model_built_again_is_the_same():
    """Though Keras counts its names up and gives its random layers other seeds."""
    one, other = net(), net()
    assert [x.name for x in one.layers] != [x.name for x in other.layers]
    assert identity(one, "x") == identity(other, "x")


@pytest.mark.parametrize(
    "settings",
    [
        {"activation": "tanh"},
        {"skip": True},
        {"trainable": False},
        {"function": lambda value: value * 3},
    ],
)
def test_what_computes_otherwise_is_another(settings):
    """The weights are alike."""
    one, other = net(), net(**settings)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert identity(one) != identity(other)


def test_weights_and_parts_count():
    """Each of them."""
    model = net()
    first = identity(model, {"a": 1})
    assert first != identity(model, {"a": 2})
    model.layers[-1].bias.assign([1.0, 0.0])
    assert first != identity(model, {"a": 1})


class Weighted(keras.losses.Loss):
    """A loss that does not say how it is configured."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def call(self, y_true, y_pred):
        return self.weight * (y_true - y_pred)


def scaled(factor):
    def loss(y_true, y_pred):
        return factor * (y_true - y_pred)

    return loss


@pytest.mark.parametrize(
    "make",
    [
        lambda value: keras.losses.Huber(delta=value),
        Weighted,
        scaled,
        lambda value: functools.partial(scaled, factor=value),
        lambda value: np.full(3, value),
        lambda value: data.Task.single("regression", loss_weight=value),
        lambda value: keras.metrics.TopKCategoricalAccuracy(int(value)),
    ],
    ids=["loss", "own loss", "closure", "partial", "array", "task", "metric"],
)
def test_settings_of_losses_and_metrics_count(make):
    """Equal ones are equal, whatever object it is."""
    assert describe(make(1.0)) == describe(make(1.0)) != describe(make(2.0))


class Gate(keras.Model):
    """A model with its own call."""

    def __init__(self, activation):
        super().__init__()
        self.dense = L.Dense(2, activation, kernel_initializer="ones")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def test_a_model_without_a_graph_is_told_by_its_layers():
    """It can be trained, so it has states."""
    models = [Gate("relu"), Gate("relu"), Gate("tanh")]
    for model in models:
        model.build((None, 3))
    one, same, other = map(identity, models)
    assert one == same != other


@pytest.mark.slow
def test_another_process_gives_the_same_name():
    """So that a killed run goes on."""
    code = (
        "from tests.graph.test_identities import *\n"
        "print(identity(net(), scaled(2.0), Weighted(1.0), "
        "data.Task.single('regression')))"
    )
    names = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout
        for _ in range(2)
    }  # fmt: skip
    assert len(names) == 1
