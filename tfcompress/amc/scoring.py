"""Judge plans for one method: count them, keep the best, and note how it got better."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tfcompress.amc.plan_kinds import Widths
from tfcompress.amc.problem import Problem
from tfcompress.amc.rewards import Evaluated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What a method came to.

    Attributes:
        widths: The kept channels of each decision.
        plan: The same as a plan of the problem's kind.
        reward: Its reward.
        evaluated: What was found of it.
        best_rewards: The best reward after each evaluation; None as long as no plan
            has met the budget.
    """

    widths: Widths
    plan: Any
    reward: float
    evaluated: Evaluated
    best_rewards: tuple[float | None, ...]


class Scorer:
    """Judges plans for one method, counts different ones and keeps the best that fits.

    Args:
        problem: What is searched.
        evaluations: How many plans may be judged.
        judged: Called after each.
    """

    def __init__(
        self,
        problem: Problem,
        evaluations: int,
        judged: Callable[[float | None], None] | None = None,
    ) -> None:
        self.problem, self._limit, self._judged = problem, evaluations, judged
        self._rewards: dict[Widths, float] = {}
        self._best_rewards: list[float | None] = []
        self._best: Widths | None = None

    @property
    def left(self) -> int:
        """How many plans may still be judged."""
        return self._limit - len(self._rewards)

    @property
    def best(self) -> Widths:
        """The widths of the best plan that fits."""
        if self._best is None:
            raise RuntimeError("no plan that fits has been judged")
        return self._best

    def reward(self, widths: Widths, *, fits: bool = True) -> float:
        """Judge a plan, unless this method has done so before."""
        if widths not in self._rewards:
            plans = self.problem.plans
            evaluated = plans.evaluate(plans.plan(widths))
            reward = plans.environment.reward_of(evaluated)
            self._rewards[widths] = reward
            if fits and (self._best is None or reward > self._rewards[self._best]):
                self._best = widths
            best = None if self._best is None else self._rewards[self._best]
            self._best_rewards.append(best)
            if self._judged:
                self._judged(best)
        return self._rewards[widths]

    def known(self, widths: Widths) -> bool:
        """Tell whether this method has judged a plan."""
        return widths in self._rewards

    def found(self) -> Found:
        """Return the best plan that fits."""
        plan = self.problem.plans.plan(self.best)
        return Found(
            widths=self.best,
            plan=plan,
            reward=self._rewards[self.best],
            evaluated=self.problem.plans.evaluate(plan),
            best_rewards=tuple(self._best_rewards),
        )
