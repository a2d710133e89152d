"""Zeros that an earlier stage made, and that a later training must not fill again."""

from __future__ import annotations

import keras

from tfcompress import sparsity


def zeros_of(model: keras.Model) -> dict[str, float]:
    """Return the fraction of zeros of each layer whose kernel has some.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.layers[0].name = "head"
        >>> _ = model.layers[0].kernel.assign([[0.0], [1.0]])
        >>> zeros_of(model)
        {'head': 0.5}
    """
    kernels = sparsity.report(model).kernels
    return {k.layer: round(k.sparsity, 4) for k in kernels if 0 < k.sparsity < 1}


def held(model: keras.Model) -> keras.Model:
    """Return a model to train in place of another one, whose zeros stay."""
    return sparsity.keep_zeros(model) if zeros_of(model) else model


def released(model: keras.Model) -> keras.Model:
    """Return the plain model of one that was `held`."""
    return sparsity.strip(model) if sparsity.is_being_pruned(model) else model
