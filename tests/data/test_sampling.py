import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcompress.data import sampling


def test_order_is_a_permutation_and_depends_on_seed_and_epoch():
    orders = [
        sampling.epoch_order(50, seed=s, epoch=e).tolist()
        for s, e in ((0, 0), (0, 1), (1, 0))
    ]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_order_is_the_same_when_asked_again():
    first = sampling.epoch_order(50, seed=3, epoch=7)
    np.random.default_rng(0).random(1000)
    np.testing.assert_array_equal(first, sampling.epoch_order(50, seed=3, epoch=7))


def test_order_without_shuffling():
    assert sampling.epoch_order(3, seed=9, epoch=9, shuffle=False).tolist() == [0, 1, 2]


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    wanted=st.integers(1, 120),
    seed=st.integers(0, 5),
)
def test_sample_keeps_proportions(counts, wanted, seed):
    """Every class is within one of its share, or has the one it needs at least."""
    labels = np.repeat(np.arange(len(counts)), counts)
    chosen = sampling.stratified_sample(labels, len(labels), wanted, seed=seed)
    total = min(wanted, len(labels))
    assert len(chosen) == len(set(chosen.tolist())) == total
    found = np.bincount(labels[chosen], minlength=len(counts))
    if total >= len(counts):
        assert (found >= 1).all()
    share = np.array(counts) * total / len(labels)
    # The one-each rule may take some places from the larger classes.
    slack = 1 + np.maximum(1 - share, 0).sum()
    assert (np.abs(found - share) <= slack).all()


def test_sample_of_everything_is_everything():
    labels = np.array([0, 0, 1])
    assert sorted(sampling.stratified_sample(labels, 3, 99, seed=0)) == [0, 1, 2]


def test_sample_without_labels():
    chosen = sampling.stratified_sample(None, 10, 4, seed=0)
    assert len(set(chosen.tolist())) == 4


@pytest.mark.parametrize("fraction", [0.1, 0.25])
def test_split_is_disjoint_complete_and_stratified(fraction):
    labels = np.repeat([0, 1, 2], [40, 80, 120])
    rest, held = sampling.stratified_split(labels, 240, fraction, seed=1)
    assert sorted([*rest, *held]) == list(range(240))
    expected = [40 * fraction, 80 * fraction, 120 * fraction]
    assert np.bincount(labels[held]).tolist() == expected
