"""BatchNormalization that can stop learning its statistics at a step, in the graph.

Late in quantization-aware training the batch statistics are only noise on weights that
should settle on their grid: from then on the moving ones are used, as in inference.

It is computed in one kernel (`tfcompress.training.fused`), accelerated or not.

Source: R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient
inference", 2018, section 3.2.3.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfcompress.quantize.clocks import Clock
from tfcompress.training import fused


@keras.saving.register_keras_serializable(package="tfcompress")
class FreezableBatchNormalization(fused.FusedCall, keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, fused, with a step at which it freezes.

    Args:
        in_float: Leave it in floating point in the file.
        **settings: As for `keras.layers.BatchNormalization`.
    """

    def __init__(self, *, in_float: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.in_float = in_float
        self.clock: Clock | None = None

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Normalise; by the moving statistics once the clock says so."""
        if not training or self.clock is None or not self.trainable:
            return super().call(inputs, training=training, mask=mask)

        def normalised(*, training: bool) -> Any:
            return super(FreezableBatchNormalization, self).call(
                inputs, training=training, mask=mask
            )

        return tf.cond(
            self.clock.is_over(),
            lambda: normalised(training=False),
            lambda: normalised(training=True),
        )

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "in_float": self.in_float}


def affine(layer: Any, channels: int) -> tuple[Any, Any]:
    """Return what a BatchNorm computes in inference, as ``scale x + offset``.

    Returns:
        Two float64 arrays ``[channels]``.
    """
    value = _reader(layer)
    scale = value("gamma", 1.0) / (value("moving_variance") + layer.epsilon) ** 0.5
    offset = value("beta", 0.0) - value("moving_mean") * scale
    ones = keras.ops.convert_to_numpy(keras.ops.ones((channels,))).astype("float64")
    return scale * ones, offset * ones


def _reader(layer: Any) -> Any:
    def value(name: str, default: float | None = None) -> Any:
        variable = getattr(layer, name, None)
        if variable is None:
            return default
        return keras.ops.convert_to_numpy(variable).astype("float64")

    return value
