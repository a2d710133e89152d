"""Run a traced model on examples, so that a reader sees every tensor once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import data, errors, graph
from tfcompress.graph.reading import Call
from tfcompress.graph.running import inputs_in_order, last_uses, run_call, run_through

Examples = data.Dataset | Any
"""A data set, or an array of preprocessed inputs (a list or dict of several)."""


def walk(
    layer_graph: graph.LayerGraph, inputs: list[Any]
) -> Iterator[tuple[Call, Mapping[int, Any]]]:
    """Run the network on a batch; yield after each call with the tensors alive.

    Args:
        layer_graph: The network, run as in inference.
        inputs: One array per input tensor.

    Yields:
        The call and the tensors by number: at least its own inputs and outputs.
    """
    flat = layer_graph.flat
    tensors = [
        keras.ops.convert_to_tensor(value, flat.tensors[tensor].dtype)
        for tensor, value in zip(flat.input_tensors(), inputs, strict=True)
    ]
    yield from run_through(flat, tensors)


class Halting:
    """A network that runs on one batch as far as it is told to.

    Args:
        layer_graph: The network.
        inputs: One array per input tensor.
    """

    def __init__(self, layer_graph: graph.LayerGraph, inputs: list[Any]) -> None:
        calls = layer_graph.flat.calls
        self._index = {call.name: call.index for call in calls}
        self._makers = {made: call for call in calls for made in call.outputs}
        self._calls = walk(layer_graph, inputs)
        self._next = 0
        self._alive: Mapping[int, Any] = {}

    def before(self, name: str) -> Mapping[int, Any]:
        """Run up to a layer that is not the first; return the tensors alive there."""
        while self._next < self._index[name]:
            _, self._alive = next(self._calls)
            self._next += 1
        return self._alive

    def ahead(self, tensor: int) -> Any:
        """Return a tensor alive here, or run what makes it; the halt stays."""
        if tensor in self._alive:
            return self._alive[tensor]
        call = self._makers[tensor]
        known = {read: self.ahead(read) for read in call.inputs}
        made = run_call(call, known)
        return made[call.outputs.index(tensor)]


def widest_bytes(layer_graph: graph.LayerGraph) -> int:
    """Return the most bytes that one example has alive, in float32."""
    flat = layer_graph.flat
    last = last_uses(flat)
    sizes = [4 * math.prod(dim or 64 for dim in t.shape[1:]) for t in flat.tensors]
    alive = sum(sizes[tensor] for tensor in flat.input_tensors())
    widest = alive
    for call in flat.calls:
        alive += sum(sizes[tensor] for tensor in call.outputs)
        widest = max(widest, alive)
        for tensor in {*call.inputs, *call.outputs}:
            if last.get(tensor, -1) <= call.index:
                alive -= sizes[tensor]
    return widest


def batches(
    layer_graph: graph.LayerGraph,
    examples: Examples,
    *,
    num_examples: int,
    batch_size: int = 64,
) -> Iterator[list[Any]]:
    """Stream inputs, each batch as one array per input tensor of the model.

    Raises:
        DataError: If there are none, or their shape is not the model's.
    """
    model = layer_graph.model
    if isinstance(examples, data.Dataset):
        given: Iterator[Any] = iter(
            examples.calibration(num_examples, batch_size=batch_size)
        )
    else:
        given = _slices(inputs_in_order(model, examples), num_examples, batch_size)
    count = 0
    for batch in given:
        arrays = inputs_in_order(model, batch)
        count += len(arrays[0])
        yield arrays
    if not count:
        raise errors.DataError(
            "There are no images to take features from. Received: a data set of 0 "
            f"examples for the reconstruction of model {layer_graph.name!r}. Check the "
            "path and the split."
        )


def count_examples(examples: Examples, limit: int) -> int:
    """Return how many examples `batches` gives."""
    if isinstance(examples, data.Dataset):
        return min(limit, examples.sizes["train"])
    leaves = keras.tree.flatten(examples)
    return min(limit, len(leaves[0])) if leaves else 0


def _slices(arrays: list[Any], limit: int, size: int) -> Iterator[list[Any]]:
    count = min(limit, *(len(array) for array in arrays)) if arrays else 0
    for start in range(0, count, size):
        stop = min(start + size, count)
        yield [np.asarray(array[start:stop]) for array in arrays]
