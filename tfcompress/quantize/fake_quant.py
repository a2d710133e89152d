"""Round numbers to a quantization grid, with gradients that pass straight through.

::

    weights      FQ(w) = S round(w / S),      S = max|w| / (2^(bits-1) - 1)
    activations  FQ(x) = S (clip(round(x / S) + Z, 0, 2^bits - 1) - Z)
                 S = (high - low) / (2^bits - 1),   Z = round(-low / S)

The rounding counts as the identity in the backward pass; what was clipped gets no
gradient.  For a range that begins at 0 the clipping *is* a ReLU, so that one kernel
does both.

TensorFlow's own gradient of the second also computes the gradients of the range, in
three passes over the tensor.  Ours is the mask alone, by the kernel of ReLU6's
gradient, which passes what lies strictly between 0 and 6.

Source: B. Jacob et al., CVPR 2018, sections 2.1 and 3; Y. Bengio et al., "Estimating or
propagating gradients through stochastic neurons", 2013, for the straight-through
estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

TINY = 1e-30  # of a channel that is all zeros: its scale may be anything


def weights(kernel: Any, *, bits: int, axes: Sequence[int] | None) -> Any:
    """Return a kernel on its grid: symmetric, narrow range.

    Args:
        kernel: Any shape.
        bits: Bits of an integer.
        axes: The axes of which every position has its own scale, such as ``(-1,)``
            for the output channels of a convolution; None: one scale for all.

    Example:
        >>> kernel = tf.constant([[1.0, 0.5], [0.3, 0.2]])
        >>> weights(kernel, bits=2, axes=(-1,)).numpy().tolist()
        [[1.0, 0.5], [0.0, 0.0]]
        >>> weights(kernel, bits=2, axes=None).numpy().tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """
    kernel = tf.convert_to_tensor(kernel)  # a custom gradient takes no variables
    steps = weight_scales(kernel, bits=bits, axes=axes)

    @tf.custom_gradient
    def straight_through(value: Any) -> tuple[Any, Any]:
        return tf.round(value / steps) * steps, lambda upstream: upstream

    return straight_through(kernel)


def weight_scales(kernel: Any, *, bits: int, axes: Sequence[int] | None) -> Any:
    """Return the scales of `weights`, of the kernel's rank so that they broadcast."""
    rank = len(kernel.shape)
    own = {axis % rank for axis in axes or ()}
    others = [axis for axis in range(rank) if axis not in own]
    largest = tf.reduce_max(tf.abs(tf.stop_gradient(kernel)), others, keepdims=True)
    return tf.maximum(largest, TINY) / (2 ** (bits - 1) - 1)


@tf.custom_gradient
def activations(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Return 8-bit activations: asymmetric, 0 exactly representable.

    Args:
        x: Any shape, float32.
        low: The range's lower end, 0 or less.
        high: Its upper end, above 0.

    Example:
        >>> x = tf.constant([-9.0, -0.6, 0.4, 300.0])
        >>> activations(x, -5.0, 250.0).numpy().tolist()
        [-5.0, -1.0, 0.0, 250.0]
    """
    result = tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=8)
    return result, _within(x, low, high)


@tf.custom_gradient
def rectified(x: Any, high: Any) -> tuple[Any, Any]:
    """Return `activations` of the range from 0, of ``relu(x)``.

    Example:
        >>> rectified(tf.constant([-1.0, 0.6, 300.0]), 255.0).numpy().tolist()
        [0.0, 1.0, 255.0]
    """
    result = tf.quantization.fake_quant_with_min_max_vars(x, 0.0, high, num_bits=8)

    def gradient(upstream: Any) -> tuple[Any, None]:
        scaled = x * (6.0 / high)
        return tf.raw_ops.Relu6Grad(gradients=upstream, features=scaled), None

    return result, gradient


def break_ties(x: Any, low: Any, high: Any, *, away: bool) -> Any:
    """Move averages of 8-bit numbers off the middle between two, as TFLite rounds them.

    An average of two or four neighbours lies exactly in the middle of two numbers a
    quarter of the time, so how these are rounded shows.  TFLite's average pooling
    rounds them away from the integer 0, which is the middle of the range; its bilinear
    interpolation rounds them up.

    Args:
        x: Averages of at most 500 numbers on the grid, float32.
        low: The range's lower end, 0 or less.
        high: Its upper end, above 0.
        away: Away from the middle of the range; else up.

    Example:
        >>> x = tf.constant([0.5, 200.5])
        >>> shifted = break_ties(x, 0.0, 255.0, away=True)
        >>> activations(shifted, 0.0, 255.0).numpy().tolist()
        [0.0, 201.0]
    """
    step = (high - low) / 255.0
    nudge = tf.constant(1e-3)  # of a step: more than float32 errs, less than 1/500
    if away:
        middle = step * (128.0 - tf.round(tf.math.divide_no_nan(-low, step)))
        nudge = nudge * tf.sign(x - middle)
    return x + tf.stop_gradient(nudge * step)


@tf.custom_gradient
def symmetric(x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Return 16-bit activations: symmetric around 0, narrow range.

    Example:
        >>> float(symmetric(tf.constant(0.5), -0.1, 32767.0))
        1.0
    """
    end = tf.maximum(-low, high)
    result = tf.quantization.fake_quant_with_min_max_vars(
        x, -end, end, num_bits=16, narrow_range=True
    )
    return result, _within(x, -end, end)


def _within(x: Any, low: Any, high: Any) -> Any:
    """Return the gradient that passes between the ends."""

    def gradient(upstream: Any) -> tuple[Any, None, None]:
        scaled = (x - low) * (6.0 / (high - low))
        masked = tf.raw_ops.Relu6Grad(gradients=upstream, features=scaled)
        return masked, None, None

    return gradient
