"""Tests of `tfcompress.amc.moves`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.amc.fakes import FLOORS, SIZES, made, share
from tfcompress.amc.moves import Moves


@pytest.fixture(scope="module")
def problem():
    return made()


def test_a_round_of_the_descent_by_hand(problem):
    """Each group alone, cut as little as the target needs."""
    moves = Moves(problem)
    target = 0.9 / 0.5  # of the budget: 90 % of the network
    trials = moves.cuts(SIZES, target)
    assert len(trials) == 3
    for trial in trials:
        (i,) = (j for j in range(3) if trial[j] != SIZES[j])
        assert share(problem, trial) <= 0.9
        one_more = (*trial[:i], trial[i] + 4, *trial[i + 1 :])
        assert share(problem, one_more) > 0.9


def test_a_trade_gives_to_one_group_and_takes_from_another(problem):
    """Every one fits, and differs in one or two groups."""
    start = (8, 12, 12)
    found = list(Moves(problem).trades(start, np.random.default_rng(0)))
    assert found
    for trial in found:
        changes = [new - old for old, new in zip(start, trial, strict=True)]
        assert sum(change != 0 for change in changes) in (1, 2)
        assert max(changes) == 4
        assert share(problem, trial) <= 0.5


def test_what_is_left_goes_to_who_lacks_most(problem):
    """From the floors: conv1 wants all, the others what they have."""
    filled = Moves(problem).filled(FLOORS, [4 / 16, 1.0, 8 / 24])
    assert filled[1] > FLOORS[1]
    assert share(problem, filled) <= 0.5


def test_a_plan_above_the_budget_is_bounded_as_in_an_episode(problem):
    """The first groups get what they ask for, the last ones what is left."""
    moves = Moves(problem)
    bounded = moves.bounded(SIZES)
    assert bounded[0] == 16
    assert moves.fits(bounded)
    assert not moves.fits(SIZES)


@pytest.mark.parametrize("seed", range(30))
def test_a_neighbour_fits_and_is_another_plan(problem, seed):
    """Whatever was drawn: counts that are possible, within the budget."""
    start = (8, 12, 12)
    found = Moves(problem).neighbour(start, np.random.default_rng(seed), sigma=0.2)
    assert found != start
    assert share(problem, found) <= 0.5
    for width, decision in zip(found, problem.plans.decisions, strict=True):
        assert width in decision.counts


def test_a_neighbour_uses_what_a_cut_leaves(problem):
    """From a plan at its limit, a group that shrinks makes another one grow."""
    moves = Moves(problem)
    start = moves.filled((8, 8, 8), [1.0, 1.0, 1.0])
    smaller = [
        found
        for seed in range(60)
        if min(
            np.subtract(
                found := moves.neighbour(start, np.random.default_rng(seed), 0.5), start
            )
        )
        < 0
    ]
    assert smaller
    grown = [found for found in smaller if max(np.subtract(found, start)) > 0]
    assert len(grown) >= 0.5 * len(smaller)


def test_a_step_is_at_least_one_count():
    """No spread at all still moves a group."""
    problem = made()
    start = (8, 12, 12)
    for seed in range(10):
        moved = Moves(problem).neighbour(start, np.random.default_rng(seed), sigma=0.0)
        assert moved != start


def test_without_a_budget_two_groups_move():
    """Nobody has to pay; nothing is refused."""
    problem = made(reward="macs")
    changed = [
        sum(new != old for new, old in zip(found, (8, 16, 16), strict=True))
        for seed in range(20)
        for found in [
            Moves(problem).neighbour((8, 16, 16), np.random.default_rng(seed), 0.3)
        ]
    ]
    assert set(changed) == {2}
