"""Tests of `tfcompress.graph.tracing`: groups and pins worked out by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from tests.models import conv_bn_net, randomise
from tests.strategies import outputs_of, random_plan, relative_error
from tfcompress import errors
from tfcompress.graph import (
    cost,
    mask_model,
    prune_model,
    register_channel_rule,
    trace,
)


def widths(graph):
    return {group.name: (group.size, group.layers) for group in graph.groups}


def check(model, ratio=0.5, *, groups=None):
    """Prune at random, compare with the mask, and return the graph."""
    randomise(model)
    graph = trace(model)
    if groups is not None:
        assert {group.name: group.size for group in graph.groups} == groups
    plan = random_plan(graph, ratio)
    pruned, _ = prune_model(graph, plan)
    rng = np.random.default_rng(0)
    inputs = [
        rng.normal(size=(2, *tensor.shape[1:])).astype("float32")
        for tensor in model.inputs
    ]
    wanted = outputs_of(mask_model(graph, plan, fold_constants=True), inputs)
    assert relative_error(outputs_of(pruned, inputs), wanted) <= 1e-5
    if graph.groups:
        assert cost(pruned).params < cost(model).params
    assert cost(graph, plan).params == pruned.count_params()
    assert cost(graph, plan).macs == cost(pruned).macs
    return graph


def test_residual_add_ties_both_branches():
    """The last convolution and the residual one form one group, scales listed."""
    graph = trace(conv_bn_net())
    assert widths(graph) == {
        "conv0": (8, ("conv0",)),
        "conv1": (16, ("conv1",)),
        "conv2": (16, ("conv2", "res_conv")),
    }
    assert graph.pinned == {"predictions": "model output"}
    group = graph.group("conv2")
    assert [place.layer for place in group.scales] == ["bn2", "res_bn"]
    assert [place.layer for place in group.consumers] == ["res_conv", "predictions"]
    with pytest.raises(KeyError, match="conv0, conv1, conv2"):
        graph.group("conv9")


def test_concatenation_leaves_each_branch_its_own_group():
    """A 4 and B 6 meet in a BatchNorm of 10: their positions are offset by 4."""
    x = keras.Input((4, 4, 3))
    a, b = layers.Conv2D(4, 1, name="a")(x), layers.Conv2D(6, 1, name="b")(x)
    y = layers.BatchNormalization(name="bn")(layers.Concatenate()([a, b]))
    graph = check(keras.Model(x, layers.Conv2D(2, 1)(y)), groups={"a": 4, "b": 6})
    (scale,) = graph.group("b").scales
    assert scale.channel.tolist() == [-1] * 4 + list(range(6))


def test_concat_then_add_splits_the_layer_that_meets_it():
    """C (10) is added to concat(A 4, B 6): two groups, each with part of C."""
    x = keras.Input((4, 4, 3))
    a, b = layers.Conv2D(4, 1, name="a")(x), layers.Conv2D(6, 1, name="b")(x)
    c = layers.Conv2D(10, 1, name="c")(x)
    y = layers.Add()([layers.Concatenate()([a, b]), c])
    graph = check(keras.Model(x, layers.Conv2D(2, 1)(y)))
    assert widths(graph) == {"a": (4, ("a", "c")), "b": (6, ("b", "c"))}


def test_two_groups_of_one_first_layer_get_their_own_names():
    """When C comes first, both groups are named after it."""
    x = keras.Input((4, 4, 3))
    c = layers.Conv2D(10, 1, name="c")(x)
    a, b = layers.Conv2D(4, 1, name="a")(x), layers.Conv2D(6, 1, name="b")(x)
    y = layers.Add()([c, layers.Concatenate()([a, b])])
    graph = trace(keras.Model(x, layers.Conv2D(2, 1)(y)))
    assert sorted(len(group.layers) for group in graph.groups) == [2, 2]
    assert len({group.name for group in graph.groups}) == 2


def test_squeeze_and_excite_gate_is_tied_to_what_it_gates():
    """The gate's last Dense has the channels of the gated convolution."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 3, name="conv")(x)
    gate = layers.GlobalAveragePooling2D()(y)
    gate = layers.Dense(4, activation="relu", name="reduce")(gate)
    gate = layers.Dense(8, activation="sigmoid", name="expand")(gate)
    y = layers.Multiply()([y, layers.Reshape((1, 1, 8))(gate)])
    graph = check(keras.Model(x, layers.Conv2D(2, 1)(y)))
    assert widths(graph) == {
        "conv": (8, ("conv", "expand")),
        "reduce": (4, ("reduce",)),
    }


