"""Examples from a `tf.data.Dataset` that a user's function returns.

A stream cannot be read in any order, so an epoch is shuffled within a buffer, with a
seed made of the order asked for; parts are filters on the number of an example.  For
that an example must keep its number: a stream that shuffles itself anew each time is
refused, because its held-out part would leak into training.
"""

from __future__ import annotations

import dataclasses
import zlib
from typing import Any, Self

import numpy as np
import tensorflow as tf

from tfcompress import errors, files
from tfcompress.data import sampling
from tfcompress.data.preprocessing import Preprocessing
from tfcompress.data.splits import Shapes

_BUFFER = 10_000  # examples that an epoch is shuffled within
_COMPARED = 64  # examples read twice to see whether the order is stable


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StreamSplit:
    """Examples that come one after another.

    Attributes:
        stream: Single examples ``(x, y)`` or ``(x, y, sample_weight)``.
        labels: Class of each example of this part, or None.
        rows: Numbers of this part's examples in the stream, increasing.
        total: How many examples the stream has.
        digest: Fingerprint of the labels and of the first inputs.
    """

    stream: tf.data.Dataset
    labels: sampling.Indices | None
    rows: sampling.Indices
    total: int
    digest: str

    @classmethod
    def from_stream(
        cls, stream: tf.data.Dataset, labels: sampling.Indices | None, *, size: int
    ) -> Self:
        """Wrap single examples; `labels` as `targets.stratum` gives them."""
        return cls(
            stream=stream,
            labels=labels,
            rows=np.arange(size, dtype=np.int64),
            total=size,
            digest=_digest(stream, labels),
        )

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.rows)

    @property
    def raw_shapes(self) -> Shapes:
        """Shape of one example of each input, as far as the stream tells."""
        x = tf.nest.flatten(self.stream.element_spec[0])
        return tuple(tuple(spec.shape) for spec in x)

    def batches(
        self, order: sampling.Indices, batch_size: int, preprocessing: Preprocessing
    ) -> tf.data.Dataset:
        """Keep the wanted examples of the stream, shuffled if `order` is not sorted."""
        place = np.full(self.total, -1, np.int64)  # place in this part, -1: not wanted
        place[self.rows[order]] = order
        places = tf.constant(place)

        def number(index: Any, example: Any) -> Any:
            x, *rest = example
            resized = tf.nest.map_structure(
                lambda leaf: (
                    preprocessing.resize(leaf) if leaf.shape.rank == 3 else leaf
                ),
                x,
            )
            return places[index], (resized, *rest)

        stream = self.stream.enumerate().filter(lambda i, _: places[i] >= 0)
        if (np.diff(order) < 0).any():
            seed = zlib.crc32(order.tobytes())
            buffer = min(_BUFFER, len(order))
            stream = stream.shuffle(buffer, seed=seed, reshuffle_each_iteration=False)
        stream = stream.map(number, num_parallel_calls=tf.data.AUTOTUNE)
        batches = tf.data.experimental.assert_cardinality(-(-len(order) // batch_size))
        return stream.batch(batch_size).apply(batches)

    def take(self, rows: sampling.Indices) -> StreamSplit:
        """Return the part made of these examples."""
        rows = np.sort(rows)
        labels = None if self.labels is None else self.labels[rows]
        return dataclasses.replace(self, labels=labels, rows=self.rows[rows])

    def fingerprint(self) -> str:
        """Hash the labels, the first inputs and which examples belong to this part."""
        return files.fingerprint(self.digest, self.rows.tobytes())


def single_examples(stream: tf.data.Dataset) -> tf.data.Dataset:
    """Return a stream of single examples, whether or not it comes in batches.

    It comes in batches if every array's first axis has one and the same length, or an
    unknown one; single examples have scalar labels, or axes that differ.
    """
    spec = stream.element_spec
    if not isinstance(spec, tuple) or not 2 <= len(spec) <= 3:
        raise errors.DataError(
            "The stream does not yield (x, y) or (x, y, sample_weight). Received: "
            f"elements {spec}. Map it to pairs."
        )
    shapes = [leaf.shape for leaf in tf.nest.flatten(spec)]
    batched = all(shape.rank != 0 for shape in shapes)
    batched = batched and len({shape[0] for shape in shapes}) == 1
    return stream.unbatch() if batched else stream


def _digest(stream: tf.data.Dataset, labels: sampling.Indices | None) -> str:
    first, again = (_hashed(stream.take(_COMPARED)) for _ in range(2))
    if first != again:
        raise errors.DataError(
            "The stream yields other examples each time it is read. Received: two "
            "different orders. Remove its .shuffle(...), or pass "
            "reshuffle_each_iteration=False; training shuffles by itself."
        )
    return files.fingerprint(first, b"" if labels is None else labels.tobytes())


def _hashed(stream: tf.data.Dataset) -> str:
    parts = [
        np.ascontiguousarray(leaf).tobytes()
        for example in stream.as_numpy_iterator()
        for leaf in tf.nest.flatten(example)
    ]
    return files.fingerprint(*parts)
