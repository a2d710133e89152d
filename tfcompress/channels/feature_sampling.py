"""Gather the features of many consumers in one pass over a few hundred images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import errors, files, graph
from tfcompress.channels import walking
from tfcompress.channels.consumers import Consumer
from tfcompress.channels.patches import Patches, pick
from tfcompress.channels.statistics import Statistics
from tfcompress.config import require
from tfcompress.graph import channel_rules

Array = npt.NDArray[Any]

BATCH_BYTES = 64 * 2**20
"""Size of the largest tensor of a batch: bounds the memory of the forward pass."""

MAX_BATCH = 64

TOLERANCE = {"float32": 1e-3, "float64": 1e-3}
"""Error of the matrix form against the layer itself, relative to its largest output."""

HALF_TOLERANCE = 3e-2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How features are sampled and fitted; see `Reconstructor`."""

    num_examples: int = 400
    positions: int = 10
    ridge: float | None = None
    max_memory_mb: float = 1024
    spill_dir: files.PathLike | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("num_examples", "positions"):
            value = getattr(self, name)
            require(value >= 1, name, value, "1 or more")
        memory, ridge = self.max_memory_mb, self.ridge
        require(memory > 0, "max_memory_mb", memory, "above 0")
        require(ridge is None or ridge > 0, "ridge", ridge, "above 0, or None")

    @property
    def memory_bytes(self) -> int:
        """The limit in bytes."""
        return int(self.max_memory_mb * 2**20)


def num_rows(
    layer_graph: graph.LayerGraph, consumer: Consumer, examples: int, positions: int
) -> int:
    """Return how many rows a consumer gives at most."""
    layer = consumer.layer
    shape = list(layer_graph.flat.tensors[consumer.call.outputs[0]].shape[1:])
    del shape[0 if getattr(layer, "data_format", "") == "channels_first" else -1]
    known = math.prod(positions if dim is None else dim for dim in shape)
    return examples * min(positions, known)


def sample(
    layer_graph: graph.LayerGraph,
    parts: Sequence[tuple[Consumer, Statistics]],
    examples: walking.Examples,
    settings: Sampling,
) -> list[str]:
    """Run the unpruned network and add the rows of every consumer to its statistics.

    Returns:
        Names of the consumers whose matrix form does not give what they compute.

    Raises:
        DataError: If there are no images or they do not fit the model.
        ModelError: If features are not finite.
    """
    readers = {
        consumer.call.index: (
            consumer,
            statistics,
            Patches(consumer, positions=settings.positions, seed=settings.seed),
        )
        for consumer, statistics in parts
    }
    broken: list[str] = []
    batches = walking.batches(
        layer_graph,
        examples,
        num_examples=settings.num_examples,
        batch_size=batch_size(layer_graph),
    )
    for number, inputs in enumerate(batches):
        for call, alive in walking.walk(layer_graph, inputs):
            if call.index not in readers:
                continue
            consumer, statistics, patches = readers[call.index]
            output = alive[call.outputs[0]]
            rows, chosen = patches.draw(alive[call.inputs[0]], output.shape)
            _check_finite(layer_graph, consumer, rows)
            made = pick(consumer.layer, output, chosen)
            if number == 0 and not _agrees(consumer, rows, made):
                broken.append(consumer.name)
                del readers[call.index]
                continue
            statistics.add(rows)
    return broken


def batch_size(layer_graph: graph.LayerGraph) -> int:
    """Return how many examples to run at a time."""
    sizes = [
        math.prod(dim or 64 for dim in tensor.shape[1:])
        for tensor in layer_graph.flat.tensors
    ]
    return max(1, min(MAX_BATCH, BATCH_BYTES // (4 * max(sizes, default=1))))


def linear(consumer: Consumer, rows: Array) -> Array:
    """Return ``X W`` of rows ``[blocks, rows, columns]`` as ``[rows, out]``."""
    made = rows @ consumer.matrix(consumer.kernel)
    return np.moveaxis(made, 0, 1).reshape(made.shape[1], -1)


def _agrees(consumer: Consumer, rows: Array, made: Array) -> bool:
    """Tell whether the matrix form gives what the layer computes."""
    bias = channel_rules.weights_of(consumer.layer).get("bias", 0.0)
    before = keras.ops.convert_to_tensor(linear(consumer, rows) + bias, "float32")
    got = keras.ops.convert_to_numpy(consumer.layer.activation(before))
    tolerance = TOLERANCE.get(consumer.layer.compute_dtype, HALF_TOLERANCE)
    return bool(np.abs(got - made).max() <= tolerance * (np.abs(made).max() + 1e-6))


def _check_finite(
    layer_graph: graph.LayerGraph, consumer: Consumer, rows: Array
) -> None:
    if np.isfinite(rows).all():
        return
    raise errors.ModelError(
        f"The features that layer {consumer.name!r} reads are not finite. Received: "
        f"{int((~np.isfinite(rows)).sum())} NaN or infinite values in model "
        f"{layer_graph.name!r}. Load weights from before the training diverged."
    )
