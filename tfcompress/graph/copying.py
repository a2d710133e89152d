"""Copies of a model's inputs and of a layer's state."""

from __future__ import annotations

from typing import Any

import keras

from tfcompress.graph.derived_values import refresh


def copy_input(tensor: Any) -> Any:
    """Return a new input like one of a model."""
    layer = tensor._keras_history.operation  # noqa: SLF001 - names the InputLayer
    return keras.Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        name=layer.name,
        optional=getattr(layer, "optional", False),
    )


def copy_weights(layer: Any, twin: Any) -> None:
    """Give `twin` what `layer` holds: weights, statistics and random states.

    Args:
        layer: The original.
        twin: A layer with the same variables in order; one of another class, or with
            more of them, takes them by name. `layer` itself is left alone.

    Example:
        >>> layer, twin = keras.layers.Dense(1), keras.layers.Dense(1)
        >>> layer.build((None, 1))
        >>> twin.build((None, 1))
        >>> copy_weights(layer, twin)
        >>> bool(twin.kernel[0, 0] == layer.kernel[0, 0])
        True
    """
    if twin is layer:
        return
    if type(twin) is type(layer) and len(twin.variables) == len(layer.variables):
        for old, new in zip(layer.variables, twin.variables, strict=True):
            new.assign(old)
    else:
        named = {variable.name: variable for variable in twin.variables}
        for variable in layer.variables:
            named[variable.name].assign(variable)
    refresh(twin)
