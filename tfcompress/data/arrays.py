"""Make a data set of arrays: find the task, check the lengths, hold out parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress import errors
from tfcompress.data import sampling, targets
from tfcompress.data.augmentation import Augmentation
from tfcompress.data.preprocessing import Preprocessing
from tfcompress.data.splits import ArraySplit, Split
from tfcompress.data.tasks import SINGLE, OutputTask, Task

if TYPE_CHECKING:
    from tfcompress.data.datasets import Dataset

Kinds = str | Mapping[str, str] | Task | None


def dataset(
    parts: Mapping[str, tuple[Any, ...] | None],
    *,
    name: str = "arrays",
    task: Kinds = None,
    class_names: Sequence[str] = (),
    preprocessing: Preprocessing | None = None,
    augmentation: Augmentation | None = None,
    class_weights: Mapping[int, float] | str | None = None,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Build the data set that `Dataset.from_arrays` describes."""
    from tfcompress.data.datasets import Dataset  # it calls this

    given = {k: _arrays(part, k) for k, part in parts.items() if part is not None}
    found = find_task(task, {k: part[1] for k, part in given.items()}, class_names)
    splits: dict[str, Split] = {k: _split(p, found, k) for k, p in given.items()}
    splits = hold_out(
        splits,
        {"test": test_fraction, "validation": validation_fraction},
        seed=seed,
    )
    return Dataset(
        name=name,
        task=found,
        splits=splits,
        preprocessing=preprocessing or Preprocessing(),
        augmentation=augmentation,
        class_weights=resolve_class_weights(class_weights, splits["train"], found),
    )


def hold_out(
    splits: Mapping[str, Split], fractions: Mapping[str, float], *, seed: int
) -> dict[str, Split]:
    """Take the missing parts out of the training part, stratified.

    Raises:
        DataError: If too few examples are there.
    """
    found = dict(splits)
    for missing, fraction in fractions.items():
        if missing in found:
            continue
        train = found["train"]
        if not 0 < fraction < 1 or train.size < 2:
            raise errors.DataError(
                f"No {missing} part can be held out of the training part. Received: "
                f"{missing}_fraction={fraction}, {train.size} training examples. Give a "
                f"{missing} part, or a fraction between 0 and 1 of enough examples."
            )
        rest, held = sampling.stratified_split(
            train.labels, train.size, fraction, seed=seed
        )
        found["train"], found[missing] = train.take(rest), train.take(held)
    return {name: found[name] for name in ("train", "validation", "test")}


def find_task(
    task: Kinds, labels: Mapping[str, Any], class_names: Sequence[str]
) -> Task:
    """Settle kind and number of classes of each output from the labels of all parts."""
    named = _by_name(labels["train"])
    if isinstance(task, Task):
        stated = dict(task.outputs)
        if list(stated) == [SINGLE] and len(named) == 1:
            stated = {next(iter(named)): stated[SINGLE]}
    else:
        kinds = (
            task if isinstance(task, Mapping) else dict.fromkeys(named, task or "auto")
        )
        stated = {
            name: OutputTask(kind=_kind(kinds.get(name, "auto"), y))
            for name, y in named.items()
        }
    outputs = {}
    for name in named:
        ys = [_by_name(part)[name] for part in labels.values()]
        outputs[name] = _with_classes(stated[name], ys, class_names)
    return Task(outputs=outputs, named=not isinstance(labels["train"], tuple))


def typed_labels(y: Any, task: Task, preprocessing: Preprocessing) -> Any:
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


def resolve_class_weights(
    weights: Mapping[int, float] | str | None, train: Split, task: Task
) -> dict[int, float] | None:
    """Read class weights; "balanced" makes every class count the same in total.

    Raises:
        DataError: If the task has no classes to weigh, or a weight is negative.
    """
    if weights is None:
        return None
    classes = task.num_classes
    if task.several or classes is None or task.kind == "multilabel":
        raise errors.DataError(
            "Class weights need one output with classes. Received: a task with "
            f"outputs {', '.join(o.kind for o in task.outputs.values())}. Give sample "
            "weights as the third array instead."
        )
    if weights == "balanced" and train.labels is not None:
        counts = np.bincount(train.labels, minlength=classes)
        return {
            i: float(counts.sum() / (classes * n)) for i, n in enumerate(counts) if n
        }
    if isinstance(weights, Mapping) and all(
        0 <= int(k) < classes and float(v) >= 0 for k, v in weights.items()
    ):
        return {int(k): float(v) for k, v in weights.items()}
    raise errors.DataError(
        f"The class weights do not fit. Received: {weights!r}; expected 'balanced' or a "
        f"dict of class number (0 to {classes - 1}) to a weight of 0 or more."
    )


