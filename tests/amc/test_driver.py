"""Tests of `tfcompress.amc.driver`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.amc.toy import FLOOR, ToyEnvironment
from tfcompress.amc import AmcConfig
from tfcompress.amc.agent import DdpgAgent
from tfcompress.amc.driver import learn, run_episode
from tfcompress.amc.replay import Transitions


def test_transitions_hold_what_was_executed_and_the_final_reward():
    """Always asking for everything gets all of the first layers, then the bound, then
    the floor; every step carries the reward of the whole plan."""
    environment = ToyEnvironment(seed=0)
    episode = run_episode(environment, lambda _: 1.0)
    executed = episode.transitions.action_tm1
    assert executed[0] == 1
    assert executed[-1] == np.float32(FLOOR)
    assert environment.used == pytest.approx(environment.budget)
    np.testing.assert_allclose(executed, environment.executed, rtol=1e-6)
    np.testing.assert_array_equal(
        episode.transitions.reward_t, np.float32(episode.reward)
    )
    assert episode.reward == environment.reward_of(environment.executed)
    assert [info["action"] for info in episode.infos] == [1.0] * 12


def test_steps_follow_each_other_until_the_discount_is_0():
    """What is seen after a step is what is seen before the next."""
    transitions = run_episode(ToyEnvironment(seed=0), lambda _: 0.4).transitions
    np.testing.assert_array_equal(
        transitions.observation_t[:-1], transitions.observation_tm1[1:]
    )
    np.testing.assert_array_equal(transitions.discount_t, [1.0] * 11 + [0.0])
    assert transitions.observation_tm1.dtype == np.float32


def test_the_policy_sees_the_observations_in_their_order():
    """The last action is the fifth number."""
    seen = []

    def policy(observation):
        seen.append(observation)
        return 0.3

    transitions = run_episode(ToyEnvironment(seed=0), policy).transitions
    np.testing.assert_array_equal(np.array(seen), transitions.observation_tm1)
    assert [row[4] for row in seen] == [1.0] + [np.float32(0.3)] * 11


def test_corrected_actions_are_the_ones_that_are_remembered():
    """An environment may still change an earlier decision at the end."""

    class Corrected(ToyEnvironment):
        def step(self, action):
            time_step = super().step(action)
            if time_step.last():
                self.info["actions"] = (0.25, *self.info["actions"][1:])
            return time_step

    transitions = run_episode(Corrected(seed=0), lambda _: 0.4).transitions
    assert transitions.action_tm1[0] == 0.25
    assert transitions.observation_tm1[1, 4] == np.float32(0.4)


def test_nothing_is_learned_during_the_warm_up():
    """The transitions are kept and the baseline moves, the networks stay."""
    config = AmcConfig(hidden_units=8, warmup_episodes=2, baseline_decay=0.75)
    environment = ToyEnvironment(seed=0)
    agent = DdpgAgent(5, config=config, seed=0, num_steps=12)
    replay = agent.make_replay(0)
    before = agent.state()
    episodes = [run_episode(environment, lambda _, a=a: a) for a in (0.4, 0.6)]
    for number, episode in enumerate(episodes):
        assert learn(agent, replay, episode, number=number) is None
    after = agent.state()
    for name in ("actor/parameters", "critic/parameters", "critic/target"):
        np.testing.assert_array_equal(before[name], after[name])
    assert len(replay) == 24
    first, second = (episode.reward for episode in episodes)
    assert agent.baseline == pytest.approx(0.75 * first + 0.25 * second)


def test_updates_after_the_warm_up_are_counted_per_decision(monkeypatch):
    """12 decisions: 12 batches of the asked size, times the updates per decision."""
    config = AmcConfig(
        hidden_units=8, warmup_episodes=1, batch_size=7, updates_per_decision=2
    )
    agent = DdpgAgent(5, config=config, seed=0, num_steps=12)
    replay = agent.make_replay(0)
    batches: list[Transitions] = []
    train = agent.train
    monkeypatch.setattr(
        agent, "train", lambda batch: (batches.append(batch), train(batch))[1]
    )
    episode = run_episode(ToyEnvironment(seed=0), lambda _: 0.4)
    found = learn(agent, replay, episode, number=1)
    assert [len(batch) for batch in batches] == [7] * 24
    assert found is not None
    assert found.baseline == pytest.approx(episode.reward)
    assert found.critic_loss >= 0
