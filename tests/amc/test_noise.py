"""Tests of `tfcompress.amc.noise`."""

from __future__ import annotations

import numpy as np
import pytest

from tfcompress.amc.noise import noise_at, truncated_normal


def draws(mean, sigma, count=20_000, **limits):
    """Draw many values."""
    generator = np.random.default_rng(1)
    return np.array(
        [truncated_normal(generator, mean, sigma, **limits) for _ in range(count)]
    )


@pytest.mark.parametrize(
    ("mean", "sigma", "wanted_mean", "wanted_variance"),
    [
        # Symmetric, alpha = -1, beta = 1, phi(1) = 0.241971, Z = 0.682689: the mean
        # stays; variance 0.25 * (1 - 2 * 0.241971 / 0.682689) = 0.25 * 0.291125.
        (0.5, 0.5, 0.5, 0.072781),
        # alpha = 0, beta = 2: phi(0) = 0.398942, phi(2) = 0.053991, Z = 0.477250;
        # d = (phi(0) - phi(2)) / Z = 0.722789, mean 0.5 * d; variance
        # 0.25 * (1 - 2 * 0.053991 / 0.477250 - d^2) = 0.25 * (0.773741 - 0.522424).
        (0.0, 0.5, 0.361395, 0.062829),
        # Nothing of it is cut off: 50 sigma to either side.
        (0.5, 0.01, 0.5, 0.0001),
    ],
)
def test_moments_are_those_of_the_truncated_normal(
    mean, sigma, wanted_mean, wanted_variance
):
    """Within 5 standard errors of 20,000 draws."""
    values = draws(mean, sigma)
    error = np.sqrt(wanted_variance / len(values))
    assert abs(values.mean() - wanted_mean) < 5 * error
    assert values.var() == pytest.approx(wanted_variance, rel=0.06)


@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.3, 1.0])
@pytest.mark.parametrize("sigma", [1e-12, 0.01, 0.5, 100.0])
def test_values_stay_within_the_range_of_actions(mean, sigma):
    """Whatever the noise and however near the mean is to an end."""
    values = draws(mean, sigma, count=300)
    assert np.isfinite(values).all()
    assert values.min() >= 0
    assert values.max() <= 1


def test_noise_far_wider_than_the_range_is_uniform():
    """A quarter of the values lies in each quarter."""
    counts, _ = np.histogram(draws(0.5, 1000.0), bins=4, range=(0, 1))
    np.testing.assert_allclose(counts / 20_000, 0.25, atol=0.02)


def test_other_limits_hold_too():
    """From -1 to -0.5 around -0.9."""
    values = draws(-0.9, 2.0, count=300, low=-1.0, high=-0.5)
    assert values.min() >= -1
    assert values.max() <= -0.5


def test_no_noise_is_the_mean_and_takes_a_random_number_all_the_same():
    """So the draws of a resumed run do not depend on sigma."""
    noisy, quiet = np.random.default_rng(2), np.random.default_rng(2)
    truncated_normal(noisy, 0.3, 0.5)
    assert truncated_normal(quiet, 0.3, 0.0) == 0.3
    assert noisy.random() == quiet.random()


def test_noise_is_constant_in_the_warm_up_and_decays_after_it():
    """0.5 until episode 100, then 5 % less per episode: 0.5 * 0.95 ** 2 at 102."""
    schedule = {"warmup_episodes": 100, "noise": 0.5, "noise_decay": 0.95}
    assert [noise_at(e, **schedule) for e in (0, 99, 100)] == [0.5, 0.5, 0.5]
    assert noise_at(102, **schedule) == pytest.approx(0.45125)
