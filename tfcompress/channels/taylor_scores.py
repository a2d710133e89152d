"""Score channels by how much the loss would change without them, to first order.

Put a gate z_c = 1 on the output of a layer's channel c.  Because that output is linear
in the channel's weights (kernel and bias of a convolution, gamma and beta of a
BatchNorm), the gate's gradient is a sum over those weights, and closing the gate
changes the loss by about

    I_c = mean over batches of ( sum over weights w of c:  w * dL/dw )^2

Tied layers share one gate: their sums are added before the square.  A group with
BatchNorm on its channels is gated there, as the paper advises, else at its producers.

Source: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019,
equations 8 and 9 and section 3.4 ("Taylor-FO-BN").  Scores are comparable between
layers as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import data as datasets
from tfcompress import errors, graph
from tfcompress.graph.reading import functional_graph

Array = npt.NDArray[Any]

MAX_BATCHES = 50
"""Batches that are read at most; the paper's ranking settles within a few dozen."""

BATCH_SIZE = 128

_PARTNERS = {"gamma": "beta", "kernel": "bias", "pointwise_kernel": "bias"}
"""The weight that shares a gate with another: both scale the same output."""


def taylor(
    layer_graph: graph.LayerGraph, *, data: Any, seed: int = 0
) -> dict[str, Array]:
    """Score every group from the gradients of the task's loss.

    Args:
        layer_graph: A traced model.
        data: A `tfcompress.data.Dataset` (its training part is read), a pair of arrays
            ``(x, y)``, or an iterable of batches ``(x, y)`` or ``(x, y, weight)``.
        seed: The order in which a `Dataset` is read.

    Returns:
        One array of shape `[group.size]` per group name.

    Raises:
        DataError: If there are no data, or the loss cannot be told: the model is not
            compiled and the data are no `Dataset`.
    """
    model = _with_loss(layer_graph.model, data)
    gates = {group.name: _gate(layer_graph, group) for group in layer_graph.groups}
    variables = list({id(v): v for gate in gates.values() for v, _, _ in gate}.values())
    gradients = _gradient_function(model, variables)
    totals = {group.name: np.zeros(group.size) for group in layer_graph.groups}
    count = 0
    for batch in itertools.islice(_batches(data, seed), MAX_BATCHES):
        products = {
            id(variable): np.asarray(gradient) * variable.numpy()
            for variable, gradient in zip(variables, gradients(*batch), strict=True)
        }
        for name, total in totals.items():
            total += np.square(_gate_gradient(gates[name], products, len(total)))
        count += 1
    if not count:
        raise errors.DataError(
            "The data set is empty. Received: no batch for the criterion 'taylor'. "
            "Check the path and the split."
        )
    return {name: total / count for name, total in totals.items() if gates[name]}


def gate_gradient(product: Array, axis: int, channel: Array, size: int) -> Array:
    """Sum weight x gradient over everything that belongs to each channel.

    Args:
        product: Weight times gradient, elementwise.
        axis: The axis of `product` whose positions belong to channels.
        channel: The channel of each position, -1 for none.
        size: Number of channels.

    Example:
        >>> product = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
        >>> gate_gradient(product, 1, np.array([1, -1, 0]), 2)
        array([33., 11.])
    """
    rows = np.moveaxis(product, axis, 0).reshape(product.shape[axis], -1).sum(axis=1)
    total = np.zeros(size)
    np.add.at(total, channel[channel >= 0], rows[channel >= 0])
    return total


Gate = list[tuple[Any, int, Array]]


def _gate(layer_graph: graph.LayerGraph, group: graph.ChannelGroup) -> Gate:
    """List the weights that a group's gate scales: (variable, axis, channels)."""
    gate: Gate = []
    for part in group.scales or group.producers:
        named = {v.name: v for v in layer_graph.layers[part.layer].weights}
        gate.append((named[part.variable], part.axis, np.asarray(part.channel)))
        partner = named.get(_PARTNERS.get(part.variable, ""))
        if partner is not None and partner.shape[0] == len(part.channel):
            gate.append((partner, 0, np.asarray(part.channel)))
    return gate


def _gate_gradient(gate: Gate, products: dict[int, Array], size: int) -> Array:
    return sum(
        (
            gate_gradient(products[id(v)], axis, channel, size)
            for v, axis, channel in gate
        ),
        start=np.zeros(size),
    )


def _gradient_function(
    model: keras.Model, variables: list[Any]
) -> Callable[..., list[Array]]:
    """Return (x, y, weight) -> gradients of the compiled task loss."""
    import tensorflow as tf  # gradients have no name in keras.ops

    values = [variable.value for variable in variables]

    @tf.function
    def gradients(x: Any, y: Any, weight: Any = None) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            prediction = model(x, training=False)
            loss = model.compute_loss(x, y, prediction, weight, training=False)
            loss -= sum(model.losses)  # what the penalties want says nothing about use
        return tape.gradient(
            loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    return gradients  # type: ignore[no-any-return]


def _with_loss(model: keras.Model, data: Any) -> keras.Model:
    """Return a view of the model that is compiled with the loss of its task."""
    if data is None:
        raise errors.DataError(
            "The criterion 'taylor' needs data to take gradients on. Received: "
            'data=None. Pass some: `score(model, criterion="taylor", data=dataset)`.'
        )
    if isinstance(data, datasets.Dataset):
        task = datasets.Task.for_model(model, data)
        calls = functional_graph(model)
        view = keras.Model(calls.input, calls.output)
        view.compile(loss=task.loss(), loss_weights=task.loss_weights())
        return view
    if not model.compiled:
        raise errors.DataError(
            f"The criterion 'taylor' does not know the loss. Received: model "
            f"{model.name!r}, which is not compiled, and data that name no task. Call "
            "`model.compile(loss=...)` first, or pass a `tfcompress.data.Dataset`."
        )
    return model


def _batches(data: Any, seed: int) -> Iterable[Any]:
    if isinstance(data, datasets.Dataset):
        return data.train(BATCH_SIZE, seed=seed, augment=False)  # type: ignore[no-any-return]
    if isinstance(data, tuple) and len(data) == 2:
        x, y = data
        starts = range(0, len(x), BATCH_SIZE)
        return ((x[i : i + BATCH_SIZE], y[i : i + BATCH_SIZE]) for i in starts)
    return data  # type: ignore[no-any-return]
