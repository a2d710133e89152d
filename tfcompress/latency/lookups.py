"""Look one plan's operators up in a table, all at once.

A search asks for thousands of plans, so everything that does not depend on the plan is
turned into arrays once: which channels each operator counts, and its measured grid.  A
plan is then a few NumPy calls: count, find the cell, interpolate bilinearly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.graph.tracing import BoolArray
from tfcompress.latency import families
from tfcompress.latency.call_shapes import Width
from tfcompress.latency.operators import Operator
from tfcompress.latency.table import Table

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """What the operators of one plan are, one entry per operator.

    Attributes:
        latency_ms: Interpolated from the table.
        weights: Numbers in the kernel.
        activations: Numbers read and written.
    """

    latency_ms: FloatArray
    weights: FloatArray
    activations: FloatArray


class Lookup:
    """Reads the operators of plans of one graph from one table.

    Args:
        operators: The operators of the graph.
        table: Measured ones; every family must be there.

    Raises:
        BenchmarkError: If a family was not measured.
    """

    def __init__(self, operators: Sequence[Operator], table: Table) -> None:
        self._counter = _Counter([w for o in operators for w in (o.reads, o.makes)])
        sides = np.array([self._counter.index[i] for i in range(2 * len(operators))])
        self._reads, self._makes = sides[0::2], sides[1::2]
        grids = [_grid(operator, table) for operator in operators]
        self._rows = _Axis([grid[0] for grid in grids])
        self._columns = _Axis([grid[1] for grid in grids])
        self._values = np.zeros((len(grids), self._rows.most, self._columns.most))
        for i, (rows, columns, values) in enumerate(grids):
            self._values[i, : len(rows), : len(columns)] = values
        works = [o.family.per_channel() for o in operators]
        self._per_pair, self._per_make, self._read_size, self._made_size = np.array(
            works, np.float64
        ).T

    def read(self, kept: BoolArray) -> Readings:
        """Return what the operators take and move.

        Args:
            kept: For each atom of the graph, whether a plan keeps it.
        """
        counts = self._counter.count(kept)
        reads, makes = counts[self._reads], counts[self._makes]
        weights = self._per_pair * reads * makes + self._per_make * makes
        return Readings(
            latency_ms=self._interpolate(reads, makes),
            weights=weights,
            activations=self._read_size * reads + self._made_size * makes,
        )

    def _interpolate(self, reads: FloatArray, makes: FloatArray) -> FloatArray:
        i, row = self._rows.locate(reads)
        j, column = self._columns.locate(makes)
        at = np.arange(len(i))
        upper = (
            self._values[at, i, j] * (1 - column) + self._values[at, i, j + 1] * column
        )
        lower = (
            self._values[at, i + 1, j] * (1 - column)
            + self._values[at, i + 1, j + 1] * column
        )
        found: FloatArray = upper * (1 - row) + lower * row
        least = 0.25 * self._values[at, 0, 0]  # below the grid lines may lead under 0
        floored: FloatArray = np.maximum(found, least)
        return floored


class _Counter:
    """Counts the kept channels of many widths; equal ones are counted once."""

    def __init__(self, widths: Sequence[Width]) -> None:
        arrays: dict[bytes, tuple[int, IntArray]] = {}
        fixed: dict[int, int] = {}
        places: list[tuple[bool, int]] = []
        for width in widths:
            if isinstance(width, int):
                places.append((True, fixed.setdefault(width, len(fixed))))
            else:
                entry = arrays.setdefault(width.tobytes(), (len(arrays), width))
                places.append((False, entry[0]))
        self.index = [i + len(arrays) * is_fixed for is_fixed, i in places]
        each = [array for _, array in arrays.values()]
        self._atoms = np.concatenate(each) if each else np.zeros(0, np.int64)
        self._starts = np.cumsum([0, *[a.size for a in each[:-1]]])[: len(each)]
        self._fixed = np.array(list(fixed), np.float64)

    def count(self, kept: BoolArray) -> FloatArray:
        found = np.zeros(0)
        if self._starts.size:
            found = np.add.reduceat(kept[self._atoms], self._starts, dtype=np.int64)
        return np.concatenate([found.astype(np.float64), self._fixed])


class _Axis:
    """One axis of all grids, padded to one length."""

    def __init__(self, knots: Sequence[Sequence[int]]) -> None:
        self.most = max((len(each) for each in knots), default=2)
        self._knots = np.full((len(knots), self.most), np.inf)
        for i, each in enumerate(knots):
            self._knots[i, : len(each)] = each
        self._last = np.array([len(each) - 2 for each in knots], np.int64)

    def locate(self, counts: FloatArray) -> tuple[IntArray, FloatArray]:
        """Return each count's cell, and where in it it lies, 0 to 1 inside the grid."""
        cell = np.sum(self._knots <= counts[:, None], axis=1) - 1
        cell = np.clip(cell, 0, self._last)
        at = np.arange(len(cell))
        below, above = self._knots[at, cell], self._knots[at, cell + 1]
        return cell, (counts - below) / (above - below)


def _grid(operator: Operator, table: Table) -> tuple[list[int], list[int], Any]:
    """Return the knots in and out, at least two each, and the times between."""
    points = table.points.get(operator.family.key)
    if not points:
        raise errors.BenchmarkError(
            "The latency table does not have this operator. Received: "
            f"{operator.family.key!r} of layer {operator.layer!r}; it has "
            f"{len(table.points)} others. Extend it with `tfcompress latency` on this "
            "model, with the same output."
        )
    if operator.family.kind in families.TWO_COUNTS:
        rows = sorted({reads for reads, _ in points})
        columns = sorted({makes for _, makes in points})
        values = np.array([[points.get((r, c), np.nan) for c in columns] for r in rows])
    else:
        rows, columns = sorted({reads for reads, _ in points}), [0]
        times = {reads: ms for (reads, _), ms in points.items()}
        values = np.array([[times[r]] for r in rows])
    for axis, knots in enumerate((rows, columns)):
        if len(knots) == 1:
            knots.append(knots[0] + 1)
            values = np.repeat(values, 2, axis=axis)
    return rows, columns, filled(values)


def filled(values: FloatArray) -> FloatArray:
    """Fill the holes of a grid: what was not measured is not needed exactly.

    A table that several models share has the products of each model's knots; where one
    model's meet another's, the nearest measured neighbour in the row or column stands.

    Example:
        >>> filled(np.array([[1.0, np.nan], [3.0, 4.0]])).tolist()
        [[1.0, 1.0], [3.0, 4.0]]
    """
    found = values.copy()
    for _ in range(2):
        for line in (*found, *found.T):
            known = np.flatnonzero(~np.isnan(line))
            if 0 < known.size < line.size:
                line[:] = np.interp(np.arange(line.size), known, line[known])
    return found
