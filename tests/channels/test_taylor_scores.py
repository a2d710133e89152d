"""Tests of `tfcompress.channels.taylor_scores`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tfcompress import data, errors, graph
from tfcompress.channels import score, taylor

L = keras.layers


def linear_net():
    """Prediction = sum over 3 hidden units of head_c * (x . w_c + b_c)."""
    x = keras.Input((2,))
    model = keras.Model(x, L.Dense(1, name="head")(L.Dense(3, name="hidden")(x)))
    kernel = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    model.get_layer("hidden").set_weights([kernel, np.array([0.0, 1.0, 0.0])])
    model.get_layer("head").set_weights([np.array([[1.0], [2.0], [0.0]]), np.zeros(1)])
    return model


def test_the_score_is_the_squared_gradient_of_the_gate():
    """x = (1, 1): units 1, 2, 2; prediction 5. With y = 4 and squared error dL/dp = 2.

    The gate of unit c has gradient 2 * head_c * unit_c = 2, 8, 0.
    """
    model = linear_net()
    model.compile(loss="mse")
    x, y = np.array([[1.0, 1.0]]), np.array([[4.0]])
    scores = score(model, criterion="taylor", data=(x, y))
    np.testing.assert_allclose(scores["hidden"], [4.0, 64.0, 0.0], rtol=1e-5)


def test_batches_are_averaged_after_the_square():
    """Gradients of +2 and -2 at unit 0 must not cancel: y = 4 and y = 6."""
    model = linear_net()
    model.compile(loss="mse")
    x = np.array([[1.0, 1.0]])
    batches = [(x, np.array([[4.0]])), (x, np.array([[6.0]]))]
    scores = score(model, criterion="taylor", data=batches)
    np.testing.assert_allclose(scores["hidden"], [4.0, 64.0, 0.0], rtol=1e-5)


def test_penalties_do_not_count_as_use():
    """A weight penalty has a gradient, but the task loses nothing with the channel."""
    x = keras.Input((2,))
    hidden = L.Dense(3, name="hidden", kernel_regularizer="l2")(x)
    model = keras.Model(x, L.Dense(1, name="head")(hidden))
    model.get_layer("head").kernel.assign(np.zeros((3, 1)))
    model.compile(loss="mse")
    scores = score(model, criterion="taylor", data=(np.ones((4, 2)), np.ones((4, 1))))
    np.testing.assert_allclose(scores["hidden"], 0.0, atol=1e-12)


def test_groups_with_a_norm_are_gated_there():
    """gamma * dL/dgamma + beta * dL/dbeta, against a gate written into the model."""
    model = randomise(conv_bn_net(widths=(4, 4), classes=2))
    layer_graph = graph.trace(model)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 12, 12, 3)).astype("float32")
    y = rng.integers(0, 2, 8)
    model.compile(loss="sparse_categorical_crossentropy")
    scores = taylor(layer_graph, data=(x, y))
    norm, step = model.get_layer("bn0"), 1e-2

    def loss_with_gate(channel, gate):
        gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
        factor = np.ones(4, "float32")
        factor[channel] = gate
        norm.gamma.assign(gamma * factor)
        norm.beta.assign(beta * factor)
        loss = keras.losses.sparse_categorical_crossentropy(y, model(x))
        norm.gamma.assign(gamma)
        norm.beta.assign(beta)
        return float(keras.ops.mean(loss))

    for channel in range(4):
        more, less = (loss_with_gate(channel, 1 + s) for s in (step, -step))
        slope = (more - less) / (2 * step)
        assert scores["conv0"][channel] == pytest.approx(slope**2, rel=0.05, abs=1e-7)


def test_a_dataset_brings_its_own_loss():
    """The model need not be compiled, and stays so."""
    model = randomise(conv_bn_net(input_shape=(8, 8, 3), widths=(4, 4), classes=2))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 8, 8, 3)).astype("float32")
    dataset = data.Dataset.from_arrays((x, np.arange(40) % 2), task="classification")
    scores = score(model, criterion="taylor", data=dataset)
    assert all((values > 0).any() for values in scores.values())
    assert not model.compiled


def test_missing_data_are_asked_for():
    """The message shows the call."""
    with pytest.raises(errors.DataError, match=r'criterion="taylor", data=dataset'):
        score(linear_net(), criterion="taylor")


def test_a_loss_that_nobody_knows_is_asked_for():
    """Arrays say nothing about the task."""
    with pytest.raises(errors.DataError, match=r"model\.compile\(loss"):
        score(linear_net(), criterion="taylor", data=(np.ones((2, 2)), np.ones((2, 1))))


def test_no_batch_at_all_is_an_empty_data_set():
    """An exhausted iterator gives no score."""
    model = linear_net()
    model.compile(loss="mse")
    with pytest.raises(errors.DataError, match="data set is empty"):
        score(model, criterion="taylor", data=iter([]))
