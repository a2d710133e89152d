"""How TFLite's converter wants to see each operator of a quantization-aware model."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress.graph.rule_table import entry_for
from tfcompress.quantize import affine_layers, fake_quant
from tfcompress.quantize.activation_ranges import FakeQuantize
from tfcompress.quantize.operators import Operator
from tfcompress.quantize.weighted_layers import (
    FakeQuantizedKernel,
    QuantizedConv1D,
    QuantizedConv2DTranspose,
    QuantizedDense,
    QuantizedDepthwiseConv1D,
)

Array = npt.NDArray[Any]
Form = Callable[[Any], Any]
Mark = Callable[[Array], Callable[[], Any]]


class Computed(keras.layers.Layer):
    """A function of one float32 tensor as a layer, which lives for a conversion."""

    def __init__(self, function: Form) -> None:
        super().__init__(dtype="float32")
        self._function = function

    def call(self, inputs: Any) -> Any:
        """Compute."""
        return self._function(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return the outputs' shape; Keras calls a product with a number sparse."""
        dense = keras.KerasTensor(inputs.shape, dtype=inputs.dtype)
        return super().compute_output_spec(dense)


def numpy(tensor: Any) -> Array:
    """Return a tensor or variable as float64."""
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float64)


def range_form(layer: FakeQuantize) -> Form:
    """Return a range, constant, with its ReLU."""
    low, high = layer.range()
    cap = layer.max_value
    clip = tf.nn.relu6 if cap == 6.0 else tf.nn.relu

    def form(x: Any) -> Any:
        x = clip(x) if layer.rectify else x
        if layer.bits == 16:
            return fake_quant.symmetric(x, tf.constant(low), tf.constant(high))
        return tf.quantization.fake_quant_with_min_max_args(x, low, high, num_bits=8)

    return form


def kernel_form(
    layer: FakeQuantizedKernel,
    kernel: Any = None,
    offset: Any = None,
    *,
    seen: Counter[bytes],
) -> Form:
    """Return a layer with a constant kernel and bias.

    Args:
        layer: The layer, for its strides and such.
        kernel: The kernel on its grid, folded; by default the layer's own.
        offset: What is added; by default the layer's bias.
        seen: How often the model has had each kernel so far; this one is counted.
    """
    given: Any = layer
    if kernel is None:
        kernel = given.on_grid(given.kernel)
        offset = given.bias if given.use_bias else None
    constant = numpy(kernel).astype(np.float32)
    bias = None if offset is None else _not_all_equal(numpy(offset))
    content = constant.tobytes()
    mark = functools.partial(_marked, given, again=seen[content])
    seen[content] += 1
    return _FORMS.get(type(layer), _as_it_is)(given, constant, bias, mark)


def _marked(layer: Any, kernel: Array, *, again: int) -> Callable[[], Any]:
    """Return a function that makes a kernel's tensor and tells its grid.

    8-bit kernels with a scale per channel need nothing: the converter finds the scales,
    but for channels of zeros alone.
    The kernel must have its last shape: a marked one cannot be reshaped.

    The converter merges equal marks of equal kernels and ignores one that two operators
    read.  So the ends differ in the last bit each time a kernel comes `again`.
    """
    bits, axes = layer.weight_bits, layer.scale_axes
    apart = 1.0 + again * float(np.finfo(np.float32).eps)
    if axes is None:
        end = (float(np.abs(kernel).max()) or 1.0) * apart
        return lambda: tf.quantization.fake_quant_with_min_max_args(
            kernel, -end, end, num_bits=bits, narrow_range=True
        )
    if bits == 8 and not _has_empty_channels(layer, kernel):
        return lambda: tf.constant(kernel)
    columns = kernel.reshape(*kernel.shape[: -len(axes)], -1)
    ends = np.abs(columns).reshape(-1, columns.shape[-1]).max(0)
    ends = np.where(ends > 0, ends, ends.max() or 1.0)  # zeros are on any grid
    ends = (ends * apart).astype(np.float32)

    def marked() -> Any:
        tensor = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            columns, -ends, ends, num_bits=bits, narrow_range=True
        )
        return tensor if len(axes) == 1 else tf.reshape(tensor, kernel.shape)

    return marked


def _has_empty_channels(layer: Any, kernel: Array) -> bool:
    """Return whether an output channel has no weights but zeros.

    The converter finds no scale in it, and with 16-bit activations a useless one.  It
    takes no marks at transposed convolutions, so these stay as they are.
    """
    if isinstance(layer, QuantizedConv2DTranspose):
        return False
    axes = {axis % kernel.ndim for axis in layer.channel_axes}
    others = tuple(axis for axis in range(kernel.ndim) if axis not in axes)
    return not np.abs(kernel).max(others).all()


