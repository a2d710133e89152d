"""Tests of `tfcompress.amc.duties`: Algorithm 1, on plain numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcompress import errors
from tfcompress.amc.duties import Duties
from tfcompress.amc.magnitudes import SparseLayer
from tfcompress.channels import Budget


def layers(*sizes_and_most):
    return [
        SparseLayer(layer=f"layer{i}", variables=("kernel",), size=size, most=most)
        for i, (size, most) in enumerate(sizes_and_most)
    ]


THREE = layers((100, 80), (200, 160), (50, 49))


def test_what_is_put_off_becomes_a_duty():
    """Of 350 weights 70 stay, so 280 go; the layers may give 80 + 160 + 49 = 289.

    The first must give 280 - 209 = 71, then the second 280 - 71 - 49 = 160, and the
    last 280 - 71 - 160 = 49.
    """
    assert Duties(THREE, 0.2).decide_all([0.0, 0.0, 0.0]) == (71, 160, 49)


def test_what_was_given_before_lightens_the_duty():
    """80 first; the second then owes 280 - 80 - 49 = 151, and asks for 0.77 = 154; the
    last owes 280 - 234 = 46."""
    assert Duties(THREE, 0.2).decide_all([0.9, 0.77, 0.0]) == (80, 154, 46)


def test_a_layer_never_gives_more_than_its_most():
    """All ones."""
    assert Duties(THREE, 0.5).decide_all([1.0, 1.0, 1.0]) == (80, 160, 49)


@pytest.mark.parametrize("budget", [1.0, None, 350, 10_000])
def test_a_budget_of_everything_owes_nothing(budget):
    """All zeros."""
    assert Duties(THREE, budget).decide_all([0.0, 0.0, 0.0]) == (0, 0, 0)


@pytest.mark.parametrize("budget", [70, 0.2, Budget(params=0.2), Budget(params=70)])
def test_a_budget_is_a_fraction_or_a_number_of_weights(budget):
    """A fifth of 350 is 70."""
    assert Duties(THREE, budget).least(()) == 71


@given(
    sizes=st.lists(st.integers(1, 300), min_size=2, max_size=6),
    part=st.floats(0.03, 1.0),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_the_budget_is_met_whatever_the_actions(sizes, part, data):
    """Property: or no plan meets it."""
    found = layers(*((size, int(0.8 * size)) for size in sizes))
    total = sum(sizes)
    try:
        duties = Duties(found, part)
    except errors.BudgetError:
        assert total - sum(entry.most for entry in found) > part * total - 1
        return
    count = len(sizes)
    drawn = data.draw(st.lists(st.floats(0, 1), min_size=count, max_size=count))
    for wanted in ([0.0] * count, [1.0] * count, drawn):
        removed = duties.decide_all(wanted)
        assert total - sum(removed) <= part * total
        assert all(0 <= r <= e.most for r, e in zip(removed, found, strict=True))


def test_a_budget_out_of_reach_says_what_can_be_reached():
    """350 - 289 = 61 weights stay at the least."""
    with pytest.raises(errors.BudgetError) as caught:
        Duties(THREE, 60)
    assert "weights <= 60 of 350" in str(caught.value)
    assert "be reached are 61" in str(caught.value)


@pytest.mark.parametrize("budget", [Budget(macs=0.5), Budget(params=0.5, macs=0.5), 0])
def test_a_budget_of_anything_else_is_refused(budget):
    """Zeros change no MACs."""
    with pytest.raises(errors.ConfigError, match="budget"):
        Duties(THREE, budget)
