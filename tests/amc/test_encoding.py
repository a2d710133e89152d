"""Tests of `tfcompress.amc.encoding`."""

from __future__ import annotations

import numpy as np
import pytest

from tfcompress.amc.encoding import encode


@pytest.mark.parametrize("count", [1, 2, 3, 7, 53])
def test_every_decision_has_a_unit_of_its_own(count):
    """For positions t / (count - 1) in single precision."""
    positions = np.linspace(0, 1, count).astype(np.float32)[:, np.newaxis]
    np.testing.assert_array_equal(encode(positions, count)[:, 1:], np.eye(count))


def test_positions_outside_the_range_take_the_unit_at_its_end():
    """An observation after the last decision is still one."""
    states = np.array([[-0.2], [1.7]], np.float32)
    np.testing.assert_array_equal(encode(states, 2)[:, 1:], np.eye(2))
