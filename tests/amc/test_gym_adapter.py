"""Tests of `tfcompress.amc.gym_adapter`."""

from __future__ import annotations

import builtins
import warnings

import numpy as np
import pytest

from tests.amc.nets import dense_chain
from tfcompress import errors
from tfcompress.amc import gym_adapter
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.fine_grained import SparsityEnvironment
from tfcompress.channels import Budget


@pytest.fixture
def adapter():
    """Return the class, where Gymnasium is installed."""
    pytest.importorskip("gymnasium", reason="needs `pip install 'tfcompress[gym]'`")
    return gym_adapter.GymAdapter


def channels():
    return CompressionEnvironment(
        dense_chain(8, 8),
        budget=Budget(macs=0.5),
        evaluate=lambda _: 0.75,
        round_to=1,
        min_ratio=0.25,
    )


def weights():
    return SparsityEnvironment(dense_chain(8, 8), budget=0.5, evaluate=lambda _: 0.75)


@pytest.mark.parametrize("make", [channels, weights])
def test_gymnasiums_own_check_passes(adapter, make):
    """Without a warning either, but for what it says of every unregistered one."""
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(adapter(make()), skip_render_check=True)
    told = [str(w.message) for w in caught if "spec" not in str(w.message)]
    assert told == []


def test_an_episode_is_that_of_the_environment(adapter):
    """a = 6 and b = 2, as `test_environment` works out by hand."""
    env = adapter(channels())
    observation, info = env.reset(seed=1)
    assert info == {}
    assert env.observation_space.contains(observation)
    observation, reward, ended, cut, info = env.step(np.array([1.0], np.float32))
    assert (reward, ended, cut, info["executed"]) == (0.0, False, False, 0.75)
    observation, reward, ended, cut, info = env.step(np.array([1.0], np.float32))
    assert (reward, ended, cut, info["executed"]) == (-0.25, True, False, 0.25)
    assert env.observation_space.contains(observation)
    assert env.environment.plan.widths() == {"a": 6, "b": 2}


def test_an_action_below_the_smallest_ratio_is_that_ratio(adapter):
    """The range is 0 to 1, which agents are tuned for."""
    env = adapter(channels())
    env.reset()
    assert env.step(env.action_space.low)[-1]["executed"] == 0.25


def test_without_gymnasium_it_says_how_to_install_it(monkeypatch):
    """In one line, when the class is asked for, not when `amc` is imported."""
    imported = builtins.__import__

    def refuse(name, *rest, **more):
        if name == "gymnasium":
            raise ImportError(name)
        return imported(name, *rest, **more)

    gym_adapter._adapter.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(errors.ConfigError, match=r"pip install 'tfcompress\[gym\]'"):
        _ = gym_adapter.GymAdapter


def test_another_name_is_an_attribute_error():
    """As in any module."""
    with pytest.raises(AttributeError, match="nothing"):
        _ = gym_adapter.nothing
