"""Small problems whose search takes a second."""

from __future__ import annotations

import numpy as np

from tests.models import randomise
from tests.slimming.fakes import corners, small_net
from tfcompress.amc import AmcConfig


def quick(**settings):
    """Return settings for a search of a few small episodes, without repair."""
    base = {
        "episodes": 8,
        "warmup_episodes": 4,
        "batch_size": 8,
        "hidden_units": 8,
        "round_to": 4,
        "reconstruct": False,
    }
    return AmcConfig(**{**base, **settings})


def network(*widths):
    """Build a network with random weights and three groups to decide about."""
    return randomise(small_net(*(widths or (16, 24, 24))))


def survival(model) -> float:
    """Judge a model by its weights alone: how much of them, squared, is left.

    The reward then depends on every decision, and needs no images.
    """
    left = [
        float(np.square(layer.kernel.numpy()).mean())
        for layer in model.layers
        if hasattr(layer, "kernel")
    ]
    return float(np.tanh(np.mean(left)))


__all__ = ["corners", "network", "quick", "survival"]
