"""Run the original network and the cut one side by side, layer by layer.

Both are halted before the same layer, for every batch of the sampled images, so that
each runs once however many layers are looked at.  Where the tensors of all batches
would exceed the memory limit, they run anew for every layer instead, batch by batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.channels import feature_sampling, residual_targets, walking
from tfcompress.channels.consumers import Consumer
from tfcompress.channels.feature_sampling import Sampling
from tfcompress.channels.patches import Patches

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Halted = tuple[walking.Halting, walking.Halting]


class SideBySide:
    """What each layer reads in the cut network, and what it should make of it.

    Args:
        original: The unpruned network.
        cut: The cut one, with the same names of layers; its weights may change.
        examples: What to run them on.
        sampling: How many, where, and within which memory.
    """

    def __init__(
        self,
        original: graph.LayerGraph,
        cut: graph.LayerGraph,
        examples: walking.Examples,
        sampling: Sampling,
    ) -> None:
        self._graphs = (original, cut)
        self._examples, self._sampling = examples, sampling
        self._calls = [
            {call.name: call for call in one.flat.calls} for one in self._graphs
        ]
        count = walking.count_examples(examples, sampling.num_examples)
        same_order = list(self._calls[0]) == list(self._calls[1])
        size = 2 * count * walking.widest_bytes(original)
        self._held: list[Halted] | None = None
        if same_order and size <= sampling.memory_bytes:
            self._held = list(self._fresh())

    def features(self, consumer: Consumer, kept: Mask) -> tuple[Array, Array]:
        """Return rows and targets of one layer.

        Layers must be asked for in topological order.

        Args:
            consumer: A layer of the original network.
            kept: Which atoms are kept.

        Returns:
            ``[blocks, rows, kept columns]`` of the cut network and the layer's outputs
            in the original one, `[rows, out]`, without its bias but corrected for what
            other branches have lost; float64.
        """
        columns = consumer.kept_columns(kept[consumer.atoms])
        row_bytes = 32 * consumer.blocks * int(columns.sum())  # with working copies
        limit = self._sampling.memory_bytes // row_bytes
        examples = self._sampling.num_examples
        rows, targets = [], []
        for left, target in self._batches(consumer, kept):
            share = max(1, limit * len(left) // max(1, examples))
            some = slice(None, None, max(1, -(-len(target) // share)))
            rows.append(left[:, some][:, :, columns].astype(np.float64))
            targets.append(target[some])
        return np.concatenate(rows, axis=1), np.concatenate(targets)

    def _batches(self, consumer: Consumer, kept: Mask) -> Iterator[tuple[Array, Array]]:
        first, second = self._patches(consumer), self._patches(consumer)
        calls = [named[consumer.name] for named in self._calls]
        branches = [
            residual_targets.find(one, call)
            for one, call in zip(self._graphs, calls, strict=True)
        ]
        held: Iterable[Halted] = self._held or self._fresh()
        for networks in held:
            original, cut = (network.before(consumer.name) for network in networks)
            x, cut_x = original[calls[0].inputs[0]], cut[calls[1].inputs[0]]
            shape = consumer.layer.compute_output_shape(tuple(x.shape))
            whole, chosen = first.draw(x, shape)
            left, _ = second.draw(cut_x, shape)
            target = feature_sampling.linear(consumer, whole)
            lost = residual_targets.lost(consumer, branches, networks, chosen)
            yield left, target + lost * kept[consumer.out]

    def _patches(self, consumer: Consumer) -> Patches:
        settings = self._sampling
        return Patches(consumer, positions=settings.positions, seed=settings.seed)

    def _fresh(self) -> Iterator[Halted]:
        original, cut = self._graphs
        for inputs in walking.batches(
            original,
            self._examples,
            num_examples=self._sampling.num_examples,
            batch_size=feature_sampling.batch_size(original),
        ):
            yield walking.Halting(original, inputs), walking.Halting(cut, inputs)
