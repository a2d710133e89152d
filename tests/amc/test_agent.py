"""Tests of `tfcompress.amc.agent`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.amc.toy import ToyEnvironment
from tfcompress import errors
from tfcompress.amc import AmcConfig
from tfcompress.amc.agent import DdpgAgent
from tfcompress.amc.driver import learn, run_episode
from tfcompress.amc.replay import Transitions


def small_agent(seed: int = 0, **settings) -> DdpgAgent:
    """Make an agent for the toy environment."""
    base = {"hidden_units": 8, "warmup_episodes": 2, "batch_size": 8}
    config = AmcConfig(**{**base, **settings})
    return DdpgAgent(5, config=config, seed=seed, num_steps=12)


def batch(count: int = 8, reward: float = -0.3, discount: float = 1.0) -> Transitions:
    """Random transitions with one reward."""
    generator = np.random.default_rng(0)
    return Transitions(
        observation_tm1=generator.random((count, 5), np.float32),
        action_tm1=generator.random(count, np.float32),
        reward_t=np.full(count, reward, np.float32),
        discount_t=np.full(count, discount, np.float32),
        observation_t=generator.random((count, 5), np.float32),
    )


def collect(agent, replay, environment, numbers) -> list[float]:
    """Run and learn episodes; return everything that was executed."""
    executed = []
    for number in numbers:
        episode = run_episode(
            environment,
            lambda state, number=number: agent.collect_policy(state, episode=number),
        )
        learn(agent, replay, episode, number=number)
        executed += episode.transitions.action_tm1.tolist()
    return executed


def test_the_same_seed_gives_the_same_agent():
    """Another seed another one; the policy itself draws nothing."""
    state = np.full(5, 0.4, np.float32)
    one, same, other = small_agent(1), small_agent(1), small_agent(2)
    assert one.policy(state) == one.policy(state) == same.policy(state)
    assert one.policy(state) != other.policy(state)


def test_warm_up_actions_are_uniform_and_do_not_ask_the_actor():
    """A quarter of 4,000 lies in each quarter, within 4 standard errors (110)."""
    agent = small_agent()
    state = np.zeros(5, np.float32)
    actions = [agent.collect_policy(state, episode=1) for _ in range(4000)]
    counts, _ = np.histogram(actions, bins=4, range=(0, 1))
    assert np.abs(counts - 1000).max() < 110


def test_later_actions_close_in_on_the_policy():
    """The spread is that of the noise, which decays."""
    agent = small_agent(noise=0.1, noise_decay=0.5)
    state = np.zeros(5, np.float32)
    for episode, sigma in ((2, 0.1), (5, 0.0125)):
        actions = [agent.collect_policy(state, episode=episode) for _ in range(2000)]
        assert np.mean(actions) == pytest.approx(agent.policy(state), abs=0.01)
        assert np.std(actions) == pytest.approx(sigma, rel=0.1)
        assert agent.noise(episode) == pytest.approx(sigma)


def test_the_critic_learns_reward_less_baseline_at_the_end_of_an_episode():
    """With discount 0 the target is -0.3 + 0.5 = 0.2, so the first loss is nearly 0.04
    (the first values are near 0), and it goes away."""
    agent = small_agent(critic_learning_rate=0.01)
    agent.end_episode(-0.5)
    rows = batch(discount=0.0)
    first = agent.train(rows)
    assert first.critic_loss == pytest.approx(0.04, rel=0.2)
    assert first.baseline == -0.5
    for _ in range(300):
        last = agent.train(rows)
    assert last.critic_loss < 1e-4


def test_the_actor_finds_the_best_action_of_one_decision():
    """The reward is -(a - 0.8)^2 at the last decision, 0 decisions later."""
    agent = small_agent(
        hidden_units=32, actor_learning_rate=1e-3, critic_learning_rate=1e-2
    )
    generator = np.random.default_rng(0)
    for _ in range(600):
        rows = batch(32, discount=0.0)
        actions = generator.random(32, np.float32)
        agent.train(
            Transitions(
                observation_tm1=np.full_like(rows.observation_tm1, 0.5),
                action_tm1=actions,
                reward_t=-((actions - 0.8) ** 2),
                discount_t=rows.discount_t,
                observation_t=rows.observation_t,
            )
        )
    assert agent.policy(np.full(5, 0.5, np.float32)) == pytest.approx(0.8, abs=0.05)


def test_target_networks_follow_slowly():
    """One update moves them by 1 % of the way to the new parameters."""
    agent = small_agent(target_rate=0.01)
    before = agent.state()
    agent.train(batch())
    after = agent.state()
    for role in ("actor", "critic"):
        start = before[f"{role}/target"]
        way = after[f"{role}/parameters"] - start
        assert np.abs(way).max() > 0
        np.testing.assert_allclose(
            after[f"{role}/target"], start + 0.01 * way, atol=1e-7
        )


def test_each_decision_can_have_an_action_of_its_own():
    """States that differ in the position alone are one-hot apart: learning one by heart
    moves its action more than its neighbour's."""
    agent = small_agent(hidden_units=64, actor_learning_rate=1e-3)
    states = np.full((2, 5), 0.3, np.float32)
    states[:, 0] = (3 / 11, 4 / 11)
    generator = np.random.default_rng(0)
    for _ in range(400):
        actions = generator.random(64, np.float32)
        which = generator.integers(2, size=64)
        seen = states[which]
        best = np.where(which, 0.9, 0.1)
        agent.train(
            Transitions(
                observation_tm1=seen,
                action_tm1=actions,
                reward_t=(-((actions - best) ** 2)).astype(np.float32),
                discount_t=np.zeros(64, np.float32),
                observation_t=seen,
            )
        )
    first, second = (agent.policy(state) for state in states)
    assert first < 0.35
    assert second > 0.65


