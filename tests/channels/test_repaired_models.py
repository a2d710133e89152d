"""Tests of whole repaired models: exact cases, surgery, random graphs, errors."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models import conv_bn_net, randomise
from tests.strategies import (
    inputs_for,
    models,
    outputs_of,
    random_plan,
    relative_error,
)
from tfcompress import data, errors, graph
from tfcompress.channels import Reconstructor, reconstruct

L = keras.layers


def images(*shape, count=48, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


def spread_net(seed=0):
    """A residual network in which channels 4 … 7 of each cut layer copy 0 … 3.

    Copy ``i`` is a multiple of channel ``i`` (before and after the ReLU), so that what
    it says can be said without it.
    """
    model = randomise(conv_bn_net(widths=(8, 8, 8)), seed)
    factors = np.array([0.5, 2.0, 1.5, 3.0])
    for conv, norm in (("conv0", "bn0"), ("conv1", "bn1")):
        kernel = model.get_layer(conv).kernel.numpy()
        kernel[..., 4:] = kernel[..., :4]
        model.get_layer(conv).kernel.assign(kernel)
        for variable in model.get_layer(norm).variables:
            value = variable.numpy()
            scaled = variable.name in ("gamma", "beta")
            value[4:] = value[:4] * (factors if scaled else 1.0)
            variable.assign(value)
    return model


def error(model, other, x):
    """Return the relative error between two models' outputs."""
    return relative_error(outputs_of(other, [x]), outputs_of(model, [x]))


COPIES = {"conv0": [0, 1, 2, 3], "conv1": [0, 1, 2, 3]}


@pytest.mark.parametrize("reextract", [False, True])
def test_channels_that_repeat_others_are_made_up_for_wholly(reextract):
    """The removed channels are multiples of kept ones: nothing is lost."""
    model, x = spread_net(), images(12, 12, 3)
    layer_graph = graph.trace(model)
    plan = graph.PruningPlan.of(layer_graph, COPIES)
    masked = graph.mask_model(layer_graph, plan, fold_constants=True)
    repaired = reconstruct(layer_graph, plan, x, ridge=1e-9, reextract=reextract)
    other = images(12, 12, 3, seed=1)
    assert error(model, masked, other) > 0.05
    assert error(model, repaired, other) < 1e-4
    pruned, _ = graph.prune_model(repaired, plan)
    assert error(model, pruned, other) < 1e-4


@pytest.mark.parametrize("reextract", [False, True])
def test_masking_and_surgery_take_the_repaired_model_alike(reextract):
    """Same fingerprint; what it computes is what is left after the cut."""
    model, x = randomise(conv_bn_net()), images(12, 12, 3)
    layer_graph = graph.trace(model)
    plan = random_plan(layer_graph, 0.5)
    before = model.get_weights()
    repaired = reconstruct(model, plan, x, reextract=reextract)
    assert graph.trace(repaired).fingerprint == layer_graph.fingerprint
    other = images(12, 12, 3, seed=1)
    pruned, _ = graph.prune_model(repaired, plan)
    masked = graph.mask_model(repaired, plan)
    for cut in (pruned, masked):
        assert error(repaired, cut, other) < 1e-5
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    predicted = graph.cost(layer_graph, plan)
    assert predicted.params == pruned.count_params()


def test_a_search_sees_what_the_repaired_model_becomes():
    """Weights assigned to a `CandidateModel` give the outputs of the pruned model."""
    model, x = randomise(conv_bn_net()), images(12, 12, 3)
    layer_graph = graph.trace(model)
    candidate, reconstructor = (
        graph.CandidateModel(model),
        Reconstructor(layer_graph, x),
    )
    for seed in (0, 1):
        plan = random_plan(layer_graph, 0.5, seed)
        candidate.assign(plan, reconstructor.weights(plan))
        pruned, _ = graph.prune_model(reconstruct(model, plan, x), plan)
        assert error(pruned, candidate.model, x) < 1e-5


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(models(), st.sampled_from([0.25, 0.5, 0.75]), st.booleans())
def test_random_graphs_are_repaired_cut_and_searched_alike(model, ratio, reextract):
    """Pruned, masked and candidate model agree; predicted costs hold."""
    layer_graph = graph.trace(model)
    plan = random_plan(layer_graph, ratio)
    x = inputs_for(model, batch=16)
    given = x if len(x) > 1 else x[0]
    repaired = reconstruct(layer_graph, plan, given, reextract=reextract)
    pruned, _ = graph.prune_model(repaired, plan)
    masked = graph.mask_model(repaired, plan, fold_constants=True)
    wanted = outputs_of(pruned, x)
    assert relative_error(outputs_of(masked, x), wanted) < 1e-5
    predicted = graph.cost(layer_graph, plan)
    assert predicted.params == pruned.count_params()
    if not reextract:
        candidate = graph.CandidateModel(layer_graph)
        reconstructor = Reconstructor(layer_graph, given)
        candidate.assign(plan, reconstructor.weights(plan))
        assert relative_error(outputs_of(candidate.model, x), wanted) < 1e-5


