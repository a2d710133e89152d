"""Tests of `tfcompress.slimming.layers`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tfcompress import errors, training
from tfcompress.slimming import SoftThreshold, SparseBatchNormalization

L = keras.layers


def net(**settings):
    x = keras.Input((6, 6, 2))
    y = SparseBatchNormalization(name="bn", **settings)(L.Conv2D(4, 3)(x))
    return keras.Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))


def test_scales_start_at_a_half_unless_told_otherwise():
    """The paper's start; an initializer of the user's own wins."""
    assert (net().get_layer("bn").gamma.numpy() == 0.5).all()
    other = net(gamma_initializer="ones")
    assert (other.get_layer("bn").gamma.numpy() == 1).all()


def test_the_penalty_is_in_the_loss():
    """0.1 x 4 channels x 0.5."""
    assert float(net(strength=0.1).losses[0]) == pytest.approx(0.2)


def test_proximal_layers_have_a_threshold_instead():
    """With a rate of its own no callback is needed."""
    model = net(strength=0.2, proximal=True, learning_rate=0.5)
    assert not model.losses
    assert isinstance(model.get_layer("bn").gamma.constraint, SoftThreshold)
    model.compile(keras.optimizers.SGD(0.1), loss=lambda _y, p: 0 * keras.ops.sum(p))
    model.fit(np.zeros((2, 6, 6, 2)), np.zeros((2, 2)), verbose=0)
    np.testing.assert_allclose(model.get_layer("bn").gamma.numpy(), 0.4, rtol=1e-6)


@pytest.mark.parametrize("proximal", [False, True])
def test_it_survives_saving(tmp_path, proximal):
    """All of its arguments come back; the class needs no custom_objects."""
    model = net(strength=0.3, proximal=proximal, learning_rate=0.1, momentum=0.7)
    model.save(tmp_path / "m.keras")
    layer = keras.models.load_model(tmp_path / "m.keras").get_layer("bn")
    assert isinstance(layer, SparseBatchNormalization)
    assert (layer.strength, layer.proximal, layer.momentum) == (0.3, proximal, 0.7)
    assert (layer.gamma_constraint is not None) == proximal
    assert (layer.gamma_regularizer is not None) != proximal


def test_the_fast_twin_computes_it_fused():
    """The twin's layer is a fused batch normalization with the same penalty."""
    model = net(strength=0.1)
    twin = training.accelerate(model)
    assert type(twin.get_layer("bn")) is not SparseBatchNormalization
    assert twin.get_layer("bn").gamma is model.get_layer("bn").gamma
    assert float(sum(twin.losses)) == pytest.approx(float(sum(model.losses)))


def test_strength_must_be_above_zero():
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match="strength=-1"):
        SparseBatchNormalization(strength=-1)
