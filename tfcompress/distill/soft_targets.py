"""Compute a teacher's outputs once, and find them again by example.

Without random augmentation the teacher says the same in every epoch, so one pass over
the training part is enough; afterwards distillation costs about a plain ``fit``.  The
store is a directory::

    store.json      what it is of: teacher, outputs, number of examples
    keys.npy        int64 [examples], sorted: the content of each example, hashed
    logits_0.npy    [examples, ...] of output 0, memory-mapped; row i belongs to key i

A row is found by the *content* of an example, never by its position: any order, batch
size or sub-set of the data is right, and an example that the teacher has not seen is an
error.
"""

from __future__ import annotations

import logging
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress import data, errors, files
from tfcompress.distill.example_keys import example_keys
from tfcompress.distill.logits import head
from tfcompress.graph.identities import identity
from tfcompress.training import accelerate

_LOG = logging.getLogger(__name__)
_SPARE_BYTES = 64 << 20  # left free on the disk
UNKNOWN = "An example has no soft target"  # how the error inside a pipeline begins


class SoftTargets:
    """A store that `cache_soft_targets` wrote.

    Args:
        path: Its directory.

    Raises:
        DataError: If there is no complete store.
    """

    def __init__(self, path: files.PathLike) -> None:
        self.path = pathlib.Path(path)
        self.record = files.read_json(self.path / "store.json")
        try:
            self._keys = np.load(self.path / "keys.npy", mmap_mode="r")
            self._logits = [
                np.load(self.path / f"logits_{index}.npy", mmap_mode="r")
                for index in range(len(self.record["outputs"]))
            ]
        except (OSError, ValueError) as error:
            raise errors.DataError(
                "The store of soft targets is damaged. Received: "
                f"{self.path} ({error}). Delete it; it will be computed again."
            ) from error

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self._keys)

    @property
    def fingerprint(self) -> str:
        """A name of what it holds: of the teacher and the examples."""
        return str(self.record["identity"])

    @property
    def outputs(self) -> tuple[str, ...]:
        """What makes an output of the logits, as in `logits.Head.activations`."""
        return tuple(self.record["outputs"])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of the logits of one example, per output."""
        return [tuple(stored.shape[1:]) for stored in self._logits]

    def attach(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Add the teacher's logits to a stream of ``(x, y[, sample_weight])``.

        Returns:
            A stream of ``(x, {"labels": y, "soft_targets": (...)}[, sample_weight])``
            with the logits of each output. An example that is not in the store ends it
            with an ``InvalidArgumentError``.
        """

        def add(x: Any, y: Any = None, *rest: Any) -> Any:
            logits = self._look_up(example_keys(x))
            return x, {"labels": y, "soft_targets": logits}, *rest

        return batches.map(add, num_parallel_calls=tf.data.AUTOTUNE).prefetch(
            tf.data.AUTOTUNE
        )

    def rows(self, keys: np.ndarray) -> np.ndarray:
        """Return the row of each key.

        Raises:
            DataError: If a key is not in the store.
        """
        found = np.searchsorted(self._keys, keys)
        found = np.minimum(found, len(self._keys) - 1)
        unknown = int((self._keys[found] != keys).sum())
        if unknown:
            raise errors.DataError(
                f"{UNKNOWN}. Received: {unknown} of {len(keys)} examples in a batch "
                f"that the teacher of {self.path} never saw. The data have changed, "
                "or are augmented at random: cache again, or use a live teacher."
            )
        return found

    def _look_up(self, keys: tf.Tensor) -> tuple[tf.Tensor, ...]:
        dtypes = [tf.float32] * len(self._logits)
        found = tf.numpy_function(self._gather, [keys], dtypes, stateful=False)
        for tensor, stored in zip(found, self._logits, strict=True):
            tensor.set_shape([*keys.shape, *stored.shape[1:]])
        return tuple(found)  # a list would be stacked

    def _gather(self, keys: np.ndarray) -> list[np.ndarray]:
        try:
            rows = self.rows(keys)
        except errors.DataError as error:
            raise ValueError(str(error)) from error  # an InvalidArgumentError outside
        return [stored[rows].astype(np.float32, copy=False) for stored in self._logits]


def cache_soft_targets(
    teacher: keras.Model,
    dataset: data.Dataset | tf.data.Dataset,
    *,
    path: files.PathLike,
    batch_size: int = 256,
    dtype: str = "float32",
    progress: Callable[[int, int], None] | None = None,
) -> SoftTargets:
    """Run the teacher once over the training part and store its logits.

    A complete store of the same teacher and the same examples is used again.

    Args:
        teacher: A built functional or Sequential model.
        dataset: A data set (its training part, without augmentation), or batches of
            ``(x, ...)`` that come out alike each time, in any order.
        path: Directory of the store.
        batch_size: Examples a pass; for a `tfcompress.data.Dataset`.
        dtype: "float32", or "float16" for half the size.
        progress: Called with the examples done and their number.

    Raises:
        OutputError: If the disk has no room for it (nothing is written then).
        DataError: If the examples change from pass to pass.
    """
    path, batches = pathlib.Path(path), _stream(dataset, batch_size)
    keys = _all_keys(batches)
    logits = head(teacher)
    named = identity(teacher, list(logits.activations), dtype, keys)
    if _is_there(path, named):
        _LOG.info("using the soft targets in %s", path)
        return SoftTargets(path)
    network = accelerate(logits.network)
    shapes = [(len(keys), *tensor.shape[1:]) for tensor in network.outputs]
    _check_shapes(shapes, teacher)
    _check_space(path, shapes, dtype, len(keys))
    (path / "store.json").unlink(missing_ok=True)  # no longer complete
    _write(
        path,
        keys,
        _passes(network, batches),
        shapes=shapes,
        dtype=dtype,
        progress=progress,
    )
    record = {"schema": 1, "identity": named, "teacher": teacher.name}
    record |= {"outputs": list(logits.activations), "examples": len(keys)}
    files.write_json(path / "store.json", record)
    return SoftTargets(path)


