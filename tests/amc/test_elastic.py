"""Tests of `tfcompress.amc.elastic`: a pruned model's outputs without building it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, assume, given, settings

from tests.models import conv_bn_net, randomise
from tests.strategies import (
    inputs_for,
    models,
    outputs_of,
    random_plan,
    relative_error,
)
from tfcompress import graph, zoo
from tfcompress.amc.elastic import ElasticForward, can_run

layers = keras.layers


def compiled(candidate):
    """Return a candidate's forward pass as a search compiles it, and its tracings."""
    forward, traced = ElasticForward(candidate), []

    @tf.function(
        input_signature=[tf.TensorSpec((None, *candidate.model.input_shape[1:]))]
    )
    def run(x):
        traced.append(1)
        return forward(x)

    def outputs(plan, inputs):
        forward.keep(plan)
        return [t.numpy() for t in keras.tree.flatten(run(*inputs))]

    return outputs, traced


def check(model, ratios=(0.5, 0.0, 0.75)):
    """Compare elastic with surgery for some plans of one compiled function."""
    layer_graph = graph.trace(model)
    assert can_run(layer_graph)
    candidate = graph.CandidateModel(layer_graph)
    run, traced = compiled(candidate)
    inputs = inputs_for(model)
    for ratio in ratios:
        plan = random_plan(layer_graph, ratio)
        candidate.assign(plan)
        pruned, _ = graph.prune_model(layer_graph, plan)
        got = run(plan, inputs)
        assert relative_error(got, outputs_of(pruned, inputs)) <= 1e-5
    assert len(traced) == 1


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(models())
def test_it_computes_what_the_pruned_model_does(model):
    """Property: on any graph that it takes, for plans in turn, traced once."""
    assume(can_run(graph.trace(model)))
    check(model)


def _separable():
    x = image = keras.Input((12, 12, 3))
    for width in (8, 12):
        x = layers.SeparableConv2D(width, 3, strides=2, padding="same")(x)
        x = layers.ReLU()(x)
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))


@pytest.mark.parametrize(
    "build",
    [
        lambda: zoo.resnet((16, 16, 3), 5, depth=8),
        lambda: zoo.plain((16, 16, 3), 5, depth=8),
        lambda: zoo.mobilenet_v1((32, 32, 3), 5, alpha=0.25),
        lambda: zoo.mobilenet_v2((32, 32, 3), 5, alpha=0.25),
        lambda: zoo.densenet((16, 16, 3), 5, depth=10),
        lambda: zoo.vgg((32, 32, 3), 5),
        lambda: zoo.squeezenet((32, 32, 3), 5),
        _separable,
    ],
    ids=[
        "resnet",
        "plain",
        "mobilenet_v1",
        "mobilenet_v2",
        "densenet",
        "vgg",
        "squeeze",
        "separable",
    ],
)
def test_the_zoo_runs_elastically(build):
    """The families that a search is made for take the fast way."""
    check(randomise(build()), ratios=(0.5,))


def test_a_repaired_kernel_is_used_as_it_is_assigned():
    """What `assign` is given instead of the original weights is what runs."""
    model = randomise(conv_bn_net())
    layer_graph = graph.trace(model)
    plan = random_plan(layer_graph, 0.5)
    candidate = graph.CandidateModel(layer_graph)
    run, _ = compiled(candidate)
    inputs = inputs_for(model)
    candidate.assign(plan)
    before = run(plan, inputs)[0]
    (key, value), *_ = [
        (key, np.asarray(v))
        for key, v in candidate._variables.items()
        if key[1] == "kernel"
    ]
    candidate.assign(plan, {key: value * 0.5})
    after = run(plan, inputs)[0]
    wanted = outputs_of(candidate.model, inputs)
    assert not np.allclose(before, after)
    assert relative_error([after], wanted) <= 1e-5


def test_gates_reshapes_and_operators_are_cut_too():
    """Squeeze and excite by Reshape, a bare operator, Flatten into Dense."""
    x = image = keras.Input((6, 6, 3))
    x = y = layers.Conv2D(12, 3, name="wide")(x)
    y = layers.GlobalAveragePooling2D()(y)
    y = layers.Reshape((1, 1, 12))(y)
    y = layers.Conv2D(6, 1, activation="relu", name="squeeze")(y)
    y = layers.Conv2D(12, 1, activation="sigmoid", name="excite")(y)
    x = layers.Multiply()([x, y])
    x = keras.ops.relu(x + 0.25)
    x = layers.Flatten()(x)
    check(randomise(keras.Model(image, layers.Dense(4)(x))))


def test_a_layer_of_fixed_channels_is_called_as_it_is():
    """A Lambda pins its channels; the rest of the network is still cut."""
    x = image = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, activation="relu", name="cut")(x)
    x = layers.Conv2D(8, 3, name="fixed")(x)
    x = layers.Lambda(lambda t: t * 2)(x)
    x = layers.Flatten()(x)
    check(randomise(keras.Model(image, layers.Dense(4)(x))))


def test_what_has_no_entry_is_not_run():
    """A grouped convolution is judged at full shape; what is pinned does not matter."""

    class Twice(layers.ReLU):
        def call(self, x):
            return 2 * super().call(x)

    def net(middle):
        x = image = keras.Input((8, 8, 3))
        x = layers.Conv2D(16, 3)(x)
        x = middle(x)
        return keras.Model(image, layers.Conv2D(4, 3)(x))

    assert can_run(graph.trace(net(layers.ReLU())))
    assert not can_run(graph.trace(net(layers.ReLU(dtype="mixed_float16"))))
    assert not can_run(graph.trace(net(layers.Conv2D(16, 3, groups=4))))
    assert can_run(graph.trace(net(layers.SeparableConv2D(16, 3))))
    assert can_run(graph.trace(net(Twice())))  # no rule: pinned, so called as it is


def test_causal_convolutions_and_layers_called_by_keyword_are_run():
    """TensorFlow has no causal padding; Keras pads by hand."""
    x = inputs = keras.Input((12, 3))
    for dilation in (1, 2):
        x = layers.Conv1D(8, 3, padding="causal", dilation_rate=dilation)(inputs=x)
        x = layers.ReLU()(inputs=layers.BatchNormalization()(inputs=x))
    x = layers.Dense(4)(inputs=layers.Flatten()(inputs=x))
    x = layers.Activation("softmax")(inputs=x)
    check(randomise(keras.Model(inputs, x)))
