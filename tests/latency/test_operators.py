"""Tests of finding the operators that a converted model runs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.latency import nets
from tests.latency.conftest import small_network
from tests.strategies import random_plan
from tfcompress import graph, latency, tflite, zoo
from tfcompress.latency import points
from tfcompress.latency.network_files import write_network
from tfcompress.latency.operators import find_operators

layers = keras.layers


def keys(model: keras.Model) -> list[str]:
    return [o.family.key for o in find_operators(graph.trace(model)).operators]


def test_norms_and_relus_join_the_operator_before_them(layer_graph):
    found = find_operators(layer_graph)

    assert found.uncovered == {}
    assert [operator.family.key for operator in found.operators] == [
        "conv 8x8 3x3 /1x1",
        "depthwise 8x8 3x3 /1x1",
        "conv 8x8 1x1 /1x1 valid",
        "add 8x8",
        "conv 8x8 1x1 /1x1 valid",
        "mean 8x8",
        "dense 1x1",
        "softmax 1x1",
    ]


def test_an_operator_reads_what_the_joined_layers_gave(layer_graph):
    """The Add reads the projection and the stem, past both ReLUs and BatchNorms."""
    stem, depthwise, project, add, *_ = find_operators(layer_graph).operators

    assert depthwise.inputs == (stem.output,)
    assert add.inputs == (project.output, stem.output)


def test_a_relu_with_two_readers_before_it_is_its_own_operator():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1)(image)
    model = keras.Model(image, layers.Add()([x, layers.ReLU()(x)]))

    assert keys(model) == ["conv 4x4 1x1 /1x1 valid", "relu 4x4", "add 4x4"]


def test_a_norm_after_an_activation_is_a_multiplication_and_an_addition():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, activation="relu")(image)
    model = keras.Model(image, layers.ReLU()(layers.BatchNormalization()(x)))

    assert keys(model) == ["conv 4x4 1x1 /1x1 valid", "scale_shift 4x4"]


@pytest.mark.parametrize(
    "build",
    [
        lambda x: layers.Conv2D(8, 1, activation="hard_sigmoid")(x),
        lambda x: layers.Activation("hard_sigmoid")(layers.Conv2D(8, 1)(x)),
        lambda x: keras.ops.relu6(layers.Conv2D(8, 1)(x) * 2.0 + 3.0) / 6.0,
    ],
)
def test_a_convolution_takes_numbers_up(build):
    """What is added before the clamp is part of its bias, what is multiplied, not."""
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, build(image))
    assert keys(model) == ["conv 4x4 1x1 /1x1 valid", "times 4x4"]


def test_silu_is_a_sigmoid_and_a_product():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, activation="silu")(image)
    found = find_operators(graph.trace(keras.Model(image, x))).operators

    assert [o.family.kind for o in found] == ["conv", "logistic", "multiply"]
    assert found[2].inputs == (found[1].output, found[0].output)


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (layers.LeakyReLU(), ["leaky_relu 4x6"]),
        (layers.ReLU(negative_slope=0.1), ["leaky_relu 4x6"]),
        (layers.PReLU(shared_axes=[1, 2]), ["prelu 4x6"]),
        (layers.PReLU(), ["prelu_each 4x6"]),
        (layers.ELU(), ["elu 4x6"]),
        (layers.Activation("gelu"), ["gelu 4x6"]),
        (layers.Activation("hard_sigmoid"), ["plus 4x6", "times 4x6"]),
        (layers.Activation("softplus"), ["exp 4x6", "plus 4x6", "log 4x6"]),
        (layers.UpSampling2D((2, 3)), ["repeat 4x6 x2x3"]),
        (
            layers.UpSampling2D(interpolation="bilinear"),
            ["resize_bilinear 4x6 8,12"],
        ),
        (layers.Resizing(5, 7, "nearest"), ["resize_nearest 4x6 5,7"]),
        (
            layers.Conv2DTranspose(8, 3, strides=2, padding="same"),
            ["conv_transpose 4x6 3x3 /2x2"],
        ),
        (
            layers.Conv2DTranspose(8, 3, strides=2, activation="relu"),
            ["conv_transpose 4x6 3x3 /2x2 valid"],
        ),
        (layers.Cropping2D(1), ["crop 4x6 1,1,1,1"]),
        (layers.Permute((2, 1, 3)), ["transpose 4x6"]),
        (layers.GlobalMaxPooling2D(), ["max 4x6"]),
        (zoo.ChannelShuffle(2), ["shuffle 4x6 groups 2"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_layer_becomes(layer, wanted):
    image = keras.Input((4, 6, 4))
    assert keys(keras.Model(image, layer(image))) == wanted


@pytest.mark.parametrize(
    ("join", "kinds"),
    [
        (lambda a, b: layers.Average()([a, b, a]), ["add", "add", "times"]),
        (lambda a, b: layers.Maximum()([a, b]), ["maximum"]),
        (lambda a, b: layers.Subtract()([a, b]), ["subtract"]),
        (lambda a, b: (a + 3.0) / 6.0 * b, ["plus", "times", "multiply"]),
        (lambda a, b: keras.ops.leaky_relu(a) + b, ["leaky_relu", "add"]),
        (
            lambda a, b: keras.ops.silu(a) - b,
            ["logistic", "multiply", "subtract"],
        ),
        (lambda a, b: layers.Concatenate(axis=1)([a, b]), ["stack"]),
        (lambda a, _: keras.ops.mean(a, axis=(1, 2)), ["mean"]),
    ],
)
def test_what_joins_two_tensors_becomes(join, kinds):
    left, right = keras.Input((4, 6, 4)), keras.Input((4, 6, 4))
    model = keras.Model([left, right], join(left, right))
    found = find_operators(graph.trace(model)).operators
    assert [operator.family.kind for operator in found] == kinds


def test_an_activation_of_three_operators_reads_what_came_before_it():
    """The product of a SiLU is of the sum, not of the sum's first input."""
    left, right = keras.Input((4, 4, 8)), keras.Input((4, 4, 8))
    x = layers.Activation("silu")(layers.Add()([left, right]))
    add, sigmoid, product = find_operators(
        graph.trace(keras.Model([left, right], x))
    ).operators
    assert product.inputs == (sigmoid.output, add.output)


