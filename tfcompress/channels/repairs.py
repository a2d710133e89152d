"""From the features of one consumer and the channels kept to its new weights."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.channels.consumers import Consumer
from tfcompress.channels.statistics import Statistics
from tfcompress.graph import channel_rules

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Weights = dict[tuple[str, str], Array]
"""Full-size values by layer name and short name of the weight."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """A refitted kernel and the intercept that goes with it.

    Attributes:
        kernel: In Keras order, full size, 0 at removed inputs.
        intercept: What is added to each output, 0 where there is no place for it.
        serves: False where folding constants into a new bias does better.
    """

    kernel: Array
    intercept: Array
    serves: bool = True

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self.kernel.nbytes + self.intercept.nbytes)


def solve(
    layer_graph: graph.LayerGraph,
    consumer: Consumer,
    statistics: Statistics,
    kept: Mask,
    *,
    ridge: float | None,
) -> Solution:
    """Refit one consumer.

    Args:
        layer_graph: The unpruned network.
        consumer: The layer.
        statistics: Its features.
        kept: Which atoms of the graph are kept.
        ridge: Pull towards the old weights; None: by the number of rows.
    """
    columns = consumer.kept_columns(kept[consumer.atoms])
    old = consumer.matrix(consumer.kernel)
    new = statistics.solve(columns, ridge=ridge)
    intercept = np.zeros(old[:, 0].shape)
    serves = True
    if consumer.takes_intercept:
        intercept = np.einsum("bc,bco->bo", statistics.mean, old - new)
    else:
        shift = folded(layer_graph, consumer, kept)
        if np.any(shift):
            removed = old * ~columns[:, None]
            unfitted = statistics.mean_square(removed, shift.reshape(intercept.shape))
            serves = statistics.mean_square(old - new, intercept) <= unfitted
    return Solution(consumer.kernel_of(new), intercept.reshape(-1), serves=serves)


def folded(layer_graph: graph.LayerGraph, consumer: Consumer, kept: Mask) -> Array:
    """Return what folding would add to each output through a new bias."""
    target = layer_graph.fold_targets[consumer.name]
    weights = channel_rules.weights_of(consumer.layer)
    return target.fold.shift(weights, target.removed(kept))


def place(
    layer_graph: graph.LayerGraph, consumer: Consumer, solution: Solution, kept: Mask
) -> Weights:
    """Return the weights that a solution changes.

    Outputs that are removed keep their bias: constants are worked out from it.
    """
    found: Weights = {(consumer.name, consumer.variable): solution.kernel}
    change = np.where(kept[consumer.out], solution.intercept, 0.0)
    if consumer.has_bias:
        before = channel_rules.weights_of(consumer.layer)["bias"]
        found[consumer.name, "bias"] = (before + change).astype(np.float32)
    for norm in consumer.norms:
        before = channel_rules.weights_of(layer_graph.layers[norm])["moving_mean"]
        found[norm, "moving_mean"] = (before - change).astype(np.float32)
    return found


class SolutionCache:
    """Remembers what was solved last, within a limit of memory.

    Args:
        max_bytes: The oldest solutions go when there are more.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._found: collections.OrderedDict[Hashable, Solution]
        self._found = collections.OrderedDict()
        self.nbytes = 0

    def get(self, key: Hashable) -> Solution | None:
        """Return a solution and count it as new, or None."""
        if key in self._found:
            self._found.move_to_end(key)
        return self._found.get(key)

    def put(self, key: Hashable, solution: Solution) -> None:
        """Remember a solution; forget the oldest ones where there is no room."""
        self._found[key] = solution
        self.nbytes += solution.nbytes
        while self.nbytes > self._max_bytes:
            self.nbytes -= self._found.popitem(last=False)[1].nbytes

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._found)
