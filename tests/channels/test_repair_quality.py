"""Tests that a repair helps: never worse on its rows, better accuracy after a cut."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.channels.oracles import inputs_of
from tests.models import conv_bn_net, randomise
from tests.strategies import random_plan
from tfcompress import channels, data, graph
from tfcompress.channels import Reconstructor

L = keras.layers


def images(*shape, count=40, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


def without_bias():
    """A pre-activation block: its convolutions have no bias and no norm behind them."""
    x = inputs = keras.Input((6, 6, 3))
    x = L.Conv2D(6, 1, name="first")(x)
    y = L.ReLU()(L.BatchNormalization()(x))
    y = L.Conv2D(6, 3, use_bias=False, name="second")(y)
    y = L.ReLU()(y)
    y = L.Conv2D(4, 1, use_bias=False, activation="relu", name="third")(y)
    head = L.Dense(2, name="head")(L.Flatten()(y))
    return randomise(keras.Model(inputs, head))


def layer_error(model, other, name, norm, x):
    """Return the mean square error of a layer's outputs on the original's features."""
    given, wanted = inputs_of(model, name, x)
    layer = other.get_layer(name)
    activation, layer.activation = layer.activation, keras.activations.linear
    got = np.asarray(layer(given))
    layer.activation = activation
    if norm:
        wanted = wanted - model.get_layer(norm).moving_mean.numpy()
        got = got - other.get_layer(norm).moving_mean.numpy()
    return np.mean(np.square(wanted - got), axis=tuple(range(wanted.ndim - 1)))


NORMS = {"conv1": "bn1", "conv2": "bn2", "res_conv": "res_bn"}


@pytest.mark.parametrize("ridge", [1e-6, 0.1, 100.0])
@pytest.mark.parametrize("build", [lambda: randomise(conv_bn_net()), without_bias])
def test_no_layer_is_worse_than_masked_and_folded_on_the_sampled_rows(build, ridge):
    """Whatever the ridge and the plan, with and without a place for the intercept."""
    model = build()
    layer_graph = graph.trace(model)
    x = images(*model.input_shape[1:])
    folded, repaired = (graph.CandidateModel(layer_graph) for _ in range(2))
    reconstructor = Reconstructor(layer_graph, x, positions=10_000, ridge=ridge)
    compared = 0
    for seed in range(2):
        plan = random_plan(layer_graph, 0.5, seed)
        weights = reconstructor.weights(plan)
        folded.assign(plan)
        repaired.assign(plan, weights)
        for name in reconstructor.repairable:
            candidates = (folded.model, repaired.model)
            norm = NORMS.get(name)
            before, after = (
                layer_error(model, one, name, norm, x) for one in candidates
            )
            kept = layer_graph.kept_atoms(plan)[layer_graph.fold_targets[name].out]
            assert after[kept].sum() <= before[kept].sum() * (1 + 1e-4) + 1e-9
            compared += (name, "kernel") in weights
    assert compared >= 4


def test_constants_are_folded_where_no_intercept_could_say_them():
    """The removed channel is a constant 2, the kept ones vary around 0.

    The reader has no bias; only the new one that folding gives it says it rightly.
    """
    x = keras.Input((5, 5, 3))
    y = L.Conv2D(4, 1, name="made")(x)
    y = L.Conv2D(3, 1, use_bias=False, activation="relu", name="reader")(y)
    model = randomise(keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y))))
    kernel, _ = model.get_layer("made").get_weights()
    kernel[..., 3] = 0
    model.get_layer("made").set_weights([kernel, np.array([0, 0, 0, 2])])
    layer_graph = graph.trace(model)
    plan = graph.PruningPlan.of(layer_graph, {"made": [0, 1, 2]})
    batch = images(5, 5, 3)
    assert Reconstructor(layer_graph, batch).weights(plan) == {}
    for reextract in (False, True):
        repaired = channels.reconstruct(model, plan, batch, reextract=reextract)
        pruned, _ = graph.prune_model(repaired, plan)
        np.testing.assert_allclose(pruned(batch), model(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_accuracy_after_a_cut_is_much_better_with_the_repair():
    """A small network learns Fashion-MNIST; half of its MACs go, nothing is tuned."""
    keras.utils.set_random_seed(0)
    dataset = data.load("fashion-mnist-small").limited(6000)
    model = small_net()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    for epoch in range(4):
        model.fit(dataset.train(64, epoch=epoch), verbose=0)
    layer_graph = graph.trace(model)
    plan = channels.select(
        layer_graph,
        channels.score(layer_graph, criterion="consumer_l1"),
        budget=channels.Budget(macs=0.5),
        scope="layer",
        round_to=1,
        min_channels=1,
    )
    models = [
        model,
        graph.mask_model(model, plan, fold_constants=True),
        channels.reconstruct(model, plan, dataset),
        channels.reconstruct(model, plan, dataset, reextract=True),
    ]
    whole, masked, repaired, again = (
        data.evaluate_model(one, dataset.limited(1000), split="validation").value
        for one in models
    )
    assert whole > 0.75
    assert repaired > masked + 0.1
    assert repaired > whole - 0.1
    assert again > repaired - 0.02


def small_net():
    """Build three convolutions with BatchNorm and a head."""
    x = inputs = keras.Input((28, 28, 1))
    for width in (16, 32, 32):
        x = L.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = L.ReLU()(L.BatchNormalization(momentum=0.9)(x))
    outputs = L.Dense(10, activation="softmax")(L.Flatten()(x))
    return keras.Model(inputs, outputs)
