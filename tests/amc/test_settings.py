"""Tests of `tfcompress.amc.settings`."""

from __future__ import annotations

import json

import pytest

from tfcompress import errors
from tfcompress.amc import AmcConfig
from tfcompress.channels import Budget


def test_it_survives_json():
    """Tuples come back as tuples."""
    config = AmcConfig(macs=0.4, exclude=("stem",), reward="params", patience=30)
    assert AmcConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_half_of_the_macs_go_if_no_budget_is_given():
    """Any other limit replaces that default."""
    assert AmcConfig().budget() == Budget(macs=0.5)
    assert AmcConfig(params=0.3).budget() == Budget(params=0.3)


def test_half_of_the_weights_go_in_fine_grained_mode():
    """Zeros among the weights save no MACs that `graph.cost` could count."""
    assert AmcConfig(granularity="weights").budget() == Budget(params=0.5)


@pytest.mark.parametrize("reward", ["macs", "params"])
def test_accuracy_guaranteed_rewards_need_no_budget(reward):
    """One that is given holds all the same."""
    assert AmcConfig(reward=reward).budget() is None
    assert AmcConfig(reward=reward, macs=0.7).budget() == Budget(macs=0.7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reward": "accuracy"}, {"granularity": "filters"}, {"min_ratio": 0.0},
        {"min_ratio": 1.5}, {"round_to": 0}, {"min_channels": 0}, {"episodes": 0},
        {"warmup_episodes": -1}, {"noise": -0.1}, {"noise_decay": 1.1},
        {"hidden_units": 0}, {"actor_learning_rate": 0.0},
        {"critic_learning_rate": -1.0}, {"target_rate": 2.0}, {"discount": 1.5},
        {"batch_size": 0}, {"updates_per_decision": 0}, {"replay_per_decision": 0},
        {"baseline_decay": -0.1},
        {"evaluation_examples": 0}, {"reconstruction_examples": 0}, {"patience": -1},
        {"seed": -1}, {"macs": 0.0}, {"max_sparsity": 1.0},
        {"max_memory_mb": 0.0},
        {"max_dense_sparsity": -0.1},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        AmcConfig(**wrong)


@pytest.mark.parametrize("name", ["macs", "size_bytes"])
def test_fine_grained_mode_is_limited_by_its_weights_alone(name):
    """The message says which setting to use instead."""
    with pytest.raises(errors.ConfigError, match=f"{name}=0.5.*`params`"):
        AmcConfig(granularity="weights", **{name: 0.5})


def test_an_unknown_setting_suggests_the_nearest():
    """As in a workflow file."""
    with pytest.raises(errors.ConfigError, match="Did you mean 'episodes'"):
        AmcConfig.from_dict({"episode": 3})
