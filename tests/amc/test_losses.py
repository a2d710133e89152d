"""Tests of `tfcompress.amc.losses`, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.amc.small_networks import actor, critic, numeric_gradient
from tfcompress.amc import losses, networks
from tfcompress.amc.replay import Transitions

SIGMOID_1 = 1 / (1 + math.exp(-1))  # mu(1, 2) of the small actor, 0.731


def two_steps() -> Transitions:
    """A step to s' = (1, 2), and a last one that also leads there."""
    return Transitions(
        observation_tm1=np.array([[1.0, 2.0], [2.0, 1.0]]),
        action_tm1=np.array([0.5, 0.25]),
        reward_t=np.array([-0.3, -0.3]),
        discount_t=np.array([1.0, 0.0]),
        observation_t=np.array([[1.0, 2.0], [1.0, 2.0]]),
    )


def test_targets_add_what_the_target_networks_do_next():
    """mu' = sigmoid(1) = 0.731; hidden1 = (1 + 2 mu' - 1, 2 - 2 mu') = (1.462, 0.538),
    hidden2 = (2, 0.924), Q' = 6 + 0.924 + 0.5; y = -0.3 + 0.4 + 0.9 Q'. The last step
    has discount 0: y = -0.3 + 0.4, whatever comes after."""
    mu = SIGMOID_1
    next_value = 6 + (2 * mu - (2 - 2 * mu)) + 0.5
    targets = losses.critic_targets(
        actor(), critic(), two_steps(), discount=0.9, baseline=-0.4
    )
    np.testing.assert_allclose(targets, [0.1 + 0.9 * next_value, 0.1])


def test_rewards_are_scaled_after_the_baseline_is_subtracted():
    """10 * (-0.3 + 0.4) at the end of an episode."""
    targets = losses.critic_targets(
        actor(), critic(), two_steps(), discount=0.9, baseline=-0.4, scale=10.0
    )
    assert targets[1] == pytest.approx(1.0)


def test_without_discount_only_the_reward_counts():
    """Whatever the target networks say: -0.3 + 0.4 at every step."""
    wild = critic()
    wild.flat[:] *= 100
    targets = losses.critic_targets(
        actor(), wild, two_steps(), discount=0.0, baseline=-0.4
    )
    np.testing.assert_allclose(targets, [0.1, 0.1])


def test_nothing_is_carried_over_the_end_of_an_episode():
    """The second target does not change with the target networks."""
    wild = critic()
    wild.flat[:] *= 100
    targets = losses.critic_targets(
        actor(), wild, two_steps(), discount=1.0, baseline=0.0
    )
    assert targets[1] == -0.3


def test_critic_loss_and_gradients_by_hand():
    """Q(1, 2, 0.5) = 6.5 (hidden1 (1, 1), hidden2 (2, 0)); Q(2, 1, 0.25): hidden1 =
    (1.5, 0.5), hidden2 = (2, 1), Q = 6 + 1 + 0.5 = 7.5. With targets 6 and 8 the errors
    are 0.5 and -0.5, the loss 0.25, dloss/dQ = 2 / 2 * error = (0.5, -0.5)."""
    parameters = critic()
    gradients = parameters.zeros()
    loss = losses.critic_loss_and_gradients(
        parameters, two_steps(), np.array([6.0, 8.0]), gradients
    )
    assert loss == pytest.approx(0.25)
    assert gradients["b3"] == pytest.approx(0)  # 0.5 - 0.5
    # By w3: 0.5 * (2, 0) - 0.5 * (2, 1)
    np.testing.assert_allclose(gradients["w3"], [0, -0.5])
    # before ReLU 2: 0.5 * (3, 1) with the second off; -0.5 * (3, 1) = (-1.5, -0.5)
    np.testing.assert_allclose(gradients["b2"], [1.5 - 1.5, -0.5])
    # By w2: (1, 1)' (1.5, 0) + (1.5, 0.5)' (-1.5, -0.5)
    np.testing.assert_allclose(gradients["w2"], [[-0.75, -0.75], [0.75, -0.25]])
    # before ReLU 1: (1.5, 0) W2' = (1.5, 1.5); (-1.5, -0.5) W2' = (-2, -1)
    np.testing.assert_allclose(gradients["b1"], [-0.5, 0.5])
    # By wa: 0.5 * (1.5, 1.5) + 0.25 * (-2, -1)
    np.testing.assert_allclose(gradients["wa"], [0.25, 0.5])
    # By w1: (1, 2)' (1.5, 1.5) + (2, 1)' (-2, -1)
    np.testing.assert_allclose(gradients["w1"], [[-2.5, -0.5], [1.0, 2.0]])


