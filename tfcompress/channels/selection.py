"""Turn scores and a budget into a pruning plan.

``scope="global"`` compares channels of all groups: one threshold decides, so groups
shrink as far as their scores say (Liu et al., ICCV 2017, section 3).
``scope="layer"`` removes the same fraction of every group: the uniform baseline.
In both, a group keeps its best channels, and how many is a whole number of blocks.

1. *Bisect* how many channels go in all, every group's count rounded to its nearest
   block; a group never falls below its floor.
2. *Add back* blocks while the budget holds, the best scores first.
3. *Swap*: if more than 3 % of the budget is left, add one block more and pay for it
   with blocks of another group, add back again, and take the best of these trades,
   as long as that uses the budget better.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from tfcompress import errors, graph
from tfcompress.channels.blocks import Array, Counts, Prunable
from tfcompress.channels.budgets import Budget, Meter, Reading
from tfcompress.config import check_known, require

Urge = Callable[[str, int], float]
"""How much a group at some count wants its next block back."""

CLOSE_ENOUGH = 0.97
"""A plan that uses this share of its budget needs no swaps."""

FULL_ENOUGH = 0.998
"""A plan that uses this share of its budget gets no more blocks."""

MAX_SWAP_READINGS = 200
"""Cost readings that the swaps may take: they refine, they must not search."""


def select(  # noqa: PLR0913 - one obvious call, all but two by keyword
    layer_graph: graph.LayerGraph,
    scores: Mapping[str, Array],
    *,
    budget: Budget,
    scope: Literal["global", "layer"] = "global",
    round_to: int = 8,
    min_channels: int = 8,
    exclude: Iterable[str] = (),
) -> graph.PruningPlan:
    """Choose the channels to keep so that the pruned model meets the budget.

    Args:
        layer_graph: The traced model.
        scores: One array per group, from `score`; a group without stays whole.
        budget: The limits to meet.
        scope: ``"global"`` compares all channels; ``"layer"`` prunes every group by
            the same fraction.
        round_to: Kept counts are multiples of this (or all channels): phones compute
            in blocks of 4 or 8.
        min_channels: No group gets fewer, or all if it has fewer.
        exclude: Names of groups or layers to leave whole.

    Returns:
        A plan that meets every limit, and uses at least 97 % of the tightest one where
        whole blocks allow.

    Raises:
        BudgetError: If no plan meets the budget; the message gives the smallest cost
            that can be reached and what stays whole.
        ConfigError: If a name in `exclude` is unknown or a number is out of range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> image = keras.Input((8, 8, 3))
        >>> x = keras.layers.Conv2D(32, 3, name="conv")(image)
        >>> x = keras.layers.GlobalAveragePooling2D()(x)
        >>> model = keras.Model(image, keras.layers.Dense(2)(x))
        >>> layer_graph = graph.trace(model)
        >>> plan = select(
        ...     layer_graph, {"conv": np.arange(32.0)}, budget=Budget(macs=0.5)
        ... )
        >>> plan.keep["conv"]
        array([16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31])
    """
    require(round_to >= 1, "round_to", round_to, "1 or more")
    require(min_channels >= 1, "min_channels", min_channels, "1 or more")
    require(scope in ("global", "layer"), "scope", scope, "'global' or 'layer'")
    excluded = excluded_groups(layer_graph, exclude)
    prunable = Prunable.of(layer_graph, scores, round_to, min_channels, excluded)
    meter = Meter(layer_graph, budget)
    search = _Search(prunable, lambda counts: meter.share(prunable.plan(counts)))
    if search.share(prunable.floors) > 1:
        whole = [g.name for g in layer_graph.groups if g.name not in prunable.floors]
        readings = meter.readings(prunable.plan(prunable.floors))
        raise unreachable(layer_graph, readings, whole)
    rule = prunable.counts_by_rank if scope == "global" else prunable.counts_by_fraction
    urge = prunable.next_score if scope == "global" else prunable.deficit
    counts = search.bisect(rule)
    counts = search.add_back(counts, urge)
    return prunable.plan(search.swap(counts, urge))


class _Search:
    """Looks for counts that use the budget; remembers what it has read.

    Args:
        prunable: What may shrink.
        read: Returns the used share of the budget; 1 or less fits.
    """

    def __init__(self, prunable: Prunable, read: Callable[[Counts], float]) -> None:
        self._prunable = prunable
        self._read = read
        self._known: dict[tuple[int, ...], float] = {}

    def share(self, counts: Counts) -> float:
        key = tuple(counts.values())
        if key not in self._known:
            self._known[key] = self._read(counts)
        return self._known[key]

    def bisect(self, rule: Callable[[float], Counts]) -> Counts:
        """Return the rule's counts at the smallest removed fraction that fits."""
        if self.share(self._prunable.sizes) <= 1:
            return self._prunable.sizes
        fits, fails = 1.0, 0.0
        channels = max(1, len(self._prunable.ranks))
        while fits - fails > 0.5 / channels:
            middle = (fits + fails) / 2
            if self.share(rule(middle)) <= 1:
                fits = middle
            else:
                fails = middle
        return rule(fits)

    def add_back(self, counts: Counts, urge: Urge) -> Counts:
        """Add blocks while they fit, the most urgent group first."""
        counts, sizes = dict(counts), self._prunable.sizes
        queue = {name for name, count in counts.items() if count < sizes[name]}
        while queue and self.share(counts) < FULL_ENOUGH:
            name = max(sorted(queue), key=lambda n: urge(n, counts[n]))
            trial = counts | {name: self._prunable.more(name, counts[name])}
            if self.share(trial) > 1:
                queue.discard(name)  # costs only grow, so it will not fit later
                continue
            counts = trial
            if counts[name] == sizes[name]:
                queue.discard(name)
        return counts

    def swap(self, counts: Counts, urge: Urge) -> Counts:
        """Trade blocks between groups until the budget is used closely enough."""
        limit = len(self._known) + MAX_SWAP_READINGS
        while self.share(counts) < CLOSE_ENOUGH and len(self._known) < limit:
            trades = self._trades(counts, urge, limit)
            better = max(trades, key=self.share, default=counts)
            if self.share(better) <= self.share(counts):
                break
            counts = better
        return counts

    def _trades(self, counts: Counts, urge: Urge, limit: int) -> Iterator[Counts]:
        """Yield fitting counts with a block more here and fewer blocks there."""
        for gets, pays in itertools.permutations(counts, 2):
            richer = counts | {gets: self._prunable.more(gets, counts[gets])}
            if richer == counts or len(self._known) >= limit:
                continue
            while self.share(richer) > 1 and richer[pays] > self._prunable.floors[pays]:
                richer = richer | {pays: self._prunable.fewer(pays, richer[pays])}
            if self.share(richer) <= 1:
                yield self.add_back(richer, urge)


