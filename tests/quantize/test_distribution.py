"""Quantization-aware training under `tf.distribute.MirroredStrategy`."""

from __future__ import annotations

import pytest

from tests.training.test_distribution import run_script


@pytest.mark.slow
def test_trains_on_two_replicas():
    """By plain `fit`: it learns, ranges too, they freeze, and the file is the model."""
    found = run_script("tests.quantize.distribute")
    assert set(found) == {"fit", "accelerated", "per tensor"}
    for one in found.values():
        assert one["replicas"] == 2
        assert one["apart"] == 0.0
        assert one["accuracy"][-1] > 0.9
        assert one["least_range"] > 0.0
        assert one["frozen"]
        assert one["snr_db"] > 35
        assert one["agreement"] >= 0.998