def _as_it_is(layer: Any, kernel: Array, bias: Array | None, mark: Mark) -> Form:
    constant = mark(kernel)
    return lambda x: _plus(layer.apply_kernel(x, constant()), bias)


def _dense(layer: Any, kernel: Array, bias: Array | None, mark: Mark) -> Form:
    """Return a product, or for 4 bits per channel a 1x1 convolution.

    The converter fails on a matrix that is marked per channel.
    """
    empty = _has_empty_channels(layer, kernel)
    if not layer.per_channel or (layer.weight_bits == 8 and not empty):
        return _as_it_is(layer, kernel, bias, mark)
    depth, units = kernel.shape
    weights = mark(kernel[None, None])

    def form(x: Any) -> Any:
        flat = tf.reshape(x, (-1, 1, 1, depth))
        y = _plus(tf.nn.conv2d(flat, weights(), 1, "VALID"), bias)
        return tf.reshape(y, (-1, *x.shape[1:-1], units))

    return form


def _one_dimension(layer: Any, kernel: Array, bias: Array | None, mark: Mark) -> Form:
    """Return a convolution of sequences as one of images of height 1."""
    convolve = (
        tf.nn.depthwise_conv2d
        if isinstance(layer, QuantizedDepthwiseConv1D)
        else tf.nn.conv2d
    )
    (stride,), (dilation,) = layer.strides, layer.dilation_rate
    weights = mark(kernel[None])

    def form(x: Any) -> Any:
        padding = layer.padding.upper()
        if padding == "CAUSAL":
            width = dilation * (kernel.shape[0] - 1)
            x, padding = tf.pad(x, ((0, 0), (width, 0), (0, 0))), "VALID"
        steps, rates = (1, stride, stride, 1), (dilation, dilation)
        y = convolve(tf.expand_dims(x, 1), weights(), steps, padding, dilations=rates)
        return tf.squeeze(_plus(y, bias), 1)

    return form


def _not_all_equal(offsets: Array) -> Array:
    """Return what is added to each channel, in float32, one channel a bit off.

    The converter makes one number of equal ones, and then of other biases than the
    model's. The last bit of a float is far less than the integer that it becomes.
    """
    bias = np.array(offsets, np.float32)
    if bias.size > 1 and bias.flat[0] != 0 and (bias == bias.flat[0]).all():
        bias.flat[0] = np.nextafter(bias.flat[0], np.float32(0))
    return bias


def _plus(x: Any, bias: Array | None) -> Any:
    return x if bias is None else x + bias


_FORMS: dict[type, Callable[[Any, Array, Array | None, Mark], Form]] = {
    QuantizedDense: _dense,
    QuantizedConv1D: _one_dimension,
    QuantizedDepthwiseConv1D: _one_dimension,
}


def affine_form(scale: Array, offset: Array) -> Form:
    """Return ``scale x + offset`` per channel as a 1x1 depthwise convolution.

    Each channel has its own scale in the file, so that its factor is stored exactly.
    """
    channels = scale.size
    kernel = scale.reshape(1, 1, channels, 1).astype(np.float32)
    bias = _not_all_equal(offset)

    def form(x: Any) -> Any:
        sizes = x.shape[1:-1]
        shape = (*(1,) * (2 - len(sizes)), *sizes, channels)
        image = tf.reshape(x, (-1, *shape)) if len(sizes) != 2 else x
        y = tf.nn.depthwise_conv2d(image, kernel, (1, 1, 1, 1), "VALID") + bias
        return tf.reshape(y, (-1, *sizes, channels)) if len(sizes) != 2 else y

    return form


def plain_form(layer: Any, operator: Operator, *, bits: int) -> Form | None:
    """Return the form of a layer that is no layer of ours; None if it has none."""
    if entry_for(layer, affine_layers.QUANTIZED):
        return None  # in integers it is a layer of ours: this one is left in float
    if operator.kind == "affine":
        channels = layer.output.shape[-1]
        return affine_form(*affine_layers.factors_and_offsets(layer, channels))
    if operator.function == "hard_silu" and bits == 8:
        return lambda x: x * tf.nn.relu6(x + 3.0) * (1.0 / 6.0)
    if isinstance(layer, keras.layers.UpSampling2D) and operator.kind == "passing":
        rows, columns = layer.size
        return lambda x: tf.image.resize(
            x, (x.shape[1] * rows, x.shape[2] * columns), "nearest"
        )
    return None
