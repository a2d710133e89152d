"""What a plan may be worth, guessed from those that were judged: a Gaussian process.

Judging a plan takes a pass over the held-out images, a guess next to nothing, so many
steps from the best plan can be weighed and one of them judged.  On the plans that
searches of ResNet-20, Plain-20 and MobileNet v1 had judged, a fit to the first ones
ranked the next fifty with a correlation of 0.93.

A plan is the logarithms of its kept fractions; the covariance of two plans is a smooth
part (squared exponential) and a linear one.  The length scale is the most likely of a
few.

Source: C. E. Rasmussen and C. K. I. Williams, "Gaussian Processes for Machine
Learning", MIT Press 2006, algorithm 2.1; expected improvement: D. R. Jones, M. Schonlau
and W. J. Welch, "Efficient Global Optimization of Expensive Black-Box Functions",
Journal of Global Optimization, 1998, equation 15.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.amc.plan_kinds import Widths

Array = npt.NDArray[Any]

MOST = 600  # plans of a fit, the best ones: its time grows with their cube
_LENGTHS = (1.0, 1.5, 2.0, 3.0, 4.0)  # of the smooth part, in e-folds of a fraction
_LINEAR = 0.3  # part of the linear covariance
_NOISE = 0.01  # variance that the plan alone does not explain, of the rewards'


class RewardModel:
    """Learns the reward of plans.

    Args:
        sizes: Channels of each group in the whole network.
    """

    def __init__(self, sizes: Widths) -> None:
        self._sizes = np.array(sizes, np.float64)
        self._rewards: dict[Widths, float] = {}
        self._fit: _Fit | None = None

    def __len__(self) -> int:
        """Return of how many plans the reward is known."""
        return len(self._rewards)

    def __contains__(self, widths: Widths) -> bool:
        """Tell whether the reward of a plan is known."""
        return widths in self._rewards

    def add(self, widths: Widths, reward: float) -> None:
        """Learn from a judged plan."""
        self._rewards[widths] = reward
        self._fit = None

    def state(self) -> dict[str, Array]:
        """Return the known plans, (n, groups), and their rewards, (n,)."""
        plans = np.array(list(self._rewards), np.float64).reshape(-1, len(self._sizes))
        return {"widths": plans, "rewards": np.array(list(self._rewards.values()))}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Know what `state` has returned."""
        plans = [tuple(map(int, row)) for row in state["widths"].tolist()]
        self._rewards = dict(zip(plans, state["rewards"].tolist(), strict=True))
        self._fit = None

    def expected_improvement(self, plans: Sequence[Widths]) -> Array:
        """Return how much better than the best judged plan each is expected to be.

        Args:
            plans: At least one; `add` has been called for two plans or more.

        Returns:
            Numbers of 0 or more, in units of the rewards' standard deviation.
        """
        if self._fit is None:
            self._fit = self._fitted()
        mean, deviation = self._fit.predict(self._encoded(plans))
        return expected_improvement(mean, deviation, best=self._fit.best)

    def _encoded(self, plans: Sequence[Widths]) -> Array:
        fractions = np.maximum(np.array(plans, np.float64), 0.5) / self._sizes
        return np.log(fractions)

    def _fitted(self) -> _Fit:
        known = sorted(self._rewards.items(), key=lambda item: -item[1])[:MOST]
        x = self._encoded([widths for widths, _ in known])
        rewards = np.array([reward for _, reward in known])
        y = (rewards - rewards.mean()) / (rewards.std() or 1.0)
        fits = [_fit(x, y, length) for length in _LENGTHS]
        return max(fits, key=lambda fit: fit.log_likelihood)


@dataclasses.dataclass(frozen=True)
class _Fit:
    """A process that is conditioned on plans.

    Attributes:
        x: The plans, (n, groups).
        length: Of the smooth part.
        factor: Lower Cholesky factor of their covariance, (n, n).
        weights: The inverse of the covariance times the rewards, (n,).
        best: The best of the rewards.
        log_likelihood: Of the rewards, but for a constant.
    """

    x: Array
    length: float
    factor: Array
    weights: Array
    best: float
    log_likelihood: float

    def predict(self, plans: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the rewards of encoded plans."""
        shared = _covariance(plans, self.x, self.length)
        explained = np.linalg.solve(self.factor, shared.T)
        own = 1.0 - _LINEAR + _LINEAR * (1.0 + np.mean(plans**2, axis=1))
        variance = own - np.sum(explained**2, axis=0)
        return shared @ self.weights, np.sqrt(np.maximum(variance, 1e-12))


def _fit(x: Array, y: Array, length: float) -> _Fit:
    covariance = _covariance(x, x, length) + _NOISE * np.eye(len(y))
    factor = np.linalg.cholesky(covariance)
    weights = np.linalg.solve(factor.T, np.linalg.solve(factor, y))
    likelihood = -0.5 * y @ weights - np.sum(np.log(np.diag(factor)))
    return _Fit(x, length, factor, weights, float(y.max()), float(likelihood))


def _covariance(a: Array, b: Array, length: float) -> Array:
    squares = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    smooth = np.exp(-0.5 * np.maximum(squares, 0.0) / length**2)
    linear = 1.0 + a @ b.T / a.shape[1]
    covariance: Array = (1.0 - _LINEAR) * smooth + _LINEAR * linear
    return covariance


def expected_improvement(mean: Array, deviation: Array, *, best: float) -> Array:
    """Return E[max(0, value - best)] of normally distributed values.

    Args:
        mean: Of each value, (n,).
        deviation: Standard deviations above 0, (n,).
        best: What is to be surpassed.

    Example:
        >>> expected_improvement(np.zeros(1), np.ones(1), best=0.0).round(4).tolist()
        [0.3989]
    """
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z.tolist()])
    gain: Array = np.maximum(deviation * (z * below + density), 0.0)
    return gain
