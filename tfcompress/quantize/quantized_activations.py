"""Activations that TFLite computes in several operators, rounded in between.

::

    silu          x * FQ(sigmoid(x))                 LOGISTIC, MUL
    hard_sigmoid  FQ(FQ(relu6(x + 3)) / 6)           ADD, MUL
    hard_silu     x * relu6(x + 3) / 6               HARD_SWISH, one operator

The ranges are known: a sigmoid's is [0, 255/256], that of ReLU6 [0, 6].
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfcompress.quantize import activation_ranges

# What TFLite stores outputs of known range in, by the bits of activations.
SIGMOID = {8: (0.0, 255 / 256), 16: (0.0, 32767 / 32768)}
TANH = {8: (-1.0, 127 / 128), 16: (-1.0, 32767 / 32768)}
SOFTMAX = SIGMOID
UNIT = {8: (0.0, 1.0), 16: (0.0, 1.0)}


class _Rounded(keras.layers.Layer):
    """An activation in the arithmetic of `bits`-bit activations."""

    def __init__(self, *, bits: int = 8, **settings: Any) -> None:
        super().__init__(**settings)
        self.bits = bits
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape unchanged."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "bits": self.bits}


@keras.saving.register_keras_serializable(package="tfcompress")
class QuantizedSilu(_Rounded):
    """``x * sigmoid(x)`` with a quantized sigmoid.

    Example:
        >>> float(QuantizedSilu()(keras.ops.array([10.0]))[0])  # 10 * 255/256
        9.9609375
    """

    def call(self, inputs: Any) -> Any:
        """Compute."""
        gate = tf.cast(tf.sigmoid(inputs), tf.float32)
        gate = activation_ranges.fixed(gate, *SIGMOID[self.bits], self.bits)
        return inputs * tf.cast(gate, inputs.dtype)


@keras.saving.register_keras_serializable(package="tfcompress")
class QuantizedHardSigmoid(_Rounded):
    """``relu6(x + 3) / 6``, the numerator and the result quantized.

    Example:
        >>> x = keras.ops.array([-4.0, 0.0, 4.0])
        >>> [round(float(y), 3) for y in QuantizedHardSigmoid()(x)]
        [0.0, 0.502, 1.0]
    """

    def call(self, inputs: Any) -> Any:
        """Compute."""
        x = tf.cast(inputs, tf.float32)
        numerator = activation_ranges.fixed(tf.nn.relu6(x + 3.0), 0.0, 6.0, self.bits)
        gate = activation_ranges.fixed(
            numerator * (1.0 / 6.0), *UNIT[self.bits], self.bits
        )
        return tf.cast(gate, inputs.dtype)

    def step(self) -> Any:
        """Return the distance of neighbours on the grid of the result, as a tensor."""
        low, high = UNIT[self.bits]
        return activation_ranges.step_of(tf.constant(low), tf.constant(high), self.bits)
