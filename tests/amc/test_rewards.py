"""Tests of `tfcompress.amc.rewards`, against numbers from the formulas."""

from __future__ import annotations

import json
import math

import pytest

from tfcompress.amc.rewards import (
    Evaluated,
    error_reward,
    macs_reward,
    params_reward,
)

PLAN = Evaluated(metric=0.9, macs=1_000_000, params=20_000, size_bytes=25_000)


def test_the_resource_constrained_reward_is_minus_the_error():
    """1 - 0.9 = 0.1."""
    assert error_reward(PLAN) == pytest.approx(-0.1)


def test_the_accuracy_guaranteed_rewards_weigh_the_error_by_a_logarithm():
    """ln 1,000,000 = 13.8155; ln 20,000 = 9.9035."""
    assert macs_reward(PLAN) == pytest.approx(-1.38155, abs=1e-5)
    assert params_reward(PLAN) == pytest.approx(-0.99035, abs=1e-5)


def test_fewer_macs_are_worth_an_accuracy_loss_of_their_logarithm():
    """Half of the MACs: 0.1 ln(1e6) / ln(5e5) = 0.10528 is as good an error."""
    error = 0.1 * math.log(1e6) / math.log(5e5)
    half = Evaluated(metric=1 - error, macs=500_000, params=1, size_bytes=1)
    assert macs_reward(half) == pytest.approx(macs_reward(PLAN))


def test_a_loss_like_metric_is_an_error_itself():
    """A mean absolute error of 0.3 is an error of 0.3."""
    plan = Evaluated(
        metric=0.3, macs=100, params=100, size_bytes=100, higher_is_better=False
    )
    assert error_reward(plan) == pytest.approx(-0.3)
    assert macs_reward(plan) == pytest.approx(-0.3 * math.log(100))


def test_a_record_survives_json():
    """Custom costs included."""
    plan = Evaluated(metric=0.5, macs=1, params=2, size_bytes=3, custom=(1.5, 2.5))
    assert Evaluated.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
