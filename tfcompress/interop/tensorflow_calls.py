"""TensorFlow operations on Keras 3 tensors, one function for each way of calling.

Each takes the operation's arguments by TensorFlow's own parameter names and computes
the same with `keras.ops`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import ops

Given = Mapping[str, Any]


def binary(function: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """Return a handler of an operation on two tensors."""

    def handler(given: Given) -> Any:
        x, y = list(given.values())[:2]
        return function(x, y)

    return handler


def unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a handler of an operation on one tensor."""
    return lambda given: function(next(iter(given.values())))


def reduction(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a handler of a reduction over axes."""

    def handler(given: Given) -> Any:
        axis = given.get("axis")
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(given["input_tensor"], axis=axis, keepdims=given["keepdims"])

    return handler


def reshape(given: Given) -> Any:
    """Reshape; an asked-for batch is None."""
    tensor, shape = given["tensor"], list(given["shape"])
    if None in shape and -1 in shape:  # an asked-for batch, and a size that follows
        rest = math.prod(size for size in shape if size not in (None, -1))
        shape[shape.index(-1)] = math.prod(tensor.shape[1:]) // rest
    plain = [-1 if size is None else int(size) for size in shape]
    return ops.reshape(tensor, tuple(plain))


def concat(given: Given) -> Any:
    """Concatenate."""
    return ops.concatenate(given["values"], axis=int(given["axis"]))


def stack(given: Given) -> Any:
    """Stack tensors, or put the parts of a shape together."""
    values = given["values"]
    if all(value is None or isinstance(value, int) for value in values):
        return tuple(values)  # a shape
    return ops.stack(values, axis=given["axis"])


def unstack(given: Given) -> Any:
    """Unstack."""
    return ops.unstack(given["value"], given["num"], axis=given["axis"])


def split(given: Given) -> Any:
    """Split into equal parts, or parts of given sizes."""
    sizes, axis = given["num_or_size_splits"], int(given["axis"])
    if isinstance(sizes, Sequence):
        cuts = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
        return ops.split(given["value"], cuts, axis=axis)
    return ops.split(given["value"], int(sizes), axis=axis)


def get_item(given: Given) -> Any:
    """Index or slice."""
    tensor, spec = list(given.values())[:2]
    return tensor[slices(spec)]


def slices(spec: Any) -> Any:
    """Return an index as Python writes it."""
    if isinstance(spec, dict):  # Keras 2 stores a slice as a dict
        return slice(spec["start"], spec["stop"], spec["step"])
    if isinstance(spec, list | tuple):
        return tuple(slices(part) for part in spec)
    return spec


def pad(given: Given) -> Any:
    """Pad with a constant or by reflection."""
    widths = [tuple(int(n) for n in pair) for pair in given["paddings"]]
    mode = given["mode"].lower()
    if mode == "constant":
        value = given["constant_values"]
        return ops.pad(given["tensor"], widths, mode, constant_values=value)
    return ops.pad(given["tensor"], widths, mode)


def matmul(given: Given) -> Any:
    """Multiply matrices, perhaps transposed."""
    a, b = given["a"], given["b"]
    a = ops.swapaxes(a, -1, -2) if given["transpose_a"] else a
    b = ops.swapaxes(b, -1, -2) if given["transpose_b"] else b
    return ops.matmul(a, b)


def transpose(given: Given) -> Any:
    """Permute axes."""
    order = given["perm"]
    return ops.transpose(given["a"], None if order is None else tuple(order))


def cast(given: Given) -> Any:
    """Cast."""
    dtype = given["dtype"]
    return ops.cast(given["x"], getattr(dtype, "name", dtype))


def clip(given: Given) -> Any:
    """Clip by value."""
    low, high = given["clip_value_min"], given["clip_value_max"]
    return ops.clip(given["t"], low, high)


def squeeze(given: Given) -> Any:
    """Drop axes of size 1."""
    axis = given["axis"]
    axis = tuple(axis) if isinstance(axis, list) else axis
    return ops.squeeze(given["input"], axis=axis)


def where(given: Given) -> Any:
    """Choose by a condition."""
    return ops.where(given["condition"], given["x"], given["y"])


def l2_normalize(given: Given) -> Any:
    """Normalise to length 1."""
    x, axis = given["x"], given["axis"]
    square = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, given["epsilon"]))


def softmax(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a handler of a softmax or its logarithm."""

    def handler(given: Given) -> Any:
        axis = -1 if given["axis"] is None else given["axis"]
        return function(given["logits"], axis=axis)

    return handler


def gelu(given: Given) -> Any:
    """Compute GELU."""
    return ops.gelu(given["features"], approximate=given["approximate"])


def silu(given: Given) -> Any:
    """Compute SiLU, perhaps with a factor."""
    x, beta = given["features"], given.get("beta", 1.0)
    return ops.silu(x) if beta == 1.0 else x * ops.sigmoid(beta * x)


def leaky_relu(given: Given) -> Any:
    """Compute leaky ReLU."""
    return ops.leaky_relu(given["features"], negative_slope=given["alpha"])


def expand_dims(given: Given) -> Any:
    """Add an axis."""
    return ops.expand_dims(given["input"], axis=given["axis"])


def tile(given: Given) -> Any:
    """Repeat along axes."""
    return ops.tile(given["input"], tuple(int(n) for n in given["multiples"]))
