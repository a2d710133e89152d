"""Replay a TensorFlow operation of a Keras 2 graph with `keras.ops`.

Keras 2 wraps each bare operation (``x + y``, ``tf.nn.relu(x)``) in a layer that knows
the operation's public name.  Its arguments are bound to the operation's own parameters,
so that a handler is written once however the operation was called.

A shape that was asked for (``tf.shape(x)``) is a tuple here, None where the size is
not known; `reshape` turns None into -1.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import ops

from tfcompress import errors

_LAYERS = ("TFOpLambda", "SlicingOpLambda")


def is_operation(layer: Any) -> bool:
    """Return whether a Keras 2 layer is one bare operation."""
    return type(layer).__name__ in (*_LAYERS, "ClassMethod", "InstanceMethod")


def replay(
    layer: Any, args: Any, kwargs: Any, custom_objects: Mapping[str, Any]
) -> Any:
    """Apply the operation of `layer` to Keras 3 tensors.

    Raises:
        ModelError: If the operation has no counterpart here.
    """
    symbol = getattr(layer, "symbol", None) or type(layer).__name__
    for name in (symbol, f"tf.{symbol}"):
        if name in custom_objects:
            return custom_objects[name](*args, **kwargs)
    handler = _HANDLERS.get(symbol)
    if handler is None or type(layer).__name__ not in _LAYERS:
        raise errors.ModelError(
            "An operation has no counterpart here. Received: layer "
            f"{layer.name!r} that computes tf.{symbol}. Pass custom_objects={{"
            f"'tf.{symbol}': a function of keras.ops with the same arguments}}."
        )
    bound = inspect.signature(layer.function).bind(*args, **kwargs)
    bound.apply_defaults()
    given = {k: v for k, v in bound.arguments.items() if k != "name"}
    return handler(given)


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def handler(given: Any) -> Any:
        x, y = list(given.values())[:2]
        return function(x, y)

    return handler


def _unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda given: function(next(iter(given.values())))


def _reduction(function: Callable[..., Any]) -> Callable[[Any], Any]:
    def handler(given: Any) -> Any:
        axis = given.get("axis")
        axis = tuple(axis) if isinstance(axis, list) else axis
        return function(given["input_tensor"], axis=axis, keepdims=given["keepdims"])

    return handler


def _reshape(given: Any) -> Any:
    tensor, shape = given["tensor"], list(given["shape"])
    if None in shape and -1 in shape:  # an asked-for batch, and a size that follows
        rest = math.prod(size for size in shape if size not in (None, -1))
        shape[shape.index(-1)] = math.prod(tensor.shape[1:]) // rest
    plain = [-1 if size is None else int(size) for size in shape]
    return ops.reshape(tensor, tuple(plain))


def _concat(given: Any) -> Any:
    return ops.concatenate(given["values"], axis=int(given["axis"]))


def _stack(given: Any) -> Any:
    values = given["values"]
    if all(value is None or isinstance(value, int) for value in values):
        return tuple(values)  # a shape
    return ops.stack(values, axis=given["axis"])


def _unstack(given: Any) -> Any:
    return ops.unstack(given["value"], given["num"], axis=given["axis"])


def _split(given: Any) -> Any:
    sizes, axis = given["num_or_size_splits"], int(given["axis"])
    if isinstance(sizes, Sequence):
        cuts = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
        return ops.split(given["value"], cuts, axis=axis)
    return ops.split(given["value"], int(sizes), axis=axis)


def _get_item(given: Any) -> Any:
    tensor, spec = list(given.values())[:2]
    return tensor[_slices(spec)]


def _slices(spec: Any) -> Any:
    if isinstance(spec, dict):  # Keras 2 stores a slice as a dict
        return slice(spec["start"], spec["stop"], spec["step"])
    if isinstance(spec, list | tuple):
        return tuple(_slices(part) for part in spec)
    return spec


def _pad(given: Any) -> Any:
    widths = [tuple(int(n) for n in pair) for pair in given["paddings"]]
    mode = given["mode"].lower()
    if mode == "constant":
        value = given["constant_values"]
        return ops.pad(given["tensor"], widths, mode, constant_values=value)
    return ops.pad(given["tensor"], widths, mode)


def _matmul(given: Any) -> Any:
    a, b = given["a"], given["b"]
    a = ops.swapaxes(a, -1, -2) if given["transpose_a"] else a
    b = ops.swapaxes(b, -1, -2) if given["transpose_b"] else b
    return ops.matmul(a, b)


def _transpose(given: Any) -> Any:
    order = given["perm"]
    return ops.transpose(given["a"], None if order is None else tuple(order))


def _cast(given: Any) -> Any:
    dtype = given["dtype"]
    return ops.cast(given["x"], getattr(dtype, "name", dtype))


def _clip(given: Any) -> Any:
    low, high = given["clip_value_min"], given["clip_value_max"]
    return ops.clip(given["t"], low, high)


def _squeeze(given: Any) -> Any:
    axis = given["axis"]
    axis = tuple(axis) if isinstance(axis, list) else axis
    return ops.squeeze(given["input"], axis=axis)


def _where(given: Any) -> Any:
    return ops.where(given["condition"], given["x"], given["y"])


def _l2_normalize(given: Any) -> Any:
    x, axis = given["x"], given["axis"]
    square = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, given["epsilon"]))


def _softmax(function: Callable[..., Any]) -> Callable[[Any], Any]:
    def handler(given: Any) -> Any:
        axis = -1 if given["axis"] is None else given["axis"]
        return function(given["logits"], axis=axis)

    return handler


def _gelu(given: Any) -> Any:
    return ops.gelu(given["features"], approximate=given["approximate"])


def _silu(given: Any) -> Any:
    x, beta = given["features"], given.get("beta", 1.0)
    return ops.silu(x) if beta == 1.0 else x * ops.sigmoid(beta * x)


def _leaky_relu(given: Any) -> Any:
    return ops.leaky_relu(given["features"], negative_slope=given["alpha"])


def _expand_dims(given: Any) -> Any:
    return ops.expand_dims(given["input"], axis=given["axis"])


def _tile(given: Any) -> Any:
    return ops.tile(given["input"], tuple(int(n) for n in given["multiples"]))


_BINARY = {
    "add": ops.add,
    "subtract": ops.subtract,
    "multiply": ops.multiply,
    "divide": ops.true_divide,
    "truediv": ops.true_divide,
    "floordiv": ops.floor_divide,
    "floormod": ops.mod,
    "pow": ops.power,
    "maximum": ops.maximum,
    "minimum": ops.minimum,
    "squared_difference": lambda x, y: ops.square(x - y),
    "greater": ops.greater,
    "greater_equal": ops.greater_equal,
    "less": ops.less,
    "less_equal": ops.less_equal,
    "equal": ops.equal,
    "not_equal": ops.not_equal,
    "logical_and": ops.logical_and,
    "logical_or": ops.logical_or,
}

_UNARY = {
    "abs": ops.abs,
    "ceil": ops.ceil,
    "cos": ops.cos,
    "erf": ops.erf,
    "exp": ops.exp,
    "floor": ops.floor,
    "log": ops.log,
    "log1p": ops.log1p,
    "log_sigmoid": ops.log_sigmoid,
    "logical_not": ops.logical_not,
    "negative": ops.negative,
    "reciprocal": ops.reciprocal,
    "round": ops.round,
    "rsqrt": ops.rsqrt,
    "sigmoid": ops.sigmoid,
    "sign": ops.sign,
    "sin": ops.sin,
    "softplus": ops.softplus,
    "sqrt": ops.sqrt,
    "square": ops.square,
    "tanh": ops.tanh,
}

_REDUCTIONS = {
    "reduce_all": ops.all,
    "reduce_any": ops.any,
    "reduce_logsumexp": ops.logsumexp,
    "reduce_max": ops.max,
    "reduce_mean": ops.mean,
    "reduce_min": ops.min,
    "reduce_prod": ops.prod,
    "reduce_std": ops.std,
    "reduce_sum": ops.sum,
    "reduce_variance": ops.var,
}

_NN = {
    "elu": ops.elu,
    "relu": ops.relu,
    "relu6": ops.relu6,
    "selu": ops.selu,
    "sigmoid": ops.sigmoid,
    "softplus": ops.softplus,
    "softsign": ops.softsign,
    "tanh": ops.tanh,
}


def _named(
    prefixes: Sequence[str],
    functions: Mapping[str, Any],
    wrap: Callable[[Any], Callable[[Any], Any]],
) -> dict[str, Callable[[Any], Any]]:
    return {
        prefix + name: wrap(function)
        for prefix in prefixes
        for name, function in functions.items()
    }


_HANDLERS: Mapping[str, Callable[[Any], Any]] = {
    **_named(("math.", "__operators__.", ""), _BINARY, _binary),
    **_named(("math.", "__operators__.", ""), _UNARY, _unary),
    **_named(("math.", ""), _REDUCTIONS, _reduction),
    **_named(("nn.",), _NN, _unary),
    "__operators__.getitem": _get_item,
    "cast": _cast,
    "clip_by_value": _clip,
    "compat.v1.squeeze": _squeeze,
    "compat.v1.pad": _pad,
    "compat.v1.shape": _unary(lambda x: tuple(x.shape)),
    "compat.v1.transpose": _transpose,
    "concat": _concat,
    "convert_to_tensor": _unary(lambda x: x),
    "expand_dims": _expand_dims,
    "identity": _unary(lambda x: x),
    "linalg.matmul": _matmul,
    "math.l2_normalize": _l2_normalize,
    "nn.gelu": _gelu,
    "nn.leaky_relu": _leaky_relu,
    "nn.log_softmax": _softmax(ops.log_softmax),
    "nn.silu": _silu,
    "nn.softmax": _softmax(ops.softmax),
    "nn.swish": _silu,
    "ones_like": _unary(ops.ones_like),
    "pad": _pad,
    "reshape": _reshape,
    "shape": _unary(lambda x: tuple(x.shape)),
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "stop_gradient": _unary(ops.stop_gradient),
    "tile": _tile,
    "transpose": _transpose,
    "unstack": _unstack,
    "where": _where,
    "zeros_like": _unary(ops.zeros_like),
}
