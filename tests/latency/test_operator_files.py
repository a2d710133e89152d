"""Tests of the files that time one operator."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.latency import nets
from tests.strategies import models, random_plan
from tfcompress import errors, graph
from tfcompress.latency import operator_files
from tfcompress.latency.families import Family
from tfcompress.latency.network_files import write_network
from tfcompress.latency.operator_files import write_operator
from tfcompress.latency.operators import find_operators
from tfcompress.tflite import inspect

WINDOW = {"kernel": (3, 3), "strides": (2, 2)}
KINDS = [
    (Family(kind="conv", height=7, width=8, **WINDOW), (8, 24), (1, 4, 4, 24)),
    (
        Family(kind="conv", height=7, width=8, padding="valid", **WINDOW),
        (8, 24),
        (1, 3, 3, 24),
    ),
    (Family(kind="conv", height=6, width=6, groups=4), (8, 16), (1, 6, 6, 16)),
    (
        Family(kind="conv", height=9, width=9, kernel=(3, 3), dilation=(2, 2)),
        (4, 8),
        (1, 9, 9, 8),
    ),
    (Family(kind="depthwise", height=7, width=8, **WINDOW), (8, 8), (1, 4, 4, 8)),
    (Family(kind="depthwise", height=4, width=4, groups=2), (8, 16), (1, 4, 4, 16)),
    (Family(kind="dense"), (16, 10), (1, 10)),
    (Family(kind="dense", height=4), (16, 10), (4, 10)),
    (Family(kind="add", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    (Family(kind="multiply", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    (Family(kind="scale_shift", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    (Family(kind="concat", height=4, width=4), (16, 16), (1, 4, 4, 16)),
    (Family(kind="mean", height=4, width=4), (8, 8), (1, 8)),
    (Family(kind="max_pool", height=4, width=4, **WINDOW), (8, 8), (1, 2, 2, 8)),
    (Family(kind="average_pool", height=4, width=4, **WINDOW), (8, 8), (1, 2, 2, 8)),
    (Family(kind="pad", height=4, width=4, padding="0,1,2,3"), (8, 8), (1, 5, 9, 8)),
    (Family(kind="softmax"), (10, 10), (1, 10)),
    (Family(kind="logistic", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    (Family(kind="hard_swish", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    (Family(kind="tanh", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    (Family(kind="relu", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    (Family(kind="relu6", height=4, width=4), (8, 8), (1, 4, 4, 8)),
    *[
        (Family(kind=kind, height=4, width=4), (8, 8), (1, 4, 4, 8))
        for kind in (
            *("subtract", "maximum", "minimum", "plus", "times"),
            *("elu", "gelu", "leaky_relu", "prelu", "prelu_each", "exp", "log"),
        )
    ],
    (
        Family(kind="conv_transpose", height=4, width=5, **WINDOW),
        (8, 24),
        (1, 8, 10, 24),
    ),
    (
        Family(kind="conv_transpose", height=4, width=5, padding="valid", **WINDOW),
        (8, 24),
        (1, 9, 11, 24),
    ),
    (Family(kind="repeat", height=4, width=5, strides=(2, 3)), (8, 8), (1, 8, 15, 8)),
    (Family(kind="repeat", height=4, width=5, strides=(1, 2)), (8, 8), (1, 4, 10, 8)),
    (
        Family(kind="resize_bilinear", height=4, width=5, padding="8,15"),
        (8, 8),
        (1, 8, 15, 8),
    ),
    (
        Family(kind="resize_nearest", height=4, width=5, padding="7,9"),
        (8, 8),
        (1, 7, 9, 8),
    ),
    (Family(kind="shuffle", height=4, width=5, groups=3), (12, 12), (1, 4, 5, 12)),
    (Family(kind="transpose", height=4, width=5), (8, 8), (1, 5, 4, 8)),
    (Family(kind="stack", width=12), (6, 6), (1, 12, 6)),
    (Family(kind="crop", height=6, width=7, padding="0,1,2,3"), (8, 8), (1, 5, 2, 8)),
    (Family(kind="max", height=4, width=4), (8, 8), (1, 8)),
]


@pytest.mark.parametrize("recipe", ["float32", "int8"])
@pytest.mark.parametrize(
    ("family", "counts", "shape"), KINDS, ids=[case[0].key for case in KINDS]
)
def test_the_runtime_runs_every_kind(family, counts, shape, recipe):
    content = write_operator(family, counts, recipe=recipe, copies=2)
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()

    interpreter.invoke()

    details = interpreter.get_output_details()
    assert [tuple(d["shape"]) for d in details] == [shape, shape]
    assert details[0]["dtype"] == (np.int8 if recipe == "int8" else np.float32)


def test_every_kind_has_a_file_that_is_tried():
    assert {case[0].kind for case in KINDS} == set(operator_files._WRITERS)


def computed(family, image):
    """Return what the file of a family that keeps the width makes of an image."""
    counts = (image.shape[-1], image.shape[-1])
    interpreter = Interpreter(model_content=write_operator(family, counts))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("factors", [(2, 2), (1, 3)])
def test_repeated_pixels_are_what_keras_repeats(factors):
    """Tiling in the right order: the numbers themselves."""
    repeat = Family(kind="repeat", height=2, width=3, strides=factors)
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(
        computed(repeat, image),
        image.repeat(factors[0], axis=1).repeat(factors[1], axis=2),
    )


def test_a_shuffle_deals_the_channels_out():
    """As `zoo.ChannelShuffle` does."""
    image = np.arange(6, dtype=np.float32).reshape(1, 1, 1, 6)
    found = computed(Family(kind="shuffle", groups=2), image)
    assert found.ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_copies_have_weights_of_their_own():
    conv = Family(kind="conv", height=4, width=4)

    one, three = (inspect(write_operator(conv, (8, 8), copies=n)) for n in (1, 3))

    assert three.num_weights == 3 * one.num_weights == 3 * (64 + 8)


def test_float16_computes_as_float32():
    conv = Family(kind="conv", height=4, width=4)
    assert write_operator(conv, (8, 8), recipe="float16") == write_operator(
        conv, (8, 8), recipe="float32"
    )


def test_a_recipe_without_operators_of_its_own_is_refused():
    with pytest.raises(errors.ConfigError, match="recipe='int16x8'; expected one of"):
        write_operator(Family(kind="relu"), (8, 8), recipe="int16x8")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="Received: 'lstm'"):
        write_operator(Family(kind="lstm"), (8, 8))


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_a_written_network_runs_with_the_plans_shapes(layer_graph, recipe):
    plan = graph.PruningPlan.of(layer_graph, {"wide": np.arange(8)})
    content = write_network(
        layer_graph, find_operators(layer_graph), plan, recipe=recipe
    )
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()

    shapes = {o.name: o.output_shape for o in inspect(content).operators}
    assert shapes["MEAN"] == (1, 8)
    assert interpreter.get_input_details()[0]["dtype"] == np.float32
    macs = graph.cost(layer_graph, plan).macs
    assert inspect(content).macs == macs


@pytest.mark.parametrize("recipe", ["float32", "int8"])
@pytest.mark.parametrize("build", [nets.segmentation, nets.detection, nets.shuffling])
def test_a_written_network_gives_the_models_shapes(build, recipe):
    """Whole and cut: it runs, and multiplies as often as the graph's costs say."""
    model = build()
    layer_graph = graph.trace(model)
    for plan in (None, random_plan(layer_graph, 0.5)):
        content = write_network(
            layer_graph, find_operators(layer_graph), plan, recipe=recipe
        )
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
        interpreter.invoke()
        (output,) = interpreter.get_output_details()
        assert tuple(output["shape"]) == (1, *model.output_shape[1:])
        assert inspect(content).macs == graph.cost(layer_graph, plan).macs


def test_a_group_for_each_channel_may_make_several():
    """A depthwise convolution whose channels make two each, in Conv2D's clothes."""
    x = image = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 1)(x)
    x = keras.layers.Conv2D(8, 3, groups=4)(x)
    layer_graph = graph.trace(keras.Model(image, x))

    content = write_network(layer_graph, find_operators(layer_graph))

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    (output,) = interpreter.get_output_details()
    assert tuple(output["shape"]) == (1, 4, 4, 8)
    assert inspect(content).macs == graph.cost(layer_graph).macs


@settings(max_examples=25, deadline=None)
@given(model=models(), ratio=st.sampled_from([0.0, 0.5]))
def test_random_graphs_are_written_with_their_macs(model, ratio):
    layer_graph = graph.trace(model)
    found = find_operators(layer_graph)
    assert found.uncovered == {}
    plan = random_plan(layer_graph, ratio)

    content = write_network(layer_graph, found, plan)

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    interpreter.invoke()
    sizes = [np.prod(d["shape"]) for d in interpreter.get_output_details()]
    assert sizes == [np.prod(tensor.shape[1:]) for tensor in model.outputs]
    assert inspect(content).macs == graph.cost(layer_graph, plan).macs
