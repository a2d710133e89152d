"""Tests of `tfcompress.graph.costs`: numbers worked out by hand."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from tests.models import conv_bn_net
from tfcompress.graph import PruningPlan, cost, prune_model, trace


def test_macs_and_params_of_each_kind():
    """Positions times kernel size; everything else multiplies nothing."""
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
    y = layers.BatchNormalization(name="bn")(y)
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="dw")(y)
    y = layers.Conv2DTranspose(5, 2, strides=2, name="up")(y)
    y = layers.Conv2D(10, 3, groups=5, name="grouped")(y)
    y = layers.Dense(6, name="fc")(layers.Flatten()(y))
    found = cost(keras.Model(x, y)).layers
    assert (found["conv"].macs, found["conv"].params) == (16 * 9 * 3 * 4, 9 * 3 * 4)
    assert (found["bn"].macs, found["bn"].params) == (0, 4 * 4)
    assert (found["dw"].macs, found["dw"].params) == (16 * 9 * 4 * 2, 9 * 8 + 8)
    # a transposed convolution multiplies at each input position
    assert (found["up"].macs, found["up"].params) == (16 * 4 * 8 * 5, 4 * 8 * 5 + 5)
    assert found["grouped"].macs == 36 * 9 * 1 * 10
    assert (found["fc"].macs, found["fc"].params) == (360 * 6, 360 * 6 + 6)


def test_total_is_the_sum_of_the_layers():
    total = cost(conv_bn_net())
    assert total.macs == sum(layer.macs for layer in total.layers.values())
    assert total.params == sum(layer.params for layer in total.layers.values())
    assert total.params == conv_bn_net().count_params()


@pytest.mark.parametrize("name", ["macs", "params", "size_bytes"])
def test_one_cost_by_layer_is_a_column_of_all(name):
    """The same numbers as the records have."""
    total = cost(conv_bn_net())
    column = {layer: getattr(each, name) for layer, each in total.layers.items()}
    assert total.by_layer(name) == column
    assert sum(column.values()) == getattr(total, name)


def test_plan_without_building_counts_biases_added_by_folding():
    """conv(bias) -> conv(no bias): folding gives the second one a bias of 5."""
    x = keras.Input((4, 4, 3))
    y = layers.Conv2D(4, 1, bias_initializer="ones", name="a")(x)
    model = keras.Model(x, layers.Conv2D(5, 1, use_bias=False, name="b")(y))
    graph = trace(model)
    plan = PruningPlan.of(graph, {"a": [0, 1]})
    assert cost(graph, plan).params == (3 * 2 + 2) + 2 * 5 + 5
    assert cost(graph, plan, fold_constants=False).params == (3 * 2 + 2) + 2 * 5
    assert prune_model(graph, plan)[0].count_params() == cost(graph, plan).params


def test_predicted_bytes_follow_the_recipe():
    """A BatchNorm folds into its convolution, which then stores a bias."""
    x = keras.Input((4, 4, 3))
    y = layers.Conv2D(8, 3, use_bias=False)(x)
    model = keras.Model(x, layers.BatchNormalization()(y))
    kernel, bias = 9 * 3 * 8, 8
    assert cost(model).size_bytes == 4 * kernel + 4 * bias
    assert cost(model, recipe="float16").size_bytes == 2 * kernel + 2 * bias
    assert cost(model, recipe="int8").size_bytes == kernel + (4 + 24) * bias


def test_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="recipe='int7'; expected one of float32"):
        cost(conv_bn_net(), recipe="int7")
