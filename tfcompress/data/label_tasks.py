"""Settle the task of each output from its labels, and give batches the right dtype."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress import errors
from tfcompress.data import targets
from tfcompress.data.preprocessing import Preprocessing
from tfcompress.data.tasks import SINGLE, OutputTask, Task

Kinds = str | Mapping[str, str] | Task | None
Labels = npt.NDArray[Any]


def find(task: Kinds, labels: Mapping[str, Any], class_names: Sequence[str]) -> Task:
    """Settle kind and number of classes of each output from the labels of all parts.

    Args:
        task: What the user states: a kind, kinds by output, a task, or nothing.
        labels: Part name -> its labels as given (an array, dict or tuple).
        class_names: Names of the classes; empty: unknown.

    Raises:
        DataError: If parts have different outputs, or more classes than names.
    """
    parts = {part: by_name(y) for part, y in labels.items()}
    names = list(parts["train"])
    for part, found in parts.items():
        if list(found) != names:
            raise errors.DataError(
                f"The parts have different outputs. Received: {', '.join(names)} in "
                f"train, {', '.join(found)} in {part}. Give the same labels to each."
            )
    outputs = {
        name: _with_classes(
            _stated(task, name, parts["train"][name], alone=len(names) == 1),
            [found[name] for found in parts.values()],
            class_names,
        )
        for name in names
    }
    return Task(outputs=outputs, named=not isinstance(labels["train"], tuple))


def by_name(y: Any) -> dict[str, Labels]:
    """Arrange labels (an array, dict or tuple) by output name."""
    if isinstance(y, dict):
        return dict(y)
    if isinstance(y, tuple):
        return {f"{SINGLE}_{i}": labels for i, labels in enumerate(y)}
    return {SINGLE: y}


def typed(y: Any, task: Task, preprocessing: Preprocessing) -> Any:
    """Give labels the dtype that losses take; bring masks to the size of the images."""

    def convert(labels: Any, output: OutputTask) -> Any:
        if output.kind not in ("classification", "segmentation"):
            return tf.cast(labels, tf.float32)
        size = preprocessing.image_size
        if output.kind == "segmentation" and size is not None:
            masks = tf.image.resize(labels[..., None], size, method="nearest")
            labels = masks[..., 0]
        return tf.cast(labels, tf.int32)

    if isinstance(y, dict):
        return {name: convert(y[name], task.outputs[name]) for name in y}
    if isinstance(y, tuple):
        return tuple(
            convert(labels, output)
            for labels, output in zip(y, task.outputs.values(), strict=True)
        )
    return convert(y, task.primary)


def _stated(task: Kinds, name: str, y: Labels, *, alone: bool) -> OutputTask:
    """Return what the user states about one output, else what its labels look like."""
    if isinstance(task, Task):
        known = task.primary if alone else task.outputs.get(name)
    elif isinstance(task, Mapping):
        known = OutputTask(kind=task[name]) if name in task else None
    else:
        known = OutputTask(kind=task) if task else None
    return known or OutputTask(kind=targets.kind_of(y))


def _with_classes(
    output: OutputTask, ys: Sequence[Labels], class_names: Sequence[str]
) -> OutputTask:
    if output.kind == "regression":
        return output
    several = output.kind == "multilabel"
    rank = {"classification": 2, "multilabel": 2, "segmentation": 4}[output.kind]
    columns = all(y.ndim == rank and y.shape[-1] > 1 for y in ys)
    names = output.class_names or tuple(str(name) for name in class_names)
    highest = [y.shape[-1] - 1 if columns else _highest(y, output) for y in ys]
    count = output.num_classes or len(names) or 1 + max(highest)
    if max(highest) >= count or (several and {h + 1 for h in highest} != {count}):
        raise errors.DataError(
            f"The labels do not fit the classes. Received: labels of "
            f"{max(highest) + 1} classes, but {count} are stated"
            f"{f' ({names})' if names else ''}. Correct the labels or the class names."
        )
    return dataclasses.replace(
        output,
        num_classes=int(count),
        class_names=names,
        one_hot=columns and not several,
    )


def _highest(y: Labels, output: OutputTask) -> int:
    """Return the highest class number that counts."""
    counted = y if output.ignore_class is None else y[y != output.ignore_class]
    if counted.size and not np.isfinite(counted).all():
        raise errors.DataError(
            "The labels hold NaN or infinities. Received: labels of shape "
            f"{y.shape}, {y.dtype}. Remove or correct those examples."
        )
    return int(counted.max()) if counted.size else 0
