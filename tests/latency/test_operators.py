"""Tests of finding the operators that a converted model runs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.latency.conftest import small_network
from tfcompress import graph, tflite, zoo
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


def test_silu_is_a_sigmoid_and_a_product():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, activation="silu")(image)
    found = find_operators(graph.trace(keras.Model(image, x))).operators

    assert [o.family.kind for o in found] == ["conv", "logistic", "multiply"]
    assert found[2].inputs == (found[1].output, found[0].output)


@pytest.mark.parametrize(
    "layer",
    [
        layers.LeakyReLU(),
        layers.ReLU(negative_slope=0.1),
        layers.UpSampling2D(),
        layers.Conv2D(4, 1, activation="gelu"),
        layers.Conv2D(4, 3, padding="same", data_format="channels_first"),
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
    model = keras.Model(image, Conv2D(4, 1, name="twice")(image))

    assert "twice" in find_operators(graph.trace(model)).uncovered


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
    assert found == wanted
