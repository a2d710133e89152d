"""Put the parts of a source together: hold out what is missing, read class weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfcompress import errors
from tfcompress.data import class_weights as weighing
from tfcompress.data import sampling
from tfcompress.data.augmentation import Augmentation
from tfcompress.data.preprocessing import Preprocessing
from tfcompress.data.splits import Split
from tfcompress.data.tasks import Task

if TYPE_CHECKING:
    from tfcompress.data.datasets import Dataset


def assemble(  # noqa: PLR0913 - one argument per fact about a data set
    splits: Mapping[str, Split],
    task: Task,
    *,
    name: str = "arrays",
    preprocessing: Preprocessing | None = None,
    augmentation: Augmentation | None = None,
    class_weights: weighing.ClassWeights = None,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Make a `Dataset` of at least a training part."""
    from tfcompress.data.datasets import Dataset  # `from_arrays` ends up here

    fractions = {"test": test_fraction, "validation": validation_fraction}
    parts = hold_out(splits, fractions, seed=seed)
    return Dataset(
        name=name,
        task=task,
        splits=parts,
        preprocessing=preprocessing or Preprocessing(),
        augmentation=augmentation,
        class_weights=weighing.resolve(class_weights, parts["train"], task),
        notes=notes,
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
                f"{missing}_fraction={fraction}, {train.size} training examples. Give "
                f"a {missing} part, or a fraction between 0 and 1 of enough examples."
            )
        rest, held = sampling.stratified_split(
            train.labels, train.size, fraction, seed=seed
        )
        found["train"], found[missing] = train.take(rest), train.take(held)
    return {name: found[name] for name in ("train", "validation", "test")}
