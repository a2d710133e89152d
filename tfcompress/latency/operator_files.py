# ruff: noqa: ARG001 - all writers have one signature
"""Write the file that times one operator: some copies of it, side by side.

The copies read one input; each has weights of its own.  Their number makes a quick
operator long enough for a clock, spreads what one call of the runtime costs, and keeps
the weights of a large layer from lying ready in the nearest cache, where a network's do
not lie either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tfcompress import errors
from tfcompress.latency import families
from tfcompress.latency.families import Family
from tfcompress.latency.file_building import IN_SCALE, FileBuilder, Precision

Counts = tuple[int, int]
Sources = Sequence[int]

PRECISIONS: Mapping[str, Precision] = {
    "float32": "float32",
    "float16": "float32",
    "int8": "int8",
}
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
    precision = precision_of(recipe)
    file = FileBuilder(precision)
    source = file.activation(_input_shape(family, counts[0]))
    outputs = [write(file, family, counts, [source]) for _ in range(copies)]
    return file.finish([source], outputs)


def precision_of(recipe: str) -> Precision:
    """Return how the operators of a recipe compute.

    Raises:
        ConfigError: If there are no latency tables of this recipe.
    """
    found = PRECISIONS.get(recipe)
    if found is None:
        raise errors.ConfigError(
            f"There are no latency tables of this recipe. Received: recipe={recipe!r}; "
            f"expected one of {', '.join(PRECISIONS)}. Measure whole files of other "
            "recipes with `tfcompress benchmark`."
        )
    return found


def write(
    file: FileBuilder, family: Family, counts: Counts, sources: Sequence[int]
) -> int:
    """Add one operator to a file and return its output.

    Args:
        file: The file.
        family: What it is.
        counts: Channels in and out.
        sources: What it reads; the first is reshaped if it has to be. An operator of
            two tensors that is given one joins it with itself or with a constant.

    Raises:
        ValueError: If the kind is unknown.
    """
    writer = _WRITERS.get(family.kind, _plain if family.kind in _PLAIN else None)
    if writer is None:
        raise ValueError(
            f"Unknown kind of operator. Received: {family.kind!r}; expected one of "
            f"{', '.join([*_WRITERS, *_PLAIN])}."
        )
    first = sources[0]
    if family.kind != families.CONCAT:
        first = _reshaped(file, first, _input_shape(family, counts[0]))
    return writer(file, family, counts, [first, *sources[1:]])


def _reshaped(file: FileBuilder, source: int, shape: tuple[int, ...]) -> int:
    given = file.shape(source)
    if given == shape or math.prod(given) != math.prod(shape):
        return source  # an input that is broadcast keeps its own shape
    inputs = [source, file.constant(np.array(shape, np.int32))]
    return file.operator("RESHAPE", inputs, file.activation(shape))


def _input_shape(family: Family, count: int) -> tuple[int, ...]:
    if family.kind == families.CONCAT:
        count //= 2
    if family.kind in (families.DENSE, families.SOFTMAX):
        return (family.height * family.width, count)
    return (1, family.height, family.width, count)


def _result(file: FileBuilder, family: Family, count: int) -> int:
    return file.activation((1, *family.output_size, count))


def _conv(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    reads, makes = counts
    kernel = file.kernel((makes, *family.kernel, reads // family.groups), axis=0)
    out = _result(file, family, makes)
    inputs = [sources[0], kernel, file.bias(makes)]
    return file.operator(
        "CONV_2D", inputs, out, ("Conv2DOptions", _window(family, dilated=True))
    )


def _depthwise(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    makes = counts[0] * family.groups
    kernel = file.kernel((1, *family.kernel, makes), axis=3)
    out = _result(file, family, makes)
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
    out = _result(file, family, counts[0])
    return file.operator(name, sources, out, (options, _CLAMPED))


_BINARY = {
    families.ADD: ("ADD", "AddOptions"),
    families.MULTIPLY: ("MUL", "MulOptions"),
}


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


def _concat(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    """Join the inputs; one alone with itself, half of the channels from either."""
    parts = list(sources) if len(sources) > 1 else [sources[0]] * 2
    out = _result(file, family, sum(file.shape(part)[-1] for part in parts))
    options = ("ConcatenationOptions", {"axis": 3})
    return file.operator("CONCATENATION", parts, out, options)


def _mean(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    axes = file.constant(np.array([1, 2], np.int32))
    out = file.activation((1, counts[0]))
    return file.operator(
        "MEAN", [sources[0], axes], out, ("ReducerOptions", {"keepDims": False})
    )


def _pool(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    average = family.kind == families.AVERAGE_POOL
    options = {
        **_window(family, dilated=False),
        "filterWidth": family.kernel[1],
        "filterHeight": family.kernel[0],
    }
    out = _result(file, family, counts[0])
    name = "AVERAGE_POOL_2D" if average else "MAX_POOL_2D"
    return file.operator(name, [sources[0]], out, ("Pool2DOptions", options))


def _pad(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    top, bottom, left, right = map(int, family.padding.split(","))
    added = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    out = _result(file, family, counts[0])
    inputs = [sources[0], file.constant(added)]
    return file.operator("PAD", inputs, out, ("PadOptions", {}))


def _softmax(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    shape = file.shape(sources[0])
    out = file.activation(shape, scale=1 / 256, zero_point=-128)
    return file.operator(
        "SOFTMAX", [sources[0]], out, ("SoftmaxOptions", {"beta": 1.0})
    )


def _plain(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    scale, zero_point = _FIXED.get(family.kind, (IN_SCALE, 0))
    out = file.activation(file.shape(sources[0]), scale=scale, zero_point=zero_point)
    return file.operator(_PLAIN[family.kind], [sources[0]], out)


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
