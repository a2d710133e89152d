"""What is kept of a consumer's features, so that any plan can be solved from it.

Two forms with the same answer: `GramStatistics` holds XᵀX and XᵀY, whatever the number
of rows; `RowStatistics` holds the rows, where they are fewer than the columns or the
Gram matrix has no room.  XᵀY is not gathered: Y = X W by the layer's own weights, so
XᵀY = XᵀX W to the last digit.
"""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.channels import least_squares

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

PANEL = 512
"""Columns of a Gram matrix that are touched at a time: bounds what is copied."""

CONSTANT = 1e-12
"""Variance over mean square below which a column varies by rounding alone."""


class Statistics(abc.ABC):
    """Features of one consumer, gathered batch by batch.

    Args:
        old: The consumer's matrix, `[blocks, columns, out]`.
        centred: Whether the means go into an intercept.
    """

    def __init__(self, old: Array, *, centred: bool) -> None:
        self._centred = centred
        self._count = 0
        self._scale = np.ones(old.shape[:2])
        self._old = old
        self.mean = np.zeros(old.shape[:2])

    @property
    @abc.abstractmethod
    def nbytes(self) -> int:
        """Bytes held in memory, memory maps not counted."""

    @property
    @abc.abstractmethod
    def _num_rows(self) -> int:
        """Rows that were kept."""

    @abc.abstractmethod
    def add(self, rows: Array) -> None:
        """Take in `[blocks, rows, columns]`, float32."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Centre and scale what was gathered; nothing is added afterwards."""

    @abc.abstractmethod
    def _solve_block(self, block: int, keep: Mask, ridge: float) -> Array:
        """Return V' of one block (see `least_squares`)."""

    @abc.abstractmethod
    def mean_square(self, change: Array, offset: Array) -> float:
        """Return the mean over the rows of ``|X·change − offset|²``, not centred."""

    def solve(self, keep: Mask, *, ridge: float | None) -> Array:
        """Return the refitted matrix, full size, 0 where columns are removed."""
        if ridge is None:
            ridge = least_squares.natural_ridge(int(keep.sum()), self._num_rows)
        refitted = np.zeros_like(self._old)
        for block, scale in enumerate(self._scale):
            solved = self._solve_block(block, keep, ridge)
            refitted[block, keep] = solved / scale[keep, None]
        return refitted

    def _set_scale(self, second: Array) -> Mask:
        """Scale by the root of the second moments; return what is constant."""
        variance = second - self.mean**2 if self._centred else second
        constant = variance <= CONSTANT * second
        self._scale = np.sqrt(np.where(constant, 1.0, variance))
        self._old = self._old * self._scale[:, :, None]
        return constant


class GramStatistics(Statistics):
    """XᵀX and XᵀY, in float64.

    Args:
        old: The consumer's matrix, `[blocks, columns, out]`.
        centred: Whether the means go into an intercept.
        buffer: Zeros, `[blocks, columns, columns]`, float64; a memory map will do.
    """

    def __init__(self, old: Array, *, centred: bool, buffer: Array) -> None:
        super().__init__(old, centred=centred)
        self._gram = buffer
        self._cross = np.zeros(0)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory, memory maps not counted."""
        gram = 0 if isinstance(self._gram, np.memmap) else self._gram.nbytes
        return gram + self._cross.nbytes + self._old.nbytes

    @property
    def _num_rows(self) -> int:
        return self._count

    def add(self, rows: Array) -> None:
        """Take in `[blocks, rows, columns]`."""
        wide = rows.astype(np.float64)
        self._count += wide.shape[1]
        self.mean += wide.sum(axis=1)  # divided in `finish`
        for block, part in enumerate(wide):
            for columns in _panels(part.shape[1]):
                self._gram[block, :, columns] += part.T @ part[:, columns]

    def finish(self) -> None:
        """Centre and scale; XᵀY from XᵀX and the old weights."""
        self.mean /= self._count
        second = np.diagonal(self._gram, axis1=1, axis2=2) / self._count
        constant = self._set_scale(np.array(second))
        self._cross = np.empty_like(self._old)
        factors = np.where(constant, 0.0, 1 / self._scale)
        for block, gram in enumerate(self._gram):
            mean, factor = self.mean[block], factors[block]
            for columns in _panels(len(gram)):
                part = gram[:, columns] / self._count
                if self._centred:
                    part -= np.outer(mean, mean[columns])
                gram[:, columns] = part * np.outer(factor, factor[columns])
            for columns in _panels(len(gram)):
                self._cross[block, columns] = gram[columns] @ self._old[block]

    def _solve_block(self, block: int, keep: Mask, ridge: float) -> Array:
        return least_squares.solve_gram(
            self._gram[block], self._cross[block], self._old[block], keep, ridge=ridge
        )

    def mean_square(self, change: Array, offset: Array) -> float:
        """Return the mean over the rows of ``|X·change − offset|²``."""
        total = 0.0
        for block, gram in enumerate(self._gram):
            scaled = change[block] * self._scale[block][:, None]
            total += float(np.sum(scaled * (gram @ scaled)))
            between = self.mean[block] @ change[block]
            total += float(np.sum(offset[block] * (offset[block] - 2 * between)))
        return total


class RowStatistics(Statistics):
    """The rows themselves, in float32.

    Args:
        old: The consumer's matrix, `[blocks, columns, out]`.
        centred: Whether the means go into an intercept.
        chosen: Which of the rows that are given to keep, in order.
    """

    def __init__(self, old: Array, *, centred: bool, chosen: Array) -> None:
        super().__init__(old, centred=centred)
        self._chosen = chosen
        blocks, columns, _ = old.shape
        self._rows = np.zeros((blocks, len(chosen), columns), np.float32)
        self._filled = 0

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return self._rows.nbytes + self._old.nbytes

    @property
    def _num_rows(self) -> int:
        return self._filled

    def add(self, rows: Array) -> None:
        """Take in `[blocks, rows, columns]`; keep the chosen ones."""
        first, self._count = self._count, self._count + rows.shape[1]
        low, high = np.searchsorted(self._chosen, [first, self._count])
        taken = rows[:, self._chosen[low:high] - first]
        self._rows[:, low:high] = taken
        self._filled = int(high)

    def finish(self) -> None:
        """Centre and scale the rows in place."""
        self._rows = self._rows[:, : self._filled]
        self.mean = self._rows.mean(axis=1, dtype=np.float64)
        second = np.einsum(
            "brc,brc->bc", self._rows, self._rows, dtype=np.float64, casting="safe"
        ) / max(self._filled, 1)
        constant = self._set_scale(second)
        if self._centred:
            self._rows -= self.mean[:, None].astype(np.float32)
        factors = np.where(constant, 0.0, 1 / self._scale)
        self._rows *= factors[:, None].astype(np.float32)

    def _solve_block(self, block: int, keep: Mask, ridge: float) -> Array:
        return least_squares.solve_rows(
            self._rows[block], self._old[block], keep, ridge=ridge
        )

    def mean_square(self, change: Array, offset: Array) -> float:
        """Return the mean over the rows of ``|X·change − offset|²``."""
        total = 0.0
        for block, rows in enumerate(self._rows):
            scaled = change[block] * self._scale[block][:, None]
            error = rows @ scaled - offset[block]
            total += float(np.sum(np.square(error))) / max(len(rows), 1)
        return total


def _panels(count: int) -> list[slice]:
    return [slice(at, min(at + PANEL, count)) for at in range(0, count, PANEL)]
