"""The statistics of measuring: quantiles, drift, and two files compared.

A paired comparison works on the logarithm of the ratio of both files' medians in the
same round, so that what slows the whole machine cancels out, and "twice as fast" and
"half as fast" are equally far from "the same".

Sources: H. B. Mann, "Nonparametric tests against trend", Econometrica 1945; M. G.
Kendall, "Rank correlation methods", 1975 (variance with ties); P. K. Sen, "Estimates of
the regression coefficient based on Kendall's tau", JASA 1968 (the slope).
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Sequence

CONFIDENCE = 0.95
_DRIFT_P = 0.05  # one-sided: a slower device is what we look for
_DRIFT_RISE = 0.05  # of the median, first to last: below it nobody would act
_LEAST_POINTS = 6  # S cannot be significant in fewer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drift:
    """Whether a device became slower while it was measured.

    Args:
        points: How many medians, in the order of time.
        tau: Kendall's rank correlation with time, in [-1, 1].
        p_value: Of the one-sided Mann-Kendall test for a rise; None: too few points.
        rise: Theil-Sen slope times the duration: relative growth, first to last.
        throttled: A rise that is significant and larger than 5 %.
    """

    points: int
    tau: float
    p_value: float | None
    rise: float
    throttled: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """The latency of one file over another's, with its confidence interval.

    Args:
        ratio: Geometric mean of the paired ratios; below 1 is faster.
        low: Lower end of the interval.
        high: Upper end of the interval.
        confidence: Such as 0.95.
        pairs: Rounds in which both were measured.
    """

    ratio: float
    low: float
    high: float
    confidence: float
    pairs: int

    @property
    def verdict(self) -> str:
        """``faster``, ``slower`` or ``no difference shown``."""
        if self.high < 1.0:
            return "faster"
        return "slower" if self.low > 1.0 else "no difference shown"


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values, interpolated between neighbours.

    Example:
        >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
        2.5
    """
    position = (len(ordered) - 1) * share
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def median(values: Sequence[float]) -> float:
    """Return the median of values in any order.

    Example:
        >>> median([3.0, 1.0, 2.0])
        2.0
    """
    return quantile(sorted(values), 0.5)


def drift(times: Sequence[float], values: Sequence[float]) -> Drift:
    """Test whether values rise with time: Mann-Kendall, with Theil-Sen's slope.

    Args:
        times: When each value was measured, in any unit.
        values: Medians, of one variant or each divided by its variant's own.

    Example:
        >>> drift(range(8), [1.0, 1.02, 1.05, 1.1, 1.12, 1.2, 1.22, 1.3]).throttled
        True
    """
    pairs = list(itertools.combinations(sorted(zip(times, values, strict=True)), 2))
    if not pairs:
        return Drift(
            points=len(values), tau=0.0, p_value=None, rise=0.0, throttled=False
        )
    score = sum(_sign(late[1] - early[1]) for early, late in pairs)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs if b[0] > a[0]]
    slope = median(slopes) if slopes else 0.0
    rise = slope * (max(times) - min(times)) / median(values)
    p_value = _rise_probability(score, values)
    return Drift(
        points=len(values),
        tau=score / len(pairs),
        p_value=p_value,
        rise=rise,
        throttled=p_value is not None and p_value < _DRIFT_P and rise > _DRIFT_RISE,
    )


def compare(
    first: Sequence[float], second: Sequence[float], *, confidence: float = CONFIDENCE
) -> Ratio:
    """Compare paired medians: second over first, with Student's interval.

    The interval is that of the mean of the logarithms of the ratios.

    Args:
        first: Medians of one file, one per round.
        second: Medians of the other file in the same rounds.
        confidence: Of the interval, in (0, 1).

    Raises:
        ValueError: If there are fewer than three pairs, or a median is not positive.

    Example:
        >>> compare([2.0, 2.2, 1.8], [1.0, 1.1, 0.9]).ratio
        0.5
    """
    logs = [math.log(b / a) for a, b in zip(first, second, strict=True)]
    if len(logs) < 3:
        raise ValueError(
            f"Too few rounds to compare. Received: {len(logs)} pairs, expected at "
            "least 3. Measure with more rounds."
        )
    mean = math.fsum(logs) / len(logs)
    variance = math.fsum((x - mean) ** 2 for x in logs) / (len(logs) - 1)
    half = _student(confidence, len(logs) - 1) * math.sqrt(variance / len(logs))
    return Ratio(
        ratio=math.exp(mean),
        low=math.exp(mean - half),
        high=math.exp(mean + half),
        confidence=confidence,
        pairs=len(logs),
    )


def _student(confidence: float, degrees: int) -> float:
    """Return the two-sided quantile of Student's t distribution."""
    from scipy import special  # not at the top: `--help` and parsing need no SciPy

    return float(special.stdtrit(degrees, 0.5 + confidence / 2))


def _sign(value: float) -> int:
    return int(value > 0) - int(value < 0)


def _rise_probability(score: int, values: Sequence[float]) -> float | None:
    """Return P(S >= score) without a trend, by the normal approximation with ties."""
    count = len(values)
    if count < _LEAST_POINTS:
        return None
    ties = collections.Counter(values).values()
    variance = count * (count - 1) * (2 * count + 5)
    variance -= sum(tie * (tie - 1) * (2 * tie + 5) for tie in ties)
    if variance <= 0 or score <= 0:
        return 1.0
    return 0.5 * math.erfc((score - 1) / math.sqrt(variance / 18) / math.sqrt(2))
