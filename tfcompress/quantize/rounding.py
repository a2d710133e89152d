"""Round weights to the values that a quantized file can hold.

Symmetric and narrow: ``scale = max|w| / m`` with ``m = 2^(bits - 1) - 1``, and
``w ≈ scale · q`` with ``q`` in ``[-m, m]``; one scale per output channel or one for the
whole tensor.

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018; the narrow range is TFLite's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.quantize.kernels import Kernel

Array = npt.NDArray[Any]


def scales_of(
    values: Array, kernel: Kernel, *, bits: int, per_channel: bool = True
) -> Array:
    """Return the scales of a kernel, shaped to multiply it.

    Args:
        values: The kernel.
        kernel: Where its output channels are.
        bits: Of one weight, 2 to 8.
        per_channel: One scale per output channel; else one for all.

    Example:
        >>> scales_of(np.array([[1.27, -2.54]]), Kernel("kernel", (-1,)), bits=8)
        array([[0.01, 0.02]])
    """
    axes = kernel.reduced_axes(values.ndim) if per_channel else None
    largest = np.abs(values).max(axis=axes, keepdims=True, initial=0.0)
    scales: Array = np.asarray(largest / (2 ** (bits - 1) - 1))
    return scales


def round_kernel(
    values: Array, kernel: Kernel, *, bits: int, per_channel: bool = True
) -> Array:
    """Return the kernel with every weight at a value that the file can hold.

    Example:
        >>> round_kernel(np.array([[1.0], [0.3]]), Kernel("kernel", (-1,)), bits=2)
        array([[1.],
               [0.]])
    """
    scales = scales_of(values, kernel, bits=bits, per_channel=per_channel)
    steps = np.where(scales > 0, scales, 1.0)
    rounded: Array = (np.round(values / steps) * steps).astype(values.dtype)
    return rounded
