"""BatchNorm folded into the layer before it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests import strategies
from tests.models import conv_bn_net, randomise
from tfcompress.quantize.norm_folding import fold_batch_norms

layers = keras.layers


def norms_of(model):
    return [x.name for x in model.layers if isinstance(x, layers.BatchNormalization)]


def test_the_numbers_by_hand():
    """Kernel 2, bias 1; gamma 3, beta 5, mean 7, sigma 2: 3x - 4."""
    x = inputs = keras.Input((1, 1, 1))
    x = layers.Conv2D(1, 1, name="conv")(x)
    model = keras.Model(inputs, layers.BatchNormalization(epsilon=0.5, name="bn")(x))
    model.get_layer("conv").set_weights([np.full((1, 1, 1, 1), 2.0), np.array([1.0])])
    model.get_layer("bn").set_weights([np.array([v]) for v in (3.0, 5.0, 7.0, 3.5)])

    folded, report = fold_batch_norms(model)

    kernel, bias = folded.get_layer("conv").get_weights()
    assert (kernel.item(), bias.item()) == pytest.approx((3.0, -4.0))
    assert report.folded == {"bn": "conv"}
    assert model.get_layer("conv").get_weights()[0].item() == 2.0  # unchanged


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.models())
def test_any_network_computes_the_same(model):
    folded, _ = fold_batch_norms(model)

    inputs = strategies.inputs_for(model)
    got = strategies.outputs_of(folded, inputs)
    wanted = strategies.outputs_of(model, inputs)
    assert strategies.relative_error(got, wanted) < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3, use_bias=False),
        layers.Conv2DTranspose(4, 3, strides=2),
        layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False),
        layers.SeparableConv2D(4, 3, depth_multiplier=2),
        layers.Conv2D(4, 3, groups=2),
        layers.Dense(4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_every_kind_of_kernel(layer):
    x = inputs = keras.Input((6, 6, 2))
    model = randomise(keras.Model(inputs, layers.BatchNormalization()(layer(x))))

    folded, _ = fold_batch_norms(model)

    assert norms_of(folded) == []
    x = strategies.inputs_for(model)
    got, wanted = strategies.outputs_of(folded, x), strategies.outputs_of(model, x)
    assert strategies.relative_error(got, wanted) < 1e-5


def test_what_cannot_be_folded_stays_with_its_reason():
    x = inputs = keras.Input((4, 4, 2))
    x = layers.BatchNormalization(name="first")(x)
    y = layers.Conv2D(2, 1, activation="relu", name="act")(x)
    y = layers.BatchNormalization(name="after_activation")(y)
    z = layers.Conv2D(2, 1, name="twice")(y)
    w = layers.BatchNormalization(name="not_alone")(z)
    model = randomise(keras.Model(inputs, layers.Add()([z, w])))

    folded, report = fold_batch_norms(model)

    assert report.folded == {}
    assert report.kept == {
        "first": "no convolution or Dense layer makes its input",
        "after_activation": "act has an activation before it",
        "not_alone": "the output of twice is used elsewhere too",
    }
    assert len(norms_of(folded)) == 3


def test_a_network_of_blocks_loses_all_its_norms():
    folded, report = fold_batch_norms(randomise(conv_bn_net()))

    assert norms_of(folded) == []
    assert report.folded["res_bn"] == "res_conv"
