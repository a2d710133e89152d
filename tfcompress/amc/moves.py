"""What a plan can become in one move: cut, fill up, trade, or a random step."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import numpy as np

from tfcompress.amc.noise import truncated_normal
from tfcompress.amc.plan_kinds import Widths
from tfcompress.amc.problem import Problem


class Moves:
    """Knows which plans fit, and what is near one.

    Args:
        problem: What is searched.

    Attributes:
        sizes: The widths of the whole network.
        goal: The share that a descent ends at: 1, or the floors' without a budget.
    """

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

    def neighbour(
        self, widths: Widths, rng: np.random.Generator, sigma: float
    ) -> Widths:
        """Move a group at random, and let others pay for it or get what it leaves.

        Without a budget, a second group moves at random too.

        Args:
            widths: A plan that fits.
            rng: Draws the groups and the step.
            sigma: Of the step, as a fraction of the group's size; at least a count.

        Returns:
            A plan near it; it fits, unless the cost does not grow with the channels.
        """
        first, *others = rng.permutation(len(widths)).tolist()
        widths = self._stepped(widths, first, rng, sigma)
        if not self._bound:
            return self._stepped(widths, others[0], rng, sigma) if others else widths
        for other in others:
            before = widths[other]
            widths = _changed(widths, other, self._largest(widths, other))
            if self.fits(widths) and before != widths[other] != self.sizes[other]:
                break  # else there is more to pay, or to get
        return widths

    def _stepped(
        self, widths: Widths, i: int, rng: np.random.Generator, sigma: float
    ) -> Widths:
        decision, counts = self._plans.decisions[i], self._counts[i]
        at = bisect.bisect_left(counts, widths[i])
        wanted = truncated_normal(rng, widths[i] / decision.size, sigma)
        step = bisect.bisect_left(counts, decision.nearest(wanted)) - at
        step = step or int(rng.choice((-1, 1)))
        to = min(max(at + step, 0), len(counts) - 1)
        return _changed(widths, i, counts[to])

    def _largest(self, widths: Widths, i: int) -> int:
        """Return the largest count of a group that fits, or its smallest."""
        counts = self._counts[i]
        fitting = bisect.bisect(
            counts, 1.0, key=lambda count: self.share(_changed(widths, i, count))
        )
        return counts[max(fitting - 1, 0)]

    def _next(self, widths: Widths, i: int) -> Widths | None:
        larger = [count for count in self._counts[i] if count > widths[i]]
        return _changed(widths, i, larger[0]) if larger else None


def _changed(widths: Widths, i: int, count: int) -> Widths:
    return (*widths[:i], count, *widths[i + 1 :])
