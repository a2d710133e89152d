"""Tests of `tfcompress.channels.criteria`: scores worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net, randomise
from tfcompress import errors, graph
from tfcompress.channels import score

L = keras.layers


def two_layer_net():
    """Dense 2 -> 3 (hidden) -> 1; the hidden layer's weights are easy numbers."""
    x = keras.Input((2,))
    model = keras.Model(x, L.Dense(1, name="head")(L.Dense(3, name="hidden")(x)))
    kernel = np.array([[3.0, 0.0, -1.0], [4.0, 0.0, 1.0]])
    model.get_layer("hidden").set_weights([kernel, np.zeros(3)])
    return model


def residual_net():
    """Two convolutions whose channels are tied by an addition, each with its norm."""
    x = keras.Input((4, 4, 2))
    a = L.BatchNormalization(name="bn_a")(L.Conv2D(2, 1, name="a")(x))
    b = L.BatchNormalization(name="bn_b")(L.Conv2D(2, 1, name="b")(L.ReLU()(a)))
    y = L.GlobalAveragePooling2D()(L.Add()([a, b]))
    return keras.Model(x, L.Dense(2, name="head")(y))


def test_l1_norm_is_the_sum_of_absolute_weights_over_the_layers_mean():
    """Columns (3, 4), (0, 0), (-1, 1): sums 7, 0, 2 with mean 3."""
    scores = score(two_layer_net(), criterion="l1_norm")
    np.testing.assert_allclose(scores["hidden"], [7 / 3, 0, 2 / 3])


def test_l2_norm_is_the_euclidean_length_over_the_layers_mean():
    """Lengths 5, 0, sqrt(2)."""
    scores = score(two_layer_net(), criterion="l2_norm")
    lengths = np.array([5.0, 0.0, 2**0.5])
    np.testing.assert_allclose(scores["hidden"], lengths / lengths.mean(), rtol=1e-6)


def test_geometric_median_sums_the_distances_to_the_others():
    """Distances: (3,4)-(0,0) 5; (0,0)-(-1,1) sqrt 2; (3,4)-(-1,1) 5."""
    scores = score(two_layer_net(), criterion="geometric_median")
    sums = np.array([10.0, 5 + 2**0.5, 5 + 2**0.5])
    np.testing.assert_allclose(scores["hidden"], sums / sums.mean(), rtol=1e-6)


def test_consumer_l1_is_the_sum_over_the_weights_that_read_the_channel():
    """The rows of the kernel of `head` sum to 2, 1 and 3, with mean 2."""
    model = two_layer_net()
    kernel = np.array([[2.0], [-1.0], [3.0]])
    model.get_layer("head").set_weights([kernel, np.zeros(1)])
    scores = score(model, criterion="consumer_l1")
    np.testing.assert_allclose(scores["hidden"], [1.0, 0.5, 1.5])


def test_consumer_l1_averages_several_consumers_each_of_mean_one():
    """One reads (1, 3), mean 2; the other (120, 0) over 3 positions, mean 60."""
    x = keras.Input((3, 4))
    y = L.Conv1D(2, 1, name="made")(x)
    one = L.Conv1D(1, 1, name="one")(y)
    other = L.Dense(1, name="other")(L.Flatten()(y))
    model = keras.Model(x, [one, other])
    model.get_layer("one").kernel.assign(np.reshape([-1.0, 3.0], (1, 2, 1)))
    model.get_layer("other").kernel.assign(np.reshape([40.0, 0.0] * 3, (6, 1)))
    scores = score(model, criterion="consumer_l1")
    np.testing.assert_allclose(scores["made"], [(0.5 + 2) / 2, (1.5 + 0) / 2])


def test_bn_scale_is_raw_and_tied_norms_are_averaged():
    """|(1, -3)| and |(0, 2)| average to (0.5, 2.5); nothing is normalised."""
    model = residual_net()
    model.get_layer("bn_a").gamma.assign([1.0, -3.0])
    model.get_layer("bn_b").gamma.assign([0.0, 2.0])
    (values,) = score(model).values()
    np.testing.assert_allclose(values, [0.5, 2.5])


