"""Keras' layers with kernels, their kernels fake-quantized.

Each is the Keras layer itself, with the same config, variables and numbers, but for its
kernel, which is rounded to its grid before use, and its activation, which is a layer of
its own in a quantization-aware model (the range lies after it).

The grid has a scale per output channel.  Then a factor per output channel passes
through the rounding, ``FQ(s w) = |s| FQ(w) sign(s)``, so the BatchNormalization that
follows is left as it is in training and is folded, exactly, when the model is exported.
With one scale for the whole kernel that does not hold: see `folded_layers`.

Source: R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient
inference", 2018, sections 2.4 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tfcompress.quantize import bias_grid, fake_quant

serializable = keras.saving.register_keras_serializable(package="tfcompress")


class FakeQuantizedKernel:
    """What the layers below add to a Keras layer: put in front of it.

    Args:
        weight_bits: 8 or 4.
        per_channel: A scale for each output channel, instead of one for the kernel.
        **settings: As for the Keras layer.
    """

    channel_axes: tuple[int, ...] = (-1,)  # of the kernel's output channels

    def __init__(
        self: Any, *, weight_bits: int = 8, per_channel: bool = True, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.weight_bits, self.per_channel = weight_bits, per_channel

    @property
    def scale_axes(self) -> tuple[int, ...] | None:
        """The kernel's axes along which scales differ."""
        return self.channel_axes if self.per_channel else None

    def call(self: Any, inputs: Any) -> Any:
        """Compute with kernel and bias on their grids."""
        outputs = self.apply_kernel(inputs, self.on_grid(self.kernel))
        if not self.use_bias:
            return outputs
        bias = ops.convert_to_tensor(self.bias)
        if not self._is_normalized():
            steps = self.kernel_steps(self.kernel)
            bias = bias_grid.on_grid(bias, layer=self, kernel_steps=steps)
        return outputs + ops.cast(bias, outputs.dtype)

    def _is_normalized(self: Any) -> bool:
        """Return whether a normalization adds the bias to its own offset."""
        readers = (node.operation for node in self._outbound_nodes)
        return any(isinstance(one, keras.layers.BatchNormalization) for one in readers)

    def kernel_steps(self: Any, kernel: Any) -> Any:
        """Return the steps of a kernel's grid ``[channels]``, or the one ``[1]``."""
        scales = fake_quant.weight_scales(
            kernel, bits=self.weight_bits, axes=self.scale_axes
        )
        return ops.reshape(ops.cast(scales, "float32"), (-1,))

    def on_grid(self: Any, kernel: Any) -> Any:
        """Return a kernel rounded to its grid."""
        return fake_quant.weights(kernel, bits=self.weight_bits, axes=self.scale_axes)

    def spread(self: Any, factors: Any) -> Any:
        """Return a factor per output channel in a shape to multiply the kernel with."""
        shape = self.kernel.shape
        axes = {axis % len(shape) for axis in self.channel_axes}
        wanted = [size if axis in axes else 1 for axis, size in enumerate(shape)]
        if isinstance(factors, np.ndarray):
            return factors.reshape(wanted)
        return ops.reshape(factors, wanted)

    def apply_kernel(self, inputs: Any, kernel: Any) -> Any:
        """Return what the layer computes with a kernel, without bias."""
        raise NotImplementedError

    def get_config(self: Any) -> dict[str, Any]:
        """Return what `from_config` needs."""
        own = {"weight_bits": self.weight_bits, "per_channel": self.per_channel}
        return {**super().get_config(), **own}  # type: ignore[misc]  # the mixin's base


@serializable
class QuantizedConv2D(FakeQuantizedKernel, keras.layers.Conv2D):
    """`keras.layers.Conv2D` with a fake-quantized kernel."""

    def apply_kernel(self, inputs: Any, kernel: Any) -> Any:
        """Convolve."""
        return self.convolution_op(inputs, kernel)


@serializable
class QuantizedConv1D(FakeQuantizedKernel, keras.layers.Conv1D):
    """`keras.layers.Conv1D` with a fake-quantized kernel."""

    def apply_kernel(self, inputs: Any, kernel: Any) -> Any:
        """Convolve."""
        padding = self.padding
        if padding == "causal":
            inputs = ops.pad(inputs, self._compute_causal_padding())
            padding = "valid"
        return ops.conv(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=padding,
            dilation_rate=self.dilation_rate,
        )


class _Depthwise(FakeQuantizedKernel):
    """Depthwise convolutions: output channels are two axes of the kernel."""

    channel_axes = (-2, -1)

    def apply_kernel(self: Any, inputs: Any, kernel: Any) -> Any:
        """Convolve each channel."""
        return ops.depthwise_conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )


@serializable
class QuantizedDepthwiseConv2D(_Depthwise, keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` with a fake-quantized kernel."""


@serializable
class QuantizedDepthwiseConv1D(_Depthwise, keras.layers.DepthwiseConv1D):
    """`keras.layers.DepthwiseConv1D` with a fake-quantized kernel."""


@serializable
class QuantizedConv2DTranspose(FakeQuantizedKernel, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with a fake-quantized kernel."""

    channel_axes = (-2,)

    def apply_kernel(self, inputs: Any, kernel: Any) -> Any:
        """Convolve, transposed."""
        return ops.conv_transpose(
            inputs,
            kernel,
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
        )


@serializable
class QuantizedDense(FakeQuantizedKernel, keras.layers.Dense):
    """`keras.layers.Dense` with a fake-quantized kernel."""

    def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ARG002 - Keras' signature
        """Compute with kernel and bias on their grids."""
        return super().call(inputs)

    def apply_kernel(self, inputs: Any, kernel: Any) -> Any:
        """Multiply."""
        return ops.matmul(inputs, kernel)


QUANTIZED: Mapping[type, Any] = {
    keras.layers.Conv1D: QuantizedConv1D,
    keras.layers.Conv2D: QuantizedConv2D,
    keras.layers.Conv2DTranspose: QuantizedConv2DTranspose,
    keras.layers.DepthwiseConv1D: QuantizedDepthwiseConv1D,
    keras.layers.DepthwiseConv2D: QuantizedDepthwiseConv2D,
    keras.layers.Dense: QuantizedDense,
}
"""By the Keras class, or the class whose ``call`` a subclass has kept."""
