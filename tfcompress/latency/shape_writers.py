# ruff: noqa: ARG001 - all writers have one signature
"""Write operators that move numbers: resize, pad, join, shuffle, reduce.

Some are several operators of the file: a channel shuffle is a transposition between two
reshapes, and Keras repeats rows and columns by tiling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcompress.latency import families
from tfcompress.latency.families import Family
from tfcompress.latency.file_building import FileBuilder
from tfcompress.latency.operator_writers import Counts, Sources, Writer, result

_REDUCERS = {families.MAX: "REDUCE_MAX", families.MEAN: "MEAN"}
_RESIZERS: dict[str, tuple[str, str]] = {
    families.RESIZE_BILINEAR: ("RESIZE_BILINEAR", "ResizeBilinearOptions"),
    families.RESIZE_NEAREST: (
        "RESIZE_NEAREST_NEIGHBOR",
        "ResizeNearestNeighborOptions",
    ),
}


def reshaped(file: FileBuilder, source: int, shape: tuple[int, ...]) -> int:
    """Return a tensor in another shape; as it is where the numbers do not fit it."""
    given = file.shape(source)
    if given == shape or math.prod(given) != math.prod(shape):
        return source  # an input that is broadcast keeps its own shape
    return _moved(file, "RESHAPE", source, shape, shape)


def _moved(
    file: FileBuilder,
    name: str,
    source: int,
    setting: Sequence[int] | Sequence[Sequence[int]],
    shape: Sequence[int],
    options: tuple[str, dict[str, Any]] | None = None,
) -> int:
    """Add an operator that is told by whole numbers how to make a shape."""
    inputs = [source, file.constant(np.array(setting, np.int32))]
    return file.operator(name, inputs, file.activation(shape), options)


def _concat(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    """Join the inputs; one alone with itself, half of the channels from either."""
    parts = list(sources) if len(sources) > 1 else [sources[0]] * 2
    *outer, _ = max(map(file.shape, parts), key=len)
    widths = [file.shape(part)[-1] for part in parts]
    parts = [
        reshaped(file, part, (*outer, width))
        for part, width in zip(parts, widths, strict=True)
    ]
    out = file.activation((*outer, sum(widths)))
    options = ("ConcatenationOptions", {"axis": len(outer)})
    return file.operator("CONCATENATION", parts, out, options)


def _stack(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    """Put the inputs' positions after one another; one alone before itself."""
    given = list(sources) if len(sources) > 1 else [sources[0]] * 2
    sizes = [math.prod(file.shape(part)) // counts[0] for part in given]
    parts = [
        reshaped(file, part, (1, size, counts[0]))
        for part, size in zip(given, sizes, strict=True)
    ]
    out = file.activation((1, sum(sizes), counts[0]))
    options = ("ConcatenationOptions", {"axis": 1})
    return file.operator("CONCATENATION", parts, out, options)


def _reduce(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    options = ("ReducerOptions", {"keepDims": False})
    name = _REDUCERS[family.kind]
    return _moved(file, name, sources[0], [1, 2], (1, counts[0]), options)


def _pad(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    top, bottom, left, right = map(int, family.padding.split(","))
    added = [[0, 0], [top, bottom], [left, right], [0, 0]]
    shape = (1, *family.output_size, counts[0])
    return _moved(file, "PAD", sources[0], added, shape, ("PadOptions", {}))


def _crop(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    top, _, left, _ = map(int, family.padding.split(","))
    height, width = family.output_size
    ends = [[0, top, left, 0], [1, top + height, left + width, counts[0]], [1, 1, 1, 1]]
    inputs = [file.constant(np.array(values, np.int32)) for values in ends]
    out = result(file, family, counts[0])
    options = ("StridedSliceOptions", {"beginMask": 0b1001, "endMask": 0b1001})
    return file.operator("STRIDED_SLICE", [sources[0], *inputs], out, options)


def _resize(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    name, table = _RESIZERS[family.kind]
    shape = (1, *family.output_size, counts[0])
    options = (table, {"halfPixelCenters": True})
    return _moved(file, name, sources[0], family.output_size, shape, options)


def _repeat(file: FileBuilder, family: Family, counts: Counts, sources: Sources) -> int:
    """Tile the rows, then the columns; nothing is done to repeat one once."""
    height, width, count = family.height, family.width, counts[0]
    (rows, columns), x = family.strides, sources[0]
    if rows > 1:
        x = reshaped(file, x, (1, height, 1, width, count))
        x = _moved(file, "TILE", x, (1, 1, rows, 1, 1), (1, height, rows, width, count))
    height *= rows
    if columns > 1:
        x = reshaped(file, x, (1, height, width, 1, count))
        tiled = (1, height, width, columns, count)
        x = _moved(file, "TILE", x, (1, 1, 1, columns, 1), tiled)
    return reshaped(file, x, (1, height, width * columns, count))


def _transpose(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    shape = (1, *family.output_size, counts[0])
    return _moved(
        file, "TRANSPOSE", sources[0], (0, 2, 1, 3), shape, ("TransposeOptions", {})
    )


def _shuffle(
    file: FileBuilder, family: Family, counts: Counts, sources: Sources
) -> int:
    size, groups = (family.height, family.width), family.groups
    each = counts[0] // groups
    x = reshaped(file, sources[0], (1, *size, groups, each))
    x = _moved(
        file,
        "TRANSPOSE",
        x,
        (0, 1, 2, 4, 3),
        (1, *size, each, groups),
        ("TransposeOptions", {}),
    )
    return reshaped(file, x, (1, *size, counts[0]))


WRITERS: dict[str, Writer] = {
    families.CONCAT: _concat,
    families.STACK: _stack,
    families.PAD: _pad,
    families.CROP: _crop,
    families.REPEAT: _repeat,
    families.TRANSPOSE: _transpose,
    families.SHUFFLE: _shuffle,
    **dict.fromkeys(_REDUCERS, _reduce),
    **dict.fromkeys(_RESIZERS, _resize),
}
"""By kind."""
