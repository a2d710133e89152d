"""Write the file that times one operator: some copies of it, side by side.

The copies read one input; each has weights of its own.  Their number makes a quick
operator long enough for a clock, spreads what one call of the runtime costs, and keeps
the weights of a large layer from lying ready in the nearest cache, where a network's do
not lie either.
"""

from __future__ import annotations

import math

import numpy as np

from tfcompress import errors
from tfcompress.latency import families
from tfcompress.latency.families import Family
from tfcompress.latency.file_building import IN_SCALE, WEIGHT_SCALE, FileBuilder

Counts = tuple[int, int]

PRECISIONS = {"float32": "float32", "float16": "float32", "int8": "int8"}
"""How the operators of a recipe compute: float16 is a way to store floats."""

_CLAMPED = {"fusedActivationFunction": 3}  # RELU6, as mobile networks have
_PADDING_CODES = {"same": 0, "valid": 1}
_FIXED = {families.LOGISTIC: (1 / 256, -128), families.TANH: (1 / 128, 0)}
_PLAIN = {
    families.RELU: "RELU",
    families.RELU6: "RELU6",
    families.LOGISTIC: "LOGISTIC",
    families.HARD_SWISH: "HARD_SWISH",
    families.TANH: "TANH",
}


def write_operator(
    family: Family, counts: Counts, *, recipe: str = "float32", copies: int = 1
) -> bytes:
    """Return a file with some copies of one operator.

    Args:
        family: The operator.
        counts: Channels in and out; equal for kinds that keep them.
        recipe: One of `PRECISIONS`.
        copies: How many.

    Raises:
        ConfigError: If the recipe has no such operators.
        ValueError: If the kind is unknown.

    Example:
        >>> from tfcompress.tflite import inspect
        >>> conv = Family(kind="conv", height=8, width=8, kernel=(3, 3))
        >>> found = inspect(write_operator(conv, (4, 16), copies=2))
        >>> found.operator_counts, found.macs
        ({'CONV_2D': 2}, 73728)
    """
    if recipe not in PRECISIONS:
        raise errors.ConfigError(
            f"There are no latency tables of this recipe. Received: recipe={recipe!r}; "
            f"expected one of {', '.join(PRECISIONS)}. Measure whole files of other "
            "recipes with `tfcompress benchmark`."
        )
    file = FileBuilder("int8" if PRECISIONS[recipe] == "int8" else "float32")
    write = _WRITERS.get(family.kind)
    if write is None and family.kind not in _PLAIN:
        raise ValueError(
            f"Unknown kind of operator. Received: {family.kind!r}; expected one of "
            f"{', '.join([*_WRITERS, *_PLAIN])}."
        )
    source = file.activation(_input_shape(family, counts[0]))
    write = write or _plain
    outputs = [write(file, family, counts, source) for _ in range(copies)]
    return file.finish([source], outputs)


def _input_shape(family: Family, count: int) -> tuple[int, ...]:
    if family.kind in (families.DENSE, families.SOFTMAX):
        return (family.height * family.width, count)
    return (1, family.height, family.width, count)


def _result(file: FileBuilder, family: Family, count: int, scale: float) -> int:
    return file.activation((1, *family.output_size, count), scale=scale)


