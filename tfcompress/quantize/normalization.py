"""BatchNormalization that can stop learning its statistics at a step, in the graph.

Late in quantization-aware training the batch statistics are only noise on weights that
should settle on their grid: from then on the moving ones are used, as in inference.

It is computed in one kernel (`tfcompress.training.fused`), accelerated or not.  With
the moving statistics its offset is the integer that the file holds (`bias_grid`).

Source: R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient
inference", 2018, section 3.2.3.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfcompress.quantize import bias_grid
from tfcompress.quantize.affine_layers import FACTOR_STEPS
from tfcompress.quantize.clocks import Clock
from tfcompress.quantize.weighted_layers import FakeQuantizedKernel
from tfcompress.training import fused
from tfcompress.training.replicas import own_copies


@keras.saving.register_keras_serializable(package="tfcompress")
class FreezableBatchNormalization(fused.FusedCall, keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, fused, with a step at which it freezes.

    It may be called in float and in integers: the graph tells which (`float_borders`).

    Args:
        **settings: As for `keras.layers.BatchNormalization`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.clock: Clock | None = None

    def build(self, input_shape: Any) -> None:
        """Make the weights; statistics are learned inside of a ``tf.cond``."""
        with own_copies():
            super().build(input_shape)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Normalise; by the moving statistics once the clock says so."""
        if not training or not self.trainable:
            return self._still(inputs, mask)
        if self.clock is None:
            return super().call(inputs, training=True, mask=mask)

        def learning() -> Any:
            return super(FreezableBatchNormalization, self).call(
                inputs, training=True, mask=mask
            )

        still = self._still
        return tf.cond(self.clock.is_over(), lambda: still(inputs, mask), learning)

    def _still(self, inputs: Any, mask: Any) -> Any:
        """Normalise by the moving statistics."""
        outputs = super().call(inputs, training=False, mask=mask)
        if self._fits(inputs, training=False, mask=mask):
            return outputs  # in one kernel, which has asked for `still_offset`
        return outputs + tf.cast(self._shift(), outputs.dtype)

    def still_offset(self, beta: Any) -> Any:
        """Return `beta` so that what is added to the products is on their grid."""
        return beta + self._shift()

    def _shift(self) -> Any:
        """Return what rounding in the file adds to each channel."""
        if self.compute_dtype != "float32":
            return tf.zeros([])
        scale = tf.math.rsqrt(tf.convert_to_tensor(self.moving_variance) + self.epsilon)
        scale = scale * self.gamma if self.scale else scale
        offset = -scale * self.moving_mean
        offset = offset + self.beta if self.center else offset
        kernel = self._kernel_before()
        if kernel is None:  # a convolution of the factors alone
            steps, reader = scale / FACTOR_STEPS, self
        else:
            steps, reader = scale * kernel.kernel_steps(kernel.kernel), kernel
            offset = offset + scale * kernel.bias if kernel.use_bias else offset
        rounded = bias_grid.on_grid(offset, layer=reader, kernel_steps=steps)
        return tf.stop_gradient(rounded - offset)

    def _kernel_before(self) -> Any:
        """Return the layer that this one folds into; None if there is none."""
        makers = {
            id(maker): maker
            for node in self._inbound_nodes
            for maker in (node.input_tensors[0]._keras_history.operation,)  # noqa: SLF001 - no public graph
        }
        maker = next(iter(makers.values()), None) if len(makers) == 1 else None
        return maker if isinstance(maker, FakeQuantizedKernel) else None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FreezableBatchNormalization:
        """Build it again; files had an `in_float`, which the graph tells."""
        known = {name: value for name, value in config.items() if name != "in_float"}
        made: FreezableBatchNormalization = super().from_config(known)
        return made


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
