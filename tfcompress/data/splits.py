"""A part of a data set: examples by number, streamed in any order.

The order is given from outside (`sampling.epoch_order`), so every source is shuffled
the same way and nothing keeps a shuffle buffer.  `ArraySplit` holds its arrays once, as
tensors in main memory; epochs, held-out parts and samples are lists of row numbers into
them, and conversion to float32 happens batch by batch.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress import files
from tfcompress.data import sampling
from tfcompress.data.preprocessing import Preprocessing

Shapes = tuple[tuple[int | None, ...], ...]

_ROWS_AT_ONCE = 4096


class Split(Protocol):
    """What a source provides for each of its parts."""

    @property
    def size(self) -> int:
        """Number of examples."""
        ...

    @property
    def labels(self) -> sampling.Indices | None:
        """Class of each example, for stratifying; None where there is no such thing."""
        ...

    @property
    def raw_shapes(self) -> Shapes:
        """Shape of one example of each input, before preprocessing."""
        ...

    def batches(
        self, order: sampling.Indices, batch_size: int, preprocessing: Preprocessing
    ) -> tf.data.Dataset:
        """Stream ``(index, (x, y))`` or ``(index, (x, y, sample_weight))``, batched.

        `x` has its final size and channels but is not normalised yet.
        """
        ...

    def take(self, rows: sampling.Indices) -> Split:
        """Return the part made of these examples."""
        ...

    def fingerprint(self) -> str:
        """Return a short name of the content: it changes when an example does."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ArraySplit:
    """Examples held in memory.

    Attributes:
        example: ``(x, y)`` or ``(x, y, sample_weight)``; each a tensor, or a dict or
            tuple of tensors, with one row per example.
        labels: Class of each example, or None.
        rows: Which rows of the tensors belong to this part.
    """

    example: tuple[Any, ...]
    labels: sampling.Indices | None
    rows: sampling.Indices

    @classmethod
    def from_arrays(cls, *example: Any, labels: sampling.Indices | None) -> Self:
        """Hold these arrays; a uint8 array stays uint8."""
        with tf.device("CPU:0"):  # 150 MB of images do not belong on the accelerator
            tensors = tf.nest.map_structure(tf.convert_to_tensor, example)
        size = len(tf.nest.flatten(tensors)[0])
        return cls(example=tensors, labels=labels, rows=np.arange(size, dtype=np.int64))

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.rows)

    @property
    def raw_shapes(self) -> Shapes:
        """Shape of one example of each input."""
        return tuple(tuple(t.shape[1:]) for t in tf.nest.flatten(self.example[0]))

    def batches(
        self, order: sampling.Indices, batch_size: int, preprocessing: Preprocessing
    ) -> tf.data.Dataset:
        """Gather the rows of each batch from the tensors."""
        with tf.device("CPU:0"):
            rows = tf.convert_to_tensor(self.rows)

        def gather(index: tf.Tensor) -> Any:
            chosen = tf.gather(rows, index)
            x, *rest = tf.nest.map_structure(
                lambda tensor: tf.gather(tensor, chosen), self.example
            )
            return index, (preprocessing.resize_batch(x), *rest)

        stream = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return stream.map(gather, num_parallel_calls=tf.data.AUTOTUNE)

    def take(self, rows: sampling.Indices) -> ArraySplit:
        """Return a view of these examples; no array is copied."""
        labels = None if self.labels is None else self.labels[rows]
        return dataclasses.replace(self, labels=labels, rows=self.rows[rows])

    def fingerprint(self) -> str:
        """Hash the arrays and which rows of them belong to this part."""
        parts: list[bytes | str] = [self.rows.tobytes()]
        for tensor in tf.nest.flatten(self.example):
            array = tensor.numpy()  # the same memory, not a copy
            parts += [f"{array.dtype} {array.shape}", _digest(array)]
        return files.fingerprint(*parts)


def _digest(array: npt.NDArray[Any]) -> bytes:
    """Hash an array in pieces, so that it is never copied as a whole."""
    found = hashlib.sha256()
    for start in range(0, len(array), _ROWS_AT_ONCE):
        found.update(array[start : start + _ROWS_AT_ONCE].tobytes())
    return found.digest()