def test_gate_of_lower_rank_broadcasts_like_keras_does():
    """Multiply()([image, vector]) aligns the channel axes."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 3, name="conv")(x)
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalMaxPooling2D()(y))
    check(keras.Model(x, layers.Conv2D(2, 1)(layers.Multiply()([y, gate]))))


def test_spatial_attention_pins_its_single_channel():
    """A one-channel map is broadcast over all channels; they stay prunable."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 3, padding="same", name="conv")(x)
    attention = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="map")(y)
    y = layers.Multiply()([y, attention])
    graph = check(keras.Model(x, layers.Conv2D(2, 1)(y)), groups={"conv": 8})
    assert "it is broadcast over channels" in graph.pinned["map"]


@pytest.mark.parametrize("multiplier", [1, 3])
def test_depthwise_follows_its_input(multiplier):
    """Removing input channel c removes outputs c·m … c·m + m − 1."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(4, 1, name="conv")(x)
    y = layers.DepthwiseConv2D(3, depth_multiplier=multiplier, name="dw")(y)
    graph = check(keras.Model(x, layers.Conv2D(2, 1)(y)), groups={"conv": 4})
    (consumer,) = graph.group("conv").consumers
    assert consumer.channel.tolist() == np.repeat(range(4), multiplier).tolist()


def test_grouped_convolution_keeps_its_groups_equally_wide():
    """Channel j of both groups goes together: 8 inputs in 2 groups are 4 units."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 1, name="before")(x)
    y = layers.Conv2D(6, 3, groups=2, activation="relu", name="grouped")(y)
    check(keras.Model(x, layers.Conv2D(2, 1)(y)), groups={"before": 4, "grouped": 3})


