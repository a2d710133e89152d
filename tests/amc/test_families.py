"""Tests of `tfcompress.amc.families`."""

from __future__ import annotations

import pytest

from tests.amc.fakes import FLOORS, SIZES, made, share
from tfcompress.amc import families
from tfcompress.amc.scoring import Scorer

METHODS = {
    "uniform": families.uniform,
    "shallow": families.shallow,
    "deep": families.deep,
}


@pytest.fixture(scope="module")
def problem():
    return made()


@pytest.mark.parametrize("method", ["uniform", "shallow", "deep"])
def test_a_plan_by_hand_takes_one_evaluation_and_meets_the_budget(problem, method):
    """Closely: one count more in any group would not fit."""
    found = METHODS[method](Scorer(problem, 1))
    assert len(found.best_rewards) == 1
    assert share(problem, found.widths) <= 0.5
    for i, decision in enumerate(problem.plans.decisions):
        larger = [count for count in decision.counts if count > found.widths[i]]
        if larger:
            richer = (*found.widths[:i], larger[0], *found.widths[i + 1 :])
            assert share(problem, richer) > 0.5


def test_uniform_keeps_about_the_same_fraction_everywhere(problem):
    """Within one block of 4 of 16 channels."""
    found = families.uniform(Scorer(problem, 1))
    sizes = SIZES
    kept = [width / size for width, size in zip(found.widths, sizes, strict=True)]
    assert max(kept) - min(kept) <= 4 / 16


def test_shallow_and_deep_spare_the_other_end(problem):
    """The first group against the last."""
    first, _, last = families.shallow(Scorer(problem, 1)).widths
    assert first / 16 < last / 24
    first, _, last = families.deep(Scorer(problem, 1)).widths
    assert first / 16 > last / 24


def test_families_by_hand():
    """p = 0.6: uniform keeps 0.4; shallow 0.4, 0.625, 0.85 (w = 1, 0.625, 0.25)."""
    plans = made().plans
    even = families.Family(plans, [1.0, 1.0, 1.0])
    assert even.wanted(0.6) == pytest.approx([0.4] * 3)
    assert even.wanted(2.0) == pytest.approx([4 / 16, 8 / 24, 8 / 24])
    assert even.largest == pytest.approx(0.75)
    sloped = families.Family(plans, [1.0, 0.625, 0.25])
    assert sloped.wanted(0.6) == pytest.approx([0.4, 0.625, 0.85])
    assert sloped.largest == pytest.approx(3.0)
    assert sloped.widths(0.6) == (8, 16, 20)  # 6.4, 15 and 20.4 of blocks of 4
    assert sloped.widths(sloped.largest) == FLOORS


@pytest.mark.parametrize("method", ["uniform", "deep"])
def test_without_a_budget_a_family_shows_its_best(method):
    """-error * ln(MACs) of ten plans from the whole network to the floors."""
    problem = made(reward="macs")
    found = METHODS[method](Scorer(problem, 1))
    assert 2 <= len(found.best_rewards) <= 10
    assert found.reward == max(found.best_rewards)


def test_fine_grained_uniform_has_one_sparsity():
    """Within two steps of a hundred of 80 %."""
    problem = made(granularity="weights", params=1 / 3)
    plan = families.uniform(Scorer(problem, 1)).plan
    assert max(plan.values()) - min(plan.values()) <= 0.02
    assert set(plan) == {"conv0", "conv1", "conv2", "head"}
