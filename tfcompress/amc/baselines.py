"""Ways to choose a plan that the agent must beat, on the same problem and budget.

By hand, one plan each (without a budget: the best of a few):

1. `uniform` removes the same fraction of every group, `shallow` most of the early
   ones, `deep` most of the late ones.  They are families of one parameter p: decision i
   keeps ``max(1 - p * w_i, floor_i)``, with ``w = 1`` for `uniform`, and w
   falling evenly from 1 to 1/4 along the network for `shallow`, rising for `deep`.
2. Bisection finds the smallest p whose plan, rounded to possible counts, meets the
   budget by its exact cost.
3. What rounding has left of the budget buys back one count per group at most, the group
   that lacks most of its fraction first.

With a number of evaluations:

* `random_search` draws every action uniformly; the environment bounds them, as it does
  the agent's.
* `greedy` descends from the whole network in rounds.  Each round asks for the same
  saving; every group in turn is cut alone until it saves as much, the cut network is
  judged, and the best of them goes on.  With the evaluations that are left it trades: a
  random group gets its next count, another one pays for it, and what is better stays.

Source: He et al., "AMC", ECCV 2018, section 4.1 (uniform, shallow, deep; the paper
gives no formula); Yang et al., "NetAdapt", ECCV 2018, algorithm 1 (the descent, there
with a short training after each round).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfcompress.amc.plan_kinds import Plans, Widths
from tfcompress.amc.problem import Problem
from tfcompress.amc.rewards import Evaluated

_LEAST = 0.25  # weight of the end that `shallow` and `deep` spare
_STEPS = 40  # of a bisection
_TRIED = 10  # plans of a family without a budget
_DESCENT = 0.75  # of greedy's evaluations; the rest is for trades
_DRAWS = 20  # per evaluation: a small problem runs out of different plans

Weights = Callable[[int], list[float]]


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


def uniform(scorer: Scorer) -> Found:
    """Remove the same fraction of every group."""
    return _by_family(scorer, lambda count: [1.0] * count)


def shallow(scorer: Scorer) -> Found:
    """Remove most of the groups near the input."""
    return _by_family(scorer, lambda count: np.linspace(1, _LEAST, count).tolist())


def deep(scorer: Scorer) -> Found:
    """Remove most of the groups near the output."""
    return _by_family(scorer, lambda count: np.linspace(_LEAST, 1, count).tolist())


def random_search(scorer: Scorer, *, seed: int = 0) -> Found:
    """Draw plans until the evaluations are used up, or no new ones turn up."""
    rng = np.random.default_rng(seed)
    plans = scorer.problem.plans
    spec = plans.environment.action_spec()
    for _ in range(_DRAWS * scorer.left):
        if scorer.left <= 0:
            break
        low, high = float(spec.minimum), float(spec.maximum)
        actions = rng.uniform(low, high, len(plans.decisions)).tolist()
        scorer.reward(plans.widths(plans.episode_plan(actions)))
    return scorer.found()


def greedy(scorer: Scorer, *, seed: int = 0) -> Found:
    """Descend to the budget, then trade channels between groups."""
    moves = _Moves(scorer.problem)
    widths = moves.sizes
    count = len(widths)
    rounds = max(1, int(_DESCENT * scorer.left) // count)
    start, end = moves.share(widths), moves.goal
    for number in range(1, 1 + 2 * rounds):
        if moves.fits(widths) and moves.share(widths) <= end:
            break
        target = start + (end - start) * min(1.0, number / rounds)
        trials = moves.cuts(widths, target)
        if not trials or scorer.left < len(trials):
            break
        widths = max(
            trials, key=lambda trial: scorer.reward(trial, fits=moves.fits(trial))
        )
    if not moves.fits(widths):
        widths = moves.bounded(widths)
        scorer.reward(widths)
    _trade(scorer, moves, np.random.default_rng(seed))
    return scorer.found()


def _trade(scorer: Scorer, moves: _Moves, rng: np.random.Generator) -> None:
    """Exchange channels between groups as long as it helps and may be judged."""
    better = True
    while better:
        better = False
        for trial in moves.trades(scorer.best, rng):
            if scorer.left <= 0:
                return
            if scorer.known(trial):
                continue
            before = scorer.best
            scorer.reward(trial)
            if scorer.best != before:
                better = True
                break


class _Moves:
    """What a plan can become in one move."""

    def __init__(self, problem: Problem) -> None:
        self._plans, self._bound = problem.plans, problem.budget is not None
        decisions = problem.plans.decisions
        self._counts = [decision.counts for decision in decisions]
        self.sizes = tuple(decision.size for decision in decisions)
        floors = tuple(counts[0] for counts in self._counts)
        self.goal = 1.0 if self._bound else self.share(floors)

    def share(self, widths: Widths) -> float:
        """Return the used share of the budget; without one, of the network."""
        return self._plans.share(widths)

    def fits(self, widths: Widths) -> bool:
        """Tell whether a plan meets the budget, if there is one."""
        return not self._bound or self.share(widths) <= 1

    def bounded(self, widths: Widths) -> Widths:
        """Return the plan that an episode of these widths makes: it fits."""
        plans = self._plans
        return plans.widths(plans.episode_plan(plans.actions(widths)))

    def cuts(self, widths: Widths, target: float) -> list[Widths]:
        """Cut each group alone, until the share is at most `target`.

        Those that cannot reach it are left out, unless none can: then each that can
        shrink at all does so as far as it can.
        """
        reaching, others = [], []
        for i, counts in enumerate(self._counts):
            smaller = [count for count in counts if count < widths[i]]
            trials = [_changed(widths, i, count) for count in reversed(smaller)]
            enough = [trial for trial in trials if self.share(trial) <= target]
            if enough:
                reaching.append(enough[0])
            elif trials:
                others.append(min(trials, key=self.share))
        return reaching or others

    def trades(self, widths: Widths, rng: np.random.Generator) -> Iterator[Widths]:
        """Yield plans that fit with a count more in one group and fewer in another.

        Without a budget a count more or fewer in one group is a trade too.
        """
        count = len(widths)
        pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
        for gets, pays in rng.permutation(pairs).tolist():
            richer = self._next(widths, gets)
            if richer is None:
                continue
            if self.fits(richer):
                yield richer
            for fewer in reversed(self._counts[pays]):
                trial = _changed(richer, pays, fewer)
                if fewer < widths[pays] and self.fits(trial):
                    yield trial
                    break

    def filled(self, widths: Widths, wanted: list[float]) -> Widths:
        """Give groups one count more while it fits, the one that lacks most first."""
        rows = zip(wanted, widths, self.sizes, strict=True)
        lacking = [ratio - width / size for ratio, width, size in rows]
        for i in sorted(range(len(widths)), key=lambda i: -lacking[i]):
            richer = self._next(widths, i)
            if richer is not None and self.fits(richer):
                widths = richer
        return widths

    def _next(self, widths: Widths, i: int) -> Widths | None:
        larger = [count for count in self._counts[i] if count > widths[i]]
        return _changed(widths, i, larger[0]) if larger else None


def _by_family(scorer: Scorer, weights: Weights) -> Found:
    """Fit the family of these weights to the budget, and judge its plan."""
    problem = scorer.problem
    moves = _Moves(problem)
    family = _Family(problem.plans, weights(len(moves.sizes)))
    if problem.budget is None:
        for p in np.linspace(0, family.largest, _TRIED):
            scorer.reward(family.widths(float(p)))
        return scorer.found()
    fits, fails = family.largest, 0.0
    if moves.fits(family.widths(fails)):
        fits = fails
    for _ in range(_STEPS if fits > fails else 0):
        middle = (fits + fails) / 2
        if moves.fits(family.widths(middle)):
            fits = middle
        else:
            fails = middle
    widths = family.widths(fits)
    if moves.fits(widths):
        widths = moves.filled(widths, family.wanted(fits))
    else:  # a cost that does not grow with the channels
        widths = moves.bounded(widths)
    scorer.reward(widths)
    return scorer.found()


class _Family:
    """Plans of one parameter: at 0 the whole network, at `largest` all floors."""

    def __init__(self, plans: Plans, weights: list[float]) -> None:
        self._decisions, self._weights = plans.decisions, weights
        self._floors = [
            decision.counts[0] / decision.size for decision in self._decisions
        ]
        self.largest = (1 - min(self._floors)) / min(weights)

    def wanted(self, p: float) -> list[float]:
        """Return the kept fraction of each decision, before rounding."""
        rows = zip(self._weights, self._floors, strict=True)
        return [max(1 - p * weight, floor) for weight, floor in rows]

    def widths(self, p: float) -> Widths:
        """Return the possible counts nearest to it."""
        pairs = zip(self._decisions, self.wanted(p), strict=True)
        return tuple(decision.nearest(ratio) for decision, ratio in pairs)


def _changed(widths: Widths, i: int, count: int) -> Widths:
    return (*widths[:i], count, *widths[i + 1 :])
