"""Tests of `tfcompress.slimming.soft_threshold`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.slimming.fakes import small_net
from tfcompress import errors, slimming, training
from tfcompress.slimming import SoftThreshold
from tfcompress.slimming.soft_threshold import soft_threshold


def idle_fit(model, optimizer, *, steps, **settings):
    """Fit on a loss that is constant, so that only the proximal step moves scales."""
    model.compile(optimizer, loss=lambda _y, p: 0.0 * keras.ops.sum(p), **settings)
    x = np.zeros((2 * steps, 8, 8, 3), "float32")
    model.fit(x, np.zeros((2 * steps, 4), "float32"), batch_size=2, verbose=0)


def test_values_move_towards_zero_and_stop_there():
    """By 0.3: 1 -> 0.7, -0.4 -> -0.1, and 0.2 and 0 stay or become 0."""
    values = soft_threshold(np.array([1.0, -0.4, 0.2, 0.0]), 0.3)
    np.testing.assert_allclose(values, [0.7, -0.1, 0.0, 0.0], atol=1e-7)


def test_every_step_shrinks_by_learning_rate_times_strength():
    """5 steps of 0.1 x 0.2 from 1: 0.9, whatever `steps_per_execution` is."""
    for steps_per_execution in (1, 5):
        model = slimming.regularize_scales(small_net(8), strength=0.2, proximal=True)
        idle_fit(
            model,
            keras.optimizers.SGD(0.1),
            steps=5,
            steps_per_execution=steps_per_execution,
        )
        gamma = model.get_layer("bn0").gamma.numpy()
        np.testing.assert_allclose(gamma, 0.9, rtol=1e-5)


def test_scales_become_exactly_zero_and_stay():
    """60 steps of 0.02 are more than the way to 0."""
    model = slimming.regularize_scales(small_net(8), strength=0.2, proximal=True)
    idle_fit(model, keras.optimizers.SGD(0.1), steps=60)
    assert (model.get_layer("bn0").gamma.numpy() == 0).all()


def test_momentum_lengthens_the_step_as_it_does_for_gradients():
    """With momentum 0.9 a constant gradient moves a weight 10 times as far."""
    model = slimming.regularize_scales(small_net(8), strength=0.02, proximal=True)
    idle_fit(model, keras.optimizers.SGD(0.1, momentum=0.9), steps=5)
    np.testing.assert_allclose(model.get_layer("bn0").gamma.numpy(), 0.9, rtol=1e-5)


def test_the_schedule_of_the_optimizer_is_followed():
    """Rates 0.3, 0.2, 0.1 with strength 0.1 take 0.06 away."""
    schedule = keras.optimizers.schedules.PolynomialDecay(0.3, 3, end_learning_rate=0)
    model = slimming.regularize_scales(small_net(8), strength=0.1, proximal=True)
    idle_fit(model, keras.optimizers.SGD(schedule), steps=3)
    np.testing.assert_allclose(model.get_layer("bn0").gamma.numpy(), 0.94, rtol=1e-5)


def test_accumulated_gradients_shrink_once_per_update():
    """4 steps make 2 updates of 0.1 x 0.2."""
    model = slimming.regularize_scales(small_net(8), strength=0.2, proximal=True)
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    idle_fit(model, optimizer, steps=4)
    np.testing.assert_allclose(model.get_layer("bn0").gamma.numpy(), 0.96, rtol=1e-5)


def test_loss_scaling_is_seen_through():
    """Mixed precision wraps the optimizer; the rate is the inner one's."""
    model = slimming.regularize_scales(small_net(8), strength=0.2, proximal=True)
    inner = keras.optimizers.SGD(0.1)
    idle_fit(model, keras.optimizers.LossScaleOptimizer(inner), steps=5)
    np.testing.assert_allclose(model.get_layer("bn0").gamma.numpy(), 0.9, rtol=1e-5)


def test_the_fast_twin_shrinks_the_models_scales():
    """A compiled model shares its optimizer with the twin, so the rate is known."""
    model = slimming.regularize_scales(small_net(8), strength=0.2, proximal=True)
    twin = training.accelerate(model)
    twin.compile(keras.optimizers.SGD(0.1), loss=lambda _y, p: 0.0 * keras.ops.sum(p))
    x = np.zeros((10, 8, 8, 3), "float32")
    monitor = slimming.SlimmingMonitor()
    y = np.zeros((10, 4), "float32")
    twin.fit(x, y, batch_size=2, verbose=0, callbacks=[monitor])
    np.testing.assert_allclose(model.get_layer("bn0").gamma.numpy(), 0.9, rtol=1e-5)


def test_a_fixed_rate_needs_no_model():
    """0.5 x 0.1 per call."""
    constraint = SoftThreshold(0.1, learning_rate=0.5)
    np.testing.assert_allclose(constraint(np.array([1.0, 0.02])), [0.95, 0.0])


def test_an_unknown_rate_is_an_error_with_both_ways_out():
    """Silence would be a threshold of zero, or of anything."""
    with pytest.raises(errors.TrainingError, match="SlimmingMonitor") as caught:
        SoftThreshold(0.1)(np.ones(2))
    assert "learning_rate=" in str(caught.value)


def test_it_survives_serialization():
    """Strength and fixed rate come back."""
    config = keras.constraints.serialize(SoftThreshold(0.25, learning_rate=0.5))
    again = keras.constraints.deserialize(config)
    assert isinstance(again, SoftThreshold)
    assert (again.strength, again.learning_rate) == (0.25, 0.5)


@pytest.mark.parametrize("wrong", [{"strength": 0}, {"learning_rate": -1.0}])
def test_settings_must_be_above_zero(wrong):
    """The message names the setting."""
    with pytest.raises(errors.ConfigError, match=next(iter(wrong))):
        SoftThreshold(**wrong)
