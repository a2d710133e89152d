"""Multiply-accumulates of a .tflite operator, from the shapes in the file.

As everywhere in the toolkit: kernel times output, 1 MAC = 2 FLOPs, the additions of a
bias, pooling, activations and element-wise operators count 0.  An operator that
multiplies but whose work cannot be read from shapes (recurrent, control flow, custom)
is unknown, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Shape = Sequence[int]

# Work inside that the shapes in the file do not tell.
UNKNOWN = frozenset(
    {
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "CALL",
        "CALL_ONCE",
        "DELEGATE",
        "HASHTABLE_LOOKUP",
        "IF",
        "LSTM",
        "RFFT2D",
        "RNN",
        "STABLEHLO_COMPOSITE",
        "STABLEHLO_CONVOLUTION",
        "STABLEHLO_CUSTOM_CALL",
        "STABLEHLO_DOT_GENERAL",
        "STABLEHLO_WHILE",
        "SVDF",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        "WHILE",
    }
)


def count(
    name: str, inputs: Sequence[Shape], outputs: Sequence[Shape], *, flag: int = 0
) -> int | None:
    """Return the MACs of one operator, or None if they cannot be known.

    Args:
        name: The operator, such as ``CONV_2D``.
        inputs: Shapes of the inputs, ``()`` for one that is left out.
        outputs: Shapes of the outputs.
        flag: The first option, ``adj_x`` of a BATCH_MATMUL.

    Example:
        >>> count("CONV_2D", [(1, 8, 8, 3), (16, 3, 3, 3), (16,)], [(1, 8, 8, 16)])
        27648
        >>> count("RELU", [(1, 8)], [(1, 8)])
        0
    """
    if name in UNKNOWN or name.startswith("CUSTOM:"):
        return None
    rule = _RULES.get(name)
    return rule(inputs, outputs, flag) if rule else 0


def _convolution(inputs: Sequence[Shape], outputs: Sequence[Shape], _: int) -> int:
    return math.prod(outputs[0]) * math.prod(inputs[1][1:])  # kernel [out, ..., in]


def _depthwise(inputs: Sequence[Shape], outputs: Sequence[Shape], _: int) -> int:
    return math.prod(outputs[0]) * math.prod(inputs[1][1:3])  # kernel [1, kh, kw, out]


def _convolution_3d(inputs: Sequence[Shape], outputs: Sequence[Shape], _: int) -> int:
    return math.prod(outputs[0]) * math.prod(inputs[1][:4])  # [kd, kh, kw, in, out]


# Transposed ones take (output shape, kernel, input): work per item of the input.
def _transposed(inputs: Sequence[Shape], _: Sequence[Shape], __: int) -> int:
    return math.prod(inputs[2]) * math.prod(inputs[1][:3])  # kernel [out, kh, kw, in]


def _transposed_3d(inputs: Sequence[Shape], _: Sequence[Shape], __: int) -> int:
    return math.prod(inputs[2]) * math.prod(inputs[1][:4])  # [kd, kh, kw, out, in]


def _matmul(inputs: Sequence[Shape], outputs: Sequence[Shape], adj_x: int) -> int:
    return math.prod(outputs[0]) * inputs[0][-2 if adj_x else -1]


_RULES = {
    "BATCH_MATMUL": _matmul,
    "CONV_2D": _convolution,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed_3d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _convolution,
    "TRANSPOSE_CONV": _transposed,
}