def test_the_last_branch_makes_up_for_what_the_others_have_lost():
    """Two branches read the same features; one loses most, the other a dead channel.

    The other is refitted last and reads all that the first no longer does, so it says
    it in its stead: nothing of the sum is lost.
    """
    x = keras.Input((5, 5, 3))
    ends, sides = [], ("left", "right")
    for name in sides:
        y = L.Conv2D(6, 1, activation="relu", name=name)(x)
        y = L.Conv2D(4, 1, use_bias=False, name=f"{name}_end")(y)
        ends.append(L.BatchNormalization()(y))
    y = L.Add(name="sum")(ends)
    model = randomise(keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y))))
    kernel, bias = model.get_layer("left").get_weights()
    kernel[..., 5], bias[5] = 0, -1
    for name in sides:
        model.get_layer(name).set_weights([kernel, bias])
    layer_graph = graph.trace(model)
    order = [call.name for call in layer_graph.nodes]
    first, last = sorted(sides, key=lambda name: order.index(f"{name}_end"))
    keep = {first: [3, 4], last: [0, 1, 2, 3, 4]}
    plan = graph.PruningPlan.of(layer_graph, keep)
    batch, other = images(5, 5, 3, count=100), images(5, 5, 3, seed=1)
    plain = reconstruct(layer_graph, plan, batch, ridge=1e-9)
    again = reconstruct(layer_graph, plan, batch, ridge=1e-9, reextract=True)
    assert error(model, plain, other) > 0.05
    assert error(model, again, other) < 1e-4


def test_networks_that_run_anew_for_every_layer_give_the_same_repair(monkeypatch):
    """Where the tensors of all images exceed the limit, only the time differs."""
    model, x = randomise(conv_bn_net()), images(12, 12, 3)
    plan = random_plan(graph.trace(model), 0.5)
    held = reconstruct(model, plan, x, reextract=True)
    monkeypatch.setattr("tfcompress.channels.walking.widest_bytes", lambda _: 2**40)
    streamed = reconstruct(model, plan, x, reextract=True)
    for one, other in zip(held.get_weights(), streamed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_layer_called_twice_is_left_masked_and_folded_and_named():
    """Its two inputs differ, so one refit cannot serve both."""
    x = keras.Input((4, 4, 3))
    shared = L.Conv2D(3, 1, name="shared")
    sides = [L.Conv2D(4, 1, activation="relu", name=name)(x) for name in "ab"]
    y = L.Add()([shared(side) for side in sides])
    model = randomise(keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y))))
    layer_graph, batch = graph.trace(model), images(4, 4, 3)
    (group,) = [g for g in layer_graph.groups if "a" in g.layers]
    plan = graph.PruningPlan.of(layer_graph, {group.name: [0, 2]})
    reconstructor = Reconstructor(layer_graph, batch)
    (note,) = reconstructor.notes
    assert note.startswith("shared: left masked and folded: it is called several times")
    assert not any(name == "shared" for name, _ in reconstructor.weights(plan))
    repaired = reconstruct(model, plan, batch)
    masked = graph.mask_model(model, plan, fold_constants=True)
    assert error(masked, repaired, batch) < 1e-6


def test_a_layer_that_is_not_its_kernel_times_its_input_is_left_out():
    """A subclass with an own convolution is found out on the first batch."""

    class Doubled(L.Conv2D):
        def convolution_op(self, inputs, kernel):
            return 2 * super().convolution_op(inputs, kernel)

    x = keras.Input((4, 4, 3))
    y = Doubled(3, 1, name="doubled")(L.Conv2D(4, 1, name="made")(x))
    model = keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))
    reconstructor = Reconstructor(graph.trace(model), images(4, 4, 3))
    assert (
        "doubled: left masked and folded: its outputs are not"
        in (reconstructor.notes[0])
    )
    assert "doubled" not in reconstructor.repairable


def test_nested_models_keep_the_order_of_their_calls():
    """Beside a longer branch, a nested model's layers would mix with it if inlined."""
    x = inputs = keras.Input((4, 4, 3))
    inner = keras.Input((4, 4, 3))
    y = L.Conv2D(4, 1, activation="relu")(L.Conv2D(6, 1, activation="relu")(inner))
    nested = keras.Model(inner, L.Conv2D(2, 1)(y), name="nested")
    for width in (5, 5, 2):
        x = L.Conv2D(width, 1, activation="relu")(x)
    x = L.GlobalAveragePooling2D()(L.Add()([x, nested(inputs)]))
    model = randomise(keras.Model(inputs, L.Dense(2)(x)))
    layer_graph, batch = graph.trace(model), images(4, 4, 3)
    plan = random_plan(layer_graph, 0.5)
    for reextract in (False, True):
        repaired = reconstruct(model, plan, batch, reextract=reextract)
        assert graph.trace(repaired).fingerprint == layer_graph.fingerprint
        pruned, _ = graph.prune_model(repaired, plan)
        assert error(repaired, pruned, batch) < 1e-5


