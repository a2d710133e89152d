"""The memory of what was tried: transitions, of which the oldest are overwritten.

A transition holds the action that was **executed**, after bounding and rounding: the
critic would otherwise learn the value of actions that never happened.

Source: Mnih et al., "Human-level control through deep reinforcement learning", Nature
2015 (replay); He et al., "AMC", ECCV 2018, appendix (the capacity, 100 x layers).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tfcompress.amc.generators import generator_state, set_generator_state

FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transitions:
    """Steps from one observation to the next, one per row.

    Attributes:
        observation_tm1: What the agent saw, `[batch, features]`.
        action_tm1: What was executed then, `[batch]`.
        reward_t: What it brought, `[batch]`.
        discount_t: 1.0, or 0.0 where the episode ended, `[batch]`.
        observation_t: What the agent saw next, `[batch, features]`.
    """

    observation_tm1: FloatArray
    action_tm1: FloatArray
    reward_t: FloatArray
    discount_t: FloatArray
    observation_t: FloatArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.action_tm1)

    @classmethod
    def zeros(cls, count: int, num_features: int) -> Self:
        """Return `count` rows of zeros, to be filled in."""
        return cls(
            observation_tm1=np.zeros((count, num_features), np.float32),
            action_tm1=np.zeros(count, np.float32),
            reward_t=np.zeros(count, np.float32),
            discount_t=np.zeros(count, np.float32),
            observation_t=np.zeros((count, num_features), np.float32),
        )


FIELDS = tuple(field.name for field in dataclasses.fields(Transitions))


class ReplayBuffer:
    """The last `capacity` transitions, sampled uniformly with replacement.

    Args:
        capacity: How many transitions are kept.
        num_features: Length of an observation.
        seed: Of the sampling.

    Example:
        >>> buffer = ReplayBuffer(capacity=100, num_features=11, seed=0)
        >>> buffer.add(Transitions.zeros(12, 11))
        >>> len(buffer), len(buffer.sample(64))
        (12, 64)
    """

    def __init__(self, capacity: int, num_features: int, seed: int) -> None:
        self._rows = Transitions.zeros(capacity, num_features)
        self._random = np.random.default_rng(seed)
        self._size = self._next = 0

    def __len__(self) -> int:
        """Return the number of transitions held."""
        return self._size

    @property
    def capacity(self) -> int:
        """How many transitions are kept."""
        return len(self._rows)

    def add(self, transitions: Transitions) -> None:
        """Store rows in their order, over the oldest ones once the buffer is full."""
        where = (self._next + np.arange(len(transitions))) % self.capacity
        for name in FIELDS:
            getattr(self._rows, name)[where] = getattr(transitions, name)
        self._next = (self._next + len(transitions)) % self.capacity
        self._size = min(self._size + len(transitions), self.capacity)

    def sample(self, batch_size: int) -> Transitions:
        """Return rows drawn uniformly, each independently of the others.

        Raises:
            ValueError: If the buffer is empty.
        """
        if not self._size:
            raise ValueError(
                "An empty replay buffer cannot be sampled. Received: "
                f"batch_size={batch_size}; the buffer holds 0 transitions. "
                "Call `add` with an episode's transitions first."
            )
        rows = self._random.integers(self._size, size=batch_size)
        return Transitions(**{name: getattr(self._rows, name)[rows] for name in FIELDS})

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as arrays and numbers."""
        rows = {name: getattr(self._rows, name)[: self._size].copy() for name in FIELDS}
        return {
            **rows,
            "capacity": self.capacity,
            "next": self._next,
            "random": generator_state(self._random),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned, in a buffer of the same capacity.

        Raises:
            ValueError: If the state is of a buffer of another shape.
        """
        size, width = state["observation_tm1"].shape
        received = (int(state["capacity"]), width)
        wanted = (self.capacity, self._rows.observation_tm1.shape[1])
        if received != wanted:
            raise ValueError(
                "This state is of another replay buffer. Received: (capacity, "
                f"num_features)={received}; this buffer has {wanted}. "
                "Make it with the arguments of the buffer that gave the state."
            )
        for name in FIELDS:
            getattr(self._rows, name)[:size] = state[name]
        self._size, self._next = size, int(state["next"])
        set_generator_state(self._random, state["random"])