def test_tied_layers_count_alike_whatever_the_size_of_their_weights():
    """Layer b has weights 100 times those of a; each is normalised before the mean."""
    model = residual_net()
    model.get_layer("a").kernel.assign(np.reshape([[1.0, 3], [0, 0]], (1, 1, 2, 2)))
    model.get_layer("b").kernel.assign(np.reshape([[300.0, 100], [0, 0]], (1, 1, 2, 2)))
    (values,) = score(model, criterion="l1_norm").values()
    np.testing.assert_allclose(values, [(0.5 + 1.5) / 2, (1.5 + 0.5) / 2])


def test_a_depthwise_multiplier_gives_each_channel_all_its_positions():
    """Channel c of the input has depthwise outputs 2c and 2c + 1, with a norm each."""
    x = keras.Input((4, 4, 3))
    y = L.Conv2D(2, 1, name="conv")(x)
    y = L.DepthwiseConv2D(1, depth_multiplier=2, name="depthwise")(y)
    y = L.BatchNormalization(name="bn")(y)
    model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))
    model.get_layer("bn").gamma.assign([1.0, 2.0, 5.0, 7.0])
    (values,) = score(model).values()
    np.testing.assert_allclose(values, [1.5, 6.0])


def test_concatenated_branches_read_their_own_part_of_a_shared_norm():
    """One norm after a concatenation scales both branches."""
    x = keras.Input((4, 4, 3))
    y = L.Concatenate()([L.Conv2D(2, 1, name="a")(x), L.Conv2D(1, 1, name="b")(x)])
    y = L.BatchNormalization(name="bn")(y)
    model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))
    model.get_layer("bn").gamma.assign([1.0, -2.0, 3.0])
    scores = score(model)
    np.testing.assert_allclose(scores["a"], [1.0, 2.0])
    np.testing.assert_allclose(scores["b"], [3.0])


def test_random_scores_repeat_with_the_seed_and_differ_without():
    """The same seed gives the same scores, another seed gives others."""
    layer_graph = graph.trace(conv_bn_net())
    first = score(layer_graph, criterion="random", seed=3)
    again = score(layer_graph, criterion="random", seed=3)
    other = score(layer_graph, criterion="random", seed=4)
    for name, values in first.items():
        assert (values == again[name]).all()
        assert (values != other[name]).all()


@pytest.mark.parametrize(
    "name", ["bn_scale", "l1_norm", "l2_norm", "geometric_median", "consumer_l1"]
)
def test_every_group_is_scored(name):
    """One finite score per channel, for every group, tied ones too."""
    layer_graph = graph.trace(randomise(conv_bn_net()))
    scores = score(layer_graph, criterion=name)
    assert set(scores) == {group.name for group in layer_graph.groups}
    for group in layer_graph.groups:
        assert scores[group.name].shape == (group.size,)
        assert len(np.unique(scores[group.name])) == group.size


def test_a_function_serves_as_criterion():
    """It gets the graph and may leave groups out."""
    scores = score(
        two_layer_net(), criterion=lambda g: {"hidden": [1, 2, g.groups[0].size]}
    )
    assert scores["hidden"].tolist() == [1, 2, 3]


def test_scores_of_the_wrong_shape_are_refused():
    """The message names the group and its size."""
    with pytest.raises(ValueError, match="group 'hidden', which has 3 channels"):
        score(two_layer_net(), criterion=lambda _: {"hidden": np.zeros(2)})


def test_nan_weights_are_named():
    """NaN in a kernel is found before anything is selected by it."""
    model = two_layer_net()
    model.get_layer("hidden").kernel.assign(np.full((2, 3), np.nan))
    with pytest.raises(errors.ModelError, match="group 'hidden' are not finite"):
        score(model, criterion="l1_norm")


def test_a_model_without_batchnorm_is_sent_to_another_criterion():
    """The message says what to write instead."""
    with pytest.raises(errors.ModelError, match="prune --criterion l1_norm"):
        score(two_layer_net())


def test_an_unknown_criterion_suggests_the_nearest():
    """A typo is met with the right name."""
    with pytest.raises(errors.ConfigError, match="Did you mean 'l1_norm'"):
        score(two_layer_net(), criterion="l1norm")
