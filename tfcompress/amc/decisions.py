"""What is decided: one channel group after another, and how far each may shrink.

Each group decides once, at the first layer that reads it, in topological order; tied
layers and depthwise followers go with their group.  The group keeps its best channels,
and how many is one of a few *counts*: multiples of `round_to`, or all.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import errors, files, graph
from tfcompress.channels.selection import excluded_groups
from tfcompress.config import require

Array = npt.NDArray[Any]
Counts = tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """One channel group that a plan decides about.

    Attributes:
        group: Name of the group.
        layer: Name of the first layer that reads it.
        size: Number of its channels.
        counts: How many it may keep, rising; the last one is `size`.
        touches: Names of all layers whose cost depends on it.
    """

    group: str
    layer: str
    size: int
    counts: Counts
    touches: frozenset[str] = frozenset()

    def nearest(self, ratio: float) -> int:
        """Return the possible count nearest to a kept fraction, the larger of two.

        Example:
            >>> decision = Decision(group="a", layer="b", size=20, counts=(8, 16, 20))
            >>> [decision.nearest(ratio) for ratio in (0, 0.5, 0.6, 0.9, 1)]
            [8, 8, 16, 20, 20]
        """
        wanted = ratio * self.size
        return min(self.counts, key=lambda count: (abs(count - wanted), -count))


def key_of(counts: Iterable[int]) -> str:
    """Return counts as the text under which what is known of a plan is kept.

    Example:
        >>> key_of((8, 24)), counts_of("8,24")
        ('8,24', (8, 24))
    """
    return ",".join(map(str, counts))


def counts_of(key: str) -> Counts:
    """Read the counts of a key back, that of a plan with other channels too."""
    return tuple(int(count) for count in key.partition("@")[0].split(","))


class DecisionSpace:
    """All plans that the decisions of one graph can make.

    Args:
        layer_graph: The traced model.
        scores: One array per group, higher matters more; a group without stays whole.
        round_to: Kept counts are multiples of this, or all channels.
        min_ratio: Smallest kept fraction of a group, in (0, 1]; rounded up.
        min_channels: No group gets fewer, or all if it has fewer.
        exclude: Names of groups or layers to leave whole.

    Attributes:
        decisions: The groups that have something to decide, in order.
        whole: Names of the groups that stay whole because of the settings.

    Raises:
        ConfigError: If a setting is out of range or a name in `exclude` is unknown.
        ModelError: If fewer than two groups can be cut.
    """

    def __init__(
        self,
        layer_graph: graph.LayerGraph,
        scores: Mapping[str, Array],
        *,
        round_to: int = 8,
        min_ratio: float = 0.2,
        min_channels: int = 1,
        exclude: Iterable[str] = (),
    ) -> None:
        require(round_to >= 1, "round_to", round_to, "1 or more")
        require(0 < min_ratio <= 1, "min_ratio", min_ratio, "in (0, 1]")
        require(min_channels >= 1, "min_channels", min_channels, "1 or more")
        self._graph = layer_graph
        excluded = excluded_groups(layer_graph, exclude)
        found = []
        for group in layer_graph.groups:
            if group.name in scores and group.name not in excluded:
                least = max(min_channels, math.ceil(min_ratio * group.size - 1e-9))
                counts = possible_counts(group.size, least, round_to)
                found.append((_first_reader(layer_graph, group), group, counts))
        self.decisions = tuple(
            Decision(
                group=group.name,
                layer=reader,
                size=group.size,
                counts=counts,
                touches=_touched(group),
            )
            for (_, reader), group, counts in sorted(found, key=lambda entry: entry[0])
            if len(counts) > 1
        )
        free = {decision.group for decision in self.decisions}
        self.whole = tuple(g.name for g in layer_graph.groups if g.name not in free)
        self._check(round_to)
        self._best_first = {
            name: np.argsort(-np.asarray(scores[name]), kind="stable") for name in free
        }
        self._sorted: dict[tuple[str, int], Array] = {}
        self._sizes = {group.name: group.size for group in layer_graph.groups}

    @property
    def floors(self) -> Counts:
        """Return the smallest count of every decision."""
        return tuple(decision.counts[0] for decision in self.decisions)

    @property
    def sizes(self) -> Counts:
        """Return the number of channels of every decision."""
        return tuple(decision.size for decision in self.decisions)

    def plan(self, counts: Sequence[int]) -> graph.PruningPlan:
        """Return the plan that keeps so many channels, the best, of every group.

        Decisions that `counts` is too short for keep all.
        """
        # Not by `PruningPlan.of`: its checks would cost more than counting the cost.
        return graph.PruningPlan(
            keep={
                decision.group: self._kept(decision.group, count)
                for decision, count in zip(self.decisions, counts, strict=False)
                if count < decision.size
            },
            sizes=self._sizes,
            model_name=self._graph.name,
            fingerprint=self._graph.fingerprint,
        )

    def key(self, plan: graph.PruningPlan) -> str:
        """Return the name under which what is known of a plan is kept.

        It lists the kept counts in the order of the decisions; a plan that keeps other
        channels than the best, or cuts other groups, has a fingerprint of them behind.

        Example:
            >>> import keras
            >>> x = inputs = keras.Input((4,))
            >>> for name in ("a", "b"):
            ...     x = keras.layers.Dense(4, name=name)(x)
            >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
            >>> scores = {name: np.array([4.0, 3.0, 2.0, 1.0]) for name in ("a", "b")}
            >>> space = DecisionSpace(graph.trace(model), scores, round_to=1)
            >>> space.key(space.plan([3, 2]))
            '3,2'
            >>> plan = graph.PruningPlan.of(graph.trace(model), {"a": [0, 1, 3]})
            >>> space.key(plan)
            '3,4@...'
        """
        counts = [plan.kept(decision.group) for decision in self.decisions]
        key = key_of(counts)
        ours = self.plan(counts).keep
        cut = {n: k for n, k in plan.keep.items() if len(k) < plan.sizes[n]}
        if ours.keys() == cut.keys() and all(
            np.array_equal(kept, cut[name]) for name, kept in ours.items()
        ):
            return key
        other = (f"{name}:{cut[name].tolist()}" for name in sorted(cut))
        return f"{key}@{files.fingerprint(*other)}"

    def _kept(self, group: str, count: int) -> Array:
        if (group, count) not in self._sorted:
            self._sorted[group, count] = np.sort(self._best_first[group][:count])
        return self._sorted[group, count]

    def _check(self, round_to: int) -> None:
        if len(self.decisions) > 1:
            return
        names = ", ".join(d.group for d in self.decisions) or "none"
        groups = ", ".join(f"{g.name} ({g.size})" for g in self._graph.groups)
        raise errors.ModelError(
            f"A search needs at least two channel groups to decide about. Received: "
            f"model {self._graph.name!r} with {names}, of the groups "
            f"{groups or 'none'} at round_to={round_to}. Lower `round_to` or exclude "
            "fewer layers; a single group is cut without a search by "
            "`tfcompress.select`, or `tfcompress prune`."
        )


def possible_counts(size: int, least: int, round_to: int) -> Counts:
    """Return the multiples of `round_to` from `least` up to `size`, and `size`.

    Example:
        >>> possible_counts(20, 4, 8), possible_counts(64, 13, 16)
        ((8, 16, 20), (16, 32, 48, 64))
    """
    first = -(-least // round_to) * round_to
    return (*range(first, size, round_to), size)


def _first_reader(
    layer_graph: graph.LayerGraph, group: graph.ChannelGroup
) -> tuple[int, str]:
    """Return position and name of the first layer that consumes a group's channels.

    A group that nothing consumes decides at the layer that makes it.
    """
    names = {part.layer for part in group.consumers} or set(group.layers)
    call = next(call for call in layer_graph.nodes if call.name in names)
    return call.index, call.name


def _touched(group: graph.ChannelGroup) -> frozenset[str]:
    parts = (*group.producers, *group.scales, *group.followers, *group.consumers)
    return frozenset(part.layer for part in parts)