def test_a_model_whose_copy_differs_is_refused(monkeypatch):
    """The plan would not fit the copy."""
    model = conv_bn_net()
    plan = graph.PruningPlan.full(graph.trace(model))
    other = conv_bn_net(widths=(8, 8, 8))
    monkeypatch.setattr(graph, "mask_model", lambda *_: other)
    monkeypatch.setattr(keras.models, "clone_model", lambda _: conv_bn_net(seed=1))
    reconstruct(model, plan, images(12, 12, 3, count=4))  # a clone will do
    monkeypatch.setattr(type(other), "set_weights", lambda *_: None, raising=False)
    monkeypatch.setattr(keras.models, "clone_model", lambda _: other)
    with pytest.raises(errors.ModelError, match="cannot be copied with its structure"):
        reconstruct(model, plan, images(12, 12, 3, count=4))


def test_a_consumer_that_cannot_be_copied_is_refused():
    """The new model would share it with the original, which must not change."""

    class Bound(L.Conv2D):
        def __init__(self, filters, size, secret, **settings):
            super().__init__(filters, size, **settings)
            self.secret = secret

    x = keras.Input((4, 4, 3))
    y = L.Conv2D(4, 1, activation="relu", name="made")(x)
    y = Bound(3, 1, object(), name="bound")(y)
    model = randomise(keras.Model(x, y))
    layer_graph = graph.trace(model)
    plan = graph.PruningPlan.of(layer_graph, {"made": [0, 1]})
    with pytest.raises(errors.ModelError, match="'bound' cannot be copied"):
        reconstruct(model, plan, images(4, 4, 3))


def test_a_data_set_gives_its_training_images():
    """The same images as an array give the same weights."""
    model, x = randomise(conv_bn_net()), images(12, 12, 3, count=60)
    dataset = data.Dataset.from_arrays(
        train=(x, np.arange(60) % 5), validation=(x[:5], np.arange(5)),
        test=(x[:5], np.arange(5)),
    )  # fmt: skip
    layer_graph = graph.trace(model)
    plan = random_plan(layer_graph, 0.5)
    one = Reconstructor(layer_graph, dataset, positions=1000).weights(plan)
    other = Reconstructor(layer_graph, x, positions=1000).weights(plan)
    for key, value in one.items():
        np.testing.assert_allclose(value, other[key], rtol=1e-3, atol=1e-4)


def test_data_of_the_wrong_shape_are_refused():
    """One line with both shapes."""
    layer_graph = graph.trace(conv_bn_net())
    with pytest.raises(errors.DataError, match=r"\(8, 8, 3\); model .* \(12, 12, 3\)"):
        Reconstructor(layer_graph, images(8, 8, 3))


def test_no_images_are_refused():
    """An empty array."""
    with pytest.raises(errors.DataError, match=r"no images .* 0 examples"):
        Reconstructor(graph.trace(conv_bn_net()), images(12, 12, 3, count=0))


def test_a_plan_of_another_model_is_refused():
    """By `weights` and by `reconstruct`, before any image is read."""
    layer_graph = graph.trace(conv_bn_net())
    plan = graph.PruningPlan.full(graph.trace(conv_bn_net(widths=(8, 8, 8))))
    with pytest.raises(errors.PlanError, match="made for another model"):
        reconstruct(layer_graph, plan, None)
    reconstructor = Reconstructor(layer_graph, images(12, 12, 3, count=4))
    with pytest.raises(errors.PlanError, match="made for another model"):
        reconstructor.weights(plan)


def test_features_that_are_not_finite_are_refused():
    """The message names the layer that reads them."""
    model = randomise(conv_bn_net())
    kernel = model.get_layer("conv0").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(errors.ModelError, match="layer 'conv1' reads are not finite"):
        Reconstructor(graph.trace(model), images(12, 12, 3))


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_examples", 0), ("positions", 0), ("ridge", 0.0), ("max_memory_mb", 0)],
)
def test_settings_out_of_range_are_refused(name, value):
    """By name, for both variants."""
    model = conv_bn_net()
    plan = graph.PruningPlan.full(graph.trace(model))
    for reextract in (False, True):
        with pytest.raises(errors.ConfigError, match=name):
            reconstruct(
                model, plan, images(12, 12, 3), reextract=reextract, **{name: value}
            )
