"""Plans that set single weights to zero, with the regression of those that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import channels, data, graph
from tfcompress.amc.decisions import Decision
from tfcompress.amc.fine_grained import SparsityEnvironment
from tfcompress.amc.layer_regression import LayerRegression
from tfcompress.amc.plan_kinds import Widths, fractions
from tfcompress.amc.rewards import Evaluated
from tfcompress.amc.settings import AmcConfig
from tfcompress.amc.sparse_judging import Tune

_STEPS = 100  # possible numbers of zeros in a layer, for the baselines


class WeightPlans:
    """Plans that set single weights to zero: the sparsity of each layer.

    Args:
        layer_graph: The traced model.
        dataset: Its training part regresses what is left.
        config: The settings.
        budget: What every plan meets: a limit on `params` alone.
        tune: Trains the model briefly before it is judged.
        **judging: Further settings of `SparsityEnvironment`: `evaluate`, `reward`,
            `known`, `higher_is_better`.
    """

    def __init__(
        self,
        layer_graph: graph.LayerGraph,
        dataset: data.Dataset,
        *,
        config: AmcConfig,
        budget: channels.Budget | None,
        tune: Tune | None = None,
        **judging: Any,
    ) -> None:
        self._graph = layer_graph
        regress: LayerRegression | None = None
        if config.reconstruct:
            regress = LayerRegression(
                layer_graph, dataset, num_examples=config.reconstruction_examples
            )
        self.notes = () if regress is None else regress.notes
        self.environment = SparsityEnvironment(
            layer_graph,
            budget=budget,
            exclude=config.exclude,
            max_sparsity=config.max_sparsity,
            max_dense_sparsity=config.max_dense_sparsity,
            regress=regress,
            tune=tune,
            **judging,
        )
        self.decisions = tuple(
            Decision(
                group=entry.layer,
                layer=entry.layer,
                size=entry.size,
                counts=_counts(entry.size - entry.most, entry.size),
            )
            for entry in self.environment.decisions
        )
        total = sum(decision.size for decision in self.decisions)
        limit = float(budget.params or 1) if budget else 1.0
        self._limit = int(limit * total + 1e-9) if limit <= 1 else limit

    def plan(self, widths: Widths) -> dict[str, float]:
        """Return the fraction of zeros by layer."""
        return {
            decision.layer: 1 - width / decision.size
            for decision, width in zip(self.decisions, widths, strict=True)
        }

    def widths(self, plan: Mapping[str, float]) -> Widths:
        """Return how many weights of each layer stay."""
        return tuple(
            decision.size - round(plan.get(decision.layer, 0.0) * decision.size)
            for decision in self.decisions
        )

    def actions(self, widths: Widths) -> list[float]:
        """Return the sparsities."""
        return [1 - kept for kept in fractions(widths, self.decisions)]

    def episode_plan(self, actions: Sequence[float]) -> dict[str, float]:
        """Return the sparsities that an episode makes."""
        return self.environment.plan_of(actions)

    def evaluate(self, plan: Mapping[str, float]) -> Evaluated:
        """Judge sparsities, or look them up."""
        return self.environment.evaluate_plan(plan)

    def share(self, widths: Widths) -> float:
        """Return the used share of the weights that may stay, or of all."""
        return sum(widths) / self._limit

    def full(self) -> dict[str, float]:
        """Return the plan without zeros."""
        return {}

    def cut(self, plan: Mapping[str, float]) -> graph.PruningPlan:  # noqa: ARG002
        """Return the plan that keeps every channel."""
        return graph.PruningPlan.full(self._graph)

    def sparsities(self, plan: Mapping[str, float]) -> dict[str, float]:
        """Return the plan itself."""
        return dict(plan)

    def model(self, plan: Mapping[str, float]) -> keras.Model:
        """Return a copy with the zeros in place, regressed and tuned."""
        return self.environment.sparse_model(plan)

    def record(self, plan: Mapping[str, float]) -> dict[str, Any]:
        """Return the sparsities."""
        return dict(plan)

    def read(self, record: Mapping[str, Any]) -> dict[str, float]:
        """Return the plan of a record."""
        return {str(name): float(value) for name, value in record.items()}


def _counts(least: int, size: int) -> Widths:
    """Return about `_STEPS` numbers from `least` to `size`, evenly.

    Example:
        >>> _counts(2, 5)
        (2, 3, 4, 5)
    """
    spread = np.linspace(least, size, min(_STEPS, size - least) + 1)
    return tuple(int(number) for number in np.unique(spread.round()))
