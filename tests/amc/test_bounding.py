"""Tests of `tfcompress.amc.bounding`: their arithmetic, on plain numbers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tfcompress.amc.bounding import Bounds


def chain_macs(limit):
    """Return the share of a Dense chain 10 -> a -> b -> 2: 10 a + a b + 2 b MACs."""
    return lambda counts: (
        (10 * counts[0] + counts[0] * counts[1] + 2 * counts[1]) / limit
    )


GRID = [tuple(range(2, 9))] * 2


def test_the_first_decision_leaves_room_for_the_floors_of_the_rest():
    """Limit 80, b at its floor of 2: 12 a + 4 <= 80 gives a <= 6.33, so 6."""
    bound = Bounds(GRID, chain_macs(80)).decide((), 8)
    assert (bound.count, bound.upper) == (6, 6)


@pytest.mark.parametrize(("a", "b"), [(2, 8), (4, 6), (5, 4), (6, 2)])
def test_later_bounds_follow_what_was_executed(a, b):
    """10 a + (a + 2) b <= 80.

    a = 2: 20 + 4 b, b <= 15, so all 8; a = 4: 40 + 6 b, b <= 6.67; a = 5: 50 + 7 b,
    b <= 4.29; a = 6: 60 + 8 b, b <= 2.5.
    """
    assert Bounds(GRID, chain_macs(80)).decide_all([a, 8]) == (a, b)


def test_the_bound_respects_the_grid():
    """In blocks of 4: a = 8 costs 80 + 32 + 8 > 80, and (4, 8) costs 88 > 80."""
    bounds = Bounds([(4, 8)] * 2, chain_macs(80))
    assert bounds.decide_all([8, 8]) == (4, 4)
    assert bounds.decide((), 8).upper == 4


def test_a_wanted_count_below_the_bound_is_left_alone():
    """Only the upper end is bounded."""
    bound = Bounds(GRID, chain_macs(80)).decide((), 3)
    assert (bound.count, bound.upper) == (3, 6)


def test_a_limit_of_everything_binds_nothing():
    """The whole costs 80 + 64 + 16 = 160."""
    assert Bounds(GRID, chain_macs(160)).decide_all([8, 8]) == (8, 8)


def test_a_limit_below_the_floors_is_not_reachable():
    """The floors cost 20 + 4 + 4 = 28."""
    assert Bounds(GRID, chain_macs(28)).reachable
    bounds = Bounds(GRID, chain_macs(27.9))
    assert not bounds.reachable
    assert bounds.anchor == (2, 2)


def ups_and_downs(counts):
    """Cost 1 per layer, 2 where the width is not a multiple of 3: limit 2."""
    return sum(2 if count % 3 else 1 for count in counts) / 2


def test_a_cost_that_wider_layers_lower_is_kept_too():
    """Only 3 and 6 fit; the floors (2, 2) do not."""
    bounds = Bounds([(2, 3, 4, 5, 6)] * 2, ups_and_downs)
    assert bounds.reachable
    for wanted in itertools.product((2, 3, 4, 5, 6), repeat=2):
        assert ups_and_downs(bounds.decide_all(wanted)) <= 1


def test_an_allowed_count_is_executed_although_a_smaller_one_is_not():
    """6 is wanted and fits, as the bisection may not know."""
    bounds = Bounds([(2, 3, 4, 5, 6)] * 2, ups_and_downs)
    assert bounds.decide_all([6, 3]) == (6, 3)


def test_the_nearest_allowed_count_below_is_preferred():
    """5 does not fit; 3 does, and so does 6."""
    bounds = Bounds([(2, 3, 4, 5, 6)] * 2, ups_and_downs)
    assert bounds.decide_all([5, 5]) == (3, 3)


def test_with_none_below_the_smallest_above_is_taken():
    """2 does not fit at any rest; 3 is the next."""
    bounds = Bounds([(2, 3, 4, 5, 6)] * 2, ups_and_downs)
    assert bounds.decide_all([2, 2]) == (3, 3)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_cost_at_all_is_met_once_a_plan_is_known(data):
    """Property: shares drawn at random have no order whatever."""
    sizes = data.draw(st.lists(st.integers(2, 4), min_size=2, max_size=4))
    options = [tuple(range(1, size + 1)) for size in sizes]
    rng = data.draw(st.randoms(use_true_random=False))
    table = {plan: rng.uniform(0.5, 2.0) for plan in itertools.product(*options)}
    bounds = Bounds(options, table.__getitem__)
    assume(bounds.reachable)
    wanted = tuple(data.draw(st.sampled_from(counts)) for counts in options)
    assert table[bounds.decide_all(wanted)] <= 1


@given(
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    part=st.floats(0.3, 1.0),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_the_bound_of_a_growing_cost_is_the_largest_that_any_rest_allows(
    weights, part, data
):
    """Property: brute force over all later counts agrees."""
    options = [(1, 2, 4, 6)] * len(weights)
    limit = part * 6 * sum(weights)

    def share(counts):
        return sum(w * c for w, c in zip(weights, counts, strict=True)) / limit

    bounds = Bounds(options, share)
    assume(bounds.reachable)
    wanted = data.draw(st.sampled_from(options[0]))
    allowed = [plan[0] for plan in itertools.product(*options) if share(plan) <= 1]
    bound = bounds.decide((), wanted)
    assert bound.upper == max(allowed)
    assert bound.count == min(wanted, max(allowed))


def test_few_costs_are_read():
    """A latency may take a millisecond; 64 counts need at most 7 readings or so."""
    read = 0

    def share(counts):
        nonlocal read
        read += 1
        return sum(counts) / 300

    bounds = Bounds([tuple(range(8, 513, 8))] * 10, share)
    before = read
    bounds.decide((), 512)
    assert read - before <= 10


def test_a_plan_that_reads_worse_later_is_corrected_from_the_end():
    """Measured costs may wander: now 9 is the limit, not 12.

    (4, 4, 4) costs 12. The last one goes down to 1: 4 + 4 + 1 = 9 fits.
    """
    bounds = Bounds([(1, 2, 3, 4)] * 3, lambda counts: sum(counts) / 12)
    assert bounds.corrected((4, 4, 4), lambda counts: sum(counts) / 9) == (4, 4, 1)
    assert bounds.corrected((4, 4, 4), lambda counts: sum(counts) / 7) == (4, 2, 1)


def test_what_cannot_be_corrected_is_said():
    """The floors cost 3."""
    bounds = Bounds([(1, 2, 3, 4)] * 3, lambda counts: sum(counts) / 12)
    assert bounds.corrected((4, 4, 4), lambda counts: sum(counts) / 2) is None
