"""Quantization-aware training under `tf.distribute.MirroredStrategy`."""

from __future__ import annotations

import pytest

from tests.training.test_distribution import run_script


@pytest.mark.slow
def test_trains_on_two_replicas():
    """By plain `fit`, as one learns, ranges too; they freeze; the file is the model."""
    found = run_script("tests.quantize.distribute")
    assert set(found) == {"fit", "accelerated", "per tensor"}
    for kind in found.values():
        one, two = kind["one"], kind["two"]
        assert (one["replicas"], two["replicas"]) == (1, 2)
        assert two["apart"] == 0.0
        assert two["accuracy"] == pytest.approx(one["accuracy"], abs=0.05)
        assert two["accuracy"][4] > two["accuracy"][0] + 0.2  # then statistics freeze
        assert two["least_range"] == pytest.approx(one["least_range"], rel=0.1)
        assert two["frozen"]
        assert two["snr_db"] > 35
        assert two["agreement"] >= 0.998
