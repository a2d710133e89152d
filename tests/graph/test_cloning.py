"""Tests of `tfcompress.graph.cloning`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import randomise
from tfcompress import errors
from tfcompress.graph.cloning import clone


def nested_net():
    shared = keras.layers.Dense(4, name="shared")
    inner_in = keras.Input((4,))
    inner = keras.Model(
        inner_in, keras.layers.Dense(4, name="inside")(inner_in), name="inner"
    )
    x = inputs = keras.Input((4,), name="numbers")
    model = keras.Model(inputs, shared(inner(shared(x))), name="net")
    return randomise(model)


def test_a_clone_is_equal_and_of_its_own_weights():
    model = nested_net()
    twin = clone(model, {})
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(model(x), twin(x))
    assert [layer.name for layer in twin.layers] == [x.name for x in model.layers]
    assert (twin.name, twin.input.name) == ("net", "numbers")
    assert twin.count_params() == model.count_params()
    twin.get_layer("shared").kernel.assign(np.zeros((4, 4)))
    assert np.asarray(model.get_layer("shared").kernel).any()


def test_a_layer_inside_can_be_made_otherwise():
    model = nested_net()
    inside = model.get_layer("inner").get_layer("inside")
    twin = clone(
        model,
        {id(inside): lambda _: keras.layers.Dense(4, activation="relu", name="inside")},
    )
    made = twin.get_layer("inner").get_layer("inside")
    assert made.activation is keras.activations.relu
    np.testing.assert_array_equal(made.kernel, inside.kernel)


class Doubling(keras.layers.Layer):
    def call(self, tensors):
        return [2 * tensor for tensor in tensors]


def test_all_inputs_go_through_an_entry_and_it_can_be_left_out_again():
    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    model = keras.Model({"l": left, "r": right}, keras.layers.Add()([left, right]))
    entered = clone(model, {}, entry=Doubling(name="double"))
    x = {"l": np.ones((1, 2)), "r": np.full((1, 2), 3.0)}
    np.testing.assert_array_equal(entered(x), [[8.0, 8.0]])
    plain = clone(entered, {id(entered.get_layer("double")): lambda _: lambda xs: xs})
    np.testing.assert_array_equal(plain(x), [[4.0, 4.0]])


def test_a_layer_that_does_not_say_its_settings_is_named():
    class Mute(keras.layers.Layer):
        def __init__(self, units):
            super().__init__(name="mute")
            self.units = units

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], self.units))

        def call(self, x):
            return x @ self.w

        def get_config(self):
            raise NotImplementedError("no settings")

    inputs = keras.Input((2,))
    with pytest.raises(errors.ModelError, match=r"'mute'.*get_config"):
        clone(keras.Model(inputs, Mute(3)(inputs)), {})


def test_a_change_reaches_through_a_sequential_model_inside():
    """And a layer that is shared between the two stays one."""
    shared = keras.layers.Dense(4, name="shared")
    inner_in = keras.Input((4,))
    inner = keras.Model(inner_in, keras.layers.ReLU(name="inside")(inner_in))
    nested = keras.Sequential([keras.Input((4,)), shared, inner, shared], name="nested")
    x = keras.Input((4,))
    model = keras.Model(x, shared(nested(x)))
    twin = clone(
        model,
        {
            id(inner.get_layer("inside")): lambda _: keras.layers.Activation(
                "tanh", name="inside"
            )
        },
    )
    made = twin.get_layer("nested")
    assert made.get_layer("shared") is twin.get_layer("shared")
    assert twin.count_params() == model.count_params()
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    wanted = shared(shared(np.tanh(shared(x))))
    np.testing.assert_allclose(twin(x), wanted, rtol=1e-5)
