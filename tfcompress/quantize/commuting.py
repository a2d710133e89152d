"""Which layers commute with a positive factor per channel: ``f(s·x) = s·f(x)``.

1. What only moves, copies or picks numbers: pooling, padding with zeros, cropping,
   resizing, flattening, concatenation.
2. What is linear without a shift: averages, sums, differences.
3. What is positively homogeneous: ReLU, leaky ReLU, PReLU, maximum, minimum.

ReLU6, sigmoid, swish, softmax, normalisation and products of two tensors are not.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1.1, for piecewise linear activations.
"""

from __future__ import annotations

from typing import Any

import keras

from tfcompress.graph.channel_rules import LayerCall
from tfcompress.graph.reading import Ref

layers = keras.layers

_HOMOGENEOUS = (
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.leaky_relu,
)

_ONE_INPUT = tuple(
    [
        getattr(layers, f"{kind}{rank}D")
        for kind in (
            "MaxPooling",
            "AveragePooling",
            "AdaptiveMaxPooling",
            "AdaptiveAveragePooling",
            "GlobalMaxPooling",
            "GlobalAveragePooling",
            "Cropping",
            "UpSampling",
            "ZeroPadding",
            "SpatialDropout",
        )
        for rank in (1, 2, 3)
    ]
    + [
        layers.ActivityRegularization,
        layers.AlphaDropout,
        layers.CenterCrop,
        layers.Dropout,
        layers.Flatten,
        layers.GaussianDropout,
        layers.GaussianNoise,
        layers.Identity,
        layers.LeakyReLU,
        layers.Permute,
        layers.PReLU,
        layers.RepeatVector,
        layers.Reshape,
        layers.Resizing,
    ]
)
_SEVERAL_INPUTS = (
    layers.Add,
    layers.Average,
    layers.Maximum,
    layers.Minimum,
    layers.Subtract,
)

_ONE_INPUT_OPERATIONS = frozenset(
    [
        "Abs",
        "Amax",
        "Amin",
        "Cast",
        "Divide",
        "ExpandDims",
        "GetItem",
        "Identity",
        "LeakyRelu",
        "Max",
        "Mean",
        "Min",
        "Multiply",
        "Negative",
        "Relu",
        "Reshape",
        "Squeeze",
        "StopGradient",
        "Transpose",
        "TrueDivide",
    ]
)
_SEVERAL_INPUT_OPERATIONS = frozenset(["Add", "Maximum", "Minimum", "Subtract"])
_BY_NUMBER = frozenset(["Multiply", "Divide", "TrueDivide"])


def is_homogeneous(activation: Any) -> bool:
    """Tell whether an activation function commutes with positive factors.

    Example:
        >>> is_homogeneous(keras.activations.relu)
        True
        >>> is_homogeneous(keras.activations.relu6)
        False
    """
    return any(activation is known for known in _HOMOGENEOUS)


def obstacle(call: LayerCall) -> str:
    """Return why a call does not commute with factors per channel, or nothing.

    For layers without quantized weights; what reads and makes channels is asked for
    its activation alone (`is_homogeneous`).
    """
    kind = type(call.layer).__name__
    if _is(call.layer, layers.Activation, layers.ReLU):
        return _activation_obstacle(call.layer)
    if isinstance(call.layer, layers.BatchNormalization):
        return "it is a BatchNorm that could not be folded"
    if _merges(call.layer):
        same = _same_width(call)
        return "" if same else f"{kind} meets a constant or a broadcast input"
    return "" if _passes(call) else f"{kind} does not commute with factors"


def _activation_obstacle(layer: Any) -> str:
    if isinstance(layer, layers.ReLU):
        plain = layer.max_value is None and not layer.threshold
        return "" if plain else "a bounded ReLU does not commute with factors"
    name = getattr(layer.activation, "__name__", str(layer.activation))
    known = is_homogeneous(layer.activation)
    return "" if known else f"{name} does not commute with factors"


def _merges(layer: Any) -> bool:
    return _is(layer, *_SEVERAL_INPUTS) or _operation(layer, _SEVERAL_INPUT_OPERATIONS)


def _passes(call: LayerCall) -> bool:
    if _is(call.layer, *_ONE_INPUT, layers.Concatenate):
        return True
    if _operation(call.layer, frozenset(["Concatenate"])):
        return True
    return _operation(call.layer, _ONE_INPUT_OPERATIONS) and _takes_one_tensor(call)


def _is(layer: Any, *classes: type) -> bool:
    """Tell whether a layer is of a class, or of one that keeps its ``call``."""
    for base in type(layer).__mro__:
        if base in classes:
            return getattr(base, "call", None) is getattr(type(layer), "call", None)
    return False


def _operation(layer: Any, names: frozenset[str]) -> bool:
    own = type(layer).__module__.startswith("keras.src.ops.")
    return own and type(layer).__name__ in names


def _same_width(call: LayerCall) -> bool:
    """Tell whether every operand is a tensor with as many channels as the result."""
    wanted = call.output_shapes[0]
    operands = keras.tree.flatten((call.call.args, dict(call.call.kwargs)))
    if any(not isinstance(x, Ref) for x in operands if x is not None):
        return False
    return all(
        channels is not None
        and len(shape) == len(wanted)
        and shape[channels.axis] == wanted[channels.axis]
        for channels, shape in zip(call.inputs, call.input_shapes, strict=True)
    )


def _takes_one_tensor(call: LayerCall) -> bool:
    if len(call.call.inputs) != 1:
        return False
    if type(call.layer).__name__ not in _BY_NUMBER:
        return True
    first, second = (*call.call.args, *dict(call.call.kwargs).values())[:2]
    number, tensor = (first, second) if isinstance(second, Ref) else (second, first)
    positive = isinstance(number, int | float) and isinstance(tensor, Ref)
    divides = type(call.layer).__name__ != "Multiply" and tensor is second
    return positive and not divides
