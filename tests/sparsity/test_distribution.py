"""Pruning under `tf.distribute.MirroredStrategy`."""

from __future__ import annotations

import pytest

from tests.training.test_distribution import run_script


@pytest.mark.slow
def test_prunes_on_two_replicas():
    """By plain `fit`: equal masks and weights, zeros after every step.

    Masks at steps 0 to 6 of 12: 20 %, 62 %, 78 %, 80 % of 100 weights.
    """
    found = run_script("tests.sparsity.distribute")
    shares = [0.2, 0.2, 0.62, 0.62, 0.78, 0.78, *[0.8] * 6]
    for name, one in found["fitted"].items():
        assert (one["alive"], one["apart"], one["step"]) == (0, 0, 12), name
        assert one["shares"] == shares, name
        assert one["zeros"] == pytest.approx(0.8)
        assert one["moved"] > 0.01
    assert "steps_per_execution=5 with 2 replicas" in found["refused"]
    assert "\n" not in found["refused"]
