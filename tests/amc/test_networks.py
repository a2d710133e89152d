"""Tests of `tfcompress.amc.networks`."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.amc.small_networks import actor, critic, numeric_gradient
from tfcompress.amc import networks


def test_arrays_are_views_of_one_vector():
    """Writing one shows in the other; a copy is its own."""
    parameters = networks.Parameters({"w": (2, 2), "b": ()})
    parameters["b"][...] = 3
    twin = parameters.copy()
    parameters.flat[0] = 1
    assert parameters["w"][0, 0] == 1
    assert twin["w"][0, 0] == 0
    assert twin["b"] == 3


def test_actor_against_numbers_by_hand():
    """s = (1, 2): hidden1 = ReLU(1 - 1, 2 + 1) = (0, 3); hidden2 = ReLU(3 - 2, -3) =
    (1, 0); before the sigmoid 2 * 1 - 1 = 1."""
    done = networks.act(actor(), np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(done.hidden1, [[0, 3]])
    np.testing.assert_array_equal(done.hidden2, [[1, 0]])
    np.testing.assert_allclose(done.output, [1 / (1 + math.exp(-1))])


def test_critic_against_numbers_by_hand():
    """s = (1, 2), a = 0.5: hidden1 = ReLU(1 + 2 a - 1, 2 - 2 a) = (1, 1); hidden2 =
    ReLU(1 + 1, 1 - 1) = (2, 0); Q = 3 * 2 + 0.5 = 6.5."""
    done = networks.value(critic(), np.array([[1.0, 2.0]]), np.array([0.5]))
    np.testing.assert_array_equal(done.hidden1, [[1, 1]])
    np.testing.assert_array_equal(done.hidden2, [[2, 0]])
    np.testing.assert_array_equal(done.output, [6.5])


def test_actions_of_huge_inputs_stay_finite():
    """The sigmoid saturates instead of overflowing."""
    wild = actor()
    wild["w3"][:] = 1e6
    with np.errstate(over="raise"):
        actions = networks.act(wild, np.array([[1.0, 2.0], [0.0, 5.0]])).output
        wild["w3"][:] = -1e6
        none = networks.act(wild, np.array([[1.0, 2.0]])).output
    np.testing.assert_array_equal(actions, 1)
    np.testing.assert_array_equal(none, 0)


def test_first_actions_are_near_a_half_and_first_values_near_0():
    """The last layer starts within 0.003, the others within 1 / sqrt(fan-in)."""
    generator = np.random.default_rng(0)
    states = generator.random((50, 11), np.float32)
    first_actor = networks.actor_parameters(11, 300, generator)
    first_critic = networks.critic_parameters(11, 300, generator)
    actions = networks.act(first_actor, states).output
    values = networks.value(first_critic, states, actions).output
    np.testing.assert_allclose(actions, 0.5, atol=0.02)
    np.testing.assert_allclose(values, 0, atol=0.1)
    for name, bound in (("w1", 11**-0.5), ("w2", 300**-0.5), ("wa", 1), ("w3", 0.003)):
        largest = np.abs(first_critic[name]).max()
        assert 0.9 * bound < largest <= bound * (1 + 1e-6)


@pytest.mark.parametrize("which", ["actor", "critic"])
def test_gradients_are_those_of_finite_differences(which):
    """For every parameter, of a weighted sum of the outputs."""
    generator = np.random.default_rng(3)
    states, actions = generator.normal(size=(7, 4)), generator.random(7)
    weights = generator.normal(size=7)
    make = getattr(networks, f"{which}_parameters")
    parameters = networks.Parameters(make(4, 5, generator).shapes, np.float64)
    parameters.flat[:] = generator.normal(size=parameters.flat.shape)
    gradients = parameters.zeros()

    def outputs():
        if which == "actor":
            return networks.act(parameters, states)
        return networks.value(parameters, states, actions)

    if which == "actor":
        networks.act_backward(parameters, states, outputs(), weights, gradients)
    else:
        networks.value_backward(
            parameters, (states, actions), outputs(), weights, gradients
        )
        slope = networks.action_gradient(parameters, outputs(), weights)
        wanted = numeric_gradient(lambda: weights @ outputs().output, actions)
        np.testing.assert_allclose(slope, wanted, atol=1e-6)
    wanted = numeric_gradient(lambda: weights @ outputs().output, parameters.flat)
    np.testing.assert_allclose(gradients.flat, wanted, atol=1e-6)
