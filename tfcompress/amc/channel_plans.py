"""Plans that cut channels, with the repair of what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfcompress import channels, data, files, graph
from tfcompress.amc.decisions import DecisionSpace
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.plan_kinds import Widths, fractions
from tfcompress.amc.rewards import Evaluated
from tfcompress.amc.settings import AmcConfig
from tfcompress.channels import budgets
from tfcompress.channels.copying import repaired_copy
from tfcompress.channels.reconstruction import Reconstructor


class ChannelPlans:
    """Plans that cut channels.

    Args:
        layer_graph: The traced model.
        dataset: Its training part repairs what is left.
        config: The settings.
        budget: What every plan meets.
        spill_dir: Where features of the repair that exceed the memory are mapped to
            files, which are deleted in the end; None: wide layers are fitted on fewer.
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
        spill_dir: files.PathLike | None = None,
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
                layer_graph,
                dataset,
                num_examples=config.reconstruction_examples,
                max_memory_mb=config.max_memory_mb,
                spill_dir=spill_dir,
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
        return fractions(widths, self.decisions)

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
        if self._repair is None:
            return repaired_copy(self._graph, self.full(), {})
        return self._repair.model(plan)

    def record(self, plan: graph.PruningPlan) -> dict[str, Any]:
        """Return the plan's own JSON form."""
        return plan.to_dict()

    def read(self, record: Mapping[str, Any]) -> graph.PruningPlan:
        """Return the plan of a record."""
        return graph.PruningPlan.from_dict(record)
