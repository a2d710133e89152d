"""What a search reports while it runs, and what it returns at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from tfcompress import graph
from tfcompress.amc.decisions import counts_of
from tfcompress.amc.rewards import Evaluated


@dataclasses.dataclass(frozen=True, kw_only=True)
class AmcProgress:
    """How far a search is.

    Attributes:
        episode: Episodes done.
        episodes: Episodes of the whole search.
        reward: Reward of the last plan.
        best_reward: The best reward so far.
        metric: Metric of the last plan.
        cost: What the last plan costs: macs, params, size_bytes.
        eta_seconds: Time left, as the last episodes went.
    """

    episode: int
    episodes: int
    reward: float
    best_reward: float
    metric: float
    cost: Mapping[str, float]
    eta_seconds: float

    @property
    def fraction(self) -> float:
        """Return the part of the search that is done, in [0, 1]."""
        return self.episode / self.episodes

    @property
    def logs(self) -> dict[str, float]:
        """Return the figures to show beside a bar."""
        found = {"reward": self.reward, "best": self.best_reward}
        return {**found, "metric": self.metric, **self.cost}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AmcResult:
    """The best plan of a search, and how it was found.

    Attributes:
        plan: The cut, for the original model. In fine-grained mode it cuts nothing.
        sparsities: In fine-grained mode, the fraction of zeros by layer; else None.
        model: A copy of the original with the weights that make up for the cut:
            ``prune_model(result.model, result.plan)`` is what the search judged.
        history: One record per episode, as JSON values.
        best_reward: Reward of the plan.
        best_metric: Its metric, on the held-out examples.
        best: What was found of it.
        best_episode: The episode that made it, counted from 1.
        original: What was found of the unpruned network.
        evaluations: How many different plans were judged.
        decisions: For each decided group, its layers, size and kept channels.
        settings: What decided: reward, metric and direction, examples, limits.
        notes: What a report should say.
        seconds: Wall-clock time of this call.
    """

    plan: graph.PruningPlan
    sparsities: dict[str, float] | None
    model: keras.Model
    history: list[dict[str, Any]]
    best_reward: float
    best_metric: float
    best: Evaluated
    best_episode: int
    original: Evaluated
    evaluations: int
    decisions: tuple[dict[str, Any], ...]
    settings: dict[str, Any]
    notes: tuple[str, ...]
    seconds: float

    def widths(self, record: Mapping[str, Any]) -> dict[str, int]:
        """Return how much of each decided group an episode of the history kept.

        Args:
            record: One of `history`.

        Returns:
            Channels by group, in the order of the decisions; in fine-grained mode the
            weights that stay, by layer.
        """
        counts = counts_of(record["widths"])
        fine = self.sparsities is not None  # its keys count the zeros
        return {
            decision["group"]: decision["size"] - count if fine else count
            for decision, count in zip(self.decisions, counts, strict=True)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything but plan and model as plain JSON values."""
        return {
            **self.settings,
            "original": self.original.to_dict(),
            "best": {
                "episode": self.best_episode,
                "reward": self.best_reward,
                **self.best.to_dict(),
                "widths": [decision["kept"] for decision in self.decisions],
            },
            "evaluations": self.evaluations,
            "sparsities": self.sparsities,
            "decisions": [dict(decision) for decision in self.decisions],
            "history": [dict(record) for record in self.history],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }
