"""Split the examples that a method looks at into batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from tfcompress import errors
from tfcompress.graph.running import inputs_in_order

Batch = Any  # an array, a list of arrays (one per input) or a dict by input name


def batches(
    model: keras.Model, examples: Iterable[Batch], *, at_most: int | None = None
) -> Iterator[list[Any]]:
    """Yield batches as one array per input of the model.

    Args:
        model: A functional or Sequential model.
        examples: Batches of inputs, without labels.
        at_most: Split larger batches: bounds the memory of a forward pass.

    Raises:
        DataError: If there are none, or they do not fit the model's inputs.
    """
    seen = 0
    for batch in examples:
        arrays = inputs_in_order(model, batch)
        count = len(arrays[0])
        step = min(at_most or count, count) or 1
        for start in range(0, count, step):
            seen += 1
            yield [array[start : start + step] for array in arrays]
    if not seen:
        raise errors.DataError(
            "There is nothing to run the model on. Received: no examples for "
            f"{model.name!r}. Pass batches of training inputs, or a function that "
            "returns them anew if it was a generator that has been used up."
        )
