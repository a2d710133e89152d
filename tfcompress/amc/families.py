"""Plans made by hand: uniform, shallow and deep, fitted to the budget.

1. `uniform` removes the same fraction of every group, `shallow` most of the early
   ones, `deep` most of the late ones.  They are families of one parameter p: decision i
   keeps ``max(1 - p * w_i, floor_i)``, with ``w = 1`` for `uniform`, and w falling
   evenly from 1 to 1/4 along the network for `shallow`, rising for `deep`.
2. Bisection finds the smallest p whose plan, rounded to possible counts, meets the
   budget by its exact cost.
3. What rounding has left of the budget buys back one count per group at most, the group
   that lacks most of its fraction first.

Without a budget the best of a few p counts.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 4.1, which compares with these three but gives no formula.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfcompress.amc.moves import Moves
from tfcompress.amc.plan_kinds import Plans, Widths
from tfcompress.amc.problem import Problem
from tfcompress.amc.scoring import Found, Scorer

_LEAST = 0.25  # weight of the end that `shallow` and `deep` spare
_STEPS = 40  # of a bisection
_TRIED = 10  # plans of a family without a budget

Weights = Callable[[int], list[float]]


def uniform(scorer: Scorer) -> Found:
    """Remove the same fraction of every group."""
    return _judged(scorer, _even)


def shallow(scorer: Scorer) -> Found:
    """Remove most of the groups near the input."""
    return _judged(scorer, _falling)


def deep(scorer: Scorer) -> Found:
    """Remove most of the groups near the output."""
    return _judged(scorer, _rising)


def plans(problem: Problem) -> list[Widths]:
    """Return the plan of each family that meets the budget, in the order above.

    Args:
        problem: Has a budget.
    """
    return [_fitted(problem, weights) for weights in (_even, _falling, _rising)]


def _even(count: int) -> list[float]:
    return [1.0] * count


def _falling(count: int) -> list[float]:
    return [float(weight) for weight in np.linspace(1, _LEAST, count)]


def _rising(count: int) -> list[float]:
    return _falling(count)[::-1]


def _judged(scorer: Scorer, weights: Weights) -> Found:
    """Judge the family's plan that meets the budget; without one, the best of some."""
    problem = scorer.problem
    if problem.budget is None:
        family = Family(problem.plans, weights(len(problem.plans.decisions)))
        for p in np.linspace(0, family.largest, _TRIED):
            scorer.reward(family.widths(float(p)))
    else:
        scorer.reward(_fitted(problem, weights))
    return scorer.found()


def _fitted(problem: Problem, weights: Weights) -> Widths:
    """Fit the family of these weights to the budget."""
    moves = Moves(problem)
    family = Family(problem.plans, weights(len(moves.sizes)))
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
        return moves.filled(widths, family.wanted(fits))
    return moves.bounded(widths)  # a cost that does not grow with the channels


class Family:
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
