"""Which operators of some models to measure, and how: in batches of small files."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Sequence

import numpy as np

from tfcompress import graph
from tfcompress.latency import families
from tfcompress.latency.call_shapes import Width
from tfcompress.latency.families import Family
from tfcompress.latency.grids import Grid
from tfcompress.latency.measuring import Measure
from tfcompress.latency.operator_files import write_operator
from tfcompress.latency.operators import find_operators
from tfcompress.latency.table import Counts, Table

BATCH = 32
"""Files that are measured in one process, at most."""

_COPIED_MACS = 2e6  # copies of an operator are made up to so much work
_MOST_COPIES = 8

Progress = Callable[[int, int], None]
"""Told how many of how many are done."""


def wanted_points(
    graphs: Sequence[graph.LayerGraph], grid: Grid
) -> list[tuple[Family, Counts]]:
    """Return the operators to measure, each once, cheap ones first."""
    sizes: dict[Family, tuple[set[int], set[int]]] = {}
    for layer_graph in graphs:
        for operator in find_operators(layer_graph).operators:
            reads, makes = sizes.setdefault(operator.family, (set(), set()))
            reads.add(_size(operator.reads))
            makes.add(_size(operator.makes))
    points = [
        (family, counts)
        for family, (reads, makes) in sizes.items()
        for counts in _counts(family, grid.knots(reads), grid.knots(makes))
    ]
    return sorted(points, key=lambda point: (point[0].macs(point[1]), point))


def _counts(family: Family, reads: Sequence[int], makes: Sequence[int]) -> list[Counts]:
    if family.kind not in families.TWO_COUNTS:
        if family.kind == families.SHUFFLE:
            reads = _multiples(reads, family.groups)
        return [(count, count * family.multiplier) for count in reads]
    reads, makes = (_multiples(counts, family.groups) for counts in (reads, makes))
    return [(r, m) for r in reads for m in makes]


def _multiples(counts: Sequence[int], step: int) -> list[int]:
    """Return the nearest counts that so many groups can share."""
    return sorted({max(1, round(count / step)) * step for count in counts})


def _size(width: Width) -> int:
    return width if isinstance(width, int) else int(width.size)


def copies_of(family: Family, counts: Counts) -> int:
    """Return how many copies of an operator are timed together."""
    return int(np.clip(_COPIED_MACS / max(family.macs(counts), 1), 1, _MOST_COPIES))


def measure_points(
    table: Table,
    points: Sequence[tuple[Family, Counts]],
    measure: Measure,
    *,
    save: Callable[[], None],
    progress: Progress,
) -> None:
    """Measure what the table does not have yet, batch by batch."""
    missing = [point for point in points if not table.has(*point)]
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, (family, counts) in enumerate(batch):
                paths.append(pathlib.Path(folder, f"operator_{number}.tflite"))
                paths[-1].write_bytes(
                    write_operator(
                        family,
                        counts,
                        recipe=table.conditions.recipe,
                        copies=copies_of(family, counts),
                    )
                )
            times = measure(paths)
        for (family, counts), ms in zip(batch, times, strict=True):
            table.add(family, counts, ms / copies_of(family, counts))
        save()
        progress(len(points) - len(missing) + start + len(batch), len(points))
