"""The data set that every stage reads: three parts, one task, one preprocessing.

::

    train --------> learn                         order = f(seed, epoch)
      +-- held out: validation --> decide         fixed order
    test ---------> final figures only            fixed order
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcompress import config, errors, files
from tfcompress.data import arrays, class_weights, label_tasks, sampling
from tfcompress.data.augmentation import Augmentation
from tfcompress.data.preprocessing import Preprocessing
from tfcompress.data.splits import Split
from tfcompress.data.tasks import Task


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Examples to train on, to decide by and to report on.

    Attributes:
        name: What reports call it.
        task: Kind, classes and metric of each output.
        splits: "train", "validation" and "test".
        preprocessing: What turns raw values into the model's input.
        augmentation: Random changes of training images; None: none.
        class_weights: Weight of each class in the training loss; None: all 1.
        notes: What was skipped or decided while reading, for the report.

    Example:
        >>> x, y = np.zeros((20, 4), np.float32), np.arange(20) % 2
        >>> dataset = Dataset.from_arrays(train=(x, y), test=(x, y))
        >>> dataset.sizes
        {'train': 18, 'validation': 2, 'test': 20}
    """

    name: str
    task: Task
    splits: Mapping[str, Split]
    preprocessing: Preprocessing = dataclasses.field(default_factory=Preprocessing)
    augmentation: Augmentation | None = None
    class_weights: Mapping[int, float] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def from_arrays(
        cls,
        train: tuple[Any, ...],
        *,
        validation: tuple[Any, ...] | None = None,
        test: tuple[Any, ...] | None = None,
        **settings: Any,
    ) -> Dataset:
        """Make a data set of arrays; uint8 images stay uint8 until a batch is read.

        Args:
            train: ``(x, y)`` or ``(x, y, sample_weight)``.  Several inputs or outputs
                are dicts by the model's input and output names, or tuples.
            validation: Likewise; None: a stratified part of `train` is held out.
            test: Likewise; None: a stratified part of `train` is held out.
            **settings: `name`, `task` (a kind, a dict of kinds by output, or a `Task`),
                `class_names`, `preprocessing`, `class_weights`, `augmentation`,
                `validation_fraction` (0.1), `test_fraction` (0.1), `seed` (0).

        Raises:
            DataError: If a part is empty, or lengths or labels do not fit.
        """
        parts = {"train": train, "validation": validation, "test": test}
        return arrays.dataset(parts, **settings)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names of the primary output."""
        return self.task.primary.class_names

    @property
    def sizes(self) -> dict[str, int]:
        """Number of examples of each part."""
        return {name: split.size for name, split in self.splits.items()}

    @property
    def pictures(self) -> bool:
        """Whether some input is images, ``[height, width, channels]``."""
        return any(len(shape) >= 3 for shape in self.splits["train"].raw_shapes)

    @functools.cached_property
    def input_shapes(self) -> tuple[tuple[int | None, ...], ...]:
        """Shape of one example of each input, after preprocessing."""
        x = self.test(1).element_spec[0]
        return tuple(tuple(spec.shape[1:]) for spec in tf.nest.flatten(x))

    @functools.cached_property
    def fingerprint(self) -> str:
        """A short name of the content: it changes when anything above does."""
        parts = [f"{name} {part.fingerprint()}" for name, part in self.splits.items()]
        facts = (
            self.preprocessing.to_dict(),
            self.augmentation.to_dict() if self.augmentation else None,
            sorted((self.class_weights or {}).items()),
            [(name, o.kind, o.num_classes) for name, o in self.task.outputs.items()],
        )
        return files.fingerprint(*parts, repr(facts))

    def train(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        epoch: int = 0,
        shuffle: bool = True,
        augment: bool = True,
    ) -> tf.data.Dataset:
        """Stream one epoch of ``(x, y)`` or ``(x, y, sample_weight)``.

        The order, and what augmentation does, depend on `seed` and `epoch` only.  The
        last batch may be smaller.
        """
        stream = self.indexed(
            batch_size, seed=seed, epoch=epoch, shuffle=shuffle, augment=augment
        )
        return stream.map(lambda _, example: example)

    def indexed(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        epoch: int = 0,
        shuffle: bool = True,
        augment: bool = True,
    ) -> tf.data.Dataset:
        """Stream the epoch of `train` as ``(index, example)``.

        `index` is the place of each example in the training part (int64 ``[batch]``),
        the same in every epoch: what is stored per example is found by it.
        """
        split = self.splits["train"]
        order = sampling.epoch_order(
            split.size, seed=seed, epoch=epoch, shuffle=shuffle
        )
        stream = split.batches(order, batch_size, self.preprocessing)
        if augment and self.augmentation is not None:
            stream = self._augmented(stream, self.augmentation, seed=seed, epoch=epoch)
        return self._finished(stream, weigh=True).prefetch(tf.data.AUTOTUNE)

    def validation(self, batch_size: int) -> tf.data.Dataset:
        """Stream the held-out part that decides, in fixed order."""
        return self.batches("validation", batch_size)

    def test(self, batch_size: int) -> tf.data.Dataset:
        """Stream the part of the final figures, in fixed order."""
        return self.batches("test", batch_size)

    def batches(self, split: str, batch_size: int) -> tf.data.Dataset:
        """Stream a part by name, in fixed order, nothing random."""
        part = self.splits[split]
        order = np.arange(part.size, dtype=np.int64)
        return self._plain(part, order, batch_size)

    def calibration(
        self, num_examples: int, *, batch_size: int = 32
    ) -> tf.data.Dataset:
        """Stream inputs of a stratified sample of the training part."""
        part = self.splits["train"]
        order = sampling.stratified_sample(part.labels, part.size, num_examples, seed=0)
        return self._plain(part, order, batch_size).map(lambda x, *_: x)

    def limited(self, count: int | None, *, seed: int = 0) -> Dataset:
        """Return it with at most `count` examples to train on and to decide by.

        The test part stays whole, so that final figures can be compared.
        """
        if count is None:
            return self
        config.require(count > 0, "limit", count, "1 or more examples")
        parts = {
            name: _sample(self.splits[name], count, seed)
            for name in ("train", "validation")
        }
        return dataclasses.replace(self, splits={**self.splits, **parts})

    def to_dict(self) -> dict[str, Any]:
        """Return what a report says about it, as plain JSON values."""
        return {
            "name": self.name,
            "task": self.task.to_dict(),
            "class_names": list(self.class_names),
            "sizes": self.sizes,
            "preprocessing": self.preprocessing.to_dict(),
            "augmentation": self.augmentation.to_dict() if self.augmentation else None,
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }

    def _plain(
        self, part: Split, order: sampling.Indices, batch_size: int
    ) -> tf.data.Dataset:
        stream = part.batches(order, batch_size, self.preprocessing)
        finished = self._finished(stream, weigh=False)
        return finished.map(lambda _, example: example).prefetch(tf.data.AUTOTUNE)

    def _augmented(
        self, stream: tf.data.Dataset, change: Augmentation, *, seed: int, epoch: int
    ) -> tf.data.Dataset:
        """Change the images at random; the place in the epoch is part of the seed."""
        moves_masks = self.task.kind == "segmentation"
        state = np.random.SeedSequence([seed, epoch]).generate_state(1)[0]
        start = int(state & 0x7FFFFFFF)  # stateless ops take int32 seeds

        def augment(number: Any, batch: Any) -> Any:
            index, (x, y, *rest) = batch
            place = tf.stack([start, tf.cast(number, tf.int32)])
            x, masks = change(x, y if moves_masks else None, seed=place)
            return index, (x, masks if moves_masks else y, *rest)

        return stream.enumerate().map(augment, num_parallel_calls=tf.data.AUTOTUNE)

    def _finished(self, stream: tf.data.Dataset, *, weigh: bool) -> tf.data.Dataset:
        """Normalise the inputs, bring labels to their dtype and size, add weights."""
        weights = class_weights.table(self.class_weights, self.task) if weigh else None
        ignore = self.task.primary.ignore_class

        def finish(index: Any, example: Any) -> Any:
            x, y, *rest = example
            x = self.preprocessing.normalise(x)
            y = label_tasks.typed(y, self.task, self.preprocessing)
            if weights is not None:
                given = rest[0] if rest else None
                rest = [class_weights.sample_weights(weights, y, given, ignore)]
            return index, (x, y, *rest)

        try:
            return stream.map(finish, num_parallel_calls=tf.data.AUTOTUNE)
        except Exception as error:
            if self.preprocessing.function is None:
                raise
            raise _failed(self.preprocessing.function, error) from error


def _failed(function: str, error: Exception) -> errors.DataError:
    """Say which function of the user's failed; TensorFlow adds lines before."""
    said = (str(error).strip().splitlines() or ["no message"])[-1].strip()
    return errors.DataError(
        f"The preprocessing function failed. Received: --preprocess {function} raised "
        f"{type(error).__name__}: {said}. It takes a batch of inputs and returns it; "
        "`--debug` shows where it failed."
    )


def _sample(part: Split, count: int, seed: int) -> Split:
    if part.size <= count:
        return part
    chosen = sampling.stratified_sample(part.labels, part.size, count, seed=seed)
    return part.take(np.sort(chosen))
