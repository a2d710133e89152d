"""Exploration: an action near the policy's, never outside the range of actions.

After the warm-up ``a ~ TruncatedNormal(mu(s), sigma)`` on [0, 1], where sigma decays
with the episodes: ``sigma = noise * noise_decay ** (episode - warmup_episodes)``.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3.2 and appendix.  Drawn by inverting the distribution
function, so one action takes exactly one uniform number whatever sigma is: a run that
is resumed draws the same ones.
"""

from __future__ import annotations

import numpy as np
from scipy import special


def truncated_normal(
    generator: np.random.Generator,
    mean: float,
    sigma: float,
    *,
    low: float = 0.0,
    high: float = 1.0,
) -> float:
    """Draw from a normal distribution conditioned on [low, high].

    Args:
        generator: Gives one uniform number.
        mean: Of the normal distribution before it is cut; within [low, high].
        sigma: Its standard deviation, 0 or more; 0 returns `mean`.
        low: The smallest value.
        high: The largest value.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> values = [truncated_normal(generator, 0.9, 0.5) for _ in range(1000)]
        >>> 0 <= min(values) and max(values) <= 1
        True
    """
    uniform = generator.random()
    if sigma <= 0:
        return mean
    below, above = special.ndtr([(low - mean) / sigma, (high - mean) / sigma])
    value = mean + sigma * float(special.ndtri(below + uniform * (above - below)))
    return min(max(value, low), high)


def noise_at(
    episode: int, *, warmup_episodes: int, noise: float, noise_decay: float
) -> float:
    """Return sigma in an episode, counted from 0; constant during the warm-up.

    Example:
        >>> noise_at(102, warmup_episodes=100, noise=0.5, noise_decay=0.9)
        0.405...
    """
    return noise * noise_decay ** max(0, episode - warmup_episodes)
