"""Per Keras layer class: which families of operators the converter makes of it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from tfcompress.latency import families
from tfcompress.latency.activation_families import ALONE
from tfcompress.latency.call_shapes import CallShape, Part, Rule, two
from tfcompress.latency.families import Family
from tfcompress.latency.shape_families import (
    bordered,
    concatenate,
    permute,
    reduced,
    resizing,
    shuffle,
    upsampling,
)

FREE = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "ExpandDims",
        "Flatten",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "InputLayer",
        "Reshape",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "Squeeze",
    }
)
"""Keras' own classes that cost nothing."""


_ARITHMETIC = frozenset({"Add", "Divide", "Multiply", "Subtract", "TrueDivide"})


def is_norm(layer: Any) -> bool:
    """Tell whether a layer is a BatchNorm over the last axis."""
    return isinstance(layer, keras.layers.BatchNormalization)


def _window(layer: Any) -> dict[str, Any] | None:
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    if layer.padding not in ("same", "valid"):
        return None
    return {
        "kernel": two(layer.kernel_size),
        "strides": two(layer.strides),
        "dilation": two(layer.dilation_rate),
        "padding": layer.padding,
    }


def _conv(call: CallShape) -> list[Part] | None:
    window = _window(call.layer)
    if window is None:
        return None
    if call.layer.groups > 1 and np.size(call.reads[0]) == call.layer.groups:
        multiplier = call.layer.filters // call.layer.groups
        family = call.family(families.DEPTHWISE, **window, groups=multiplier)
        return [(family, call.reads[0], call.makes)]
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


def _transposed(call: CallShape) -> list[Part] | None:
    window = _window(call.layer)
    if window is None or window["dilation"] != (1, 1):
        return None
    family = call.family(families.CONV_TRANSPOSE, **window)
    if family.output_size != call.made_size:  # `output_padding`
        return None
    return [(family, call.reads[0], call.makes)]


def _dense(call: CallShape) -> list[Part]:
    return [(call.family(families.DENSE), call.reads[0], call.makes)]


def _repeated(kind: str, *, constant: str | None = None) -> Rule:
    """Return the rule of what joins its inputs two by two, or one with a constant."""

    def rule(call: CallShape) -> list[Part] | None:
        if len(call.reads) == 1:
            return None if constant is None else [call.same(constant)]
        return [call.same(kind)] * (len(call.reads) - 1)

    return rule


def _average(call: CallShape) -> list[Part]:
    return [call.same(families.ADD)] * (len(call.reads) - 1) + [
        call.same(families.TIMES)
    ]


def _scaled(call: CallShape) -> list[Part] | None:
    """Return the rule of a division, which by a number is a product."""
    return [call.same(families.TIMES)] if len(call.reads) == 1 else None


def _once(kind: str) -> Rule:
    return lambda call: [call.same(kind)]


def _pool(kind: str) -> Rule:
    def rule(call: CallShape) -> list[Part] | None:
        layer = call.layer
        if len(call.shape) != 3 or layer.data_format != "channels_last":
            return None
        return [
            call.same(
                kind,
                kernel=two(layer.pool_size),
                strides=two(layer.strides),
                padding=layer.padding,
            )
        ]

    return rule


def _nothing(call: CallShape) -> list[Part]:  # noqa: ARG001 - one signature
    return []  # the activation alone


RULES: dict[str, Rule] = {
    **dict.fromkeys(ALONE, _nothing),
    "Add": _repeated(families.ADD, constant=families.PLUS),
    "Average": _average,
    "AveragePooling2D": _pool(families.AVERAGE_POOL),
    "BatchNormalization": _once(families.SCALE_SHIFT),
    "Concatenate": concatenate,
    "Conv1D": _conv,
    "Conv2D": _conv,
    "Conv2DTranspose": _transposed,
    "Cropping2D": bordered(families.CROP, "cropping"),
    "Dense": _dense,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "Divide": _scaled,
    "GlobalAveragePooling2D": _once(families.MEAN),
    "GlobalMaxPooling2D": _once(families.MAX),
    "MaxPooling2D": _pool(families.MAX_POOL),
    "Maximum": _repeated(families.MAXIMUM),
    "Mean": reduced(families.MEAN),
    "Minimum": _repeated(families.MINIMUM),
    "Multiply": _repeated(families.MULTIPLY, constant=families.TIMES),
    "Permute": permute,
    "Rescaling": _once(families.SCALE_SHIFT),
    "Resizing": resizing,
    "SeparableConv2D": _separable,
    "Subtract": _repeated(families.SUBTRACT, constant=families.PLUS),
    "Transpose": permute,
    "TrueDivide": _scaled,
    "UpSampling2D": upsampling,
    "ZeroPadding2D": bordered(families.PAD, "padding"),
}
"""By class name, of Keras' own classes only."""

_OTHERS: dict[str, Rule] = {"tfcompress.zoo.shufflenet.ChannelShuffle": shuffle}
"""By module and name."""


def rule_of(layer: Any) -> Rule | None:
    """Return the rule of a layer, or None if there is none that is safe to use."""
    kind = type(layer)
    if is_keras(layer):
        return RULES.get(kind.__name__)
    return _OTHERS.get(f"{kind.__module__}.{kind.__name__}")


def is_free(layer: Any) -> bool:
    """Tell whether a layer costs nothing."""
    return is_keras(layer) and type(layer).__name__ in FREE


def is_alone(layer: Any) -> bool:
    """Tell whether a layer is nothing but an activation."""
    return is_keras(layer) and type(layer).__name__ in ALONE


def is_arithmetic(layer: Any) -> bool:
    """Tell whether a layer adds or multiplies, perhaps a number."""
    return is_keras(layer) and type(layer).__name__ in _ARITHMETIC


def is_keras(layer: Any) -> bool:
    """Tell whether a layer's class is one of Keras' own."""
    return type(layer).__module__.startswith("keras.")
