"""Equal ranges for neighbouring channels, and the same function."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests import strategies
from tests.models import conv_bn_net, randomise
from tests.quantize.unequal_nets import mobile
from tfcompress import quantize

layers = keras.layers


def same(model, other, limit=1e-5):
    inputs = strategies.inputs_for(model)
    got, wanted = (strategies.outputs_of(m, inputs) for m in (other, model))
    return strategies.relative_error(got, wanted) < limit


def largest(kernel, axis):
    """Return the largest absolute weight at each position of an axis."""
    value = np.abs(np.asarray(kernel))
    others = tuple(i for i in range(value.ndim) if i != axis)
    return value.max(axis=others)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.models())
def test_any_network_computes_the_same(model):
    equal, report = quantize.equalize(model)

    assert same(model, equal)
    assert report.deviation < 1e-5


def test_each_channel_gets_the_geometric_mean_of_its_ranges():
    """Ranges 8 and 1 on one side, 0.5 and 4 on the other: 2 and 2 on both."""
    x = inputs = keras.Input((3,))
    x = layers.Dense(2, activation="relu", name="one")(x)
    model = keras.Model(inputs, layers.Dense(2, name="two")(x))
    model.get_layer("one").set_weights(
        [np.array([[8.0, 1.0], [2.0, -0.5], [0, 0]]), np.array([4.0, 1.0])]
    )
    model.get_layer("two").set_weights(
        [np.array([[0.5, 0.1], [1.0, -4.0]]), np.zeros(2)]
    )

    equal, report = quantize.equalize(model)

    kernel, bias = equal.get_layer("one").get_weights()
    np.testing.assert_allclose(kernel[:2], [[2, 2], [0.5, -1.0]], rtol=1e-6)
    np.testing.assert_allclose(bias, [1.0, 2.0], rtol=1e-6)  # b / s, s = 4 and 1/2
    read = equal.get_layer("two").get_weights()[0]
    np.testing.assert_allclose(read, [[2.0, 0.4], [0.5, -2.0]], rtol=1e-6)
    (group,) = report.groups
    assert (group.makers, group.readers, group.channels) == (("one",), ("two",), 2)
    assert group.largest_factor == pytest.approx(4.0)


def test_a_depthwise_kernel_has_factors_of_its_own_on_both_sides():
    """Paper, section 5.1: conv, depthwise and conv are equalised as two pairs."""
    equal, report = quantize.equalize(mobile(spread=2))

    made = largest(equal.get_layer("stem").kernel, 3)
    depthwise = largest(equal.get_layer("dw0").kernel, 2)
    read = largest(equal.get_layer("pw0").kernel, 2)
    np.testing.assert_allclose(made, depthwise, rtol=1e-3)
    np.testing.assert_allclose(depthwise, read, rtol=1e-3)
    assert report.spread_before["dw0"] > 10
    assert report.spread_after["dw0"] < 2
    assert report.norms.kept == {}


def test_the_branches_of_a_residual_sum_share_their_factors():
    model = randomise(conv_bn_net(logits=True))

    equal, report = quantize.equalize(model)

    group = next(g for g in report.groups if "res_conv" in g.makers)
    assert group.makers == ("conv2", "res_conv")
    assert group.readers == ("res_conv", "predictions")
    assert same(model, equal)


def test_the_parts_of_a_concatenation_are_equalised_apart():
    x = inputs = keras.Input((6, 6, 3))
    one = layers.Conv2D(4, 1, activation="relu", name="one")(x)
    two = layers.Conv2D(2, 1, activation="relu", name="two")(x)
    y = layers.Concatenate()([one, two])
    y = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(y))
    y = layers.Flatten()(y)
    model = randomise(keras.Model(inputs, layers.Dense(3, name="head")(y)))

    equal, report = quantize.equalize(model)

    assert {g.makers for g in report.groups} == {("one",), ("two",)}
    assert same(model, equal)


@pytest.mark.parametrize(
    ("activation", "reason"),
    [
        (layers.ReLU(6.0), "a bounded ReLU does not commute with factors"),
        (layers.Activation("silu"), "silu does not commute with factors"),
        (layers.Softmax(), "mixes channels"),
        (layers.LayerNormalization(), "normalises over channels"),
    ],
    ids=["relu6", "swish", "softmax", "layer_norm"],
)
def test_what_does_not_commute_is_left_alone_and_said(activation, reason):
    x = inputs = keras.Input((4, 4, 3))
    x = activation(layers.Conv2D(4, 1, name="one")(x))
    model = randomise(keras.Model(inputs, layers.Conv2D(2, 1, name="two")(x)))
    before = model.get_layer("one").get_weights()

    equal, report = quantize.equalize(model)

    assert reason in report.skipped["one"]
    assert report.skipped["two"] == "they are an output of the model"
    assert report.groups == ()
    np.testing.assert_array_equal(equal.get_layer("one").get_weights()[0], before[0])


def test_an_unknown_layer_is_left_alone_and_said():
    class Cube(layers.Layer):
        def call(self, x):
            return x**3

        def compute_output_shape(self, shape):
            return shape

    x = inputs = keras.Input((4,))
    x = Cube(name="cube")(layers.Dense(3, name="one")(x))
    model = keras.Model(inputs, layers.Dense(2)(x))

    equal, report = quantize.equalize(model)

    assert "Cube is not known" in report.skipped["one"]
    assert same(model, equal)


def test_a_constant_that_is_added_stops_it():
    x = inputs = keras.Input((4,))
    x = layers.Dense(3, name="one")(x) + 1.0
    model = randomise(keras.Model(inputs, layers.Dense(2)(x)))

    equal, report = quantize.equalize(model)

    assert "one" in report.skipped
    assert same(model, equal)


def test_a_dead_channel_keeps_its_weights():
    x = inputs = keras.Input((2,))
    x = layers.Dense(2, activation="relu", name="one")(x)
    model = keras.Model(inputs, layers.Dense(1, name="two")(x))
    model.get_layer("one").set_weights([np.array([[8.0, 0], [1, 0]]), np.ones(2)])
    model.get_layer("two").set_weights([np.array([[0.5], [3.0]]), np.zeros(1)])

    equal, _ = quantize.equalize(model)

    assert equal.get_layer("one").get_weights()[1][1] == 1.0
    assert equal.get_layer("two").get_weights()[0][1] == 3.0


def test_the_input_is_not_changed_and_the_report_is_json():
    import json

    model = mobile(spread=1)
    before = [w.copy() for w in model.get_weights()]

    _, report = quantize.equalize(model)

    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert json.loads(json.dumps(report.to_dict()))["sweeps"] >= 1
