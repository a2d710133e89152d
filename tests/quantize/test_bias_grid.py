"""Biases and averages that are rounded as the file does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.quantize.nets import conv, layers, ranged, wired
from tfcompress import quantize
from tfcompress.quantize import bias_grid, fake_quant
from tfcompress.quantize.activation_ranges import range_layers


def test_the_step_is_found_through_layers_that_pass_numbers_on():
    """Pooling and padding keep the scale; a layer called apart has none."""
    model = wired(
        lambda x: layers.Conv2D(2, 3, name="last")(
            layers.ZeroPadding2D(1)(layers.MaxPooling2D(2)(conv(x)))
        )
    )
    qat_model, _ = ranged(model)
    ranges = range_layers(qat_model)[1].range()
    step = float(bias_grid.step_before(qat_model.get_layer("last_unrounded")))
    assert step == pytest.approx((ranges[1] - ranges[0]) / 255, rel=1e-6)
    assert bias_grid.step_before(layers.Conv2D(1, 1)) is None


def test_a_bias_lies_on_the_grid_of_the_products():
    """Inputs in steps of 1, a kernel of 1.27 in steps of 0.01: 0.126 becomes 0.13."""
    x = keras.Input((1, 1, 1), name="image")
    model = keras.Model(x, layers.Conv2D(1, 1, name="conv")(x))
    model.get_layer("conv").set_weights(
        [np.full((1, 1, 1, 1), 1.27), np.full(1, 0.126)]
    )
    qat_model, _ = quantize.quantize_aware(model)
    found = {layer.name: layer for layer in qat_model.layers}
    found["image_range"].ranges.assign([[0.0], [255.0]])
    kernel = next(layer for name, layer in found.items() if name.startswith("conv_un"))
    made = kernel(np.zeros((1, 1, 1, 1), "float32"))
    np.testing.assert_allclose(np.ravel(made), [0.13], rtol=1e-5)


@pytest.mark.parametrize(("away", "wanted"), [(True, [0, 201]), (False, [1, 201])])
def test_an_average_between_two_numbers_goes_where_tflite_puts_it(away, wanted):
    """Away from the middle of the range, or up."""
    x = tf.constant([0.5, 200.5])
    shifted = fake_quant.break_ties(x, 0.0, 255.0, away=away)
    made = fake_quant.activations(shifted, 0.0, 255.0)
    np.testing.assert_allclose(made, wanted)


def test_an_unset_range_breaks_no_ties():
    """Nothing is divided by a step of 0."""
    x = tf.constant([0.5])
    assert float(fake_quant.break_ties(x, 0.0, 0.0, away=True)[0]) == 0.5