def weight_table(dataset: Dataset) -> Any:
    """Return the weight of each class as a tensor, or None."""
    if not dataset.class_weights:
        return None
    table = np.ones(dataset.task.num_classes or 0, np.float32)
    for index, weight in dataset.class_weights.items():
        table[index] = weight
    return tf.constant(table)


def product(weight: Any, given: Any) -> Any:
    """Multiply class weights (one a pixel, perhaps) by sample weights (one an example)."""
    missing = len(weight.shape) - len(given.shape)
    return weight * tf.reshape(given, tf.concat([tf.shape(given), [1] * missing], 0))


def _arrays(part: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Check that a part has two or three members, all equally long and not empty."""
    if not 2 <= len(part) <= 3:
        raise errors.DataError(
            f"The {name} part is not (x, y) or (x, y, sample_weight). Received: "
            f"{len(part)} members. Put several inputs into one dict or tuple."
        )
    part = tf.nest.map_structure(np.asarray, tuple(part))
    sizes = [len(array) if array.ndim else 0 for array in tf.nest.flatten(part)]
    if len(set(sizes)) != 1:
        raise errors.DataError(
            f"The arrays of the {name} part differ in length. Received: "
            f"{', '.join(map(str, sizes))} examples. Give one label to each input."
        )
    if not sizes[0]:
        raise errors.DataError(
            f"The {name} part is empty. Received: 0 examples. Check the source."
        )
    for array in tf.nest.flatten(part):
        if array.dtype == object or array.dtype.kind in "USO":
            raise errors.DataError(
                f"The {name} part holds something that is not numbers. Received: an "
                f"array of {array.dtype}. Encode classes as numbers, images as uint8."
            )
    return part


def _split(part: tuple[Any, ...], task: Task, name: str) -> ArraySplit:
    x, y, *rest = part
    converted = {
        output: targets.standardise(labels, task.outputs[output].kind, name=f"y_{name}")
        for output, labels in _by_name(y).items()
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


def _by_name(y: Any) -> dict[str, npt.NDArray[Any]]:
    if isinstance(y, dict):
        return dict(y)
    if isinstance(y, tuple):
        return {f"{SINGLE}_{i}": labels for i, labels in enumerate(y)}
    return {SINGLE: y}


def _kind(kind: str, y: npt.NDArray[Any]) -> str:
    return targets.kind_of(y) if kind == "auto" else kind


def _with_classes(
    output: OutputTask, ys: Sequence[npt.NDArray[Any]], class_names: Sequence[str]
) -> OutputTask:
    import dataclasses

    if output.kind == "regression":
        return output
    one_hot = output.kind != "multilabel" and all(
        targets.is_one_hot(y) and y.ndim in (2, 4) for y in ys
    )
    names = output.class_names or tuple(str(name) for name in class_names)
    count = output.num_classes or len(names)
    if not count and (one_hot or output.kind == "multilabel"):
        count = ys[0].shape[-1]
    if not count:
        count = 1 + max(int(_counted(y, output.ignore_class).max()) for y in ys)
    return dataclasses.replace(
        output, num_classes=int(count), class_names=names, one_hot=one_hot
    )


def _counted(y: npt.NDArray[Any], ignore_class: int | None) -> npt.NDArray[Any]:
    return y if ignore_class is None else y[y != ignore_class]


def _small(x: Any) -> Any:
    """Store doubles as float32: nothing here computes in double."""
    return tf.nest.map_structure(
        lambda a: a.astype(np.float32) if a.dtype == np.float64 else a, x
    )
