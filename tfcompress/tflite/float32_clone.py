"""A float32 twin of a mixed-precision model, which the converter does not take.

A ``mixed_float16`` model keeps float32 weights but computes in float16, and the
converter has no float16 Conv2D.  The twin is built from the model's config with every
dtype policy replaced, and gets the same weights; the model itself stays as it is.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.graph.derived_values import set_weights

_POLICIES = ("DTypePolicy", "FloatDTypePolicy")
_SHORT = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


def needs_float32(model: keras.Model) -> bool:
    """Return whether any layer computes in 16 bits.

    Example:
        >>> needs_float32(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
        False
    """
    layers = model._flatten_layers(include_self=False)  # noqa: SLF001 (nested ones too)
    return any(layer.compute_dtype in ("float16", "bfloat16") for layer in layers)


def as_float32(model: keras.Model) -> keras.Model:
    """Return `model`, or its float32 twin if it computes in 16 bits.

    Raises:
        ConversionError: If the model cannot be rebuilt from its config.
    """
    if not needs_float32(model):
        return model
    try:
        config = _without_short_floats(keras.saving.serialize_keras_object(model))
        # The object comes from this process, not from a file: Lambdas are the user's.
        twin = keras.saving.deserialize_keras_object(
            config, custom_objects=_classes(model), safe_mode=False
        )
        weights = [np.asarray(value, _numpy_type(value)) for value in _values(model)]
        set_weights(twin, weights)
    except (TypeError, ValueError) as error:
        raise errors.ConversionError(
            "A mixed-precision model could not be rebuilt in float32, the only type "
            f"that converts. Received: {model.name} ({error}). Give its custom layers "
            "a get_config(), or build it under the 'float32' policy and call "
            "set_weights(mixed_model.get_weights())."
        ) from error
    return twin


def _values(model: keras.Model) -> list[Any]:
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


def _numpy_type(value: Any) -> Any:
    """Return float32 for short floats (bfloat16 is no NumPy float), else the own."""
    return np.float32 if str(value.dtype) in ("float16", "bfloat16") else value.dtype


def _classes(model: keras.Model) -> dict[str, type]:
    """Return the classes of all layers, for the ones that are not registered."""
    layers = model._flatten_layers()  # noqa: SLF001
    return {
        type(layer).__name__: type(layer)
        for layer in layers
        if not type(layer).__module__.startswith("keras.")
    }


def _without_short_floats(config: Any) -> Any:
    """Replace every dtype policy of a serialised config by float32."""
    if isinstance(config, dict):
        if config.get("class_name") in _POLICIES:
            return "float32"
        return {
            key: "float32"
            if key == "dtype" and value in _SHORT
            else _without_short_floats(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_without_short_floats(item) for item in config)
    return config
