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
from typing import Any

from tfcompress import errors

CONV, DEPTHWISE, DENSE = "conv", "depthwise", "dense"
ADD, MULTIPLY, SCALE_SHIFT, CONCAT = "add", "multiply", "scale_shift", "concat"
MEAN, MAX_POOL, AVERAGE_POOL, PAD = "mean", "max_pool", "average_pool", "pad"
RELU, RELU6, SOFTMAX, LOGISTIC = "relu", "relu6", "softmax", "logistic"
HARD_SWISH, TANH = "hard_swish", "tanh"

FOLDS = frozenset({CONV, DEPTHWISE, DENSE})
"""Kinds that a BatchNorm folds into."""

CLAMPS = FOLDS | {ADD, MULTIPLY, SCALE_SHIFT}
"""Kinds that a ReLU fuses into."""

BINARY = frozenset({ADD, MULTIPLY})
"""Kinds that join two tensors."""

TWO_COUNTS = frozenset({CONV, DENSE})
"""Kinds that read some number of channels and make another; the others keep it."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Family:
    """One kind of operator on one size of image.

    Attributes:
        kind: One of this module's kinds.
        height: Of the input image, 1 for a vector.
        width: Of the input image.
        kernel: Window of a convolution or pooling.
        strides: Of the window.
        dilation: Of the window.
        padding: ``"same"`` or ``"valid"``; of `PAD`, what is added: ``"top,bottom,
            left,right"``.
        groups: Of a grouped convolution; of a depthwise one, the multiplier.
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
        if self.kind in (CONV, DEPTHWISE, MAX_POOL, AVERAGE_POOL):
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
        if self.kind == MEAN:
            return (1, 1)
        if self.kind == PAD:
            top, bottom, left, right = map(int, self.padding.split(","))
            return (self.height + top + bottom, self.width + left + right)
        return (
            _reduced(self, self.height, axis=0),
            _reduced(self, self.width, axis=1),
        )

    def per_channel(self) -> tuple[float, float, float, float]:
        """Return how weights and activations grow with the channels.

        Returns:
            Weights per pair of a channel in and one out, weights per channel out;
            activations read per channel in, written per channel out.
        """
        window = math.prod(self.kernel)
        pairs = {CONV: window / self.groups, DENSE: 1.0}.get(self.kind, 0.0)
        singles = {DEPTHWISE: window, SCALE_SHIFT: 2.0}.get(self.kind, 0.0)
        reads = float(self.height * self.width)
        return pairs, singles, reads, float(math.prod(self.output_size))

    def macs(self, counts: tuple[int, int]) -> float:
        """Return the multiply-accumulates of one run.

        Args:
            counts: Channels in and out.
        """
        pairs, singles, _, positions = self.per_channel()
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


def _reduced(family: Family, size: int, *, axis: int) -> int:
    stride = family.strides[axis]
    if family.padding == "same":
        return -(-size // stride)
    window = (family.kernel[axis] - 1) * family.dilation[axis] + 1
    return (size - window) // stride + 1


def _pair(sizes: tuple[int, int]) -> str:
    return f"{sizes[0]}x{sizes[1]}"