def excluded_groups(layer_graph: graph.LayerGraph, exclude: Iterable[str]) -> set[str]:
    """Return the groups that the names in `exclude`, of groups or layers, mean.

    Raises:
        ConfigError: If a name is unknown.
    """
    by_layer: dict[str, set[str]] = {name: set() for name in layer_graph.layers}
    for group in layer_graph.groups:
        by_layer.setdefault(group.name, set()).add(group.name)
        for name in (*group.layers, *(part.layer for part in group.scales)):
            by_layer[name].add(group.name)
    found: set[str] = set()
    for name in exclude:
        check_known(name, by_layer, owner=f"model {layer_graph.name!r}")
        found |= by_layer[name]
    return found


def unreachable(
    layer_graph: graph.LayerGraph,
    readings: Iterable[Reading],
    whole: Iterable[str],
    *,
    lower: str = "`min_channels` and `round_to`",
) -> errors.BudgetError:
    """Return the error of a budget that no plan meets.

    Args:
        layer_graph: The traced model.
        readings: What the smallest plan costs.
        whole: Groups that stay whole although they could be cut.
        lower: Names of the settings that keep the smallest plan from being smaller.
    """
    readings = tuple(readings)
    wanted = ", ".join(f"{r.name} <= {r.limit:,.6g}" for r in readings)
    smallest = ", ".join(f"{r.name} = {r.value:,.6g}" for r in readings)
    pinned = [f"{name} ({why})" for name, why in layer_graph.pinned.items()]
    kept = ", ".join([*pinned, *(f"{name} (excluded or not scored)" for name in whole)])
    return errors.BudgetError(
        f"No plan meets the budget. Received: {wanted}; the smallest that can be "
        f"reached is {smallest}, with these layers whole: {kept or 'none'}. Raise the "
        f"limit, exclude fewer layers, or lower {lower}."
    )
