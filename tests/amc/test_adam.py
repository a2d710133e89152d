"""Tests of `tfcompress.amc.adam`."""

from __future__ import annotations

import numpy as np
import pytest

from tfcompress.amc.adam import Adam


def test_two_steps_by_hand():
    """Gradients 2, then -1: m = 0.2, then 0.08; v = 0.004, then 0.004996. Unbiased: 2
    and sqrt(4), a step of 0.1; then 0.08 / 0.19 = 0.421053 and
    sqrt(0.004996 / 0.001999) = 1.580901, a step of 0.0266337."""
    parameters = np.array([1.0])
    adam = Adam(parameters, learning_rate=0.1)
    adam.update(parameters, np.array([2.0]))
    assert parameters[0] == pytest.approx(0.9)
    adam.update(parameters, np.array([-1.0]))
    assert parameters[0] == pytest.approx(0.9 - 0.0266337, abs=1e-6)


def test_a_restored_optimizer_continues_bit_for_bit():
    """Its moments and its count of steps are the state; the state is a copy."""
    generator = np.random.default_rng(0)
    gradients = generator.normal(size=(6, 20)).astype(np.float32)
    parameters = np.zeros(20, np.float32)
    adam = Adam(parameters, learning_rate=0.01)
    for gradient in gradients[:3]:
        adam.update(parameters, gradient)
    state, twin_parameters = adam.state(), parameters.copy()
    for gradient in gradients[3:]:
        adam.update(parameters, gradient)
    twin = Adam(twin_parameters, learning_rate=0.01)
    twin.restore(state)
    for gradient in gradients[3:]:
        twin.update(twin_parameters, gradient)
    np.testing.assert_array_equal(parameters, twin_parameters)