def _conv(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    reads, makes = counts
    reach = math.prod(family.kernel) * reads // family.groups
    kernel = file.kernel((makes, *family.kernel, reads // family.groups), axis=0)
    out = _result(file, family, makes, _sum_scale(reach))
    inputs = [source, kernel, file.bias(makes)]
    return file.operator(
        "CONV_2D", inputs, out, ("Conv2DOptions", _window(family, dilated=True))
    )


def _depthwise(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    makes = counts[0] * family.groups
    kernel = file.kernel((1, *family.kernel, makes), axis=3)
    out = _result(file, family, makes, _sum_scale(math.prod(family.kernel)))
    options = {**_window(family, dilated=True), "depthMultiplier": family.groups}
    inputs = [source, kernel, file.bias(makes)]
    return file.operator(
        "DEPTHWISE_CONV_2D", inputs, out, ("DepthwiseConv2DOptions", options)
    )


def _dense(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    reads, makes = counts
    kernel = file.kernel((makes, reads), axis=0)
    out = file.activation((file.shape(source)[0], makes), scale=_sum_scale(reads))
    return file.operator(
        "FULLY_CONNECTED",
        [source, kernel, file.bias(makes)],
        out,
        ("FullyConnectedOptions", {}),
    )


def _binary(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    other = source if family.kind == families.ADD else _gate(file, counts[0])
    name, options = _BINARY[family.kind]
    out = _result(file, family, counts[0], 2 * IN_SCALE)
    return file.operator(name, [source, other], out, (options, _CLAMPED))


_BINARY = {
    families.ADD: ("ADD", "AddOptions"),
    families.MULTIPLY: ("MUL", "MulOptions"),
}


def _gate(file: FileBuilder, count: int) -> int:
    return file.constant(np.linspace(0.1, 1, count).reshape(1, 1, 1, count))


def _scale_shift(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    shape = (1, family.height, family.width, counts[0])
    values = _gate(file, counts[0])
    scaled = file.operator(
        "MUL", [source, values], file.activation(shape), ("MulOptions", {})
    )
    out = file.activation(shape, scale=2 * IN_SCALE)
    return file.operator("ADD", [scaled, values], out, ("AddOptions", _CLAMPED))


def _concat(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    """Join the input with itself: half of the channels come from either."""
    out = _result(file, family, 2 * counts[0], IN_SCALE)
    options = ("ConcatenationOptions", {"axis": 3})
    return file.operator("CONCATENATION", [source, source], out, options)


def _mean(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:  # noqa: ARG001 - one signature
    axes = file.constant(np.array([1, 2], np.int32))
    out = file.activation((1, counts[0]))
    return file.operator(
        "MEAN", [source, axes], out, ("ReducerOptions", {"keepDims": False})
    )


def _pool(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    average = family.kind == families.AVERAGE_POOL
    options = {
        **_window(family, dilated=False),
        "filterWidth": family.kernel[1],
        "filterHeight": family.kernel[0],
    }
    out = _result(file, family, counts[0], IN_SCALE)
    name = "AVERAGE_POOL_2D" if average else "MAX_POOL_2D"
    return file.operator(name, [source], out, ("Pool2DOptions", options))


def _pad(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:
    top, bottom, left, right = map(int, family.padding.split(","))
    added = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    out = _result(file, family, counts[0], IN_SCALE)
    inputs = [source, file.constant(added)]
    return file.operator("PAD", inputs, out, ("PadOptions", {}))


def _softmax(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:  # noqa: ARG001 - one signature
    shape = file.shape(source)
    out = file.activation(shape, scale=1 / 256, zero_point=-128)
    return file.operator("SOFTMAX", [source], out, ("SoftmaxOptions", {"beta": 1.0}))


def _plain(file: FileBuilder, family: Family, counts: Counts, source: int) -> int:  # noqa: ARG001 - one signature
    scale, zero_point = _FIXED.get(family.kind, (IN_SCALE, 0))
    out = file.activation(file.shape(source), scale=scale, zero_point=zero_point)
    return file.operator(_PLAIN[family.kind], [source], out)


_WRITERS = {
    families.CONV: _conv,
    families.DEPTHWISE: _depthwise,
    families.DENSE: _dense,
    families.ADD: _binary,
    families.MULTIPLY: _binary,
    families.SCALE_SHIFT: _scale_shift,
    families.CONCAT: _concat,
    families.MEAN: _mean,
    families.MAX_POOL: _pool,
    families.AVERAGE_POOL: _pool,
    families.PAD: _pad,
    families.SOFTMAX: _softmax,
}


def _sum_scale(reach: int) -> float:
    """Return an output scale that a sum of so many products fits in."""
    return IN_SCALE * WEIGHT_SCALE * 127 * math.sqrt(reach)


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
