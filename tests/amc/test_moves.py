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
