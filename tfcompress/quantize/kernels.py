"""Which weights of a layer are quantized, and along which axes one scale holds.

A kernel's *output axes* are those whose positions make different output channels: a
scale per output channel is one scale per position of these axes.

====================  ==========================================  ==================
layer                 kernel, in Keras' order                     output axes
====================  ==========================================  ==================
convolution           ``kernel [*window, c_in, c_out]``           last
transposed            ``kernel [*window, c_out, c_in]``           last but one
depthwise             ``kernel [*window, c_in, multiplier]``      the last two
separable             ``depthwise_kernel``, ``pointwise_kernel``  as above, in turn
Dense                 ``kernel [c_in, c_out]``                    last
====================  ==========================================  ==================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

layers = keras.layers
Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One quantized weight of a layer.

    Attributes:
        name: Its short name.
        out_axes: Axes of its output channels, counted from the end.
    """

    name: str
    out_axes: tuple[int, ...]

    def reduced_axes(self, ndim: int) -> tuple[int, ...]:
        """Return the axes that share a scale.

        Example:
            >>> Kernel("kernel", (-1,)).reduced_axes(4)
            (0, 1, 2)
        """
        kept = {axis % ndim for axis in self.out_axes}
        return tuple(axis for axis in range(ndim) if axis not in kept)

    def per_output(self, values: Array, shape: tuple[int, ...]) -> Array:
        """Reshape one value per output channel so that it multiplies the kernel.

        Example:
            >>> Kernel("kernel", (-2, -1)).per_output(np.arange(6), (3, 3, 3, 2)).shape
            (1, 1, 3, 2)
        """
        reduced = self.reduced_axes(len(shape))
        return values.reshape([1 if i in reduced else n for i, n in enumerate(shape)])


_CONVOLUTION = (Kernel("kernel", (-1,)),)
_TRANSPOSED = (Kernel("kernel", (-2,)),)
_DEPTHWISE = (Kernel("kernel", (-2, -1)),)
_SEPARABLE = (
    Kernel("depthwise_kernel", (-2, -1)),
    Kernel("pointwise_kernel", (-1,)),
)

_KERNELS: Mapping[type, tuple[Kernel, ...]] = {
    layers.Conv1D: _CONVOLUTION,
    layers.Conv2D: _CONVOLUTION,
    layers.Conv3D: _CONVOLUTION,
    layers.Conv1DTranspose: _TRANSPOSED,
    layers.Conv2DTranspose: _TRANSPOSED,
    layers.Conv3DTranspose: _TRANSPOSED,
    layers.DepthwiseConv1D: _DEPTHWISE,
    layers.DepthwiseConv2D: _DEPTHWISE,
    layers.SeparableConv1D: _SEPARABLE,
    layers.SeparableConv2D: _SEPARABLE,
    layers.Dense: _CONVOLUTION,
}


def kernels_of(layer: Any) -> tuple[Kernel, ...]:
    """Return the weights of a layer that are quantized; none if it has no such.

    A subclass counts as its parent as long as it keeps the parent's ``call``.

    Example:
        >>> [kernel.name for kernel in kernels_of(keras.layers.SeparableConv2D(4, 3))]
        ['depthwise_kernel', 'pointwise_kernel']
        >>> kernels_of(keras.layers.ReLU())
        ()
    """
    for base in type(layer).__mro__:
        if base in _KERNELS:
            same = getattr(base, "call", None) is getattr(type(layer), "call", None)
            return _KERNELS[base] if same else ()
    return ()


def channel_axis(layer: Any) -> int:
    """Return the axis of a layer's output that holds its channels, 1 or -1."""
    return 1 if getattr(layer, "data_format", None) == "channels_first" else -1


def variables_of(layer: Any) -> dict[str, Any]:
    """Return the variables of a layer by their short names."""
    return {variable.name: variable for variable in getattr(layer, "variables", ())}


def array_of(variable: Any) -> Array:
    """Return the value of a variable."""
    return np.asarray(keras.ops.convert_to_numpy(variable))
