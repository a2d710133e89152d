"""Logits are what the last activation is applied to."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfcompress import errors
from tfcompress.distill import logits

L = keras.layers


def body():
    inputs = keras.Input((4,))
    return inputs, L.Dense(6, "relu")(inputs)


def functional(end):
    inputs, x = body()
    return keras.Model(inputs, end(x))


class Doubled(L.Layer):
    """Uses its activation, but not as the last thing."""

    def __init__(self, activation):
        super().__init__()
        self.activation = keras.activations.get(activation)
        self.dense = L.Dense(3)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs):
        return 2 * self.activation(self.dense(inputs))


MODELS = {
    "inside": lambda: functional(L.Dense(3, "softmax")),
    "layer": lambda: functional(lambda x: L.Softmax()(L.Dense(3)(x))),
    "activation": lambda: functional(lambda x: L.Activation("sigmoid")(L.Dense(3)(x))),
    "operation": lambda: functional(lambda x: keras.ops.softmax(L.Dense(3)(x))),
    "sequential": lambda: keras.Sequential([keras.Input((4,)), L.Dense(3, "sigmoid")]),
    "nested": lambda: functional(
        keras.Sequential([keras.Input((6,)), L.Dense(3, "softmax")])
    ),
    "keyword": lambda: functional(lambda x: L.Dense(3, "softmax")(inputs=x)),
    "nested by keyword": lambda: functional(
        lambda x: keras.Sequential([keras.Input((6,)), L.Dense(3, "softmax")])(inputs=x)
    ),
    "linear activation": lambda: functional(
        lambda x: L.Activation("linear", dtype="float32")(L.Dense(3, "softmax")(x))
    ),
    "cast": lambda: functional(
        lambda x: keras.ops.cast(L.Dense(3, "sigmoid")(x), "float32")
    ),
    "identity": lambda: functional(lambda x: L.Identity()(L.Softmax()(L.Dense(3)(x)))),
    "reshape": lambda: functional(
        lambda x: L.Reshape((3, 1, 3))(L.Softmax()(L.Reshape((3, 3))(L.Dense(9)(x))))
    ),
    "reshaped labels": lambda: functional(
        lambda x: L.Reshape((6,))(L.Reshape((2, 3))(L.Dense(6, "sigmoid")(x)))
    ),
    "time distributed": lambda: functional(
        lambda x: L.TimeDistributed(L.Dense(3, "softmax"))(L.Reshape((2, 3))(x))
    ),
    "time distributed layer": lambda: functional(
        lambda x: L.TimeDistributed(L.Softmax())(L.Reshape((2, 3))(L.Dense(6)(x)))
    ),
    "last axis by number": lambda: functional(
        lambda x: L.Softmax(axis=1)(L.Dense(3)(x))
    ),
    "average": lambda: functional(
        lambda x: L.Average()([L.Dense(3, "softmax")(x), L.Dense(3, "softmax")(x)])
    ),
    "average of labels": lambda: functional(
        lambda x: L.Average()([L.Dense(3, "sigmoid")(x), L.Dense(3, "sigmoid")(x)])
    ),
    "masked": lambda: functional(
        lambda x: L.Softmax()(L.Dense(3)(x), mask=keras.ops.ones_like(x)[:, :3] > 0)
    ),
    "pixels": lambda: functional(
        lambda x: L.Conv1D(3, 1, activation="softmax")(L.Reshape((2, 3))(x))
    ),
    "recurrent": lambda: functional(
        lambda x: L.LSTM(3, activation="softmax")(L.Reshape((2, 3))(x))
    ),
    "activation within": lambda: functional(Doubled("softmax")),
    "function": lambda: functional(
        lambda x: L.Lambda(lambda y: keras.ops.softmax(y))(L.Dense(3)(x))
    ),
    "average of logits": lambda: functional(
        lambda x: L.Average()([L.Dense(3)(x), L.Dense(3)(x)])
    ),
    "average of both": lambda: functional(
        lambda x: L.Average()([L.Dense(3)(x), L.Dense(3, "softmax")(x)])
    ),
    "classes torn apart": lambda: functional(
        lambda x: L.Flatten()(L.Softmax()(L.Reshape((2, 3))(L.Dense(6)(x))))
    ),
    "linear": lambda: functional(L.Dense(3)),
    "other axis": lambda: functional(
        lambda x: L.Softmax(axis=1)(L.Reshape((2, 3))(L.Dense(6)(x)))
    ),
    "other activation": lambda: functional(L.Dense(3, "tanh")),
}
ENDS = {
    "inside": "softmax",
    "layer": "softmax",
    "activation": "sigmoid",
    "operation": "softmax",
    "sequential": "sigmoid",
    "nested": "softmax",
    "keyword": "softmax",
    "nested by keyword": "softmax",
    "linear activation": "softmax",
    "cast": "sigmoid",
    "identity": "softmax",
    "reshape": "softmax",
    "reshaped labels": "sigmoid",
    "time distributed": "softmax",
    "time distributed layer": "softmax",
    "last axis by number": "softmax",
    "average": "softmax",
    "average of labels": "sigmoid",
    "masked": "softmax",
    "pixels": "softmax",
    "recurrent": "unknown",
    "activation within": "unknown",
    "function": "unknown",
    "average of both": "unknown",
}


@pytest.mark.parametrize("name", MODELS)
def test_activated_logits_are_the_output(name, rng):
    """And a linear end is its own logits; the model is left as it was."""
    model = MODELS[name]()
    config = model.to_json()
    head = logits.head(model)
    x = rng.normal(size=(5, 4)).astype("float32")
    found = head.network(x)
    found = found[0] if isinstance(found, list) else found
    assert head.activations == (ENDS.get(name, "linear"),)
    output = np.asarray(logits.activate(found, head.activations[0]))
    np.testing.assert_allclose(output, np.asarray(model(x)), rtol=1e-5, atol=1e-6)
    if head.activations[0] not in ("linear", "unknown"):
        assert np.abs(np.asarray(found) - output).max() > 0.05
    assert model.to_json() == config
    assert {id(v) for v in head.network.trainable_variables} == {
        id(v) for v in model.trainable_variables
    }


def test_features_follow():
    """They come after the logits, in the order asked for."""
    inputs, x = body()
    model = keras.Model(inputs, L.Dense(3, "softmax", name="end")(x))
    head = logits.head(model, features=[model.layers[1].name])
    assert [t.shape[-1] for t in head.network.outputs] == [3, 6]


def test_refuses_an_unknown_layer():
    """The message lists the layers."""
    with pytest.raises(errors.ModelError, match=r"'nowhere'.*It has: "):
        logits.head(MODELS["linear"](), features=["nowhere"])


class Hidden(keras.Model):
    def call(self, inputs):
        return inputs


def test_refuses_a_model_without_a_graph():
    """The message says what to do."""
    with pytest.raises(errors.ModelError, match=r"Rebuild it with `keras.Model"):
        logits.head(Hidden())
