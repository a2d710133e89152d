"""What a plan can be: kept channels of each group, or zeros of each layer.

Search and baselines speak of *widths*: how much each decision keeps, as whole numbers.
In `ChannelPlans` these are channels, in `WeightPlans` weights; both tell what a plan of
some widths costs, and make the model that the search has judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from tfcompress import channels, data, graph
from tfcompress.amc.decisions import Decision, DecisionSpace
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.episodes import EpisodeEnvironment
from tfcompress.amc.fine_grained import SparsityEnvironment
from tfcompress.amc.layer_regression import LayerRegression
from tfcompress.amc.rewards import Evaluated
from tfcompress.amc.settings import AmcConfig
from tfcompress.amc.sparse_judging import Tune
from tfcompress.channels import budgets
from tfcompress.channels.reconstruction import Reconstructor

Widths = tuple[int, ...]
"""How many channels, or weights, each decision keeps."""

_STEPS = 100  # possible numbers of zeros in a layer, for the baselines


class Plans(Protocol):
    """The plans of one environment; what a plan itself is depends on the kind."""

    decisions: tuple[Decision, ...]
    notes: tuple[str, ...]

    @property
    def environment(self) -> EpisodeEnvironment:
        """Where they are decided and judged."""

    def plan(self, widths: Widths) -> Any:
        """Return the plan that keeps so much, the best, for each decision."""

    def widths(self, plan: Any) -> Widths:
        """Return how much a plan keeps for each decision."""

    def actions(self, widths: Widths) -> list[float]:
        """Return the actions that ask for these widths."""

    def episode_plan(self, actions: Sequence[float]) -> Any:
        """Return the plan that an episode of these actions makes; nothing is judged."""

    def evaluate(self, plan: Any) -> Evaluated:
        """Judge a plan, or look it up."""

    def share(self, widths: Widths) -> float:
        """Return the used share of the budget; without one, of the whole network."""

    def full(self) -> Any:
        """Return the plan that removes nothing."""

    def cut(self, plan: Any) -> graph.PruningPlan:
        """Return the channels that a plan keeps."""

    def sparsities(self, plan: Any) -> dict[str, float] | None:
        """Return the zeros that a plan makes, by layer; None if it cuts channels."""

    def model(self, plan: Any) -> keras.Model:
        """Return a copy of the model, of the same structure, as it was judged.

        Its weights make up for what the plan removes; channels are still there, for
        masking or surgery to take away.
        """

    def record(self, plan: Any) -> dict[str, Any]:
        """Return a plan as plain JSON values."""

    def read(self, record: Mapping[str, Any]) -> Any:
        """Return the plan of a record."""


class ChannelPlans:
    """Plans that cut channels.

    Args:
        layer_graph: The traced model.
        dataset: Its training part repairs what is left.
        config: The settings.
        budget: What every plan meets.
        **judging: Further settings of `CompressionEnvironment`: `evaluate`, `reward`,
            `known`, `higher_is_better`.
    """

    def __init__(
        self,
        layer_graph: graph.LayerGraph,
        dataset: data.Dataset,
        *,
        config: AmcConfig,
        budget: channels.Budget | None,
        **judging: Any,
    ) -> None:
        choice = {
            name: getattr(config, name)
            for name in ("min_ratio", "round_to", "min_channels", "exclude")
        }
        scores = channels.consumer_l1(layer_graph)
        self._graph = layer_graph
        self._space = DecisionSpace(layer_graph, scores, **choice)
        self._repair: Reconstructor | None = None
        if config.reconstruct:
            self._repair = Reconstructor(
                layer_graph, dataset, num_examples=config.reconstruction_examples
            )
        self.notes = () if self._repair is None else self._repair.notes
        self.decisions = self._space.decisions
        self.environment = CompressionEnvironment(
            layer_graph,
            budget=budget,
            scores=scores,
            repair=None if self._repair is None else self._repair.weights,
            **choice,
            **judging,
        )
        self._meter = budgets.Meter(layer_graph, budget or channels.Budget(macs=1.0))

    def plan(self, widths: Widths) -> graph.PruningPlan:
        """Return the plan that keeps so many channels of each group."""
        return graph.PruningPlan.of(self._graph, keep=self._space.plan(widths).keep)

    def widths(self, plan: graph.PruningPlan) -> Widths:
        """Return how many channels of each group a plan keeps."""
        return tuple(plan.kept(decision.group) for decision in self.decisions)

    def actions(self, widths: Widths) -> list[float]:
        """Return the kept fractions."""
        return _fractions(widths, self.decisions)

    def episode_plan(self, actions: Sequence[float]) -> graph.PruningPlan:
        """Return the plan that an episode makes."""
        return self.environment.plan_of(actions)

    def evaluate(self, plan: graph.PruningPlan) -> Evaluated:
        """Judge a plan, or look it up."""
        return self.environment.evaluate_plan(plan)

    def share(self, widths: Widths) -> float:
        """Return the used share of the tightest limit, or of the whole MACs."""
        return self._meter.share(self._space.plan(widths))

    def full(self) -> graph.PruningPlan:
        """Return the plan that keeps every channel."""
        return graph.PruningPlan.full(self._graph)

    def cut(self, plan: graph.PruningPlan) -> graph.PruningPlan:
        """Return the plan itself."""
        return plan

    def sparsities(self, plan: graph.PruningPlan) -> None:
        """Return nothing: no single weight is removed."""

    def model(self, plan: graph.PruningPlan) -> keras.Model:
        """Return the repaired copy."""
        candidate = graph.CandidateModel(self._graph, fold_constants=False)
        weights = None if self._repair is None else self._repair.weights(plan)
        candidate.assign(self.full(), weights)
        return candidate.model

    def record(self, plan: graph.PruningPlan) -> dict[str, Any]:
        """Return the plan's own JSON form."""
        return plan.to_dict()

    def read(self, record: Mapping[str, Any]) -> graph.PruningPlan:
        """Return the plan of a record."""
        return graph.PruningPlan.from_dict(record)


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
        return [1 - kept for kept in _fractions(widths, self.decisions)]

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


def describe(
    plans: Plans, plan: Any, layer_graph: graph.LayerGraph
) -> tuple[dict[str, Any], ...]:
    """Return, for each decision, its group or layer, size and what is kept."""
    layers = {group.name: list(group.layers) for group in layer_graph.groups}
    rows = zip(plans.decisions, plans.widths(plan), strict=True)
    return tuple(
        {
            "group": decision.group,
            "layers": layers.get(decision.group, [decision.layer]),
            "size": decision.size,
            "kept": kept,
            "ratio": kept / decision.size,
        }
        for decision, kept in rows
    )


def _fractions(widths: Widths, decisions: Sequence[Decision]) -> list[float]:
    rows = zip(widths, decisions, strict=True)
    return [width / decision.size for width, decision in rows]


def _counts(least: int, size: int) -> Widths:
    """Return about `_STEPS` numbers from `least` to `size`, evenly.

    Example:
        >>> _counts(2, 5)
        (2, 3, 4, 5)
    """
    spread = np.linspace(least, size, min(_STEPS, size - least) + 1)
    return tuple(int(number) for number in np.unique(spread.round()))
