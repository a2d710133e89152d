"""Which channel counts are measured: all small ones, then ever fewer.

What lies between two of them is interpolated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from tfcompress.config import Config, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid(Config):
    """The channel counts of one side of an operator.

    Example:
        >>> Grid().knots([160])
        (8, 16, 24, 32, 48, 64, 96, 144, 160)
        >>> Grid().knots([3, 16])  # what a fixed input has, and a group of 16
        (3, 8, 16)
    """

    step: int = 8  # channels: the block that plans are rounded to
    dense_until: int = 32  # channels: up to here every multiple of the step
    ratio: float = 1.5  # of two neighbours above, at most

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(self.step >= 1, "step", self.step, "1 or more")
        require(
            self.dense_until >= self.step, "dense_until", self.dense_until, "step up"
        )
        require(self.ratio > 1, "ratio", self.ratio, "above 1")

    def knots(self, sizes: Iterable[int]) -> tuple[int, ...]:
        """Return the counts to measure for widths of these whole sizes.

        Args:
            sizes: Widths of the whole model; each is a knot itself.
        """
        sizes = set(sizes)
        most = max(sizes)
        found = set(sizes)
        count = self.step
        while count < most:
            found.add(count)
            count = self._after(count)
        return tuple(sorted(found))

    def _after(self, count: int) -> int:
        if count < self.dense_until:
            return count + self.step
        wanted = 2 * self.step * int(count * self.ratio / (2 * self.step))
        return max(count + self.step, wanted)
