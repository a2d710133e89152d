"""A data set and a task of a few lines, with the interface of `tfcompress.data`."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class FakeEvaluation:
    metric: str
    value: float
    higher_is_better: bool = True


@dataclasses.dataclass(frozen=True)
class FakeTask:
    """Classification from probabilities or logits."""

    from_logits: bool = True
    metric: str = "accuracy"
    higher_is_better: bool = True

    def loss(self):
        return keras.losses.SparseCategoricalCrossentropy(from_logits=self.from_logits)

    def metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def evaluate(self, predict, batches):
        hits = total = 0
        for x, y, *_ in batches:
            hits += int((np.argmax(predict(x), axis=-1) == np.asarray(y)).sum())
            total += len(y)
        return FakeEvaluation("accuracy", hits / total)


@dataclasses.dataclass(frozen=True)
class FakeDataset:
    """Arrays as a data set; the order of an epoch depends on (seed, epoch) only."""

    x: np.ndarray
    y: np.ndarray
    validation_examples: int = 32
    name: str = "fake"
    fingerprint: str = "fake"

    @property
    def sizes(self):
        train = len(self.x) - self.validation_examples
        return {"train": train, "validation": self.validation_examples, "test": 0}

    def train(self, batch_size, *, seed=0, epoch=0, shuffle=True, augment=True):
        count = self.sizes["train"]
        order = np.arange(count)
        if shuffle:
            order = np.random.default_rng([seed, epoch]).permutation(count)
        pair = (self.x[order], self.y[order])
        return tf.data.Dataset.from_tensor_slices(pair).batch(batch_size)

    def validation(self, batch_size):
        count = self.sizes["train"]
        pair = (self.x[count:], self.y[count:])
        return tf.data.Dataset.from_tensor_slices(pair).batch(batch_size)


def blobs(examples=160, shape=(8, 8, 3), classes=4, seed=0) -> FakeDataset:
    """Return images whose mean per corner tells the class: learnable in seconds."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, examples)
    x = rng.normal(0, 0.5, (examples, *shape)).astype("float32")
    half = shape[0] // 2
    for index, label in enumerate(y):
        row, column = divmod(int(label) % 4, 2)
        x[index, row * half : (row + 1) * half, column * half : (column + 1) * half] += 1
    return FakeDataset(x, y.astype("int32"))
