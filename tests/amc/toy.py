"""A compression problem without a network, whose best plan is known.

Layer t keeps the fraction a_t of its channels: the cost is ``sum(share_t a_t)``, the
error ``sum(sensitivity_t (1 - a_t)^2)`` over its largest value. Some layers hurt a
hundred times as much as others, and the budget ties them all.
"""

from __future__ import annotations

import dm_env
import numpy as np
from dm_env import specs

FLOOR = 0.2  # smallest action that is executed


class ToyEnvironment(dm_env.Environment):
    """Decide 12 layers in order; what would break the budget is bounded."""

    def __init__(self, seed: int, *, num_decisions: int = 12, budget: float = 0.5):
        generator = np.random.default_rng(seed)
        shares = generator.uniform(0.3, 1, num_decisions)
        sensitivities = np.exp(generator.uniform(-2.3, 2.3, num_decisions))
        self.shares = shares / shares.sum()
        self.sensitivities = sensitivities / sensitivities.sum()
        self.num_decisions, self.budget = num_decisions, budget
        self.executed: list[float] = []
        self.info: dict = {}

    def observation_spec(self):
        """Position, share, cost used, cost of the rest, last action."""
        return specs.BoundedArray((5,), np.float32, 0, 1)

    def action_spec(self):
        """The fraction to keep."""
        return specs.BoundedArray((), np.float32, FLOOR, 1)

    def reset(self):
        """Start with nothing decided."""
        self.executed = []
        return dm_env.restart(self._observation())

    def step(self, action):
        """Keep as much of the next layer as is asked for, or as is left."""
        t = len(self.executed)
        left = self.budget - self.used - FLOOR * self.shares[t + 1 :].sum()
        upper = min(1.0, left / self.shares[t])
        self.executed.append(float(np.clip(action, FLOOR, upper)))
        self.info = {
            "action": float(action),
            "executed": self.executed[-1],
            "actions": tuple(self.executed),
        }
        if len(self.executed) < self.num_decisions:
            return dm_env.transition(0.0, self._observation())
        return dm_env.termination(self.reward_of(self.executed), self._observation())

    @property
    def used(self) -> float:
        """The cost of what is decided."""
        return float(self.shares[: len(self.executed)] @ np.array(self.executed))

    def reward_of(self, ratios) -> float:
        """Return minus the error, in [-1, 0]."""
        removed = 1 - np.asarray(ratios)
        return -float(self.sensitivities @ removed**2) / (1 - FLOOR) ** 2

    def optimum(self) -> float:
        """Return the largest reward within the budget.

        By Lagrange ``2 sensitivity (1 - a) = m share`` where no bound holds; the
        multiplier m at which the cost is the budget is found by halving.
        """
        low, high = 0.0, 1e3
        for _ in range(100):
            middle = (low + high) / 2
            if self.shares @ self._ratios(middle) > self.budget:
                low = middle
            else:
                high = middle
        return self.reward_of(self._ratios(high))

    def _ratios(self, multiplier: float) -> np.ndarray:
        removed = multiplier * self.shares / (2 * self.sensitivities)
        return 1 - np.clip(removed, 0, 1 - FLOOR)

    def _observation(self) -> np.ndarray:
        t = min(len(self.executed), self.num_decisions - 1)
        numbers = (
            t / (self.num_decisions - 1),
            self.shares[t] / self.shares.max(),
            self.used,
            self.shares[len(self.executed) :].sum(),
            self.executed[-1] if self.executed else 1.0,
        )
        return np.array(numbers, np.float32)
