"""Replay a TensorFlow operation of a Keras 2 graph with `keras.ops`.

Keras 2 wraps each bare operation (``x + y``, ``tf.nn.relu(x)``) in a layer that knows
the operation's public name.  Its arguments are bound to the operation's own parameters,
so that a handler is written once however the operation was called.

A shape that was asked for (``tf.shape(x)``) is a tuple here, None where the size is
not known; `tensorflow_calls.reshape` turns None into -1.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import ops

from tfcompress import errors
from tfcompress.interop import tensorflow_calls as calls

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
    try:
        return handler(given)
    except (TypeError, ValueError, KeyError) as error:
        raise errors.ModelError(
            "An operation cannot be replayed. Received: layer "
            f"{layer.name!r} that computes tf.{symbol} "
            f"({(str(error) or repr(error)).splitlines()[0][:200]}). Pass "
            f"custom_objects={{'tf.{symbol}': a function of keras.ops}}."
        ) from error


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
    **_named(("math.", "__operators__.", ""), _BINARY, calls.binary),
    **_named(("math.", "__operators__.", ""), _UNARY, calls.unary),
    **_named(("math.", ""), _REDUCTIONS, calls.reduction),
    **_named(("nn.",), _NN, calls.unary),
    "__operators__.getitem": calls.get_item,
    "cast": calls.cast,
    "clip_by_value": calls.clip,
    "compat.v1.squeeze": calls.squeeze,
    "compat.v1.pad": calls.pad,
    "compat.v1.shape": calls.unary(lambda x: tuple(x.shape)),
    "compat.v1.transpose": calls.transpose,
    "concat": calls.concat,
    "convert_to_tensor": calls.unary(lambda x: x),
    "expand_dims": calls.expand_dims,
    "identity": calls.unary(lambda x: x),
    "linalg.matmul": calls.matmul,
    "math.l2_normalize": calls.l2_normalize,
    "nn.gelu": calls.gelu,
    "nn.leaky_relu": calls.leaky_relu,
    "nn.log_softmax": calls.softmax(ops.log_softmax),
    "nn.silu": calls.silu,
    "nn.softmax": calls.softmax(ops.softmax),
    "nn.swish": calls.silu,
    "ones_like": calls.unary(ops.ones_like),
    "pad": calls.pad,
    "reshape": calls.reshape,
    "shape": calls.unary(lambda x: tuple(x.shape)),
    "split": calls.split,
    "squeeze": calls.squeeze,
    "stack": calls.stack,
    "stop_gradient": calls.unary(ops.stop_gradient),
    "tile": calls.tile,
    "transpose": calls.transpose,
    "unstack": calls.unstack,
    "where": calls.where,
    "zeros_like": calls.unary(ops.zeros_like),
}
