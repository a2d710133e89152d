# ruff: noqa: ARG001 - all writers have one signature
"""Write operators that compute: convolutions, sums and products, activations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfcompress.latency import families
from tfcompress.latency.families import Family
from tfcompress.latency.file_building import IN_SCALE, FileBuilder

Counts = tuple[int, int]
Sources = Sequence[int]

Writer = Callable[[FileBuilder, Family, Counts, Sources], int]
"""Adds one operator to a file and returns its output."""

_CLAMPED = {"fusedActivationFunction": 3}  # RELU6, as mobile networks have
_PADDING_CODES = {"same": 0, "valid": 1}
_FIXED = {families.LOGISTIC: (1 / 256, -128), families.TANH: (1 / 128, 0)}
_SLOPE = 0.1  # of a leaky ReLU: it costs the same whatever it is

_PLAIN: dict[str, tuple[str, tuple[str, dict[str, Any]] | None]] = {
    families.ELU: ("ELU", None),
    families.EXP: ("EXP", ("ExpOptions", {})),
    families.GELU: ("GELU", ("GeluOptions", {"approximate": False})),
    families.HARD_SWISH: ("HARD_SWISH", None),
    families.LEAKY_RELU: ("LEAKY_RELU", ("LeakyReluOptions", {"alpha": _SLOPE})),
    families.LOG: ("LOG", None),
    families.LOGISTIC: ("LOGISTIC", None),
    families.RELU: ("RELU", None),
    families.RELU6: ("RELU6", None),
    families.TANH: ("TANH", None),
}

_BINARY = {
    families.ADD: ("ADD", "AddOptions"),
    families.MAXIMUM: ("MAXIMUM", "MaximumMinimumOptions"),
    families.MINIMUM: ("MINIMUM", "MaximumMinimumOptions"),
    families.MULTIPLY: ("MUL", "MulOptions"),
    families.SUBTRACT: ("SUB", "SubOptions"),
}
_CONSTANT = {families.PLUS: families.ADD, families.TIMES: families.MULTIPLY}


def result(file: FileBuilder, family: Family, count: int) -> int:
    """Make the tensor of an image that an operator writes."""
    return file.activation((1, *family.output_size, count))


def _conv(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    reads, makes = counts
    kernel = file.kernel((makes, *family.kernel, reads // family.groups), axis=0)
    out = result(file, family, makes)
    inputs = [sources[0], kernel, file.bias(makes)]
    return file.operator(
        "CONV_2D", inputs, out, ("Conv2DOptions", _window(family, dilated=True))
    )


def _transposed(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    reads, makes = counts
    shape = file.constant(np.array([1, *family.output_size, makes], np.int32))
    kernel = file.kernel((makes, *family.kernel, reads), axis=0)
    out = result(file, family, makes)
    inputs = [shape, kernel, sources[0], file.bias(makes)]
    options = {**_window(family, dilated=False), **_CLAMPED}
    return file.operator(
        "TRANSPOSE_CONV", inputs, out, ("TransposeConvOptions", options)
    )


def _depthwise(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    makes = counts[0] * family.multiplier
    kernel = file.kernel((1, *family.kernel, makes), axis=3)
    out = result(file, family, makes)
    options = {**_window(family, dilated=True), "depthMultiplier": family.groups}
    inputs = [sources[0], kernel, file.bias(makes)]
    return file.operator(
        "DEPTHWISE_CONV_2D", inputs, out, ("DepthwiseConv2DOptions", options)
    )


def _dense(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    reads, makes = counts
    kernel = file.kernel((makes, reads), axis=0)
    out = file.activation((file.shape(sources[0])[0], makes), scale=IN_SCALE)
    return file.operator(
        "FULLY_CONNECTED",
        [sources[0], kernel, file.bias(makes)],
        out,
        ("FullyConnectedOptions", {}),
    )


def _binary(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    if len(sources) < 2:
        gated = family.kind == families.MULTIPLY
        sources = [sources[0], _gate(file, counts[0]) if gated else sources[0]]
    name, options = _BINARY[family.kind]
    out = file.activation(np.broadcast_shapes(*map(file.shape, sources)))
    fused = _CLAMPED if family.kind in families.CLAMPS else {}
    return file.operator(name, sources, out, (options, fused))


def _constant(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    name, options = _BINARY[_CONSTANT[family.kind]]
    inputs = [sources[0], file.constant(np.array(0.5))]
    out = file.activation(file.shape(sources[0]))
    return file.operator(name, inputs, out, (options, _CLAMPED))


def _gate(file: FileBuilder, count: int) -> int:
    return file.constant(np.linspace(0.1, 1, count).reshape(1, 1, 1, count))


def _scale_shift(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    shape = (1, family.height, family.width, counts[0])
    values = _gate(file, counts[0])
    scaled = file.operator(
        "MUL", [sources[0], values], file.activation(shape), ("MulOptions", {})
    )
    out = file.activation(shape)
    return file.operator("ADD", [scaled, values], out, ("AddOptions", _CLAMPED))


def _pool(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    average = family.kind == families.AVERAGE_POOL
    options = {
        **_window(family, dilated=False),
        "filterWidth": family.kernel[1],
        "filterHeight": family.kernel[0],
    }
    out = result(file, family, counts[0])
    name = "AVERAGE_POOL_2D" if average else "MAX_POOL_2D"
    return file.operator(name, [sources[0]], out, ("Pool2DOptions", options))


def _softmax(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    shape = file.shape(sources[0])
    out = file.activation(shape, scale=1 / 256, zero_point=-128)
    return file.operator(
        "SOFTMAX", [sources[0]], out, ("SoftmaxOptions", {"beta": 1.0})
    )


def _prelu(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    each = family.kind == families.PRELU_EACH
    size = (family.height, family.width) if each else (1, 1)
    slopes = np.full((*size, counts[0]), _SLOPE)
    out = file.activation(file.shape(sources[0]))
    return file.operator("PRELU", [sources[0], file.constant(slopes)], out)


def _plain(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    scale, zero_point = _FIXED.get(family.kind, (IN_SCALE, 0))
    out = file.activation(file.shape(sources[0]), scale=scale, zero_point=zero_point)
    name, options = _PLAIN[family.kind]
    return file.operator(name, [sources[0]], out, options)


WRITERS: dict[str, Writer] = {
    families.CONV: _conv,
    families.CONV_TRANSPOSE: _transposed,
    families.DEPTHWISE: _depthwise,
    families.DENSE: _dense,
    families.SCALE_SHIFT: _scale_shift,
    families.MAX_POOL: _pool,
    families.AVERAGE_POOL: _pool,
    families.SOFTMAX: _softmax,
    families.PRELU: _prelu,
    families.PRELU_EACH: _prelu,
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_CONSTANT, _constant),
    **dict.fromkeys(_PLAIN, _plain),
}
"""By kind."""


def _window(family: Family, *, dilated: bool) -> dict[str, int]:
    found = {
        "padding": _PADDING_CODES[family.padding],
        "strideH": family.strides[0],
        "strideW": family.strides[1],
    }
    if dilated:  # a convolution: pools have neither dilation nor a fused activation
        found["dilationHFactor"], found["dilationWFactor"] = family.dilation
        found.update(_CLAMPED)
    return found
