"""Make a data set of arrays: check them, settle the task, bring labels to one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfcompress import errors
from tfcompress.data import assembly, label_tasks, targets
from tfcompress.data.splits import ArraySplit, Split
from tfcompress.data.tasks import Task

if TYPE_CHECKING:
    from tfcompress.data.datasets import Dataset


def dataset(
    parts: Mapping[str, tuple[Any, ...] | None],
    *,
    task: label_tasks.Kinds = None,
    class_names: Sequence[str] = (),
    **settings: Any,
) -> Dataset:
    """Build the data set that `Dataset.from_arrays` describes."""
    given = {k: _checked(part, k) for k, part in parts.items() if part is not None}
    labels = {k: part[1] for k, part in given.items()}
    found = label_tasks.find(task, labels, class_names)
    splits = {k: _split(part, found, k) for k, part in given.items()}
    return assembly.assemble(splits, found, **settings)


def _checked(part: Any, name: str) -> tuple[Any, ...]:
    """Check that a part has two or three members, all equally long and not empty."""
    if not isinstance(part, tuple | list) or not 2 <= len(part) <= 3:
        received = len(part) if isinstance(part, tuple | list) else type(part).__name__
        raise errors.DataError(
            f"The {name} part is not (x, y) or (x, y, sample_weight). Received: "
            f"{received}. Put several inputs into one dict or tuple."
        )
    checked: tuple[Any, ...] = tuple(
        tf.nest.map_structure(np.asarray, _nest(member)) for member in part
    )
    sizes = [len(array) if array.ndim else 0 for array in tf.nest.flatten(checked)]
    if len(set(sizes)) != 1:
        raise errors.DataError(
            f"The arrays of the {name} part differ in length. Received: "
            f"{', '.join(map(str, sizes))} examples. Give one label to each input."
        )
    if not sizes[0]:
        raise errors.DataError(
            f"The {name} part is empty. Received: 0 examples. Check the source."
        )
    for array in tf.nest.flatten(checked):
        _check_numbers(array, name)
    return checked


def _nest(member: Any) -> Any:
    """Unwrap a dict or tuple of one array; a list is rows of numbers."""
    if isinstance(member, Mapping):
        member = dict(member)
        return next(iter(member.values())) if len(member) == 1 else member
    if isinstance(member, tuple):
        return member[0] if len(member) == 1 else member
    return np.asarray(member)


def _check_numbers(array: Any, name: str) -> None:
    if array.dtype.kind not in "biuf":
        raise errors.DataError(
            f"The {name} part holds something that is not numbers. Received: an array "
            f"of {array.dtype}. Encode classes as numbers and images as uint8 of one "
            "size."
        )
    # NaN survives min and max, which need no second array of the same size.
    if array.dtype.kind == "f" and not np.isfinite([array.min(), array.max()]).all():
        raise errors.DataError(
            f"The {name} part holds NaN or infinities. Received: an array of shape "
            f"{array.shape} with {int((~np.isfinite(array)).sum())} such values. "
            "Remove or correct those examples."
        )


def _split(part: tuple[Any, ...], task: Task, name: str) -> Split:
    x, y, *rest = part
    converted = {
        output: targets.standardise(labels, task.outputs[output].kind, name=f"y_{name}")
        for output, labels in label_tasks.by_name(y).items()
    }
    first = next(iter(converted.values()))
    nested: Any = first
    if isinstance(y, dict):
        nested = converted
    elif isinstance(y, tuple):
        nested = tuple(converted.values())
    return ArraySplit.from_arrays(
        _small(x), nested, *rest, labels=targets.stratum(first, task.kind)
    )


def _small(x: Any) -> Any:
    """Store doubles as float32: nothing here computes in double."""
    return tf.nest.map_structure(
        lambda a: a.astype(np.float32) if a.dtype == np.float64 else a, x
    )
