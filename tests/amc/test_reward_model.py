"""Tests of `tfcompress.amc.reward_model`."""

from __future__ import annotations

import numpy as np
import pytest

from tfcompress.amc import reward_model
from tfcompress.amc.reward_model import RewardModel, expected_improvement

SIZES = (64, 64, 64, 64)


def reward(widths) -> float:
    """Lose something smooth for every group, most for the second."""
    kept = np.array(widths) / SIZES
    return float(-np.sum([0.1, 0.6, 0.2, 0.1] * (1 - kept) ** 2 / kept))


def plans(count: int, seed: int) -> list[tuple[int, ...]]:
    """Draw plans."""
    drawn = np.random.default_rng(seed).integers(8, 65, (count, 4)).tolist()
    return [tuple(widths) for widths in drawn]


def learned(count: int = 60, known=reward) -> RewardModel:
    """Return a model that has learned from random plans."""
    model = RewardModel(SIZES)
    for widths in plans(count, seed=0):
        model.add(widths, known(widths))
    return model


def test_it_ranks_plans_that_it_has_not_seen():
    """Most promising first, of sixty others."""
    model, others = learned(), plans(60, seed=1)
    found = np.argsort(-model.expected_improvement(others))[:6]
    wanted = np.argsort([-reward(widths) for widths in others])[:6]
    assert len(set(found.tolist()) & set(wanted.tolist())) >= 4


def test_what_is_known_promises_nothing_more():
    """A judged plan promises less than the whole network, which is better than all."""
    model = learned()
    known, better = model.expected_improvement([plans(60, seed=0)[3], SIZES])
    assert known < 0.1 * better


def test_the_length_scale_follows_the_rewards():
    """Rewards that change quickly with the widths ask for a short one."""
    smooth = learned()._fitted().length
    rough = learned(known=lambda w: float(np.sum(np.sin(np.array(w) / 3.0))))
    assert rough._fitted().length < smooth


def test_equal_rewards_are_no_problem():
    """The standard deviation of the rewards is 0."""
    model = learned(known=lambda _: 0.5)
    assert np.isfinite(model.expected_improvement([(32, 32, 32, 32)])).all()


def test_a_group_of_which_nothing_is_left_counts():
    """The logarithm of 0 is not taken."""
    model = learned()
    model.add((0, 64, 64, 64), -1.0)
    assert np.isfinite(model.expected_improvement([(0, 32, 32, 32)])).all()


def test_of_many_plans_the_best_are_fitted(monkeypatch):
    """The time of a fit stays what it is."""
    monkeypatch.setattr(reward_model, "MOST", 20)
    fit = learned()._fitted()
    best = sorted(reward(widths) for widths in plans(60, seed=0))[-20:]
    assert len(fit.x) == 20
    assert fit.best == pytest.approx((max(best) - np.mean(best)) / np.std(best))


def test_its_state_makes_an_equal_one():
    """Plans in their order, so that it fits to the same bits."""
    model, other = learned(), RewardModel(SIZES)
    other.restore(model.state())
    trials = plans(5, seed=2)
    wanted = model.expected_improvement(trials)
    assert np.array_equal(other.expected_improvement(trials), wanted)
    assert len(other) == len(set(plans(60, seed=0)))
    assert plans(60, seed=0)[0] in other
    empty = RewardModel(SIZES)
    empty.restore(RewardModel(SIZES).state())
    assert len(empty) == 0


def test_expected_improvement_by_hand():
    """A certain gain is expected whole, a certain loss not at all."""
    found = expected_improvement(
        np.array([2.0, -2.0, 0.0]), np.array([1e-6, 1e-6, 2.0]), best=1.0
    )
    # z = -0.5: deviation * (density - 0.5 * below) = 2 * (0.352065 - 0.5 * 0.308538)
    assert found == pytest.approx([1.0, 0.0, 0.395593], abs=1e-5)