def test_a_restored_agent_continues_bit_for_bit():
    """Actions and parameters after more episodes are equal, whatever it did before."""
    environment = ToyEnvironment(seed=0)
    agent = small_agent()
    replay = agent.make_replay(5)
    collect(agent, replay, environment, range(4))
    kept = agent.state(), replay.state()
    wanted = collect(agent, replay, environment, range(4, 8))

    twin = small_agent(seed=77)
    other_replay = twin.make_replay(88)
    collect(twin, other_replay, environment, range(3))
    twin.restore(kept[0])
    other_replay.restore(kept[1])
    assert collect(twin, other_replay, environment, range(4, 8)) == wanted
    ours, theirs = agent.state(), twin.state()
    assert ours.keys() == theirs.keys()
    for name, entry in ours.items():
        np.testing.assert_array_equal(entry, theirs[name], err_msg=name)


def test_a_state_is_arrays_and_numbers(tmp_path):
    """So it goes through an .npz file without pickle."""
    agent = small_agent()
    agent.train(batch())
    np.savez(tmp_path / "agent.npz", **agent.state())
    twin = small_agent(seed=9)
    with np.load(tmp_path / "agent.npz", allow_pickle=False) as stored:
        twin.restore(stored)
    state = np.full(5, 0.2, np.float32)
    assert twin.policy(state) == agent.policy(state)
    assert twin.train(batch()) == agent.train(batch())


def test_a_state_of_another_size_is_refused():
    """The message has both sizes."""
    state = small_agent(hidden_units=9).state()
    with pytest.raises(ValueError, match=r"of another agent.*parameters.*hidden_units"):
        small_agent().restore(state)


def test_an_observation_of_another_length_is_refused():
    """Also a batch of observations."""
    for wrong in (np.zeros(4, np.float32), np.zeros((1, 5), np.float32)):
        with pytest.raises(ValueError, match=r"Received: shape \(.*must be \(5,\)"):
            small_agent().policy(wrong)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_rewards_that_are_no_numbers_stop_the_training(reward):
    """Before the networks take any harm."""
    agent = small_agent()
    before = agent.state()
    with pytest.raises(errors.TrainingError, match=r"critic has diverged.*reward"):
        agent.train(batch(reward=reward))
    for role in ("actor", "critic"):
        name = f"{role}/parameters"
        np.testing.assert_array_equal(before[name], agent.state()[name])
