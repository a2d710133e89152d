"""Feed calibration examples to the converter one by one, so that memory stays flat.

The converter runs the float model on them and keeps each activation's smallest and
largest value.  It allocates for one shape, that of a single example, so batches are
taken apart; nothing is collected, a generator of any length works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfcompress import errors

if TYPE_CHECKING:
    from tfcompress.tflite.exporting import Interface

Array = np.ndarray[Any, Any]
Batch = Any  # an array, a list of arrays (one per input) or a dict by input name
Batches = Iterable[Batch] | Callable[[], Iterable[Batch]]


class CalibrationStream:
    """Batches of inputs as the converter's single examples, checked on the way.

    Args:
        batches: Arrays ``[batch, ...]``, lists or dicts of arrays for several inputs,
            already preprocessed; or a function that returns such an iterable.
        known: The model's inputs.

    Attributes:
        num_examples: How many the converter has taken so far.
        first: The first example of them.
        error: What stopped the stream; the converter hides it in its own error.
    """

    def __init__(self, batches: Batches, known: Interface) -> None:
        self.batches = batches
        self.known = known
        self.num_examples = 0
        self.first: dict[str, Array] | None = None
        self.error: Exception | None = None

    def __call__(self) -> Iterator[dict[str, Array]]:
        """Yield one example at a time, by input name, with a batch of one."""
        self.num_examples = 0
        try:
            for arrays in self._checked():
                for i in range(min(map(len, arrays.values()))):
                    example = {name: a[i : i + 1] for name, a in arrays.items()}
                    self.first = self.first or example
                    self.num_examples += 1
                    yield example
            if not self.num_examples:
                self._refuse_empty()
        except Exception as error:
            self.error = error
            raise

    def whole_batches(self) -> Iterator[list[Array]]:
        """Yield the batches as they come, one array per input in the model's order."""
        for arrays in self._checked():
            yield [arrays[name] for name in self.known.inputs]

    def _checked(self) -> Iterator[dict[str, Array]]:
        for batch in self.batches() if callable(self.batches) else self.batches:
            yield self._arrays(batch)

    def _refuse_empty(self) -> None:
        raise errors.DataError(
            "There is nothing to calibrate with. Received: calibration with no "
            "examples. Pass a few hundred training inputs, or a function that "
            "returns them anew if it was a generator that has been used up."
        )

    def _arrays(self, batch: Batch) -> dict[str, Array]:
        arrays = named(batch, self.known.inputs)
        for name, shape in self.known.shapes.items():
            array = np.ascontiguousarray(arrays[name], self.known.dtypes[name])
            if array.shape[1:] != shape:
                raise errors.DataError(
                    f"Calibration data do not fit the input {name!r}. Received: a "
                    f"batch of shape {array.shape}; the model takes "
                    f"{('batch', *shape)}. Pass batches, preprocessed as in training."
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise errors.DataError(
                    f"Calibration data hold NaN or infinity. Received: input {name!r}, "
                    f"near example {self.num_examples}. Clean the data set."
                )
            arrays[name] = array
        return arrays


def named(batch: Batch, names: Sequence[str]) -> dict[str, Array]:
    """Return a batch as arrays by input name.

    Args:
        batch: An array, a list or tuple in the order of `names`, or a dict.
        names: The inputs.

    Raises:
        DataError: If there are more or fewer arrays than inputs, or another name.

    Example:
        >>> named(np.zeros((2, 3)), ["image"])["image"].shape
        (2, 3)
    """
    if isinstance(batch, Mapping):
        parts = dict(batch)
    elif isinstance(batch, list | tuple):
        parts = (
            dict(zip(names, batch, strict=False)) if len(batch) == len(names) else {}
        )
    else:
        parts = {names[0]: batch}
    if set(parts) != set(names):
        received = sorted(parts) if isinstance(batch, Mapping) else f"{_count(batch)}"
        raise errors.DataError(
            f"The inputs do not fit. Received: {received} arrays; the model has "
            f"{len(names)} inputs: {', '.join(names)}. Pass one array for each, in "
            "this order, or a dict by name."
        )
    return {name: np.asarray(parts[name]) for name in names}


def _count(batch: Batch) -> int:
    return len(batch) if isinstance(batch, list | tuple) else 1
