"""How a range is learned, shared and left alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfcompress.quantize.activation_ranges import FakeQuantize, FixedFakeQuantize


def feed(layer, *values, **settings):
    return layer(np.array([values], "float32"), **settings).numpy()[0]


def test_the_first_batch_sets_the_range_and_later_ones_move_it():
    """[-1, 3], then a hundredth of the way to [-2, 1]."""
    layer = FakeQuantize(momentum=0.99)
    feed(layer, -1.0, 3.0, training=True)
    assert layer.range() == pytest.approx((-1.0, 3.0))
    feed(layer, -2.0, 1.0, training=True)
    assert layer.range() == pytest.approx((-1.01, 2.98))


def test_zero_is_always_inside():
    """A range of [2, 5] becomes [0, 5], one of [-5, -2] ends just above 0."""
    layer = FakeQuantize()
    feed(layer, 2.0, 5.0, training=True)
    assert layer.range() == pytest.approx((0.0, 5.0))
    other = FakeQuantize()
    feed(other, -5.0, -2.0, training=True)
    assert other.range() == pytest.approx((-5.0, 1e-6))


@pytest.mark.parametrize(("cap", "end"), [(None, 1.0), (6.0, 1.0), (0.5, 0.5)])
def test_a_range_of_zeros_alone_ends_at_one(cap, end):
    """Or at the cap below it; its step would be near 0. Any other one is as it was."""
    layer = FakeQuantize(rectify=True, max_value=cap)
    feed(layer, -3.0, 0.0, training=True)
    assert layer.range() == (0.0, end)
    assert float(layer.step()) == pytest.approx(end / 255)
    feed(layer, 0.0, 0.4, training=True)
    assert layer.range() == pytest.approx((0.0, 0.004), rel=1e-3)


def test_inference_learns_nothing():
    """Nor does a call that is told not to."""
    layer = FakeQuantize()
    feed(layer, -1.0, 3.0, training=True)
    feed(layer, -9.0, 9.0)
    feed(layer, -9.0, 9.0, training=True, observe=False)
    assert layer.range() == pytest.approx((-1.0, 3.0))


def test_an_unset_range_passes_numbers_on():
    """All of them, or those above 0 and below the cap."""
    assert feed(FakeQuantize(), -1.234, 5.678).tolist() == pytest.approx(
        [-1.234, 5.678]
    )
    capped = FakeQuantize(rectify=True, max_value=6.0)
    assert feed(capped, -1.0, 5.678, 7.0).tolist() == pytest.approx([0.0, 5.678, 6.0])


def test_a_rectifier_begins_at_zero_and_ends_at_its_cap():
    """Of -4 ... 9, ReLU6 has [0, 6]."""
    layer = FakeQuantize(rectify=True, max_value=6.0)
    out = feed(layer, -4.0, 3.0, 9.0, training=True)
    assert layer.range() == pytest.approx((0.0, 6.0))
    np.testing.assert_allclose(out, [0.0, 3.0, 6.0], atol=6 / 255)


def test_sources_share_a_range_that_covers_both():
    """Each has its own average; the range is their hull."""
    layer = FakeQuantize(sources=2)
    feed(layer, -1.0, 1.0, training=True, source=0)
    feed(layer, 0.0, 5.0, training=True, source=1)
    assert layer.range() == pytest.approx((-1.0, 5.0))
    feed(layer, -3.0, 1.0, training=True, source=0)
    assert layer.range() == pytest.approx((-1.02, 5.0))


def test_sixteen_bits_keep_the_relu():
    """Their grid is symmetric, so clipping at its end is no ReLU."""
    layer = FakeQuantize(bits=16, rectify=True)
    assert feed(layer, -2.0, 2.0, training=True).tolist() == [0.0, 2.0]


def test_a_layer_survives_its_config():
    """With its range as a weight."""
    layer = FakeQuantize(momentum=0.9, sources=2, name="r")
    again = FakeQuantize.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    fixed = FixedFakeQuantize(low=0.0, high=255 / 256)
    assert FixedFakeQuantize.from_config(fixed.get_config()).high == 255 / 256


def test_a_sigmoids_grid():
    """256ths, as TFLite stores them."""
    layer = FixedFakeQuantize(low=0.0, high=255 / 256)
    assert feed(layer, 0.5, 0.501, 1.0).tolist() == [0.5, 0.5, 255 / 256]


def test_gradients_do_not_reach_the_range():
    """It is no trainable weight."""
    layer = FakeQuantize()
    layer.build((None, 3))
    assert layer.trainable_weights == []
    assert [weight.name for weight in layer.weights] == ["ranges"]
    assert keras.ops.convert_to_numpy(layer.ranges).tolist() == [[0.0], [0.0]]
