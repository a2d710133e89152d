"""Refit the weights that stay to each layer's original output, in a few steps.

With the inputs X and the kernel W of the original layer, and the mask M of the weights
that stay, the regressed kernel V lowers

    |X V - X W|^2 / rows,   V zero where M is

by a few steps of conjugate gradients, every output of the layer by itself.  As inputs
and outputs are both the original network's, XᵀX alone decides; it is gathered once, and
an episode touches no features.

Source: Wu et al., "PocketFlow: An Automated Framework for Compressing and Accelerating
Deep Neural Networks", NeurIPS workshop 2018: 20 steps per layer before the reward of a
sparsity search.  Where we differ: its program takes gradient steps of rate 3e-2 on
batches of features; on XᵀX the same number of conjugate steps gets further, at no rate
to choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.channels.consumers import Consumer, find_consumers
from tfcompress.channels.patches import Patches
from tfcompress.channels.walking import Examples, batches, walk
from tfcompress.config import require
from tfcompress.graph.tracing import as_graph

Array = npt.NDArray[Any]
Key = tuple[str, str]

STEPS = 20
"""Of each layer, as in PocketFlow."""

MAX_COLUMNS = 2560
"""A layer whose rows are longer is left out: its XᵀX would take over 50 MB."""


class LayerRegression:
    """Regresses the layers of one model for any masks.

    It refits every convolution and Dense layer that reads channels of other layers;
    the first layers and depthwise ones keep the weights that stay as they are.

    Args:
        model_or_graph: The original model, or its graph.
        examples: A data set, whose training part is used, or an array of inputs.
        num_examples: How many examples the features are taken from.
        positions: Random output positions of each example.
        steps: Conjugate gradient steps per layer.
        seed: Of the positions.

    Attributes:
        notes: The layers that are left out, and why.

    Raises:
        DataError: If there are no examples, or they do not fit the model.
    """

    def __init__(
        self,
        model_or_graph: keras.Model | graph.LayerGraph,
        examples: Examples,
        *,
        num_examples: int = 200,
        positions: int = 10,
        steps: int = STEPS,
        seed: int = 0,
    ) -> None:
        for name, value in [("num_examples", num_examples), ("positions", positions)]:
            require(value >= 1, name, value, "1 or more")
        require(steps >= 0, "steps", steps, "0 or more")
        self._steps = steps
        layer_graph = as_graph(model_or_graph)
        found, left_out = find_consumers(layer_graph)
        wide = [c for c in found if c.columns > MAX_COLUMNS]
        self._consumers = [c for c in found if c.columns <= MAX_COLUMNS]
        self.notes = tuple(
            [f"{name} is not regressed: {why}" for name, why in left_out.items()]
            + [f"{c.name} is not regressed: {c.columns} columns" for c in wide]
        )
        self._grams = _gather(
            layer_graph,
            self._consumers,
            batches(layer_graph, examples, num_examples=num_examples),
            [Patches(c, positions=positions, seed=seed) for c in self._consumers],
        )

    def __call__(self, masks: Mapping[Key, Array]) -> dict[Key, Array]:
        """Return the regressed kernels of the layers that have zeros."""
        kernels: dict[Key, Array] = {}
        for consumer, gram in zip(self._consumers, self._grams, strict=True):
            keep_mask = masks.get((consumer.name, consumer.variable))
            if keep_mask is None or keep_mask.all():
                continue
            regressed = regress_masked(
                gram,
                consumer.matrix(consumer.kernel),
                consumer.matrix(keep_mask),
                steps=self._steps,
            )
            kernels[consumer.name, consumer.variable] = consumer.kernel_of(regressed)
        return kernels


def regress_masked(gram: Array, old: Array, keep_mask: Array, *, steps: int) -> Array:
    """Lower ``tr (V - W)ᵀ G (V - W)`` over the V that are zero outside the mask.

    Args:
        gram: G, `[blocks, columns, columns]`, symmetric, no negative eigenvalues.
        old: W, `[blocks, columns, out]`.
        keep_mask: 1 where a weight stays, 0 elsewhere, like `old`.
        steps: Of conjugate gradients, from W with its zeros.

    Returns:
        V, like `old`.

    Example:
        Two equal inputs: the weight that stays takes over the other one's.

        >>> gram, old = np.ones((1, 2, 2)), np.array([[[1.0], [2.0]]])
        >>> regress_masked(gram, old, np.array([[[1.0], [0.0]]]), steps=1).ravel()
        array([3., 0.])
    """
    new = old * keep_mask
    residual = keep_mask * (gram @ (old - new))
    direction = residual
    power = np.sum(residual**2, axis=1, keepdims=True)
    floor = 1e-20 * np.maximum(power, 1e-30)
    for _ in range(steps):
        image = keep_mask * (gram @ direction)
        curvature = np.sum(direction * image, axis=1, keepdims=True)
        going = (power > floor) & (curvature > 0)
        rate = np.where(going, power / np.where(going, curvature, 1.0), 0.0)
        new = new + rate * direction
        residual = residual - rate * image
        before, power = power, np.sum(residual**2, axis=1, keepdims=True)
        turn = np.where(going, power / np.where(going, before, 1.0), 0.0)
        direction = residual + turn * direction
    return np.asarray(new)


def _gather(
    layer_graph: graph.LayerGraph,
    consumers: list[Consumer],
    inputs: Any,
    patches: list[Patches],
) -> list[Array]:
    """Run the original network once, and add up XᵀX of each layer."""
    at = {consumer.call.index: i for i, consumer in enumerate(consumers)}
    grams = [np.zeros((c.blocks, c.columns, c.columns)) for c in consumers]
    for batch in inputs:
        for call, tensors in walk(layer_graph, batch):
            i = at.get(call.index)
            if i is None:
                continue
            outputs = tuple(tensors[call.outputs[0]].shape)
            rows, _ = patches[i].draw(tensors[call.inputs[0]], outputs)
            wide = rows.astype(np.float64)
            grams[i] += np.swapaxes(wide, 1, 2) @ wide / wide.shape[1]
    return grams
