"""Layers of a factor and an offset, whose offset is the integer that a file holds.

In a file they are 1x1 depthwise convolutions: 127 steps are each channel's factor, so
it is exact, and the offset is rounded to the grid of the products (`bias_grid`).  For
images this decides every number: ``x / 127.5 - 1`` of the integers from 0 to 255 lies
in the middle between two steps for *each* of them, and the offset, 16192.5 steps of the
products, says to which side they all go.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress.quantize import bias_grid

FACTOR_STEPS = 127

Array = npt.NDArray[Any]

serializable = keras.saving.register_keras_serializable(package="tfcompress")


class _OnGrid:
    """What the layers below add to a Keras layer: put in front of it."""

    def call(self: Any, inputs: Any) -> Any:
        """Compute with the offset on its grid."""
        outputs = super().call(inputs)  # type: ignore[misc]  # the mixin's base
        factors, offsets = factors_and_offsets(self, outputs.shape[-1])
        if outputs.dtype != tf.float32:
            return outputs
        offset = tf.constant(offsets, tf.float32)
        steps = tf.constant(factors / FACTOR_STEPS, tf.float32)
        rounded = bias_grid.on_grid(offset, layer=self, kernel_steps=steps)
        return outputs + (rounded - offset)


@serializable
class QuantizedRescaling(_OnGrid, keras.layers.Rescaling):
    """`keras.layers.Rescaling` with the offset of its file."""


@serializable
class QuantizedNormalization(_OnGrid, keras.layers.Normalization):
    """`keras.layers.Normalization` of channels with the offset of its file."""


def factors_and_offsets(layer: Any, channels: int) -> tuple[Array, Array]:
    """Return what an affine layer computes, ``factor x + offset``.

    Args:
        layer: A `Rescaling`, a `Normalization` of channels, or ConvNeXt's `LayerScale`.
        channels: How many there are.

    Returns:
        Two float64 arrays ``[channels]``.
    """
    factors: Array
    offsets: Array
    if isinstance(layer, keras.layers.Rescaling):
        factors, offsets = np.asarray(layer.scale), np.asarray(layer.offset)
    elif isinstance(layer, keras.layers.Normalization):
        deviation = np.sqrt(_numbers(layer.variance)).ravel()
        factors = 1.0 / np.maximum(deviation, keras.backend.epsilon())
        offsets = -_numbers(layer.mean).ravel() * factors
    else:
        factors, offsets = _numbers(layer.gamma), np.zeros(())
    ones = np.ones(channels)
    return factors * ones, offsets * ones


def is_one_factor(layer: Any) -> bool:
    """Tell whether a layer multiplies all numbers by one, and does nothing else."""
    return (
        isinstance(layer, keras.layers.Rescaling)
        and np.ndim(layer.scale) == 0
        and float(layer.scale) != 0.0
        and not np.any(layer.offset)
    )


def _numbers(tensor: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float64)


QUANTIZED: dict[type | str, Any] = {
    keras.layers.Rescaling: QuantizedRescaling,
    keras.layers.Normalization: QuantizedNormalization,
}
"""By the Keras class."""