def test_convolution_with_a_group_per_channel_is_depthwise():
    """Its number of groups shrinks with its input."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 1, name="before")(x)
    y = layers.Conv2D(16, 3, groups=8, name="grouped")(y)
    model = keras.Model(x, layers.Conv2D(2, 1)(y))
    graph = check(model, groups={"before": 8})
    pruned, _ = prune_model(graph, random_plan(graph, 0.5))
    assert pruned.get_layer("grouped").groups == 4
    assert pruned.get_layer("grouped").filters == 8


@pytest.mark.parametrize(
    ("shape", "first", "second"),
    [
        ((12, 3), layers.Conv1D(4, 3, name="a"), layers.Conv1D(5, 3, name="b")),
        ((6, 6, 6, 2), layers.Conv3D(4, 3, name="a"), layers.Conv3D(5, 3, name="b")),
        ((6, 3), layers.Conv1DTranspose(4, 3, name="a"), layers.Conv1D(5, 3, name="b")),
        (
            (6, 6, 3),
            layers.Conv2DTranspose(4, 3, strides=2, name="a"),
            layers.Conv2DTranspose(5, 3, name="b"),
        ),
        (
            (12, 3),
            layers.SeparableConv1D(4, 3, name="a"),
            layers.Conv1D(5, 3, name="b"),
        ),
        (
            (9, 9, 3),
            layers.Conv2D(4, 3, name="a"),
            layers.SeparableConv2D(5, 3, depth_multiplier=2, name="b"),
        ),
        ((7,), layers.Dense(4, name="a"), layers.Dense(5, name="b")),
        ((5, 7), layers.Dense(4, name="a"), layers.Dense(5, name="b")),
        (
            (5, 7),
            layers.EinsumDense("abc,cd->abd", (5, 4), bias_axes="d", name="a"),
            layers.EinsumDense("...x,xy->...y", 5, name="b"),
        ),
        (
            (12, 3),
            layers.Conv1D(4, 3, name="a"),
            layers.Conv1D(5, 3, padding="causal", name="b"),
        ),
    ],
)
def test_producers_of_every_kind(shape, first, second):
    """Each kind is cut on its output axis and on its input axis."""
    x = keras.Input(shape)
    y = second(layers.ReLU()(first(x)))
    y = layers.Dense(2, name="head")(layers.Flatten()(y))
    graph = check(keras.Model(x, y))
    assert {group.name: group.size for group in graph.groups} == {"a": 4, "b": 5}


@pytest.mark.parametrize(
    "middle",
    [
        layers.PReLU(),
        layers.PReLU(shared_axes=[1, 2]),
        layers.PReLU(shared_axes=[1, 2, 3]),
        layers.LeakyReLU(),
        layers.ELU(),
        layers.Activation("gelu"),
        layers.MaxPooling2D(padding="same"),
        layers.AveragePooling2D(2),
        layers.ZeroPadding2D(1),
        layers.Cropping2D(1),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.SpatialDropout2D(0.5),
        layers.GaussianNoise(0.5),
        layers.ActivityRegularization(l1=0.1),
        layers.BatchNormalization(scale=False),
        layers.BatchNormalization(center=False),
        layers.Permute((2, 1, 3)),
        layers.Reshape((36, 8)),
        layers.Reshape((-1, 4, 8)),
        layers.Rescaling(0.5, offset=0.1),
        layers.Resizing(4, 4),
    ],
    ids=lambda layer: layer.name,
)
def test_followers_of_every_kind(middle):
    """Each passes its input channels on."""
    x = keras.Input((6, 6, 3))
    y = middle(layers.Conv2D(8, 1, name="conv")(x))
    y = layers.Dense(3)(layers.Flatten()(y))
    check(keras.Model(x, y), groups={"conv": 8})


@pytest.mark.parametrize(
    "merge", [layers.Add, layers.Subtract, layers.Multiply, layers.Average]
)
def test_merges_tie(merge):
    """All merging layers put their inputs into one group."""
    x = keras.Input((6, 6, 3))
    branches = [layers.Conv2D(8, 1, name=name)(x) for name in "ab"]
    check(keras.Model(x, layers.Conv2D(2, 1)(merge()(branches))), groups={"a": 8})


def test_concatenation_along_space_ties():
    """Stacking two maps of 8 channels leaves 8 channels."""
    x = keras.Input((6, 6, 3))
    branches = [layers.Conv2D(8, 1, name=name)(x) for name in "ab"]
    y = layers.Concatenate(axis=1)(branches)
    check(keras.Model(x, layers.Conv2D(2, 1)(y)), groups={"a": 8})


def test_operators_and_ops():
    """Bare operations follow, tie, reshape and reduce as layers do."""
    x = keras.Input((6, 6, 3))
    a, b = (layers.Conv2D(8, 1, name=name)(x) for name in "ab")
    y = keras.ops.relu(a * 2.0 + b / 3.0 - 0.5)
    y = keras.ops.concatenate([y, keras.ops.maximum(a, 0.1)], axis=-1)
    y = y[:, 1:, :-1]
    y = keras.ops.transpose(y, (0, 2, 1, 3))
    y = keras.ops.reshape(y, (-1, 25, 16))
    y = keras.ops.mean(y, axis=1)
    y = keras.ops.squeeze(keras.ops.expand_dims(y, 1), 1)
    check(keras.Model(x, layers.Dense(2)(y)), groups={"a": 8})


def test_nested_shared_and_repeated_layers():
    """A siamese net of a nested model keeps one set of weights and equal outputs."""
    inner_in = keras.Input((6, 6, 3))
    inner = layers.Conv2D(8, 3, name="conv")(inner_in)
    inner = layers.BatchNormalization(name="bn")(inner)
    tower = keras.Model(inner_in, layers.GlobalAveragePooling2D()(inner), name="tower")
    left, right = keras.Input((6, 6, 3)), keras.Input((6, 6, 3))
    joined = layers.Concatenate()([tower(left), tower(right)])
    model = keras.Model([left, right], layers.Dense(2, name="head")(joined))
    check(model, groups={"conv": 8})
    assert cost(model).layers["conv"].macs == 2 * 16 * 9 * 3 * 8


def test_names_of_nested_layers_are_prefixed_only_on_collision():
    """Inner `conv` becomes `tower_conv` beside an outer `conv`."""
    inner_in = keras.Input((6, 6, 4))
    tower = keras.Sequential([inner_in, layers.Conv2D(8, 1, name="conv")], name="tower")
    x = keras.Input((6, 6, 3))
    y = tower(layers.Conv2D(4, 1, name="conv")(x))
    graph = check(keras.Model(x, layers.Conv2D(2, 1, name="head")(y)))
    assert sorted(graph.layers) == ["conv", "head", "tower_conv"]


def test_a_nested_layer_may_be_called_like_an_input():
    """The input keeps its name."""
    inner_in = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 1, name="image")(inner_in)
    tower = keras.Model(inner_in, y, name="tower")
    x = keras.Input((6, 6, 3), name="image")
    graph = check(keras.Model(x, layers.Conv2D(2, 1, name="head")(tower(x))))
    assert sorted(graph.layers) == ["head", "tower_image"]


def test_frozen_base_called_with_training_false_stays_so():
    """Transfer learning's base(x, training=False) survives the flattening."""
    base_in = keras.Input((6, 6, 3))
    y = layers.BatchNormalization(name="bn")(layers.Conv2D(4, 1, name="conv")(base_in))
    base = keras.Model(base_in, y, name="base")
    base.trainable = False
    x = keras.Input((6, 6, 3))
    head = layers.Dense(2, name="head")(
        layers.GlobalAveragePooling2D()(base(x, training=False))
    )
    model = randomise(keras.Model(x, head))
    graph = trace(model)
    pruned, _ = prune_model(graph, random_plan(graph, 0.5))
    assert not pruned.get_layer("conv").trainable
    before = [weight.copy() for weight in pruned.get_layer("bn").get_weights()]
    pruned.compile("sgd", "mse")
    pruned.fit(np.ones((4, 6, 6, 3)), np.ones((4, 2)), verbose=0)
    for old, new in zip(before, pruned.get_layer("bn").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_several_inputs_and_outputs_keep_their_structure():
    """Dict inputs and outputs come back as dicts of the same names."""
    inputs = {"a": keras.Input((6, 6, 3), name="a"), "b": keras.Input((4,), name="b")}
    y = layers.Conv2D(8, 1, name="conv")(inputs["a"])
    z = layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(y), layers.Dense(4, name="fc")(inputs["b"])]
    )
    outputs = {"mask": layers.Conv2D(1, 1)(y), "class": layers.Dense(3)(z)}
    model = randomise(keras.Model(inputs, outputs))
    graph = trace(model)
    pruned, _ = prune_model(graph, random_plan(graph, 0.5))
    made = pruned({"a": np.ones((1, 6, 6, 3)), "b": np.ones((1, 4))})
    assert {name: tuple(value.shape) for name, value in made.items()} == {
        "mask": (1, 6, 6, 1),
        "class": (1, 3),
    }


