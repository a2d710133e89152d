"""What all environments share: one decision after another, one reward at the end.

::

    observation_t -> action a_t -> bounded, executed ...  -> judged once: R(plan)

The reward is 0 until the last decision, after which the discount is 0.  Plans that were
judged before are looked up by their key.

The method names are those of `dm_env` and TF-Agents.
"""

from __future__ import annotations

import abc
import math
from collections.abc import MutableMapping, Sequence
from typing import Any

import dm_env
import numpy as np
import numpy.typing as npt
from dm_env import specs

from tfcompress import errors
from tfcompress.amc.features import NUM_FEATURES
from tfcompress.amc.judging import first_line, is_number
from tfcompress.amc.rewards import Evaluated, Reward

Array = npt.NDArray[Any]


class EpisodeEnvironment(dm_env.Environment, abc.ABC):
    """Runs episodes; a subclass says what a decision does and how a plan is judged.

    Args:
        num_decisions: Decisions of an episode.
        actions: Smallest and largest action that makes a difference.
        reward: What a judged plan is worth.
        known: What was judged before, by the key of the plan; it grows.
    """

    def __init__(
        self,
        *,
        num_decisions: int,
        actions: tuple[float, float],
        reward: Reward,
        known: MutableMapping[str, Evaluated] | None,
    ) -> None:
        self._num_decisions, self._actions = num_decisions, actions
        self._reward = reward
        self._known: MutableMapping[str, Evaluated] = {} if known is None else known
        self._made: tuple[int, ...] = ()
        self._running = False
        self._info: dict[str, Any] = {}

    @property
    def num_decisions(self) -> int:
        """Return how many decisions an episode has."""
        return self._num_decisions

    @property
    def info(self) -> dict[str, Any]:
        """Return what came of the last step.

        Keys: what was decided about; ``action`` asked for and ``executed``; ``bound``,
        the furthest action that was allowed, and whether it ``bounded`` this one;
        ``cost`` of the plan so far. After the last decision also ``actions``, executed
        in order; ``key`` of the plan; ``evaluated``; and whether it was ``cached``.
        """
        return dict(self._info)

    def observation_spec(self) -> specs.BoundedArray:
        """Return the form of an observation: 11 numbers in [0, 1]."""
        return specs.BoundedArray(
            (NUM_FEATURES,), np.float32, 0.0, 1.0, name="observation"
        )

    def action_spec(self) -> specs.BoundedArray:
        """Return the form of an action; what is outside its range is clipped to it."""
        return specs.BoundedArray((), np.float32, *self._actions, name="action")

    def time_step_spec(self) -> dm_env.TimeStep:
        """Return the form of what `reset` and `step` return."""
        return dm_env.TimeStep(
            step_type=specs.BoundedArray((), np.int64, 0, 2, name="step_type"),
            reward=self.reward_spec(),
            discount=self.discount_spec(),
            observation=self.observation_spec(),
        )

    def reset(self) -> dm_env.TimeStep:
        """Start a new plan."""
        self._made, self._info, self._running = (), {}, True
        return dm_env.restart(self._observe())

    def step(self, action: float | Array) -> dm_env.TimeStep:
        """Make one decision.

        Args:
            action: What is wanted. It is bounded to what the budget allows and rounded
                to what is possible; `info` tells what was executed. Outside an episode
                it is ignored and a new one starts.

        Returns:
            The next time step. The last one has the reward and a discount of 0.

        Raises:
            ValueError: If the action is not one number.
            ModelError: If judging the plan fails.
        """
        if not self._running:
            return self.reset()
        wanted = checked_action(action)
        self._running = len(self._made) + 1 < self.num_decisions
        self._info = {"action": wanted, **self._decide(wanted)}
        observation = self._observe()
        if self._running:
            return dm_env.transition(0.0, observation)
        return dm_env.termination(self._judge_finished(), observation)

    def reward_of(self, evaluated: Evaluated) -> float:
        """Return what a judged plan is worth.

        Raises:
            ModelError: If the reward fails or is not a finite number.
        """
        name = getattr(self._reward, "__name__", type(self._reward).__name__)
        try:
            reward = self._reward(evaluated)
        except Exception as error:
            raise errors.ModelError(
                f"The reward of a plan failed. Received: {name} raised "
                f"{type(error).__name__}: {first_line(error)}, for {evaluated}. Return "
                "a number for every plan."
            ) from error
        if not is_number(reward) or not math.isfinite(reward):
            raise errors.ModelError(
                f"The reward of a plan is not a finite number. Received: {reward!r} "
                f"from {name} for {evaluated}. Return a number for every plan."
            )
        return float(reward)

    @abc.abstractmethod
    def _decide(self, wanted: float) -> dict[str, Any]:
        """Append to `_made` what is executed, and return what `info` says of it."""

    @abc.abstractmethod
    def _observe(self) -> Array:
        """Return the observation of the next decision; note the cost in `_info`."""

    @abc.abstractmethod
    def _executed(self) -> tuple[float, ...]:
        """Return the executed actions of the decisions so far."""

    @abc.abstractmethod
    def _key(self) -> str:
        """Return the key of the finished plan."""

    @abc.abstractmethod
    def _evaluate_finished(self) -> Evaluated:
        """Judge the finished plan, or look it up."""

    def _judge_finished(self) -> float:
        key = self._key()
        cached = key in self._known
        evaluated = self._evaluate_finished()
        self._info |= {
            "actions": self._executed(),
            "key": key,
            "evaluated": evaluated,
            "cached": cached,
        }
        return self.reward_of(evaluated)

    def _check_finished(self) -> None:
        if len(self._made) < self.num_decisions:
            raise errors.PlanError(
                "The plan is not finished. Received: "
                f"{len(self._made)} of {self.num_decisions} decisions. Call `step` "
                "until the time step is the last one."
            )

    def _check_actions(self, actions: Sequence[float], names: Sequence[str]) -> None:
        if len(actions) != self.num_decisions:
            raise ValueError(
                f"A plan needs one action per decision. Received: {len(actions)}; "
                f"expected {self.num_decisions}, in the order of {', '.join(names)}."
            )


def checked_action(action: float | Array) -> float:
    """Return an action as one number in [0, 1].

    Raises:
        ValueError: If it is not one finite number.

    Example:
        >>> checked_action(np.array([0.25])), checked_action(1.5)
        (0.25, 1.0)
    """
    try:
        values = np.asarray(action, np.float64).ravel()
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.size != 1 or not np.isfinite(values[0]):
        raise ValueError(
            f"An action is one finite number from 0 to 1. Received: action={action!r}. "
            "Look for NaN in the agent's weights or observations."
        )
    return float(np.clip(values[0], 0.0, 1.0))
