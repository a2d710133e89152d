"""Tests of the files that time one operator."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from tfcompress import errors, graph
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
