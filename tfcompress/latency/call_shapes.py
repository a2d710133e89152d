"""What a rule that finds the operators of a layer is told, and answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tfcompress.graph.atoms import IntArray
from tfcompress.latency.families import Family

Width = IntArray | int
"""Channels of one side of an operator: which ones, or a fixed number."""

Part = tuple[Family, Width, Width]
"""An operator of a layer: what it is, what it reads, what it makes."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CallShape:
    """What a rule sees of one call.

    Attributes:
        layer: The Keras layer or operation.
        sizes: Height and width of each input; (1, 1) for a vector.
        reads: Channels of each input.
        makes: Channels of the output.
        made_size: Height and width of the output.
        shape: Of the first input, without the batch.
    """

    layer: Any
    sizes: tuple[tuple[int, int], ...]
    reads: tuple[Width, ...]
    makes: Width
    made_size: tuple[int, int]
    shape: tuple[int, ...]

    def family(self, kind: str, **fields: Any) -> Family:
        """Return a family on this call's largest input."""
        height, width = max(self.sizes)
        return Family(kind=kind, height=height, width=width, **fields)

    def same(self, kind: str, **fields: Any) -> Part:
        """Return an operator that keeps the channels."""
        return (self.family(kind, **fields), self.makes, self.makes)


Rule = Callable[[CallShape], list[Part] | None]
"""Returns the operators of a call, or None where it does not know them."""


def two(sizes: Any) -> tuple[int, int]:
    """Return a window of two dimensions; one of a sequence has height 1."""
    given = tuple(int(size) for size in np.atleast_1d(sizes))
    return given if len(given) == 2 else (1, given[0])
