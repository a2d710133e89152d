"""Biases that make up for rounded weights."""

from __future__ import annotations

import weakref

import keras
import numpy as np
import pytest

from tests.models import randomise
from tests.quantize.unequal_nets import mobile
from tfcompress import errors, quantize
from tfcompress.quantize.kernels import Kernel
from tfcompress.quantize.rounding import round_kernel

layers = keras.layers
X = np.array([[1.0, 1.0], [1.0, 3.0]], np.float32)


def test_the_numbers_by_hand():
    """0.26 becomes 0.3 at 4 bits; its input is 2 on average: the bias loses 0.08."""
    x = inputs = keras.Input((2,))
    model = keras.Model(inputs, layers.Dense(1, name="only")(x))
    model.get_layer("only").set_weights([np.array([[0.7], [0.26]]), np.array([1.0])])

    made, report = quantize.correct_biases(model, [X], precision={"only": "int8_w4"})

    kernel, bias = made.get_layer("only").get_weights()
    np.testing.assert_allclose(kernel, [[0.7], [0.26]], rtol=1e-6)  # not rounded
    np.testing.assert_allclose(bias, [0.92], rtol=1e-5)
    assert report.num_examples == 2
    assert model.get_layer("only").get_weights()[1].item() == 1.0


def test_a_layer_without_a_bias_gets_one():
    x = inputs = keras.Input((2,))
    model = keras.Model(inputs, layers.Dense(1, use_bias=False, name="only")(x))
    model.get_layer("only").set_weights([np.array([[0.7], [0.26]])])

    made, _ = quantize.correct_biases(model, [X], precision={"only": "int8_w4"})

    np.testing.assert_allclose(made.get_layer("only").bias, [-0.08], rtol=1e-5)


def test_the_rounded_network_has_the_float_networks_mean():
    """Each layer sees inputs that are corrected already: the last mean is exact."""
    x = inputs = keras.Input((6,))
    for k in range(3):
        x = layers.Dense(5, activation="relu" if k < 2 else None, name=f"d{k}")(x)
    model = randomise(keras.Model(inputs, x))
    data = np.random.default_rng(0).normal(1, 1, (64, 6)).astype("float32")
    everywhere = {f"d{k}": "int8_w4" for k in range(3)}

    made, report = quantize.correct_biases(model, [data], precision=everywhere)
    plain, _ = quantize.correct_biases(model, [data], precision={})

    wanted = np.asarray(model(data)).mean(0)
    np.testing.assert_allclose(rounded_mean(made, data), wanted, atol=1e-5)
    assert np.abs(rounded_mean(plain, data) - wanted).max() > 1e-2
    assert set(report.shifts) == set(everywhere)


def rounded_mean(model, data):
    """Return the mean output with 4-bit weights."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for layer in copy.layers[1:]:
        kernel = np.asarray(layer.kernel)
        layer.kernel.assign(round_kernel(kernel, Kernel("kernel", (-1,)), bits=4))
    return np.asarray(copy(data)).mean(0)


def test_layers_that_stay_in_float_are_not_corrected():
    model = mobile()
    data = np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype("float32")

    _, report = quantize.correct_biases(model, [data], precision={"dw0": "float32"})

    assert set(report.shifts) == {"stem", "pw0", "dw1", "pw1", "head"}


def test_batches_are_streamed():
    """No batch is alive when the next but one is asked for."""
    x = inputs = keras.Input((2,))
    model = randomise(keras.Model(inputs, layers.Dense(2)(x)))
    alive: list[weakref.ref] = []

    def batches():
        for k in range(6):
            assert sum(ref() is not None for ref in alive) <= 2
            batch = np.full((4, 2), float(k), np.float32)
            alive.append(weakref.ref(batch))
            yield batch

    _, report = quantize.correct_biases(model, batches())

    assert report.num_examples == 24


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "There is nothing to run the model on"),
        ([np.zeros((2, 3))], "do not fit the model's inputs"),
    ],
)
def test_data_that_do_not_fit_are_refused(examples, message):
    x = inputs = keras.Input((2,))
    model = keras.Model(inputs, layers.Dense(1)(x))

    with pytest.raises(errors.DataError, match=message):
        quantize.correct_biases(model, examples)