def test_actor_gradient_by_hand():
    """One state (1, 2): mu = sigmoid(1); hidden1 of the critic (2 mu, 2 - 2 mu), both
    on, hidden2 = (2, 4 mu - 2), on as mu > 0.5: dQ/da = 3 * (2 - 2) + 1 * (2 + 2) = 4.
    The actor's hidden2 is (1, 0), so dmu/db3 = mu (1 - mu), dmu/dw3 = that * (1, 0),
    dmu/db2 = that * (2, 0), and back through W2 = [[1, -1], [1, -1]] to hidden1, whose
    first unit is off: dmu/db1 = that * (0, 2). The loss is -Q = -(6 + 4 mu - 1.5)."""
    parameters = actor()
    gradients = parameters.zeros()
    state = np.array([[1.0, 2.0]])
    loss = losses.actor_gradients(parameters, critic(), state, gradients)
    mu = SIGMOID_1
    step = -4 * mu * (1 - mu)
    assert loss == pytest.approx(-(4.5 + 4 * mu))
    np.testing.assert_allclose(gradients["b3"], step)
    np.testing.assert_allclose(gradients["w3"], [step, 0])
    np.testing.assert_allclose(gradients["b2"], [2 * step, 0])
    np.testing.assert_allclose(gradients["w2"], [[0, 0], [3 * 2 * step, 0]])
    np.testing.assert_allclose(gradients["b1"], [0, 2 * step])
    np.testing.assert_allclose(gradients["w1"], [[0, 2 * step], [0, 4 * step]])


def random_networks(seed):
    """An actor, a critic and a batch in double precision."""
    generator = np.random.default_rng(seed)
    made = []
    for make in (networks.actor_parameters, networks.critic_parameters):
        parameters = networks.Parameters(make(3, 6, generator).shapes, np.float64)
        parameters.flat[:] = generator.normal(size=parameters.flat.shape)
        made.append(parameters)
    batch = Transitions(
        observation_tm1=generator.normal(size=(9, 3)),
        action_tm1=generator.random(9),
        reward_t=generator.normal(size=9),
        discount_t=np.ones(9),
        observation_t=generator.normal(size=(9, 3)),
    )
    return *made, batch, generator.normal(size=9)


@pytest.mark.parametrize("seed", range(3))
def test_both_gradients_are_those_of_finite_differences(seed):
    """Of the loss that is returned, for every parameter."""
    some_actor, some_critic, batch, targets = random_networks(seed)
    unused = some_critic.zeros()
    gradients = some_critic.zeros()
    losses.critic_loss_and_gradients(some_critic, batch, targets, gradients)
    wanted = numeric_gradient(
        lambda: losses.critic_loss_and_gradients(some_critic, batch, targets, unused),
        some_critic.flat,
    )
    np.testing.assert_allclose(gradients.flat, wanted, rtol=1e-5, atol=1e-6)

    unused, gradients = some_actor.zeros(), some_actor.zeros()
    states = batch.observation_tm1
    losses.actor_gradients(some_actor, some_critic, states, gradients)
    wanted = numeric_gradient(
        lambda: losses.actor_gradients(some_actor, some_critic, states, unused),
        some_actor.flat,
    )
    np.testing.assert_allclose(gradients.flat, wanted, rtol=1e-5, atol=1e-6)
