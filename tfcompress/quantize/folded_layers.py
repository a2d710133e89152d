"""Fold a BatchNormalization before the kernel is rounded, while training.

With *one* scale for a whole kernel, the factors that the normalization puts on its
output channels decide what the grid can express, so the kernel has to be rounded as the
file will hold it: folded.  The factors of a batch would make the rounded weights jump
from step to step; so the kernel is folded with the moving deviation, and the batch's is
brought back behind the convolution::

    y = conv(x, FQ(w gamma / sigma)) sigma / sigma_B  +  beta - gamma mu_B / sigma_B

and, when the statistics are frozen and in inference,

    y = conv(x, FQ(w gamma / sigma)) + beta - gamma mu / sigma

with sigma = sqrt(variance + epsilon), B for the batch's.  A bias before the
normalization only shifts the mean; it is folded with the rest.  The batch's statistics
need the convolution with the kernel as it is: a second one.  With a scale per channel
none of this is needed (`weighted_layers`).

In mixed precision only the convolutions are in 16 bits.  Kernels are folded and rounded
in the type of the variables, as for the file, and statistics are taken in it.

Source: B. Jacob et al., CVPR 2018, section 3.2; R. Krishnamoorthi, 2018, section 3.2.3
(the correction by sigma / sigma_B and the freezing).
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfcompress.quantize import bias_grid
from tfcompress.quantize.clocks import Clock
from tfcompress.training.fused import average
from tfcompress.training.replicas import own_copies


@keras.saving.register_keras_serializable(package="tfcompress")
class FoldedBatchNormalization(keras.layers.Layer):
    """A layer with a per-tensor kernel and the normalization that follows, as one.

    Args:
        layer: One of the layers of `weighted_layers`, with ``per_channel=False``.
        norm: A BatchNormalization over the last axis.
        **settings: ``name`` and others of `keras.layers.Layer`; ``dtype`` is that of
            the variables, whatever the two compute in.
    """

    def __init__(self, layer: Any, norm: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.layer, self.norm = layer, norm
        self.clock: Clock | None = None

    def build(self, input_shape: Any) -> None:
        """Build both."""
        if not self.layer.built:
            self.layer.build(input_shape)
        if not self.norm.built:
            with own_copies():
                self.norm.build(self.layer.compute_output_shape(input_shape))

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Compute what the file will, with the batch's statistics while training."""
        if not training or not self.norm.trainable:
            return self._frozen(inputs)
        if self.clock is None:
            return self._learning(inputs)
        return tf.cond(
            self.clock.is_over(),
            lambda: self._frozen(inputs),
            lambda: self._learning(inputs),
        )

    def folded_kernel(self) -> Any:
        """Return the kernel as the file holds it, and what is added to its outputs."""
        norm, layer = self.norm, self.layer
        scale = self._gamma() / ops.sqrt(norm.moving_variance + norm.epsilon)
        kernel = layer.on_grid(layer.kernel * layer.spread(scale))
        bias = layer.bias if layer.use_bias else 0.0
        return kernel, self._beta() + (bias - norm.moving_mean) * scale

    def _frozen(self, inputs: Any) -> Any:
        """Compute what the file does."""
        kernel, offset = self.folded_kernel()
        steps = self.layer.kernel_steps(kernel)
        offset = bias_grid.on_grid(offset, layer=self, kernel_steps=steps)
        return self._products(inputs, kernel) + offset

    def _learning(self, inputs: Any) -> Any:
        norm, layer = self.norm, self.layer
        plain = self._products(inputs, ops.convert_to_tensor(layer.kernel))
        axes = list(range(len(plain.shape) - 1))
        mean, variance = ops.moments(plain, axes)
        if layer.use_bias:
            mean = mean + layer.bias
        deviation = ops.sqrt(norm.moving_variance + norm.epsilon)
        batch_deviation = ops.sqrt(variance + norm.epsilon)
        kernel = layer.on_grid(layer.kernel * layer.spread(self._gamma() / deviation))
        bias = layer.bias if layer.use_bias else 0.0
        offset = self._beta() + self._gamma() * (bias - mean) / batch_deviation
        outputs = self._products(inputs, kernel) * (deviation / batch_deviation)
        average(norm.moving_mean, mean, norm.momentum)
        average(norm.moving_variance, variance, norm.momentum)
        return outputs + offset

    def _products(self, inputs: Any, kernel: Any) -> Any:
        """Convolve in the type that the layer computes in."""
        given = (ops.cast(one, self.layer.compute_dtype) for one in (inputs, kernel))
        return ops.cast(self.layer.apply_kernel(*given), self.compute_dtype)

    def _gamma(self) -> Any:
        return self.norm.gamma if self.norm.scale else 1.0

    def _beta(self) -> Any:
        return self.norm.beta if self.norm.center else 0.0

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the layer's outputs."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "norm": keras.saving.serialize_keras_object(self.norm),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FoldedBatchNormalization:
        """Build it again, with new weights."""
        config = dict(config)
        load = keras.saving.deserialize_keras_object
        return cls(load(config.pop("layer")), load(config.pop("norm")), **config)
