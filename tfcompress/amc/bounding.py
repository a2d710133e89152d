"""Bound each decision so that the finished plan meets the budget exactly.

Let ``share(counts)`` be the used share of the tightest limit, read from the plan's own
cost model; a plan fits at 1 or less.  Before decision t is executed:

1. A count is *allowed* if the plan with it, the earlier decisions as executed and every
   later one at its floor fits, or fits with the later ones as in the *witness*: a
   complete plan that is known to fit and agrees with all that is executed.
2. The wanted count is executed if it is allowed.
3. Otherwise it is bounded from above: the largest allowed count below it is executed.
   If there is none, the smallest allowed one above; the witness always has one.
4. The plan that allowed it is the new witness, so the last decision ends at a plan that
   fits.

Costs that only grow with the counts (MACs, parameters, bytes) need rule 1's floors
alone: the floors fit or nothing does, the allowed counts are all those up to one bound,
and bisection finds it.  Other costs, such as the latency of a device that is fastest at
multiples of 32, may make a wider layer cheaper; the witness keeps those right too.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3.3 (resource-constrained compression).  The authors'
program works out a proportional bound from FLOP fractions, which rounding and tied
layers break; here the cost of whole plans is read instead.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence

from tfcompress.amc.decisions import Counts

Share = Callable[[Counts], float]

REMEMBERED = 8192
"""Shares kept in memory: some hundred episodes' worth, a few MB."""


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """What came of one wanted count.

    Attributes:
        count: What is executed.
        upper: The largest allowed count that bisection found.
        witness: A complete plan that fits and begins with what is executed.
    """

    count: int
    upper: int
    witness: Counts


class Bounds:
    """Bounds the decisions of one plan after another.

    Args:
        options: The possible counts of each decision, rising.
        share: The used share of the tightest limit by the plan of these counts.

    Attributes:
        anchor: Counts of a plan that fits; of the cheapest one found if `reachable` is
            false.
        reachable: Whether any plan fits.

    Example:
        >>> bounds = Bounds([(1, 2, 3, 4)] * 2, lambda counts: sum(counts) / 5)
        >>> first = bounds.decide((), 4)  # 4 + 1 fits
        >>> first
        Bound(count=4, upper=4, witness=(4, 1))
        >>> bounds.decide((4,), 3, witness=first.witness)  # 4 + 2 does not
        Bound(count=1, upper=1, witness=(4, 1))
    """

    def __init__(self, options: Sequence[Counts], share: Share) -> None:
        self._options = tuple(options)
        self._share = functools.lru_cache(REMEMBERED)(share)
        self._floors = tuple(counts[0] for counts in self._options)
        self.anchor = _cheapest(self._options, self._share)
        self.reachable = self._share(self.anchor) <= 1

    def decide(
        self, decided: Counts, wanted: int, *, witness: Counts | None = None
    ) -> Bound:
        """Return what to execute for the decision after those in `decided`.

        Args:
            decided: What was executed so far.
            wanted: The count that is asked for, one of the options.
            witness: That of the decision before; the anchor before the first one.
        """
        witness = self.anchor if witness is None else witness
        options = self._options[len(decided)]
        upper = options[self._bisect(decided, options, witness)]
        for count in _by_preference(options, wanted, upper):
            plan = self._allowing((*decided, count), witness)
            if plan is not None:
                return Bound(count, max(upper, count), plan)
        raise AssertionError(decided)  # the witness's own count is always allowed

    def decide_all(self, wanted: Sequence[int]) -> Counts:
        """Return what is executed when all decisions are wanted so."""
        counts: Counts = ()
        witness = self.anchor
        for count in wanted:
            bound = self.decide(counts, count, witness=witness)
            counts, witness = (*counts, bound.count), bound.witness
        return counts

    def corrected(self, counts: Counts, share: Share) -> Counts | None:
        """Lower the last decisions until the plan fits.

        The plan of `decide` fits by what was read then.  A cost that is measured may
        read differently now; this settles it.

        Args:
            counts: A finished plan.
            share: Reads the used share afresh.

        Returns:
            The counts, from the last one on lowered as little as needed; None if even
            the floors do not fit.
        """
        settled = list(counts)
        for t in reversed(range(len(settled))):
            lower = [c for c in self._options[t] if c <= settled[t]]
            for count in reversed(lower):
                settled[t] = count
                if share(tuple(settled)) <= 1:
                    return tuple(settled)
        return None

    def _allowing(self, start: Counts, witness: Counts) -> Counts | None:
        """Return a complete plan that begins so and fits, if one is known."""
        for rest in (self._floors, witness):
            plan = start + rest[len(start) :]
            if self._share(plan) <= 1:
                return plan
        return None

    def _bisect(self, decided: Counts, options: Counts, witness: Counts) -> int:
        """Return the position of an allowed count above which the next is not."""
        fits, fails = options.index(witness[len(decided)]), len(options)
        if self._allowing((*decided, options[-1]), witness) is not None:
            return fails - 1
        while fails - fits > 1:
            middle = (fits + fails) // 2
            if self._allowing((*decided, options[middle]), witness) is not None:
                fits = middle
            else:
                fails = middle
        return fits


def _by_preference(options: Counts, wanted: int, upper: int) -> Iterator[int]:
    """Yield the wanted count, those below it that may fit, then those above it."""
    yield wanted
    yield from (c for c in reversed(options) if c < wanted and c <= upper)
    yield from (c for c in options if c > min(wanted, upper))


def _cheapest(options: Sequence[Counts], share: Share) -> Counts:
    """Return a plan that fits, or the cheapest that was found.

    The floors are the cheapest plan of any cost that grows with the counts.  For other
    costs one decision after another is tried at all its counts, from the floors and
    from the whole model, until nothing gets cheaper.
    """
    best = tuple(counts[0] for counts in options)
    for start in (best, tuple(counts[-1] for counts in options)):
        if share(start) <= 1:
            return start
        found = _descend(start, options, share)
        best = min(best, found, key=share)
        if share(best) <= 1:
            return best
    return best


def _descend(counts: Counts, options: Sequence[Counts], share: Share) -> Counts:
    """Lower the share by changing one count at a time, until it fits or rests."""
    while share(counts) > 1:
        before = share(counts)
        for t, choices in enumerate(options):
            trials = ((*counts[:t], count, *counts[t + 1 :]) for count in choices)
            counts = min(counts, *trials, key=share)
            if share(counts) <= 1:
                return counts
        if share(counts) >= before:
            return counts
    return counts
