"""What an operator is, with its channel counts left open.

A pruned network runs the operators of the whole one with fewer channels.  A *family* is
everything about an operator but those counts: its kind, the image that it reads and
its window.  Two layers of two models that are of one family share one row of a latency
table.  An activation that is fused into an operator costs nothing that can be measured
(every kernel of XNNPACK clamps), so it is no part of the family.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from tfcompress import errors

CONV, DEPTHWISE, DENSE = "conv", "depthwise", "dense"
CONV_TRANSPOSE = "conv_transpose"
ADD, SUBTRACT, MULTIPLY = "add", "subtract", "multiply"
MAXIMUM, MINIMUM = "maximum", "minimum"
PLUS, TIMES, SCALE_SHIFT = "plus", "times", "scale_shift"  # constants
MEAN, MAX, MAX_POOL, AVERAGE_POOL = "mean", "max", "max_pool", "average_pool"
CONCAT, STACK = "concat", "stack"  # of channels, of positions
PAD, CROP, TRANSPOSE, SHUFFLE = "pad", "crop", "transpose", "shuffle"
REPEAT, RESIZE_BILINEAR, RESIZE_NEAREST = "repeat", "resize_bilinear", "resize_nearest"
RELU, RELU6, SOFTMAX, LOGISTIC = "relu", "relu6", "softmax", "logistic"
HARD_SWISH, TANH, EXP, LOG = "hard_swish", "tanh", "exp", "log"
LEAKY_RELU, ELU, GELU = "leaky_relu", "elu", "gelu"
PRELU, PRELU_EACH = "prelu", "prelu_each"  # a slope per channel, per number

FOLDS = frozenset({CONV, DEPTHWISE, DENSE, CONV_TRANSPOSE})
"""Kinds that a BatchNorm folds into."""

BINARY = frozenset({ADD, SUBTRACT, MULTIPLY, MAXIMUM, MINIMUM})
"""Kinds that join two tensors."""

JOINS = frozenset({CONCAT, STACK})
"""Kinds that put any number of tensors beside each other."""

CLAMPS = FOLDS | {
    ADD,
    SUBTRACT,
    MULTIPLY,
    PLUS,
    TIMES,
    SCALE_SHIFT,
    MAX_POOL,
    AVERAGE_POOL,
}
"""Kinds that a ReLU fuses into."""

WINDOWED = frozenset({CONV, DEPTHWISE, CONV_TRANSPOSE, MAX_POOL, AVERAGE_POOL})
"""Kinds that slide a window over the image."""

ANY_SHAPE = (
    BINARY
    | JOINS
    | {PLUS, TIMES, SOFTMAX, RELU, RELU6, LOGISTIC, HARD_SWISH, TANH}
    | {LEAKY_RELU, ELU, GELU, PRELU, EXP, LOG}
)
"""Kinds that take a tensor as it is; what the others read has the family's shape."""

