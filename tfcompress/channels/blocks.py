"""How many channels each group may keep, and which ones those are.

A group keeps its best channels, a whole number of blocks of them (or all), and never
fewer than its floor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import graph

Array = npt.NDArray[Any]
Counts = dict[str, int]


@dataclasses.dataclass(frozen=True)
class Prunable:
    """The groups that may shrink: their order of channels and possible counts.

    Attributes:
        layer_graph: The traced model.
        best_first: Channels of each group, the best first.
        sorted_scores: Their scores, the best first.
        floors: Fewest channels of each group.
        round_to: Block size.
        ranks: Names of all groups' channels, one entry per channel, the worst first.
    """

    layer_graph: graph.LayerGraph
    best_first: dict[str, Array]
    sorted_scores: dict[str, Array]
    floors: Counts
    round_to: int
    ranks: Array

    @classmethod
    def of(
        cls,
        layer_graph: graph.LayerGraph,
        scores: Mapping[str, Array],
        round_to: int,
        min_channels: int,
        excluded: set[str],
    ) -> Prunable:
        """Gather the groups that have scores and are not excluded."""
        free = [
            group
            for group in layer_graph.groups
            if group.name in scores and group.name not in excluded
        ]
        best = {g.name: np.argsort(-scores[g.name], kind="stable") for g in free}
        ordered = {name: scores[name][channels] for name, channels in best.items()}
        least = -(-min_channels // round_to) * round_to
        return cls(
            layer_graph=layer_graph,
            best_first=best,
            sorted_scores=ordered,
            floors={g.name: min(least, g.size) for g in free},
            round_to=round_to,
            ranks=_worst_first(ordered),
        )

    def size(self, name: str) -> int:
        """Return how many channels the group has."""
        return len(self.best_first[name])

    @property
    def sizes(self) -> Counts:
        """How many channels every group has."""
        return {name: self.size(name) for name in self.floors}

    def rounded(self, name: str, count: float) -> int:
        """Round to the nearest possible count of the group."""
        size, below = self.size(name), int(count // self.round_to) * self.round_to
        options = (below, min(below + self.round_to, size))
        nearest = min(options, key=lambda option: (abs(option - count), -option))
        return min(max(nearest, self.floors[name]), size)

    def more(self, name: str, count: int) -> int:
        """Return the next possible count above."""
        return min((count // self.round_to + 1) * self.round_to, self.size(name))

    def fewer(self, name: str, count: int) -> int:
        """Return the next possible count below, or the floor."""
        return max((count - 1) // self.round_to * self.round_to, self.floors[name])

    def counts_by_rank(self, removed: float) -> Counts:
        """Remove this fraction of all channels, the worst scores first."""
        first = round(removed * len(self.ranks))
        kept = dict(
            zip(*np.unique(self.ranks[first:], return_counts=True), strict=True)
        )
        return {
            name: self.rounded(name, int(kept.get(name, 0))) for name in self.floors
        }

    def counts_by_fraction(self, removed: float) -> Counts:
        """Remove this fraction of every group."""
        return {
            name: self.rounded(name, (1 - removed) * self.size(name))
            for name in self.floors
        }

    def next_score(self, name: str, count: int) -> float:
        """Return the mean score of the block that would come back next."""
        block = self.sorted_scores[name][count : self.more(name, count)]
        return float(block.mean())

    def deficit(self, name: str, count: int) -> float:
        """Return the fraction of the group that is removed."""
        return 1 - count / self.size(name)

    def plan(self, counts: Counts) -> graph.PruningPlan:
        """Return the plan that keeps so many channels, the best, of every group."""
        keep = {
            name: np.sort(self.best_first[name][:count])
            for name, count in counts.items()
        }
        return graph.PruningPlan.of(self.layer_graph, keep=keep)


def _worst_first(sorted_scores: Mapping[str, Array]) -> Array:
    """Return the group of every channel, in the rising order of the scores."""
    if not sorted_scores:
        return np.array([], dtype=str)
    names = np.concatenate([np.full(len(s), n) for n, s in sorted_scores.items()])
    values = np.concatenate(list(sorted_scores.values()))
    return names[np.argsort(values, kind="stable")]
