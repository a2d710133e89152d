"""What a plan can be: kept channels of each group, or zeros of each layer.

Search and baselines speak of *widths*: how much each decision keeps, as whole numbers.
In `channel_plans` these are channels, in `weight_plans` weights; both tell what a plan
of some widths costs, and make the model that the search has judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras

from tfcompress import graph
from tfcompress.amc.decisions import Decision
from tfcompress.amc.episodes import EpisodeEnvironment
from tfcompress.amc.rewards import Evaluated

Widths = tuple[int, ...]
"""How many channels, or weights, each decision keeps."""


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


def fractions(widths: Widths, decisions: Sequence[Decision]) -> list[float]:
    """Return the kept fraction of each decision."""
    rows = zip(widths, decisions, strict=True)
    return [width / decision.size for width, decision in rows]
