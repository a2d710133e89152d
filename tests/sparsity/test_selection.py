"""Tests of `tfcompress.sparsity.selection`: what is pruned and what is not."""

from __future__ import annotations

import keras
import pytest

from tests.sparsity.nets import dense_net
from tests.training.networks import depthwise_net
from tfcompress import errors, sparsity
from tfcompress.sparsity import selection


def chosen(model, layers=None):
    kernels, skipped = selection.find_kernels(model, layers)
    return [f"{k.layer}/{k.variable}" for k in kernels], skipped


def test_first_and_last_layers_are_left_out_and_said_so():
    assert chosen(dense_net()) == (
        ["b/kernel", "c/kernel"],
        {"a": selection.FIRST, "d": selection.LAST},
    )


def test_depthwise_kernels_are_left_out():
    names, skipped = chosen(depthwise_net())
    assert len(names) == 2  # both 1x1 convolutions; a depthwise one comes first
    assert list(skipped.values()).count(selection.DEPTHWISE) == 1
    assert list(skipped.values()).count(selection.FIRST) == 1


def test_every_branch_has_a_first_and_a_last_layer():
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    x = keras.layers.Dense(4, name="in_left")(left)
    y = keras.layers.Dense(4, name="in_right")(right)
    z = keras.layers.Dense(4, name="middle")(keras.layers.Add()([x, y]))
    heads = [keras.layers.Dense(2, name=name)(z) for name in ("one", "two")]
    names, skipped = chosen(keras.Model([left, right], heads))
    assert names == ["middle/kernel"]
    assert set(skipped) == {"in_left", "in_right", "one", "two"}


def test_nested_models_are_looked_into_and_shared_layers_count_once():
    shared = keras.layers.Dense(4, name="shared")
    inner_in = keras.Input((4,))
    inner = keras.Model(inner_in, keras.layers.Dense(4, name="inside")(inner_in))
    x = inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="first")(x)
    x = shared(inner(shared(x)))
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(x))
    assert chosen(model)[0] == ["shared/kernel", "inside/kernel"]


def test_kernels_inside_of_wrappers_cells_and_attention_are_found():
    x = inputs = keras.Input((5, 4))
    x = keras.layers.Dense(4, name="first")(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(x)
    x = keras.layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = keras.layers.SeparableConv1D(4, 3, name="separable")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="last")(x))
    names, _ = chosen(model)
    inside = [name.split("/", 1)[1] for name in names]
    assert sum("lstm" in name for name in inside) == 4  # two kernels each way
    assert sum(name.startswith("attention") for name in names) == 4
    assert "separable/pointwise_kernel" in names
    assert "separable/depthwise_kernel" not in names


def test_named_layers_are_taken_even_the_first():
    names, skipped = chosen(dense_net(), ["a", "d"])
    assert names == ["a/kernel", "d/kernel"]
    assert skipped == {"b": "it was not named", "c": "it was not named"}


def test_a_mapping_gives_each_layer_its_sparsity_and_0_means_not():
    kernels, _ = selection.find_kernels(dense_net(), {"b": 0.9, "c": 0.0})
    assert [(k.layer, k.sparsity) for k in kernels] == [("b", 0.9)]


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(errors.ConfigError, match=r"'bb'.*a, b, c, d.*mean 'b'"):
        chosen(dense_net(), ["bb"])


def test_a_layer_without_weights_cannot_be_named():
    model = keras.Sequential([keras.Input((4,)), keras.layers.ReLU(name="relu")])
    with pytest.raises(errors.ConfigError, match=r"no weights to prune.*'relu'"):
        chosen(model, ["relu"])


@pytest.mark.parametrize("value", [1.0, -0.5])
def test_a_layer_cannot_be_sparser_than_a_fraction(value):
    with pytest.raises(errors.ConfigError, match=r"layers\['b'\]"):
        chosen(dense_net(), {"b": value})


def test_frozen_layers_are_left_out_or_refused_by_name():
    model = dense_net()
    model.get_layer("b").trainable = False
    names, skipped = chosen(model)
    assert names == ["c/kernel"]
    assert skipped["b"] == selection.FROZEN
    with pytest.raises(errors.ModelError, match=r"frozen layer.*'b'"):
        chosen(model, ["b"])


def test_nothing_to_prune_says_why_for_each_layer():
    model = dense_net()
    model.trainable = False
    with pytest.raises(errors.ModelError, match=r"nothing to prune.*b \(it is frozen"):
        sparsity.prune_low_magnitude(model, sparsity.constant(0.5))
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Flatten()])
    with pytest.raises(errors.ModelError, match="no layer has a kernel"):
        sparsity.prune_low_magnitude(flat, sparsity.constant(0.5))


@keras.saving.register_keras_serializable(package="sparsity_tests")
class Twist(keras.layers.Layer):
    """A layer of the user's own, with a matrix under its own name."""

    def build(self, shape):
        self.twist = self.add_weight(name="twist", shape=(shape[-1], shape[-1]))
        self.built = True

    def call(self, inputs):
        return inputs @ self.twist


def test_a_layer_of_ones_own_is_reported_and_taken_by_name():
    x = inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="first")(x)
    x = Twist(name="own")(x)
    x = keras.layers.Dense(4, name="middle")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(x))
    names, skipped = chosen(model)
    assert names == ["middle/kernel"]
    assert skipped["own"] == selection.WITHOUT
    assert chosen(model, ["own"])[0] == ["own/twist"]
