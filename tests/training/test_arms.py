"""The retraining arms."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import conv_bn_net
from tests.training.networks import flat
from tfcompress import errors, training
from tfcompress.training import arms

CONFIG = training.TrainConfig(epochs=4, seed=3)
CUT = {"macs_before": 300, "macs_after": 120}


def test_finetune_keeps_the_weights():
    """The model and the settings are handed back."""
    model = conv_bn_net()
    assert arms.prepare(model, CONFIG, arm="finetune", **CUT) == (model, CONFIG)


@pytest.mark.parametrize(
    ("arm", "more", "epochs"),
    [
        ("scratch_e", {}, 4),
        ("scratch_e", {"original_epochs": 30}, 30),
        ("scratch_b", {}, 10),  # 4 * 300 / 120
        ("scratch_b", {"original_epochs": 30}, 75),
        ("scratch_b", {"original_epochs": 30, "cap": 2}, 60),
    ],
)
def test_scratch(arm, more, epochs):
    """New weights, the same ones for the same seed; epochs by the arm."""
    model = conv_bn_net(seed=1)
    before = flat(model)
    fresh, config = arms.prepare(model, CONFIG, arm=arm, **CUT, **more)
    again, _ = arms.prepare(model, CONFIG, arm=arm, **CUT, **more)
    assert config.epochs == epochs
    assert np.abs(flat(fresh) - before).max() > 0.01
    np.testing.assert_array_equal(flat(fresh), flat(again))
    np.testing.assert_array_equal(flat(model), before)


def test_refuses_an_unknown_arm():
    """The nearest one is suggested."""
    with pytest.raises(errors.ConfigError, match="Did you mean 'scratch_"):
        arms.prepare(conv_bn_net(), CONFIG, arm="scratch", **CUT)


def test_a_model_nested_in_two_models_stays_one():
    """It would be trained as two."""
    shared = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    x = keras.Input((3,))
    parents = [keras.Model(x, shared(x) * scale) for scale in (1, 2)]
    model = keras.Model(x, keras.layers.Add()([parent(x) for parent in parents]))
    fresh = arms.reinitialise(model, seed=0)
    assert len(fresh.weights) == len(model.weights)
    assert np.abs(flat(fresh) - flat(model)).max() > 0.01