def _stream(dataset: Any, batch_size: int) -> tf.data.Dataset:
    if isinstance(dataset, tf.data.Dataset):
        return dataset.map(lambda x, *_: x)
    plain = dataset.train(batch_size, shuffle=False, augment=False)
    return plain.map(lambda x, *_: x)


def _all_keys(batches: tf.data.Dataset) -> np.ndarray:
    """Return the keys of all examples, sorted, each once."""
    parts = [keys.numpy() for keys in batches.map(example_keys)]
    if not parts:
        raise errors.DataError(
            "There is nothing to run the teacher on. Received: 0 examples. Check the "
            "data set."
        )
    return np.unique(np.concatenate(parts))


def _passes(
    network: keras.Model, batches: tf.data.Dataset
) -> Iterator[tuple[Any, Any]]:
    predict = data.predictor(network)
    for x, keys in batches.map(lambda x: (x, example_keys(x))).prefetch(2):
        found = predict(x)
        yield keys.numpy(), found if isinstance(found, list | tuple) else [found]


def _write(
    path: pathlib.Path,
    keys: np.ndarray,
    passes: Iterator[tuple[Any, Any]],
    *,
    shapes: list[tuple[int, ...]],
    dtype: str,
    progress: Callable[[int, int], None] | None,
) -> None:
    names = [path / f"logits_{index}.npy" for index in range(len(shapes))]
    try:
        path.mkdir(parents=True, exist_ok=True)
        np.save(path / "keys.npy", keys)
        stored = [
            np.lib.format.open_memmap(name, mode="w+", dtype=dtype, shape=shape)
            for name, shape in zip(names, shapes, strict=True)
        ]
        _fill(stored, keys, passes, progress)
    except (OSError, errors.DataError) as error:
        for name in [path / "keys.npy", *names]:
            name.unlink(missing_ok=True)
        if isinstance(error, errors.DataError):
            raise
        raise errors.OutputError(
            f"The soft targets cannot be written. Received: {path} ({error.strerror}). "
            "Free some space or choose another place."
        ) from error


def _fill(
    stored: Sequence[np.memmap],
    keys: np.ndarray,
    passes: Iterator[tuple[Any, Any]],
    progress: Callable[[int, int], None] | None,
) -> None:
    """Put what the teacher says into the rows of its examples."""
    done = np.zeros(len(keys), bool)
    for batch, found in passes:
        rows = np.minimum(np.searchsorted(keys, batch), len(keys) - 1)
        if (keys[rows] != batch).any():
            raise _changing()
        for target, logits in zip(stored, found, strict=True):
            target[rows] = logits
        done[rows] = True
        if progress:
            progress(int(done.sum()), len(keys))
    if not done.all():
        raise _changing()
    for target in stored:
        target.flush()


def _changing() -> errors.DataError:
    return errors.DataError(
        "The examples change from pass to pass. Received: a stream with random "
        "augmentation, or whose source was edited meanwhile. Take the augmentation "
        "out, or distil with a live teacher."
    )


def _check_shapes(shapes: list[tuple[Any, ...]], teacher: keras.Model) -> None:
    for shape in shapes:
        if None in shape:
            raise errors.ModelError(
                "The soft targets of this teacher have no fixed size. Received: "
                f"{teacher.name!r} with output {shape[1:]}. Build it with a fixed "
                "input shape, or distil with a live teacher."
            )


def _check_space(
    path: pathlib.Path, shapes: list[tuple[int, ...]], dtype: str, count: int
) -> None:
    numbers = sum(int(np.prod(shape)) for shape in shapes)
    needed = numbers * np.dtype(dtype).itemsize + 8 * count
    place = next(p for p in [path.absolute(), *path.absolute().parents] if p.exists())
    free = shutil.disk_usage(place).free
    if needed + _SPARE_BYTES > free:
        raise errors.OutputError(
            f"The disk has no room for the soft targets. Received: {path}, which needs "
            f"{needed / 1e6:,.0f} MB; {free / 1e6:,.0f} MB are free. Choose another "
            'place, use dtype="float16", or distil with a live teacher.'
        )


def _is_there(path: pathlib.Path, named: str) -> bool:
    if not (path / "store.json").exists():
        return False
    try:
        return bool(SoftTargets(path).fingerprint == named)
    except (errors.DataError, KeyError) as error:
        _LOG.warning("%s is computed again: %s", path, error)
        return False