def test_output_in_the_middle_of_the_graph_is_fixed():
    """A tensor that is also an output keeps its channels."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 1, name="seen")(x)
    z = layers.Conv2D(4, 1, name="free")(y)
    graph = check(keras.Model(x, [y, layers.Conv2D(2, 1)(z)]), groups={"free": 4})
    assert graph.pinned["seen"] == "model output"


class Doubler(layers.Layer):
    """A custom layer without a rule."""

    def call(self, x):
        return x * 2.0


class Gain(layers.Layer):
    """A custom layer that gets a rule."""

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), name="gain")

    def call(self, x):
        return x * self.gain


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            layers.Lambda(lambda x: x + 1.0, name="odd"),
            "odd: Lambda has no channel rule",
        ),
        (Doubler(name="odd"), "odd: Doubler has no channel rule"),
        (layers.LayerNormalization(name="odd"), "odd: it normalises over channels"),
        (layers.GroupNormalization(2, name="odd"), "odd: it normalises over channels"),
        (layers.Softmax(name="odd"), "odd: its activation mixes channels"),
        (
            layers.Activation("softmax", name="odd"),
            "odd: its activation mixes channels",
        ),
        (layers.BatchNormalization(axis=1, name="odd"), "another axis"),
    ],
    ids=lambda value: getattr(value, "__class__", type).__name__,
)
def test_what_has_no_rule_pins_its_channels_and_says_so(layer, reason):
    """The model is still cut elsewhere, and the report names the reason."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 1, name="before")(x)
    y = layers.Conv2D(4, 1, name="after")(layer(y))
    graph = check(keras.Model(x, layers.Conv2D(2, 1)(y)), groups={"after": 4})
    assert reason in graph.pinned["before"]