def test_a_cut_shuffle_counts_what_is_left():
    """Reshape, Permute and Reshape pin the channels; the zoo's layer does not."""
    whole = graph.trace(nets.shuffling())
    (shuffle,) = [o for o in find_operators(whole).operators if "shuf" in o.family.kind]
    assert (shuffle.reads.size, shuffle.family.groups) == (16, 4)

    layer_graph = graph.trace(nets.shufflenet())
    plan = random_plan(layer_graph, 0.5)
    kept = layer_graph.kept_atoms(plan)
    shuffles = [
        operator
        for operator in find_operators(layer_graph).operators
        if operator.family.kind == "shuffle"
    ]
    assert len(shuffles) == 2
    for operator in shuffles:
        left = np.count_nonzero(kept[operator.reads])
        assert left % operator.family.groups == 0
        assert 0 < left < operator.reads.size


@pytest.mark.parametrize("name", [n for n in zoo.__all__ if n != "ChannelShuffle"])
def test_every_network_of_the_zoo_has_rules_for_all_its_layers(name):
    layer_graph = graph.trace(getattr(zoo, name)((32, 32, 3), 10))
    found = find_operators(layer_graph)
    assert found.uncovered == {}
    assert points.wanted_points([layer_graph], latency.Grid())


@pytest.mark.parametrize(
    "layer",
    [
        layers.LayerNormalization(),
        layers.UpSampling2D(interpolation="bicubic"),
        layers.Conv2D(4, 1, activation="selu"),
        layers.Conv2D(4, 3, padding="same", data_format="channels_first"),
        layers.Conv2DTranspose(4, 3, strides=2, output_padding=1),
        layers.Permute((3, 1, 2)),
        layers.ReLU(max_value=2.0),
    ],
)
def test_a_layer_without_a_rule_is_named(layer):
    image = keras.Input((4, 4, 4))
    found = find_operators(graph.trace(keras.Model(image, layer(image))))

    assert list(found.uncovered) == [layer.name]


def test_a_users_class_is_not_taken_for_keras_own():
    class Conv2D(layers.Conv2D):
        def call(self, inputs):
            return super().call(super().call(inputs))

    image = keras.Input((4, 4, 4))

    class Dropout(layers.Layer):
        def call(self, inputs):
            return keras.ops.matmul(inputs, inputs)

    x = Dropout(name="product")(Conv2D(4, 1, name="twice")(image))
    model = keras.Model(image, x)

    assert list(find_operators(graph.trace(model)).uncovered) == ["twice", "product"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["float32", "int8"])
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(small_network, id="small"),
        pytest.param(lambda: zoo.resnet((16, 16, 3), 4, depth=8), id="resnet"),
        pytest.param(
            lambda: zoo.mobilenet_v2((32, 32, 3), 4, alpha=0.35), id="mobilenet"
        ),
        pytest.param(nets.shufflenet, id="shufflenet"),
        pytest.param(nets.segmentation, id="segmentation"),
        pytest.param(nets.detection, id="detection"),
        pytest.param(nets.shuffling, id="shuffling"),
    ],
)
def test_a_written_network_has_the_converted_ones_operators(model, recipe):
    """Names, order and shapes: else it would not take as long."""
    keras_model = model()
    layer_graph = graph.trace(keras_model)
    noise = np.random.default_rng(0).random((4, *keras_model.input_shape[1:]))
    converted = tflite.convert(
        keras_model,
        recipe,
        calibration=[noise.astype("float32")] if recipe == "int8" else None,
    )

    content = write_network(layer_graph, find_operators(layer_graph), recipe=recipe)
    written = tflite.inspect(content)

    # The converter leaves out a bias that is all zero, as an untrained one is.
    found, wanted = (
        [(o.name, o.output_shape, o.input_types[:2]) for o in inspection.operators]
        for inspection in (written, converted.inspection)
    )
    if model is nets.detection:  # its heads may run in any order
        found, wanted = sorted(found), sorted(wanted)
    assert found == wanted