TWO_COUNTS = frozenset({CONV, DENSE, CONV_TRANSPOSE})
"""Kinds that read some number of channels and make another; the others keep it."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Family:
    """One kind of operator on one size of image.

    Attributes:
        kind: One of this module's kinds.
        height: Of the input image, 1 for a vector.
        width: Of the input image.
        kernel: Window of a convolution or pooling.
        strides: Of the window; of `REPEAT`, how often each row and column.
        dilation: Of the window.
        padding: ``"same"`` or ``"valid"``; of `PAD` and `CROP`, what is added or taken
            away: ``"top,bottom,left,right"``; of a resize, the new size:
            ``"height,width"``.
        groups: Of a grouped convolution or a shuffle; of a depthwise convolution, the
            multiplier.
    """

    kind: str
    height: int = 1
    width: int = 1
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = "same"
    groups: int = 1

    @property
    def key(self) -> str:
        """Return a short, stable name, the key of a table's row.

        Example:
            >>> Family(kind=CONV, height=8, width=8, kernel=(3, 3)).key
            'conv 8x8 3x3 /1x1'
            >>> Family(kind=ADD, height=8, width=8).key
            'add 8x8'
        """
        words = [self.kind, f"{self.height}x{self.width}"]
        if self.kind == REPEAT:
            words.append(f"x{_pair(self.strides)}")
        if self.kind in WINDOWED:
            words += [_pair(self.kernel), f"/{_pair(self.strides)}"]
        if self.dilation != (1, 1):
            words.append(f"dilation {_pair(self.dilation)}")
        if self.groups != 1:
            words.append(f"groups {self.groups}")
        if self.padding != "same":
            words.append(self.padding)
        return " ".join(words)

    @property
    def output_size(self) -> tuple[int, int]:
        """Return height and width of the output."""
        size = _SIZES.get(self.kind)
        if size is not None:
            return size(self)
        return (
            _reduced(self, self.height, axis=0),
            _reduced(self, self.width, axis=1),
        )

    @property
    def multiplier(self) -> int:
        """Return the channels out per channel in, of a kind with one count."""
        return self.groups if self.kind == DEPTHWISE else 1

    def per_channel(self) -> tuple[float, float, float, float]:
        """Return how weights and activations grow with the channels.

        Returns:
            Weights per pair of a channel in and one out, weights per channel out;
            activations read per channel in, written per channel out.
        """
        window = math.prod(self.kernel)
        reads = float(self.height * self.width)
        pairs = {
            CONV: window / self.groups,
            CONV_TRANSPOSE: float(window),
            DENSE: 1.0,
        }.get(self.kind, 0.0)
        singles = {
            DEPTHWISE: float(window),
            SCALE_SHIFT: 2.0,
            PRELU: 1.0,
            PRELU_EACH: reads,
        }.get(self.kind, 0.0)
        return pairs, singles, reads, float(math.prod(self.output_size))

    def macs(self, counts: tuple[int, int]) -> float:
        """Return the multiply-accumulates of one run.

        Args:
            counts: Channels in and out.
        """
        pairs, singles, read, made = self.per_channel()
        positions = read if self.kind == CONV_TRANSPOSE else made
        return (pairs * counts[0] + singles) * counts[1] * positions

    def to_dict(self) -> dict[str, Any]:
        """Return the family as plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Family:
        """Rebuild a family from `to_dict`.

        Raises:
            DataError: If it has other fields.
        """
        try:
            fields: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in values.items()
            }
            return cls(**fields)
        except TypeError as error:
            raise errors.DataError(
                f"This is no family of a latency table. Received: {values} ({error}). "
                "Build the table again with `tfcompress latency`."
            ) from error


def _padded(family: Family) -> tuple[int, int]:
    top, bottom, left, right = _numbers(family)
    return (family.height + top + bottom, family.width + left + right)


def _cropped(family: Family) -> tuple[int, int]:
    top, bottom, left, right = _numbers(family)
    return (family.height - top - bottom, family.width - left - right)


def _resized(family: Family) -> tuple[int, int]:
    height, width = _numbers(family)
    return (height, width)


def _repeated(family: Family) -> tuple[int, int]:
    return (family.height * family.strides[0], family.width * family.strides[1])


def _enlarged(family: Family) -> tuple[int, int]:
    """Return the size after a transposed convolution, as Keras has it."""
    height, width = _repeated(family)
    if family.padding == "same":
        return (height, width)
    beyond = [max(k - s, 0) for k, s in zip(family.kernel, family.strides, strict=True)]
    return (height + beyond[0], width + beyond[1])


def _numbers(family: Family) -> list[int]:
    return [int(word) for word in family.padding.split(",")]


_SIZES: dict[str, Callable[[Family], tuple[int, int]]] = {
    CONV_TRANSPOSE: _enlarged,
    CROP: _cropped,
    MAX: lambda family: (1, 1),  # noqa: ARG005 - one signature
    MEAN: lambda family: (1, 1),  # noqa: ARG005 - one signature
    PAD: _padded,
    REPEAT: _repeated,
    RESIZE_BILINEAR: _resized,
    RESIZE_NEAREST: _resized,
    TRANSPOSE: lambda family: (family.width, family.height),
}


def _reduced(family: Family, size: int, *, axis: int) -> int:
    stride = family.strides[axis]
    if family.padding == "same":
        return -(-size // stride)
    window = (family.kernel[axis] - 1) * family.dilation[axis] + 1
    return (size - window) // stride + 1


def _pair(sizes: tuple[int, int]) -> str:
    return f"{sizes[0]}x{sizes[1]}"
