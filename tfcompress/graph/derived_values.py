"""What a layer computes from its variables once, and not at each call.

An adapted `keras.layers.Normalization` calls with constants that it made of its
statistics.  Keras makes them again when it loads weights from a file, but not when
somebody assigns to the variables: a copy would go on normalising by 0 and 1.
"""

from __future__ import annotations

from typing import Any

import keras


def refresh(layer: Any) -> None:
    """Make a layer's constants again, after its variables were assigned to.

    Example:
        >>> layer = keras.layers.Normalization()
        >>> layer.build((None, 1))
        >>> _ = layer.adapt_mean.assign([3.0])
        >>> refresh(layer)
        >>> float(layer(keras.ops.array([[4.0]]))[0, 0])
        1.0
    """
    finalize = getattr(layer, "finalize_state", None)  # Keras's own name for it
    if finalize is not None:
        finalize()


def set_weights(model: keras.Model, weights: list[Any]) -> None:
    """Assign to all variables of a model, as its `set_weights`, and `refresh` it."""
    model.set_weights(weights)
    for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - no public walk
        refresh(layer)
