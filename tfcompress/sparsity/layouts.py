"""See every kernel as [positions, inputs, outputs], which patterns are defined on.

================================  ========================================
layer                             kernel, and what stands for what
================================  ========================================
Dense, RNN cells, rank 2          [in, out]: one position
convolutions                      [kh, kw, in, out]: kh * kw positions
transposed convolutions           [kh, kw, out, in]
depthwise convolutions            [kh, kw, in, m]: the window is the input
EinsumDense                       axes that the equation takes from its input, the rest
================================  ========================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How to see a kernel as [positions, inputs, outputs] and back.

    Attributes:
        order: The kernel's axes, positions first, then inputs, then outputs.
        shape: The three sizes.

    Example:
        >>> layout = Layout.of(keras.layers.Conv2D(8, 3), (3, 3, 4, 8))
        >>> layout.order, layout.shape
        ((0, 1, 2, 3), (9, 4, 8))
    """

    order: tuple[int, ...]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, layer: Any, shape: Sequence[int]) -> Layout:
        """Return the layout of a kernel of `layer`."""
        positions, inputs, outputs = _axes(layer, len(shape))
        sizes = [
            int(np.prod([shape[axis] for axis in axes], dtype=np.int64))
            for axes in (positions, inputs, outputs)
        ]
        return cls((*positions, *inputs, *outputs), (sizes[0], sizes[1], sizes[2]))

    def view(self, kernel: Any) -> Any:
        """Return the kernel as [positions, inputs, outputs]."""
        return ops.reshape(ops.transpose(kernel, self.order), self.shape)

    def undo(self, values: Any, shape: Sequence[int]) -> Any:
        """Return values in the kernel's own shape."""
        ordered = ops.reshape(values, [shape[axis] for axis in self.order])
        return ops.transpose(ordered, np.argsort(self.order).tolist())


Axes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def is_depthwise(layer: Any, variable: str = "kernel") -> bool:
    """Return whether a kernel reads one input channel for each output."""
    return "depthwise" in variable or "Depthwise" in type(layer).__name__


def _axes(layer: Any, rank: int) -> Axes:
    axes = tuple(range(rank))
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_axes(layer.equation, axes)
    if isinstance(layer, _TRANSPOSED):
        return axes[:-2], axes[-1:], axes[-2:-1]
    if is_depthwise(layer) and rank > 2:
        return (), axes[:-2], axes[-2:]
    return axes[:-2], axes[-2:-1], axes[-1:]


def _einsum_axes(equation: str, axes: tuple[int, ...]) -> Axes:
    """Tell the kernel's axes that are summed over from those that come out."""
    left, _, _ = equation.replace(" ", "").partition("->")
    source, _, kernel = left.partition(",")
    summed = tuple(axis for axis in axes if kernel[axis] in source)
    return (), summed, tuple(axis for axis in axes if axis not in summed)
