"""Run an episode with a policy, and let an agent learn from it.

The reward of a plan is known at its end only; every transition of the episode then
carries it (He et al., "AMC", ECCV 2018, section 3.2), and the discount is 0.0 at the
last one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import dm_env
import numpy as np
import numpy.typing as npt

from tfcompress.amc.agent import DdpgAgent, LossInfo
from tfcompress.amc.blas import one_blas_thread
from tfcompress.amc.replay import ReplayBuffer, Transitions

Policy = Callable[[npt.NDArray[np.float32]], float]


class Environment(Protocol):
    """What the driver needs of an environment."""

    @property
    def info(self) -> Mapping[str, Any]:
        """What the last step did; after the last one ``actions``, as executed."""

    def reset(self) -> dm_env.TimeStep:
        """Start an episode."""

    def step(self, action: float) -> dm_env.TimeStep:
        """Make one decision."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episode:
    """A finished episode.

    Attributes:
        transitions: Its steps, with the executed actions and the final reward.
        reward: The final reward.
        infos: What the environment said about each step.
    """

    transitions: Transitions
    reward: float
    infos: tuple[dict[str, Any], ...]


def run_episode(environment: Environment, policy: Policy) -> Episode:
    """Let a policy make every decision of one episode.

    Args:
        environment: Is reset first.
        policy: Maps an observation to an action in [0, 1].
    """
    time_step = environment.reset()
    observations, discounts, infos = [time_step.observation], [], []
    while not time_step.last():
        time_step = environment.step(policy(time_step.observation))
        observations.append(time_step.observation)
        discounts.append(time_step.discount)
        infos.append(dict(environment.info))
    seen = np.asarray(observations, np.float32)
    transitions = Transitions(
        observation_tm1=seen[:-1],
        action_tm1=np.array(infos[-1]["actions"], np.float32),
        reward_t=np.full(len(infos), time_step.reward, np.float32),
        discount_t=np.array(discounts, np.float32),
        observation_t=seen[1:],
    )
    return Episode(
        transitions=transitions, reward=float(time_step.reward), infos=tuple(infos)
    )


def learn(
    agent: DdpgAgent, replay: ReplayBuffer, episode: Episode, *, number: int
) -> LossInfo | None:
    """Remember an episode and, after the warm-up, update the agent.

    There are ``updates_per_decision`` updates for each decision of the episode.

    Args:
        agent: Learns.
        replay: Takes the transitions, then gives the batches.
        episode: The finished episode.
        number: Its number, counted from 0, which tells whether it is of the warm-up.

    Returns:
        What the last update found; None during the warm-up.
    """
    replay.add(episode.transitions)
    agent.end_episode(episode.reward)
    if agent.warming_up(number):
        return None
    config = agent.config
    count = config.updates_per_decision * len(episode.infos)
    with one_blas_thread():
        found = [agent.train(replay.sample(config.batch_size)) for _ in range(count)]
    return found[-1]
