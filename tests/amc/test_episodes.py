"""Tests of `tfcompress.amc.episodes`: the rules that all environments keep."""

from __future__ import annotations

import numpy as np
import pytest

from tests.amc.nets import chain, play
from tfcompress import errors


def test_an_action_outside_an_episode_starts_one():
    """As `dm_env` says: before the first reset and after the last step."""
    environment = chain()
    assert environment.step(0.5).first()
    environment.step(0.5)
    assert environment.step(0.5).last()
    assert environment.step(0.5).first()


def test_the_specs_describe_what_comes():
    """Every part of every time step conforms."""
    environment = chain()
    spec = environment.time_step_spec()
    assert (environment.action_spec().minimum, environment.action_spec().maximum) == (
        0.25,
        1.0,
    )
    for step in play(environment, [0.1, np.array([0.9], np.float32)])[0]:
        spec.step_type.validate(np.int64(step.step_type))
        spec.observation.validate(step.observation)
        if not step.first():
            spec.reward.validate(float(step.reward))
            spec.discount.validate(float(step.discount))


def test_the_plan_before_the_end_is_refused():
    """It says how far the episode is."""
    environment = chain()
    environment.reset()
    environment.step(0.5)
    with pytest.raises(errors.PlanError, match="1 of 2 decisions"):
        _ = environment.plan


@pytest.mark.parametrize("action", [float("nan"), "much", [0.5, 0.5], None])
def test_an_action_that_is_no_number_is_refused(action):
    """NaN comes from an agent that diverged."""
    environment = chain()
    environment.reset()
    with pytest.raises(ValueError, match="one finite number"):
        environment.step(action)


def test_a_plan_of_too_few_ratios_is_refused():
    """The message lists the groups."""
    with pytest.raises(ValueError, match="expected 2, in the order of a, b"):
        chain().plan_of([0.5])


@pytest.mark.parametrize("reward", [float("nan"), None, "much"])
def test_a_reward_that_is_no_number_is_refused(reward):
    """A custom one may divide by an error of 0."""
    environment = chain(reward=lambda _: reward)
    environment.reset()
    environment.step(0.5)
    with pytest.raises(errors.ModelError, match="not a finite number"):
        environment.step(0.5)
