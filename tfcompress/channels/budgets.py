"""Limits on what a pruned model may cost.

A limit is a function of ``(graph, plan)`` and the most it may return.  MACs, parameters
and weight bytes come from `tfcompress.graph.cost`; any other cost, such as milliseconds
from a latency table, is a callable with an absolute limit.  A plan meets the budget if
it meets every limit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tfcompress import graph
from tfcompress.config import require

CostFunction = Callable[[graph.LayerGraph, graph.PruningPlan], float]

COUNTED = ("macs", "params", "size_bytes")
"""The costs that `tfcompress.graph.cost` counts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budget:
    """What the pruned model may cost at most; all limits hold together.

    A value in (0, 1] is a fraction of the original model's cost, a value above 1 is
    absolute.

    Attributes:
        macs: Multiply-accumulates of one example.
        params: Number of weights.
        size_bytes: Bytes of the weights, stored by `recipe`.
        recipe: The quantization recipe that `size_bytes` is counted for.
        custom: Pairs of a cost function ``(graph, plan) -> float`` and its absolute
            limit, in the function's unit.

    Raises:
        ConfigError: If no limit is given, or one is not above 0.

    Example:
        >>> Budget(macs=0.5, size_bytes=200_000)
        Budget(macs=0.5, params=None, size_bytes=200000, recipe='int8', custom=())
    """

    macs: float | None = None
    params: float | None = None
    size_bytes: float | None = None
    recipe: str = "int8"
    custom: tuple[tuple[CostFunction, float], ...] = ()

    def __post_init__(self) -> None:
        """Check that there are limits, and that they can be met at all."""
        given = [name for name in COUNTED if getattr(self, name) is not None]
        for name in given:
            value = getattr(self, name)
            require(value > 0, name, value, "in (0, 1] as a fraction, or above 1")
        for function, limit in self.custom:
            require(limit > 0, name_of(function), limit, "above 0")
        require(
            given or self.custom, "budget", self, "at least one limit, such as macs=0.5"
        )


@dataclasses.dataclass(frozen=True)
class Reading:
    """One cost of one plan beside its limit.

    Attributes:
        name: What is limited.
        value: What the plan costs.
        limit: The most that it may cost.
    """

    name: str
    value: float
    limit: float

    @property
    def share(self) -> float:
        """The used share of the limit: the plan meets it at 1 or less."""
        return self.value / self.limit


class Meter:
    """Reads what a plan costs against the limits of one budget on one graph.

    Args:
        layer_graph: The traced model.
        budget: The limits; fractions are of the whole model's cost.
    """

    def __init__(self, layer_graph: graph.LayerGraph, budget: Budget) -> None:
        self._graph = layer_graph
        self._budget = budget
        self._limits: dict[str, float] = {}
        whole = graph.cost(layer_graph, recipe=budget.recipe)
        for name in COUNTED:
            value = getattr(budget, name)
            if value is not None:
                scale = getattr(whole, name) if value <= 1 else 1
                self._limits[name] = value * scale

    def readings(self, plan: graph.PruningPlan) -> tuple[Reading, ...]:
        """Return every limited cost of `plan`."""
        found = []
        if self._limits:
            cost = graph.cost(self._graph, plan, recipe=self._budget.recipe)
            found = [
                Reading(name, getattr(cost, name), limit)
                for name, limit in self._limits.items()
            ]
        for function, limit in self._budget.custom:
            found.append(Reading(name_of(function), function(self._graph, plan), limit))
        return tuple(found)

    def share(self, plan: graph.PruningPlan) -> float:
        """Return the used share of the tightest limit; `plan` fits at 1 or less."""
        return max(reading.share for reading in self.readings(plan))


def name_of(function: CostFunction) -> str:
    """Return the name under which a custom cost is reported."""
    return getattr(function, "__name__", type(function).__name__)
