"""Use the data that a function of yours returns: ``package.module:function``.

It may return a `Dataset`, or parts as a dict or as Keras' data sets do::

    {"train": part, "test": part, "validation": part, "class_names": [...], ...}
    (train, test)   or   (train, validation, test)

where a part is ``(x, y)``, ``(x, y, sample_weight)`` or a `tf.data.Dataset` of those.
Other keys of the dict are settings of `Dataset.from_arrays`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress import config, errors
from tfcompress.data import assembly, label_tasks, naming, streams, targets
from tfcompress.data.datasets import Dataset
from tfcompress.data.splits import Split
from tfcompress.data.tasks import OutputTask

_PARTS = ("train", "validation", "test")
_SETTINGS = (
    "name", "task", "class_names", "preprocessing", "augmentation", "class_weights",
    "validation_fraction", "test_fraction", "seed",
)  # fmt: skip
_LOOKED_AT = 256  # labels that tell the kind, where keeping all would be too much


def load(spec: str, **settings: Any) -> Dataset:
    """Call the function and make a `Dataset` of what it returns.

    Raises:
        ConfigError: If there is no such function.
        DataError: If it fails, or what it returns is none of the known forms.
    """
    returned = _called(naming.find(spec), spec)
    if isinstance(returned, Dataset):
        return returned
    parts = _parts(returned, spec)
    chosen = {key: parts.pop(key) for key in list(parts) if key not in _PARTS}
    for key in chosen:
        config.check_known(key, (*_PARTS, *_SETTINGS), owner=spec)
    given = {key: value for key, value in settings.items() if value is not None}
    chosen = {"name": spec.rpartition(":")[2], **chosen, **given}
    kinds = {isinstance(part, tf.data.Dataset) for part in parts.values()}
    if kinds == {True}:
        return _of_streams(parts, **chosen)
    if True in kinds:
        raise errors.DataError(
            f"The parts are of different kinds. Received: {spec} with arrays and "
            "tf.data.Dataset objects. Return all of them as one or the other."
        )
    return Dataset.from_arrays(parts.pop("train"), **parts, **chosen)


def _called(found: Any, spec: str) -> Any:
    """Return what the function returns; what goes wrong in it is told with its name.

    Raises:
        DataError: If it raises.
    """
    if not callable(found):
        return found
    try:
        return found()
    except errors.TfCompressError:
        raise
    except Exception as error:
        raise errors.DataError(
            f"The function of the data failed. Received: {spec} raised "
            f"{type(error).__name__}: {error}. It takes no argument; `--debug` shows "
            "where it failed."
        ) from error


def _parts(returned: Any, spec: str) -> dict[str, Any]:
    """Arrange what the function returned by part."""
    if isinstance(returned, Mapping) and returned.get("train") is not None:
        return {key: value for key, value in returned.items() if value is not None}
    if isinstance(returned, tuple | list) and len(returned) in (2, 3):
        names = _PARTS if len(returned) == 3 else ("train", "test")
        if all(isinstance(part, tuple | list | tf.data.Dataset) for part in returned):
            return dict(zip(names, returned, strict=True))
    raise errors.DataError(
        f"The function does not return a data set. Received: {spec} returned "
        f"{type(returned).__name__}. Return a tfcompress.data.Dataset, (train, test), "
        'or a dict with "train" and "test".'
    )


def _of_streams(
    parts: Mapping[str, tf.data.Dataset],
    *,
    task: label_tasks.Kinds = None,
    class_names: Sequence[str] = (),
    **settings: Any,
) -> Dataset:
    """Read the labels once, settle the task, wrap the streams."""
    single = {part: streams.single_examples(stream) for part, stream in parts.items()}
    if any(len(tf.nest.flatten(s.element_spec[1])) > 1 for s in single.values()):
        raise errors.DataError(
            "Streams with several outputs are not supported. Received: labels "
            f"{single['train'].element_spec[1]}. Return arrays, with y as a dict."
        )
    read = {part: _labels(stream, part) for part, stream in single.items()}
    found = label_tasks.find(task, {k: y for k, (y, _) in read.items()}, class_names)
    splits: dict[str, Split] = {}
    for part, stream in single.items():
        y, size = read[part]
        y = targets.standardise(y, found.kind, name=f"y_{part}")
        strata = targets.stratum(y, found.kind) if len(y) == size else None
        plain = stream.map(_standard_labels(found.primary))
        splits[part] = streams.StreamSplit.from_stream(plain, strata, size=size)
    return assembly.assemble(splits, found, **settings)


def _labels(stream: tf.data.Dataset, part: str) -> tuple[npt.NDArray[Any], int]:
    """Read labels and count examples; of masks keep what tells kind and classes.

    Returns:
        All labels, or of labels that are maps the first few and each later one that
        holds a higher class than those before; and the number of examples.
    """
    kept, size, highest = [], 0, -np.inf
    for label in stream.map(lambda _, y, *__: y).as_numpy_iterator():
        small = np.ndim(label) <= 1
        if small or size < _LOOKED_AT or np.max(label) > highest:
            kept.append(label)
            highest = max(highest, np.max(label))
        size += 1
    if not size:
        raise errors.DataError(
            f"The {part} part is empty. Received: a stream of 0 examples. Check the "
            "function that returns it."
        )
    return np.stack(kept), size


def _standard_labels(output: OutputTask) -> Callable[..., Any]:
    """Return the map that turns one-hot and ``[..., 1]`` labels into class numbers."""
    rank = {"classification": 0, "segmentation": 2}.get(output.kind)

    def convert(x: Any, y: Any, *rest: Any) -> Any:
        if rank is not None and len(y.shape) == rank + 1:
            y = y[..., 0] if y.shape[-1] == 1 else tf.argmax(y, axis=-1)
        return (x, y, *rest)

    return convert
