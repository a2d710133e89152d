"""Tests of the least-squares repair, against `numpy.linalg.lstsq` on plain patches."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.channels.oracles import fit, inputs_of, patch_matrix, unit_kernel_fit
from tests.models import randomise
from tfcompress import graph
from tfcompress.channels import Reconstructor

L = keras.layers

EVERYWHERE = 10_000
"""More positions than any map here has: all of them are sampled."""

TIGHT = 1e-9
"""A ridge that the oracle, which has none, cannot be told from."""


def images(*shape, count=40, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


def net(*middle, shape=(7, 7, 3), width=6, head=True):
    """Build ``made`` (a convolution of `width` channels), some layers, and a head."""
    x = inputs = keras.Input(shape)
    rank = len(shape) - 1
    conv = {1: L.Conv1D, 2: L.Conv2D, 3: L.Conv3D}[rank]
    pool = {
        1: L.GlobalAveragePooling1D,
        2: L.GlobalAveragePooling2D,
        3: L.GlobalAveragePooling3D,
    }[rank]
    x = conv(width, 1, activation="relu", name="made")(x)
    for layer in middle:
        x = layer(x)
    if head:
        x = L.Dense(3, name="head")(pool()(x))
    return randomise(keras.Model(inputs, x))


def repaired(model, x, keep, name="reader", **settings):
    """Return the repaired weights of the layer `reader` when `made` is cut."""
    layer_graph = graph.trace(model)
    settings = {"positions": EVERYWHERE, "ridge": TIGHT, **settings}
    reconstructor = Reconstructor(layer_graph, x, **settings)
    assert reconstructor.notes == ()
    weights = reconstructor.weights(graph.PruningPlan.of(layer_graph, {"made": keep}))
    return {key[1]: value for key, value in weights.items() if key[0] == name}


KEEP = [0, 2, 3, 5]

READERS = {
    "3x3 same": lambda: L.Conv2D(5, 3, padding="same", name="reader"),
    "3x3 valid": lambda: L.Conv2D(5, 3, name="reader"),
    "strides": lambda: L.Conv2D(5, 3, strides=2, padding="same", name="reader"),
    "strides, even map": lambda: L.Conv2D(
        5, 4, strides=3, padding="same", name="reader"
    ),
    "dilation": lambda: L.Conv2D(
        5, 3, dilation_rate=2, padding="same", activation="relu", name="reader"
    ),
    "1x1": lambda: L.Conv2D(5, 1, name="reader"),
}


@pytest.mark.parametrize("kind", READERS)
def test_convolutions_are_refitted_as_lstsq_does(kind):
    """Kernel and bias solve the least-squares problem of the sampled patches."""
    reader = READERS[kind]()
    model, x = net(reader), images(7, 7, 3)
    found = repaired(model, x, KEEP)
    given, wanted = inputs_of(model, "reader", x)
    rows = patch_matrix(
        given,
        reader.kernel_size[0],
        strides=reader.strides[0],
        padding=reader.padding,
        dilation=reader.dilation_rate[0],
    )
    columns = np.tile(np.isin(np.arange(6), KEEP), reader.kernel_size[0] ** 2)
    kernel, bias = fit(rows, wanted.reshape(-1, 5), columns, intercept=True)
    got = found["kernel"].reshape(-1, 5)
    np.testing.assert_allclose(got[columns], kernel, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(got[~columns], 0)
    np.testing.assert_allclose(found["bias"], bias, rtol=1e-3, atol=1e-4)


OTHERS = {
    "grouped": lambda: [L.Conv2D(4, 3, groups=2, padding="same", name="reader")],
    "transposed": lambda: [L.Conv2DTranspose(2, 3, padding="same", name="reader")],
    "transposed, strides": lambda: [
        L.Conv2DTranspose(2, 3, strides=2, padding="same", name="reader")
    ],
    "transposed, valid": lambda: [L.Conv2DTranspose(2, 2, strides=3, name="reader")],
    "separable": lambda: [
        L.SeparableConv2D(3, 3, strides=2, padding="same", name="reader")
    ],
    "separable, multiplier": lambda: [
        L.SeparableConv2D(2, 3, depth_multiplier=2, name="reader")
    ],
    "dense at each position": lambda: [L.Dense(3, activation="gelu", name="reader")],
    "einsum dense": lambda: [
        L.EinsumDense("abcd,de->abce", (None, None, 2), bias_axes="e", name="reader")
    ],
    "depthwise in between": lambda: [
        L.DepthwiseConv2D(3, depth_multiplier=2, name="between"),
        L.Conv2D(2, 1, name="reader"),
    ],
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_forms_are_refitted_as_lstsq_does(kind):
    """The oracle sees the layer as a linear function of its kernel, nothing else."""
    model, x = net(*OTHERS[kind](), shape=(4, 4, 3)), images(4, 4, 3)
    check_against_unit_kernels(model, x, [0, 2, 3, 5] if kind != "grouped" else [0, 2])


def test_windows_in_one_and_three_dimensions_are_refitted_as_lstsq_does():
    """A causal Conv1D, a strided transposed one, and a Conv3D."""
    model = net(L.Conv1D(2, 3, padding="causal", name="reader"), shape=(8, 3))
    check_against_unit_kernels(model, images(8, 3), [1, 4, 5])
    up = L.Conv1DTranspose(2, 4, strides=3, padding="same", name="reader")
    check_against_unit_kernels(net(up, shape=(8, 3)), images(8, 3), [1, 4, 5])
    deep = L.Conv3D(2, 2, strides=2, padding="same", name="reader")
    check_against_unit_kernels(
        net(deep, shape=(3, 3, 3, 2)), images(3, 3, 3, 2), [0, 5]
    )


def check_against_unit_kernels(model, x, keep):
    """Compare with the fit of the outputs that single kernel entries give."""
    layer_graph = graph.trace(model)
    group = layer_graph.group("made")
    found = repaired(model, x, keep)
    (place,) = [c for c in group.consumers if c.layer == "reader"]
    columns = np.isin(place.channel, keep)
    kernel, bias = unit_kernel_fit(
        model, "reader", x, place.variable, place.axis, columns
    )
    got = np.compress(columns, found[place.variable], axis=place.axis)
    np.testing.assert_allclose(got, kernel, rtol=2e-3, atol=2e-4)
    gone = np.compress(~columns, found[place.variable], axis=place.axis)
    np.testing.assert_array_equal(gone, 0)
    np.testing.assert_allclose(found["bias"], bias, rtol=2e-3, atol=2e-4)


def test_dense_behind_flatten_is_refitted_as_lstsq_does():
    """Every position of a removed channel is a removed column."""
    reader = L.Dense(4, activation="relu", name="reader")
    model = net(L.Flatten(), reader, shape=(3, 3, 3), head=False)
    x = images(3, 3, 3, count=300)
    keep = [1, 4]
    found = repaired(model, x, keep)
    given, wanted = inputs_of(model, "reader", x)
    columns = np.tile(np.isin(np.arange(6), keep), 9)
    kernel, bias = fit(given.astype(float), wanted, columns, intercept=True)
    np.testing.assert_allclose(found["kernel"][columns], kernel, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found["bias"], bias, rtol=1e-3, atol=1e-4)


def test_two_consumers_of_one_group_are_both_refitted():
    """Each to its own outputs, from the same removed channels."""
    x = keras.Input((5, 5, 3))
    y = L.Conv2D(6, 1, activation="relu", name="made")(x)
    one = L.GlobalAveragePooling2D()(L.Conv2D(2, 3, name="one")(y))
    other = L.GlobalAveragePooling2D()(L.Conv2D(3, 1, name="other")(y))
    out = L.Dense(2, name="head")(L.Concatenate()([one, other]))
    model = randomise(keras.Model(x, out))
    batch = images(5, 5, 3)
    for name, size in (("one", 3), ("other", 1)):
        found = repaired(model, batch, KEEP, name=name)
        given, wanted = inputs_of(model, name, batch)
        rows = patch_matrix(given, size, padding="valid")
        columns = np.tile(np.isin(np.arange(6), KEEP), size**2)
        kernel, _ = fit(rows, wanted.reshape(len(rows), -1), columns, intercept=True)
        got = found["kernel"].reshape(len(columns), -1)[columns]
        np.testing.assert_allclose(got, kernel, rtol=1e-3, atol=1e-4)


def test_one_consumer_fed_by_two_groups_is_fitted_once_to_what_both_keep():
    """A concatenation of `made` and `also`, both cut."""
    x = keras.Input((5, 5, 3))
    made = L.Conv2D(4, 1, activation="relu", name="made")(x)
    also = L.Conv2D(3, 1, activation="relu", name="also")(x)
    y = L.Conv2D(2, 3, name="reader")(L.Concatenate()([made, also]))
    model = randomise(keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y))))
    layer_graph, batch = graph.trace(model), images(5, 5, 3)
    plan = graph.PruningPlan.of(layer_graph, {"made": [0, 3], "also": [1]})
    reconstructor = Reconstructor(layer_graph, batch, positions=EVERYWHERE, ridge=TIGHT)
    weights = reconstructor.weights(plan)
    given, wanted = inputs_of(model, "reader", batch)
    rows = patch_matrix(given, 3, padding="valid")
    columns = np.tile(np.isin(np.arange(7), [0, 3, 4 + 1]), 9)
    kernel, bias = fit(rows, wanted.reshape(-1, 2), columns, intercept=True)
    got = weights["reader", "kernel"].reshape(-1, 2)[columns]
    np.testing.assert_allclose(got, kernel, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(weights["reader", "bias"], bias, rtol=1e-3, atol=1e-4)
    only_one = graph.PruningPlan.of(layer_graph, {"also": [1]})
    again = reconstructor.weights(only_one)["reader", "kernel"]
    assert np.all(again[:, :, :4] != 0)
    assert np.all(again[:, :, [4, 6]] == 0)


def test_the_intercept_goes_into_the_mean_of_the_next_batchnorm():
    """The layer has no bias; the mean takes what it lacks, with the sign turned."""
    model = net(
        L.Conv2D(5, 3, use_bias=False, name="reader"), L.BatchNormalization(name="bn")
    )
    x = images(7, 7, 3)
    layer_graph = graph.trace(model)
    plan = graph.PruningPlan.of(layer_graph, {"made": KEEP})
    reconstructor = Reconstructor(layer_graph, x, positions=EVERYWHERE, ridge=TIGHT)
    weights = reconstructor.weights(plan)
    assert set(weights) == {("reader", "kernel"), ("bn", "moving_mean")}
    given, wanted = inputs_of(model, "reader", x)
    columns = np.tile(np.isin(np.arange(6), KEEP), 9)
    rows = patch_matrix(given, 3, padding="valid")
    _, intercept = fit(rows, wanted.reshape(-1, 5), columns, intercept=True)
    moved = model.get_layer("bn").moving_mean.numpy() - intercept
    np.testing.assert_allclose(
        weights["bn", "moving_mean"], moved, rtol=1e-3, atol=1e-4
    )


def test_a_layer_without_a_place_for_an_intercept_is_fitted_without():
    """No bias, and an activation instead of a BatchNorm behind it."""
    reader = L.Conv2D(5, 1, use_bias=False, activation="relu", name="reader")
    model, x = net(reader), images(7, 7, 3)
    found = repaired(model, x, KEEP)
    assert set(found) == {"kernel"}
    given, wanted = inputs_of(model, "reader", x)
    columns = np.isin(np.arange(6), KEEP)
    kernel, _ = fit(
        given.reshape(-1, 6).astype(float), wanted.reshape(-1, 5), columns,
        intercept=False,
    )  # fmt: skip
    got = found["kernel"].reshape(6, 5)[columns]
    np.testing.assert_allclose(got, kernel, rtol=1e-3, atol=1e-4)
