"""Per Keras layer class: which families of operators the converter makes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfcompress.graph.atoms import IntArray
from tfcompress.latency import families
from tfcompress.latency.families import Family

Width = IntArray | int
"""Channels of one side of an operator: which ones, or a fixed number."""

Part = tuple[Family, Width, Width]
"""An operator of a layer: what it is, what it reads, what it makes."""

FUSED = (families.RELU, families.RELU6)

CLAMPING = frozenset({"Activation", "ReLU", "Relu", "Relu6"})
"""Classes that are nothing but an activation, which may be one of `FUSED`."""

FREE = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "Flatten",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "InputLayer",
        "Reshape",
        "SpatialDropout1D",
        "SpatialDropout2D",
    }
)

_ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "linear": (),
    "relu": (families.RELU,),
    "relu6": (families.RELU6,),
    "softmax": (families.SOFTMAX,),
    "sigmoid": (families.LOGISTIC,),
    "tanh": (families.TANH,),
    "hard_silu": (families.HARD_SWISH,),
    "silu": (families.LOGISTIC, families.MULTIPLY),
}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CallShape:
    """What a rule sees of one call.

    Attributes:
        layer: The Keras layer or operation.
        sizes: Height and width of each input; (1, 1) for a vector.
        reads: Channels of each input.
        makes: Channels of the output.
        rank: Dimensions of the first input, the batch included.
    """

    layer: Any
    sizes: tuple[tuple[int, int], ...]
    reads: tuple[Width, ...]
    makes: Width
    rank: int

    def family(self, kind: str, **fields: Any) -> Family:
        """Return a family on this call's largest input."""
        height, width = max(self.sizes)
        return Family(kind=kind, height=height, width=width, **fields)

    def same(self, kind: str, **fields: Any) -> Part:
        """Return an operator that keeps the channels."""
        return (self.family(kind, **fields), self.makes, self.makes)


Rule = Callable[[CallShape], list[Part] | None]


def activation_kinds(layer: Any) -> tuple[str, ...] | None:
    """Return the operators of a layer's activation; None if they are not known.

    Example:
        >>> activation_kinds(keras.layers.ReLU(6.0))
        ('relu6',)
        >>> activation_kinds(keras.layers.Add())
        ()
    """
    if isinstance(layer, keras.layers.ReLU):
        return _relu(layer)
    if type(layer).__name__ in ("Relu", "Relu6", "Softmax"):
        return _ACTIVATIONS[type(layer).__name__.lower()]
    activation = getattr(layer, "activation", None)
    if activation is None:
        return ()
    return _ACTIVATIONS.get(getattr(activation, "__name__", ""))


def _relu(layer: Any) -> tuple[str, ...] | None:
    if layer.negative_slope or layer.threshold:
        return None
    limit = None if layer.max_value is None else float(layer.max_value)
    return {None: (families.RELU,), 6.0: (families.RELU6,)}.get(limit)


def is_norm(layer: Any) -> bool:
    """Tell whether a layer is a BatchNorm over the last axis."""
    return isinstance(layer, keras.layers.BatchNormalization)


def _window(layer: Any) -> dict[str, Any] | None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    if layer.padding not in ("same", "valid"):
        return None
    return {
        "kernel": _two(layer.kernel_size),
        "strides": _two(layer.strides),
        "dilation": _two(layer.dilation_rate),
        "padding": layer.padding,
    }


def _two(sizes: Any) -> tuple[int, int]:
    """Return a window of two dimensions; one of a sequence has height 1."""
    given = tuple(int(size) for size in np.atleast_1d(sizes))
    return given if len(given) == 2 else (1, given[0])


def _conv(call: CallShape) -> list[Part] | None:
    window = _window(call.layer)
    if window is None:
        return None
    if call.layer.groups > 1 and np.size(call.reads[0]) == call.layer.groups:
        return [(call.family(families.DEPTHWISE, **window), call.makes, call.makes)]
    family = call.family(families.CONV, **window, groups=call.layer.groups)
    return [(family, call.reads[0], call.makes)]


def _depthwise(call: CallShape) -> list[Part] | None:
    window = _window(call.layer)
    if window is None:
        return None
    groups = call.layer.depth_multiplier
    family = call.family(families.DEPTHWISE, **window, groups=groups)
    return [(family, call.reads[0], call.makes)]


def _separable(call: CallShape) -> list[Part] | None:
    window = _window(call.layer)
    if window is None or call.layer.depth_multiplier != 1:
        return None
    first = call.family(families.DEPTHWISE, **window)
    height, width = first.output_size
    second = Family(kind=families.CONV, height=height, width=width)
    reads = call.reads[0]
    return [(first, reads, reads), (second, reads, call.makes)]


def _dense(call: CallShape) -> list[Part]:
    return [(call.family(families.DENSE), call.reads[0], call.makes)]


def _repeated(kind: str) -> Rule:
    """Return the rule of a layer that joins its inputs two by two."""
    return lambda call: [call.same(kind)] * (len(call.reads) - 1)


def _once(kind: str) -> Rule:
    return lambda call: [call.same(kind)]


def _pool(kind: str) -> Rule:
    def rule(call: CallShape) -> list[Part] | None:
        layer = call.layer
        if call.rank != 4 or layer.data_format != "channels_last":
            return None
        return [
            call.same(
                kind,
                kernel=_two(layer.pool_size),
                strides=_two(layer.strides),
                padding=layer.padding,
            )
        ]

    return rule


def _pad(call: CallShape) -> list[Part] | None:
    if call.layer.data_format != "channels_last":
        return None
    (top, bottom), (left, right) = call.layer.padding
    return [call.same(families.PAD, padding=f"{top},{bottom},{left},{right}")]


def _nothing(call: CallShape) -> list[Part]:  # noqa: ARG001 - one signature
    return []  # the activation alone


RULES: dict[str, Rule] = {
    "Activation": _nothing,
    "Add": _repeated(families.ADD),
    "AveragePooling2D": _pool(families.AVERAGE_POOL),
    "BatchNormalization": _once(families.SCALE_SHIFT),
    "Concatenate": _once(families.CONCAT),
    "Conv1D": _conv,
    "Conv2D": _conv,
    "Dense": _dense,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "GlobalAveragePooling2D": _once(families.MEAN),
    "MaxPooling2D": _pool(families.MAX_POOL),
    "Multiply": _repeated(families.MULTIPLY),
    "ReLU": _nothing,
    "Relu": _nothing,
    "Relu6": _nothing,
    "Rescaling": _once(families.SCALE_SHIFT),
    "SeparableConv2D": _separable,
    "Softmax": _nothing,
    "Subtract": _repeated(families.ADD),
    "ZeroPadding2D": _pad,
}
"""By class name, of Keras' own classes only."""


def rule_of(layer: Any) -> Rule | None:
    """Return the rule of a layer, or None if there is none that is safe to use."""
    own = type(layer).__module__.startswith("keras.")
    return RULES.get(type(layer).__name__) if own else None
