"""What a plan costs, as an episode asks: against the limits, in total, and by layer."""

from __future__ import annotations

from tfcompress import channels, graph
from tfcompress.channels import budgets


class PlanCosts:
    """Reads the costs of plans from the plan's own cost model.

    Args:
        layer_graph: The traced model.
        budget: The limits, or None.

    Attributes:
        kind: The cost that observations show: the budget's first limit among those
            that `tfcompress.graph.cost` counts, or MACs.
        recipe: The quantization recipe that bytes are counted for.
    """

    def __init__(
        self, layer_graph: graph.LayerGraph, budget: channels.Budget | None
    ) -> None:
        self._graph, self._budget = layer_graph, budget
        self._meter = None if budget is None else budgets.Meter(layer_graph, budget)
        self.recipe = channels.Budget.recipe if budget is None else budget.recipe
        limited = (n for n in budgets.COUNTED if getattr(budget, n, None) is not None)
        self.kind = next(limited, "macs")

    def cost(self, plan: graph.PruningPlan) -> graph.Cost:
        """Count what a plan leaves."""
        return graph.cost(self._graph, plan, recipe=self.recipe)

    def share(self, plan: graph.PruningPlan) -> float:
        """Return the used share of the tightest limit; without a budget it is 0."""
        return 0.0 if self._meter is None else self._meter.share(plan)

    def limited(self, plan: graph.PruningPlan) -> tuple[budgets.Reading, ...]:
        """Return every limited cost beside its limit."""
        return () if self._meter is None else self._meter.readings(plan)

    def custom(self, plan: graph.PruningPlan) -> tuple[float, ...]:
        """Return what the budget's own cost functions say."""
        functions = () if self._budget is None else self._budget.custom
        return tuple(float(function(self._graph, plan)) for function, _ in functions)

    def summary(self, cost: graph.Cost, plan: graph.PruningPlan) -> dict[str, float]:
        """Return the totals of a plan by name, the budget's own costs included."""
        functions = () if self._budget is None else self._budget.custom
        names = [budgets.name_of(function) for function, _ in functions]
        counted = {name: getattr(cost, name) for name in budgets.COUNTED}
        return {**counted, **dict(zip(names, self.custom(plan), strict=True))}

    def by_layer(self, cost: graph.Cost) -> dict[str, int]:
        """Return the cost that observations show, of each layer that has weights."""
        return cost.by_layer(self.kind)
