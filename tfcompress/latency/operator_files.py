"""Write the file that times one operator: some copies of it, side by side.

The copies read one input; each has weights of its own.  Their number makes a quick
operator long enough for a clock, spreads what one call of the runtime costs, and keeps
the weights of a large layer from lying ready in the nearest cache, where a network's do
not lie either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfcompress import errors
from tfcompress.latency import families, operator_writers, shape_writers
from tfcompress.latency.families import Family
from tfcompress.latency.file_building import FileBuilder, Precision
from tfcompress.latency.operator_writers import Counts

PRECISIONS: Mapping[str, Precision] = {
    "float32": "float32",
    "float16": "float32",
    "int8": "int8",
}
"""How the operators of a recipe compute: float16 is a way to store floats."""

_WRITERS = {**operator_writers.WRITERS, **shape_writers.WRITERS}


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
    file = FileBuilder(precision_of(recipe))
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
    writer = _WRITERS.get(family.kind)
    if writer is None:
        raise ValueError(
            f"Unknown kind of operator. Received: {family.kind!r}; expected one of "
            f"{', '.join(_WRITERS)}."
        )
    first = sources[0]
    if family.kind not in families.ANY_SHAPE:
        first = shape_writers.reshaped(file, first, _input_shape(family, counts[0]))
    return writer(file, family, counts, [first, *sources[1:]])


def _input_shape(family: Family, count: int) -> tuple[int, ...]:
    height, width = family.height, family.width
    if family.kind in (families.DENSE, families.SOFTMAX):
        return (height * width, count)
    if family.kind == families.STACK:
        return (1, height * width // 2, count)
    halves = 2 if family.kind == families.CONCAT else 1
    return (1, height, width, count // halves)