@pytest.mark.parametrize("kind", ["attention", "recurrent", "timedistributed"])
def test_attention_and_recurrent_layers_pin(kind):
    """They are named with their class, and their MACs as unknown."""
    x = keras.Input((6, 8))
    y = layers.Conv1D(8, 3, padding="same", name="before")(x)
    if kind == "attention":
        y = layers.MultiHeadAttention(2, 4, name="odd")(y, y)
    elif kind == "recurrent":
        y = layers.GRU(8, return_sequences=True, name="odd")(y)
    else:
        y = layers.TimeDistributed(layers.Dense(8), name="odd")(y)
    y = layers.Conv1D(4, 3, name="after")(y)
    model = keras.Model(x, layers.Conv1D(2, 1)(y))
    graph = check(model, groups={"after": 4})
    assert "no channel rule" in graph.unknown["odd"]
    assert cost(model).unknown == ("odd",)


def test_a_registered_rule_opens_a_custom_layer():
    """With a rule, the user's layer is cut like a built-in one."""
    register_channel_rule(Gain, lambda call: call.follow(weights={"gain": 0}))
    x = keras.Input((6, 6, 3))
    y = Gain(name="gain")(layers.Conv2D(8, 1, name="conv")(x))
    check(keras.Model(x, layers.Conv2D(2, 1)(y)), groups={"conv": 8})


def test_a_subclass_with_its_own_call_does_not_inherit_a_rule():
    """Its parent's rule may not hold any more."""

    class Rolled(layers.Conv2D):
        def call(self, x):
            return keras.ops.roll(super().call(x), 1, axis=-1)

    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(2, 1)(Rolled(8, 1, name="odd")(x))
    graph = trace(keras.Model(x, y))
    assert "no channel rule" in graph.pinned["odd"]


def test_input_shape_fixes_open_dimensions():
    """Costs of a (None, None, 3) model need a shape, which gives the same MACs."""

    def build(shape):
        x = keras.Input(shape)
        y = layers.Conv2D(8, 3, strides=2, name="conv")(x)
        return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(y)))

    model = build((None, None, 3))
    with pytest.raises(errors.ModelError, match=r"input_shape=\(height, width"):
        cost(model)
    graph = trace(model, input_shape=(32, 32, 3))
    assert cost(graph).macs == cost(build((32, 32, 3))).macs
    pruned, _ = prune_model(graph, random_plan(graph, 0.5))
    assert pruned.input_shape == (None, None, None, 3)
    with pytest.raises(errors.ModelError, match="does not fit"):
        trace(model, input_shape=(32, 32, 1))


def test_sequential_model():
    """A Sequential is read like a functional model."""
    model = keras.Sequential(
        [keras.Input((6, 6, 3)), layers.Conv2D(8, 3, name="conv"), layers.Flatten()]
    )
    model.add(layers.Dense(2))
    check(model, groups={"conv": 8})


class Subclassed(keras.Model):
    """A model that is code, not a graph."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_models_without_a_graph_are_refused_with_what_to_do():
    """Subclassed, unbuilt and foreign models each get their own line."""
    model = Subclassed()
    model.build((None, 3))
    with pytest.raises(
        errors.ModelError, match=r"Subclassed.*Rebuild it as functional"
    ):
        trace(model)
    with pytest.raises(errors.ModelError, match=r"not built.*model\.build"):
        trace(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(errors.ModelError, match="not a Keras model"):
        trace("model.keras")


def test_keras_2_model_is_refused_by_name():
    """A tf_keras model says so and how to migrate."""
    import tf_keras

    old = tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))])
    with pytest.raises(errors.ModelError, match=r"Keras 2 model.*interop\.from_keras2"):
        trace(old)


def test_quantized_model_is_refused():
    """Keras' own quantization has weights that cannot be cut."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="head")])
    model.quantize("int8")
    with pytest.raises(errors.ModelError, match=r"quantized.*'head'"):
        trace(model)


def test_a_nested_model_takes_a_dict_with_more_than_it_reads():
    """By the keys of its own inputs."""
    x = {name: keras.Input((2,), name=name) for name in ("a", "b")}
    inner = keras.Model(x, layers.Dense(1)(layers.Concatenate()([x["a"], x["b"]])))
    outer = {name: keras.Input((2,), name=name) for name in ("a", "b", "more")}
    model = keras.Model(outer, layers.Add()([inner(outer), outer["more"]]))
    (call,) = [c for c in trace(model).nodes if isinstance(c.layer, layers.Concatenate)]
    flat = trace(model).flat
    assert [flat.tensors[i].name for i in call.inputs] == ["a", "b"]
