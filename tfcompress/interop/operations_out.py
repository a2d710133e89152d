"""Replay a bare `keras.ops` operation on Keras 2 tensors.

Where tf_keras has a layer that computes the same (Add of two equal shapes, ReLU), it is
used, because TFMOT quantizes layers and not operations; else the TensorFlow operation
is, which tf_keras wraps itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfcompress import errors
from tfcompress.interop import activations, legacy


def replay(
    operation: Any,
    name: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    custom_objects: Mapping[str, Any],
) -> Any:
    """Apply a Keras 3 operation to Keras 2 tensors.

    Raises:
        ModelError: If the operation has no counterpart here.
    """
    kind = type(operation).__name__
    if kind in custom_objects:
        return custom_objects[kind](*args, **kwargs)
    handler = _HANDLERS.get(kind)
    if handler is None:
        raise errors.ModelError(
            "An operation has no counterpart in Keras 2. Received: "
            f"{name!r} that computes {type(operation).__module__}.{kind}. Use a layer "
            f"instead, or pass custom_objects={{{kind!r}: a function of TensorFlow "
            "operations}."
        )
    return handler(_Call(operation, name, args, dict(kwargs)))


class _Call:
    """One call of an operation, as the handlers want it."""

    def __init__(
        self, operation: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.operation, self.name = operation, name
        self.args, self.kwargs = args, kwargs
        self.all = [*args, *kwargs.values()]

    def setting(self, name: str, default: Any = None) -> Any:
        """Return an argument that the operation keeps, or that the call gave."""
        return getattr(self.operation, name, self.kwargs.get(name, default))


def _merge(layer: str, function: Callable[[Any, Any], Any]) -> Any:
    def handler(call: _Call) -> Any:
        x, y = call.all
        if _same_shape(x, y):
            kind = getattr(legacy.tf_keras().layers, layer)
            return kind(name=call.name)([x, y])
        return function(x, y)

    return handler


def _same_shape(x: Any, y: Any) -> bool:
    shapes = [getattr(t, "_keras_history", None) and tuple(t.shape) for t in (x, y)]
    return bool(shapes[0]) and shapes[0] == shapes[1] and x is not y


def _binary(function: Callable[[Any, Any], Any]) -> Any:
    return lambda call: function(*call.all)


def _unary(function: Callable[[Any], Any]) -> Any:
    return lambda call: function(call.all[0])


def _activation(activation: str) -> Any:
    def handler(call: _Call) -> Any:
        kit = legacy.tf_keras()
        return kit.layers.Activation(activation, name=call.name)(call.all[0])

    return handler


def _relu6(call: _Call) -> Any:
    return legacy.tf_keras().layers.ReLU(6.0, name=call.name)(call.all[0])


def _leaky_relu(call: _Call) -> Any:
    slope = call.setting("negative_slope", 0.2)
    kit = legacy.tf_keras()
    return kit.layers.LeakyReLU(alpha=slope, name=call.name)(call.all[0])


def _softmax(call: _Call) -> Any:
    axis = call.setting("axis", -1)
    return legacy.tf_keras().layers.Softmax(axis=axis, name=call.name)(call.all[0])


def _gelu(call: _Call) -> Any:
    return tf.nn.gelu(call.all[0], approximate=call.setting("approximate"))


def _reduction(function: Callable[..., Any]) -> Any:
    def handler(call: _Call) -> Any:
        axis = call.setting("axis")
        axis = list(axis) if isinstance(axis, tuple) else axis
        return function(call.all[0], axis=axis, keepdims=call.setting("keepdims"))

    return handler


def _reshape(call: _Call) -> Any:
    shape = [-1 if size is None else size for size in call.setting("newshape")]
    if tuple(call.all[0].shape[:1]) == (None,) and shape[0] == -1:
        kit = legacy.tf_keras()
        return kit.layers.Reshape(shape[1:], name=call.name)(call.all[0])
    return tf.reshape(call.all[0], shape)


def _transpose(call: _Call) -> Any:
    return tf.transpose(call.all[0], call.setting("axes"))


def _concatenate(call: _Call) -> Any:
    tensors = list(call.all[0])
    kit = legacy.tf_keras()
    return kit.layers.Concatenate(axis=call.setting("axis", 0), name=call.name)(tensors)


def _stack(call: _Call) -> Any:
    return tf.stack(list(call.all[0]), axis=call.setting("axis", 0))


def _clip(call: _Call) -> Any:
    low, high = call.setting("x_min"), call.setting("x_max")
    return tf.clip_by_value(call.all[0], low, high)


def _get_item(call: _Call) -> Any:
    return call.all[0][call.all[1]]


def _expand_dims(call: _Call) -> Any:
    axis = call.setting("axis")
    x = call.all[0]
    for one in sorted(axis if isinstance(axis, list | tuple) else [axis]):
        x = tf.expand_dims(x, one)
    return x


def _squeeze(call: _Call) -> Any:
    axis = call.setting("axis")
    return tf.squeeze(call.all[0], list(axis) if isinstance(axis, tuple) else axis)


def _cast(call: _Call) -> Any:
    return tf.cast(call.all[0], call.setting("dtype"))


def _pad(call: _Call) -> Any:
    widths = [list(pair) for pair in call.setting("pad_width")]
    value = call.kwargs.get("constant_values") or 0
    return tf.pad(call.all[0], widths, call.setting("mode"), constant_values=value)


def _split(call: _Call) -> Any:
    sizes, axis = call.setting("indices_or_sections"), call.setting("axis", 0)
    if not isinstance(sizes, int):
        ends = [*sizes, call.all[0].shape[axis]]
        starts = [0, *sizes]
        sizes = [end - start for start, end in zip(starts, ends, strict=True)]
    return tf.split(call.all[0], sizes, axis=axis)


def _unstack(call: _Call) -> Any:
    return tf.unstack(call.all[0], call.setting("num"), axis=call.setting("axis", 0))


def _swap_axes(call: _Call) -> Any:
    order = list(range(len(call.all[0].shape)))
    a, b = call.setting("axis1"), call.setting("axis2")
    order[a], order[b] = order[b], order[a]
    return tf.transpose(call.all[0], order)


_HANDLERS: Mapping[str, Callable[[_Call], Any]] = {
    "Absolute": _unary(tf.abs),
    "Add": _merge("Add", tf.add),
    "All": _reduction(tf.reduce_all),
    "Any": _reduction(tf.reduce_any),
    "Cast": _cast,
    "Ceil": _unary(tf.math.ceil),
    "Clip": _clip,
    "Concatenate": _concatenate,
    "Cos": _unary(tf.cos),
    "Divide": _binary(tf.math.truediv),
    "Einsum": lambda call: tf.einsum(call.operation.subscripts, *call.all),
    "Elu": _activation("elu"),
    "Equal": _binary(tf.equal),
    "Erf": _unary(tf.math.erf),
    "Exp": _unary(tf.exp),
    "ExpandDims": _expand_dims,
    "Floor": _unary(tf.floor),
    "FloorDivide": _binary(tf.math.floordiv),
    "Gelu": _gelu,
    "GetItem": _get_item,
    "Greater": _binary(tf.greater),
    "GreaterEqual": _binary(tf.greater_equal),
    "HardSigmoid": _unary(activations.keras3_hard_sigmoid),
    "HardSilu": _unary(activations.keras3_hard_silu),
    "LeakyRelu": _leaky_relu,
    "Less": _binary(tf.less),
    "LessEqual": _binary(tf.less_equal),
    "Log": _unary(tf.math.log),
    "Log1p": _unary(tf.math.log1p),
    "LogSigmoid": _unary(tf.math.log_sigmoid),
    "LogSoftmax": lambda call: tf.nn.log_softmax(call.all[0], call.setting("axis", -1)),
    "LogicalAnd": _binary(tf.logical_and),
    "LogicalNot": _unary(tf.logical_not),
    "LogicalOr": _binary(tf.logical_or),
    "Matmul": _binary(tf.matmul),
    "Max": _reduction(tf.reduce_max),
    "Maximum": _merge("Maximum", tf.maximum),
    "Mean": _reduction(tf.reduce_mean),
    "Min": _reduction(tf.reduce_min),
    "Minimum": _merge("Minimum", tf.minimum),
    "Mod": _binary(tf.math.floormod),
    "Multiply": _merge("Multiply", tf.multiply),
    "Negative": _unary(tf.negative),
    "NotEqual": _binary(tf.not_equal),
    "OnesLike": _unary(tf.ones_like),
    "Pad": _pad,
    "Power": _binary(tf.pow),
    "Prod": _reduction(tf.reduce_prod),
    "Reciprocal": _unary(tf.math.reciprocal),
    "Relu": _activation("relu"),
    "Relu6": _relu6,
    "Reshape": _reshape,
    "Round": _unary(tf.round),
    "Rsqrt": _unary(tf.math.rsqrt),
    "Selu": _activation("selu"),
    "Sigmoid": _activation("sigmoid"),
    "Sign": _unary(tf.sign),
    "Silu": _activation("swish"),
    "Sin": _unary(tf.sin),
    "Softmax": _softmax,
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Split": _split,
    "Sqrt": _unary(tf.sqrt),
    "Square": _unary(tf.square),
    "Squeeze": _squeeze,
    "Stack": _stack,
    "Std": _reduction(tf.math.reduce_std),
    "Subtract": _merge("Subtract", tf.subtract),
    "Sum": _reduction(tf.reduce_sum),
    "Swapaxes": _swap_axes,
    "Tanh": _activation("tanh"),
    "Tile": lambda call: tf.tile(call.all[0], call.setting("repeats")),
    "Transpose": _transpose,
    "TrueDivide": _binary(tf.math.truediv),
    "Unstack": _unstack,
    "Var": _reduction(tf.math.reduce_variance),
    "Where": lambda call: tf.where(*call.all),
    "ZerosLike": _unary(tf.zeros_like),
}
