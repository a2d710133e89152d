"""The table of a comparison: one row per method and seed, and how far it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfcompress import graph
from tfcompress.amc.plan_kinds import Plans, Widths
from tfcompress.amc.scoring import Found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What one method came to with one seed.

    Attributes:
        method: Its name.
        seed: Its seed; None for a method without chance.
        metric: The metric of its best plan, on the held-out examples.
        reward: Its reward.
        macs: Multiply-accumulates of one example.
        params: Number of weights.
        size_bytes: Predicted bytes of the weights.
        evaluations: How many plans it judged (the agent: its episodes).
        widths: The channels, or weights, that its best plan keeps, by decision.
        best_rewards: The best reward after each evaluation; None as long as no plan
            has met the budget.
        plan: Its best plan. In fine-grained mode it cuts nothing.
        sparsities: In fine-grained mode, the fraction of zeros by layer; else None.
    """

    method: str
    seed: int | None
    metric: float
    reward: float
    macs: int
    params: int
    size_bytes: int
    evaluations: int
    widths: Widths
    best_rewards: tuple[float | None, ...]
    plan: graph.PruningPlan
    sparsities: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        content = {field.name: getattr(self, field.name) for field in _FIELDS}
        return {
            **content,
            "widths": list(self.widths),
            "best_rewards": list(self.best_rewards),
            "plan": self.plan.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Row:
        """Read what `to_dict` wrote."""
        tuples = {name: tuple(content[name]) for name in ("widths", "best_rewards")}
        plan = graph.PruningPlan.from_dict(content["plan"])
        return cls(**{**content, **tuples, "plan": plan})


_FIELDS = dataclasses.fields(Row)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareProgress:
    """How far a comparison is.

    Attributes:
        method: The running method.
        seed: Its seed.
        evaluation: Plans that it has judged.
        evaluations: Plans that it may judge.
        best_reward: Its best reward so far; None as long as no plan meets the budget.
        fraction: The part of the whole comparison that is done, in [0, 1].
    """

    method: str
    seed: int | None
    evaluation: int
    evaluations: int
    best_reward: float | None
    fraction: float


def row_of(method: str, seed: int | None, plans: Plans, found: Found) -> Row:
    """Return the row of what a method has found."""
    evaluated = found.evaluated
    return Row(
        method=method,
        seed=seed,
        metric=evaluated.metric,
        reward=found.reward,
        macs=evaluated.macs,
        params=evaluated.params,
        size_bytes=evaluated.size_bytes,
        evaluations=len(found.best_rewards),
        widths=found.widths,
        best_rewards=found.best_rewards,
        plan=plans.cut(found.plan),
        sparsities=plans.sparsities(found.plan),
    )
