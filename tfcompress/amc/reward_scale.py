"""What the critic is told of a reward: how far above the usual, in units of its spread.

::

    scale (R - b)        b <- decay b + (1 - decay) R        scale = SPREAD / std(R)

The baseline b is a moving average over all episodes.  The scale is that of the rewards
before the first update, and stays: the critic would otherwise have to learn the same
plans anew.  Without it the critic's steps, whose size does not depend on the rewards
(Adam), are as large as what a single decision changes in a reward, and the actor
follows noise.

Source: He et al., "AMC", ECCV 2018, appendix (the baseline).  Where we differ: the
scale is ours, found on the toy problem of ``tests/amc/test_toy_problem.py``; the
baseline averages episodes, where the authors' program averages batches, which mix
rewards of long ago.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

SPREAD = 4.0  # standard deviation of the scaled rewards of the warm-up; 1 learns worse


class RewardScale:
    """The baseline and the scale of the rewards.

    Args:
        decay: Of the moving average, in [0, 1].

    Example:
        >>> rewards = RewardScale(0.75)
        >>> for reward in (-0.5, -0.25):
        ...     rewards.add(reward)
        >>> rewards.baseline, rewards.scale
        (-0.4375, 32.0)
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self.baseline = 0.0
        self._count, self._mean, self._squares = 0, 0.0, 0.0
        self._frozen = False

    @property
    def scale(self) -> float:
        """The factor of a reward; 1 as long as no two rewards differ."""
        spread = math.sqrt(self._squares / max(self._count, 1))
        return SPREAD / spread if spread > 0 else 1.0

    def add(self, reward: float) -> None:
        """Take in the reward of an episode; the first one sets the baseline."""
        if not self._count:
            self.baseline = reward
        self.baseline += (1 - self._decay) * (reward - self.baseline)
        if not self._frozen:
            self._count += 1
            step = reward - self._mean
            self._mean += step / self._count
            self._squares += step * (reward - self._mean)

    def freeze(self) -> None:
        """Keep the scale from now on, unless there is none yet."""
        self._frozen = self._frozen or self._squares > 0

    def state(self) -> dict[str, float]:
        """Return everything that `restore` needs, as numbers."""
        return {
            "baseline": self.baseline,
            "count": self._count,
            "mean": self._mean,
            "squares": self._squares,
            "frozen": self._frozen,
        }

    def restore(self, state: Mapping[str, float]) -> None:
        """Continue from what `state` returned."""
        self.baseline = float(state["baseline"])
        self._count, self._mean = int(state["count"]), float(state["mean"])
        self._squares = float(state["squares"])
        self._frozen = bool(state["frozen"])
