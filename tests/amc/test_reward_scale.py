"""Tests of `tfcompress.amc.reward_scale`."""

from __future__ import annotations

import numpy as np
import pytest

from tfcompress.amc.reward_scale import SPREAD, RewardScale


def test_the_baseline_is_a_moving_average_of_the_rewards():
    """-1 sets it; then 0.75 * -1 + 0.25 * -0.2 = -0.8, then 0.75 * -0.8 = -0.6."""
    rewards, seen = RewardScale(0.75), []
    for reward in (-1.0, -0.2, 0.0):
        rewards.add(reward)
        seen.append(rewards.baseline)
    assert seen == pytest.approx([-1.0, -0.8, -0.6])


def test_scaled_rewards_have_the_spread_that_is_asked_for():
    """Whatever their unit; the baseline goes on after the scale is frozen."""
    for unit in (1e-3, 1.0, 500.0):
        values = unit * np.random.default_rng(0).normal(-3, 1, 50)
        rewards = RewardScale(0.95)
        for value in values:
            rewards.add(float(value))
        scaled = rewards.scale * values
        assert scaled.std() == pytest.approx(SPREAD)
        scale, baseline = rewards.scale, rewards.baseline
        rewards.freeze()
        rewards.add(100.0 * unit)
        assert rewards.scale == scale
        assert rewards.baseline > baseline


def test_rewards_that_are_all_the_same_are_left_as_they_are():
    """None, one, or three; a scale that did not exist is not frozen."""
    rewards = RewardScale(0.95)
    assert rewards.scale == 1
    for _ in range(3):
        rewards.add(-0.5)
        assert rewards.scale == 1
    rewards.freeze()
    rewards.add(-0.1)
    assert rewards.scale != 1


def test_a_restored_scale_continues():
    """Frozen or not."""
    for freeze in (False, True):
        rewards, twin = RewardScale(0.9), RewardScale(0.9)
        for value in (-0.3, -0.4):
            rewards.add(value)
        if freeze:
            rewards.freeze()
        twin.restore(rewards.state())
        for each in (rewards, twin):
            each.add(-0.1)
        assert twin.state() == rewards.state()
        assert twin.scale == rewards.scale
