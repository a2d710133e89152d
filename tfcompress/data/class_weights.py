"""Class weights of the training loss, turned into sample weights batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress import errors
from tfcompress.data.splits import Split
from tfcompress.data.tasks import Task

ClassWeights = Mapping[int, float] | str | None


def resolve(weights: ClassWeights, train: Split, task: Task) -> dict[int, float] | None:
    """Read class weights; "balanced" makes every class count the same in total.

    Raises:
        DataError: If the task has no classes to weigh, or a weight is negative.
    """
    if not weights:
        return None
    classes = task.num_classes
    if task.several or classes is None or task.kind == "multilabel":
        raise errors.DataError(
            "Class weights need one output with classes. Received: a task with "
            f"outputs {', '.join(o.kind for o in task.outputs.values())}. Give sample "
            "weights as the third array instead."
        )
    if weights == "balanced" and train.labels is not None:
        return balanced(np.bincount(train.labels, minlength=classes).tolist())
    if isinstance(weights, Mapping) and all(
        0 <= int(k) < classes and float(v) >= 0 for k, v in weights.items()
    ):
        return {int(k): float(v) for k, v in weights.items()}
    raise errors.DataError(
        f"The class weights do not fit. Received: {weights!r}; expected 'balanced' "
        f"(whole examples only) or a dict of class numbers 0 to {classes - 1} to "
        "weights of 0 or more. Correct them, or leave them out."
    )


def balanced(counts: list[int]) -> dict[int, float]:
    """Return total / (classes * count) for each class that has examples.

    Example:
        >>> balanced([30, 10, 0])
        {0: 0.6666666666666666, 1: 2.0}
    """
    present = [count for count in counts if count]
    mean = sum(present) / len(present)
    return {i: mean / count for i, count in enumerate(counts) if count}


def table(weights: Mapping[int, float] | None, task: Task) -> Any:
    """Return the weight of each class as a tensor, or None."""
    if not weights:
        return None
    found = np.ones(task.num_classes or 0, np.float32)
    for index, weight in weights.items():
        found[index] = weight
    return tf.constant(found)


def sample_weights(weights: Any, labels: Any, given: Any, ignore: int | None) -> Any:
    """Look up the weight of each label and multiply it by the given sample weight.

    Args:
        weights: What `table` returned.
        labels: Class numbers ``[batch]``, or ``[batch, height, width]``.
        given: Sample weights ``[batch]`` or of the labels' shape, or None.
        ignore: Class number that does not count, or None.
    """
    if ignore is not None:  # a number outside the table
        labels = tf.where(labels == ignore, 0, labels)
    found = tf.gather(weights, labels)
    if given is None:
        return found
    given = tf.cast(given, tf.float32)
    missing = len(found.shape) - len(given.shape)
    return found * tf.reshape(given, tf.concat([tf.shape(given), [1] * missing], 0))
