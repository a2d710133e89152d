"""Tests of the correction that is fitted to whole networks."""

from __future__ import annotations

import numpy as np
import pytest

from tfcompress.latency import corrections


def rows(seed: int, number: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sums = rng.uniform(0.1, 2, (number, 4))
    return np.column_stack([sums, rng.uniform(0, 5, (number, 2)), np.ones(number)])


def test_a_slower_kind_is_found_and_holds_on_other_networks():
    truth = np.array([1.0, 1.6, 1.0, 1.0, 0.0, 0.0, 0.0])
    seen, unseen = rows(0, 30), rows(1, 30)

    found = corrections.fit(list(seen), list(seen @ truth))

    fitted = np.array([found.coefficients[name] for name in corrections.FEATURES])
    error = np.abs(unseen @ fitted / (unseen @ truth) - 1)
    assert np.median(error) < 0.02
    assert np.median(np.abs(unseen[:, :4].sum(1) / (unseen @ truth) - 1)) > 0.1


def test_what_the_networks_do_not_tell_stays_as_it_was():
    """Nothing pointwise was in them, so its factor is still 1."""
    seen = rows(0, 10)
    seen[:, 0] = 0
    found = corrections.fit(list(seen), list(1.2 * seen[:, :4].sum(axis=1)))
    assert found.coefficients["pointwise"] == pytest.approx(1)
    assert found.networks == 10
