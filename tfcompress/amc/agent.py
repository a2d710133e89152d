"""The agent: deep deterministic policy gradient over the decisions of a plan.

An actor proposes how much of a layer to keep, a critic learns what that is worth, and
the actor follows the critic's slope.  The maths is in `losses` and `networks`; this
class holds what persists between updates.

Updates are NumPy on flat vectors and one thread, which takes less time than one
compiled TensorFlow function at the sizes of the paper, on one core instead of all
(``benchmarks/amc_agent_speed.py`` measures both, and an action, which takes a tenth).

Source: Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR
2016, algorithm 1; He et al., "AMC: AutoML for Model Compression and Acceleration on
Mobile Devices", ECCV 2018, section 3.2 and appendix.  Where we differ, because with a
dozen decisions and 400 episodes the agent is otherwise no better than random search
(on the problem of ``tests/amc/test_toy_problem.py``):

1. Each decision has an input unit of its own (`encoding`).
2. Rewards are scaled to a fixed spread (`reward_scale`), and the critic learns the
   reward of the plan instead of a sum over the steps that are left (`losses`).
3. The noise decays more slowly (0.99 instead of 0.95 per episode), and the updates come
   after the episode: none of its rewards is known before.

What an episode tries is not all the agent's: see `exploration`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.amc import losses
from tfcompress.amc.adam import Adam, soft_update
from tfcompress.amc.encoding import encode
from tfcompress.amc.generators import generator_state, set_generator_state
from tfcompress.amc.networks import (
    Parameters,
    act,
    actor_parameters,
    critic_parameters,
)
from tfcompress.amc.noise import noise_at, truncated_normal
from tfcompress.amc.replay import ReplayBuffer, Transitions
from tfcompress.amc.reward_scale import RewardScale
from tfcompress.amc.settings import AmcConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossInfo:
    """What one update found.

    Attributes:
        critic_loss: Mean squared difference between Q and its target, both scaled.
        actor_loss: The negative mean value of the actor's own actions.
        baseline: What was subtracted from every reward.
    """

    critic_loss: float
    actor_loss: float
    baseline: float


class DdpgAgent:
    """Learns to act by deep deterministic policy gradient.

    Args:
        num_features: Length of an observation, whose first number is the position of
            the decision, scaled to [0, 1].
        config: Sizes, rates and noise; the rest of the settings is not read.
        seed: Of the initial weights and of the exploration.
        num_steps: Decisions of an episode; the replay holds
            ``config.replay_per_decision`` times as many.

    Example:
        >>> config = AmcConfig(hidden_units=16, warmup_episodes=1, noise_decay=0.9)
        >>> agent = DdpgAgent(2, config=config, seed=0, num_steps=3)
        >>> 0 <= agent.policy(np.zeros(2, np.float32)) <= 1
        True
        >>> agent.noise(0), agent.noise(2)
        (0.5, 0.45)
    """

    def __init__(
        self, num_features: int, *, config: AmcConfig, seed: int, num_steps: int
    ) -> None:
        self.config, self.num_features, self.num_steps = config, num_features, num_steps
        self._random = np.random.default_rng(seed)
        hidden = config.hidden_units
        self._actor = _Learner(
            actor_parameters(num_features + num_steps, hidden, self._random),
            config.actor_learning_rate,
        )
        self._critic = _Learner(
            critic_parameters(num_features + num_steps, hidden, self._random),
            config.critic_learning_rate,
        )
        self._rewards = RewardScale(config.baseline_decay)

    @property
    def baseline(self) -> float:
        """The moving average of the rewards of the finished episodes."""
        return self._rewards.baseline

    def make_replay(self, seed: int) -> ReplayBuffer:
        """Return an empty replay buffer of the size that the settings ask for."""
        capacity = self.config.replay_per_decision * self.num_steps
        return ReplayBuffer(capacity, self.num_features, seed)

    def policy(self, observation: npt.ArrayLike) -> float:
        """Return the actor's action in [0, 1], without noise.

        Raises:
            ValueError: If the observation has another length than `num_features`.
        """
        row = np.asarray(observation, np.float32)
        if row.shape != (self.num_features,):
            raise ValueError(
                "This observation does not fit the agent. Received: shape "
                f"{row.shape}; it must be ({self.num_features},). Give one at a time."
            )
        state = encode(row[np.newaxis], self.num_steps)
        return float(act(self._actor.parameters, state).output[0])

    def collect_policy(self, observation: npt.ArrayLike, *, episode: int) -> float:
        """Return an action that explores.

        Uniformly random during the warm-up; afterwards around the actor's action, the
        closer the later the episode, which is counted from 0.
        """
        if self.warming_up(episode):
            return float(self._random.random())
        mean = self.policy(observation)
        return truncated_normal(self._random, mean, self.noise(episode))

    def warming_up(self, episode: int) -> bool:
        """Return whether an episode, counted from 0, is before the first update."""
        return episode < self.config.warmup_episodes

    def noise(self, episode: int) -> float:
        """Return the standard deviation of the exploration in an episode."""
        config = self.config
        return noise_at(
            episode,
            warmup_episodes=config.warmup_episodes,
            noise=config.noise,
            noise_decay=config.noise_decay,
        )

    def end_episode(self, reward: float) -> None:
        """Let a reward move the baseline and, before the first update, the scale."""
        self._rewards.add(reward)

    def train(self, experience: Transitions) -> LossInfo:
        """Learn from one batch: critic, then actor, then both target networks.

        Raises:
            TrainingError: If the critic's loss is not finite.
        """
        actor, critic = self._actor, self._critic
        self._rewards.freeze()
        experience = self._encoded(experience)
        targets = losses.critic_targets(
            actor.target,
            critic.target,
            experience,
            discount=self.config.discount,
            baseline=self._rewards.baseline,
            scale=self._rewards.scale,
        )
        critic_loss = losses.critic_loss_and_gradients(
            critic.parameters, experience, targets, critic.gradients
        )
        self._check(critic_loss)
        critic.step(self.config.target_rate)
        actor_loss = losses.actor_gradients(
            actor.parameters,
            critic.parameters,
            experience.observation_tm1,
            actor.gradients,
        )
        actor.step(self.config.target_rate)
        return LossInfo(
            critic_loss=critic_loss, actor_loss=actor_loss, baseline=self.baseline
        )

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs, as arrays and numbers."""
        learners = {"actor": self._actor, "critic": self._critic}
        parts = {
            f"{name}/{key}": entry
            for name, learner in learners.items()
            for key, entry in learner.state().items()
        }
        return {
            **parts,
            **{f"rewards/{k}": v for k, v in self._rewards.state().items()},
            "random": generator_state(self._random),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned, as if nothing had been in between.

        Raises:
            ValueError: If the state is of an agent of another size.
        """
        for name, part in (
            ("actor", self._actor),
            ("critic", self._critic),
            ("rewards", self._rewards),
        ):
            prefix = f"{name}/"
            part.restore(
                {
                    key.removeprefix(prefix): entry
                    for key, entry in state.items()
                    if key.startswith(prefix)
                }
            )
        set_generator_state(self._random, state["random"])

    def _encoded(self, experience: Transitions) -> Transitions:
        return dataclasses.replace(
            experience,
            observation_tm1=encode(experience.observation_tm1, self.num_steps),
            observation_t=encode(experience.observation_t, self.num_steps),
        )

    def _check(self, critic_loss: float) -> None:
        if not math.isfinite(critic_loss):
            rate = self.config.critic_learning_rate
            raise errors.TrainingError(
                "The agent's critic has diverged. Received: "
                f"critic_loss={critic_loss}, critic_learning_rate={rate}. Check that "
                "every reward is finite, or lower critic_learning_rate."
            )


class _Learner:
    """A network, its target, its gradients and its optimizer."""

    def __init__(self, parameters: Parameters, learning_rate: float) -> None:
        self.parameters, self.target = parameters, parameters.copy()
        self.gradients = parameters.zeros()
        self._optimizer = Adam(parameters.flat, learning_rate)
        self._scratch = np.empty_like(parameters.flat)

    def step(self, target_rate: float) -> None:
        """Follow the gradients, and let the target network follow."""
        self._optimizer.update(self.parameters.flat, self.gradients.flat)
        soft_update(self.target.flat, self.parameters.flat, target_rate, self._scratch)

    def state(self) -> dict[str, Any]:
        """Return the network, its target and the optimizer's state."""
        return {
            "parameters": self.parameters.flat.copy(),
            "target": self.target.flat.copy(),
            **self._optimizer.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        size = len(self.parameters.flat)
        if len(state["parameters"]) != size:
            raise ValueError(
                "This state is of another agent. Received: "
                f"{len(state['parameters'])} parameters; this agent's network has "
                f"{size}. Make the agent with the same num_features and hidden_units."
            )
        self.parameters.flat[:] = state["parameters"]
        self.target.flat[:] = state["target"]
        self._optimizer.restore(state)
