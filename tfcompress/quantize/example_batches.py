"""Run the calls of a flattened model one by one, on tensors that the caller holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.graph.reading import Call, FlatModel, Ref, functional_graph

Batch = Any  # an array, a list of arrays (one per input) or a dict by input name


def run_call(call: Call, layer: Any, alive: Mapping[int, Any]) -> list[Any]:
    """Run `layer` in the place of a call's own; return the tensors that it makes."""
    args, kwargs = keras.tree.map_structure(
        lambda x: alive[x.tensor] if isinstance(x, Ref) else x,
        (call.args, dict(call.kwargs)),
    )
    if getattr(layer, "_call_has_training_arg", False):
        kwargs["training"] = False
    return list(keras.tree.flatten(layer(*args, **kwargs)))


def last_uses(flat: FlatModel) -> dict[int, int]:
    """Return for each tensor the last call that reads it; outputs have none."""
    last = {tensor: call.index for call in flat.calls for tensor in call.inputs}
    for tensor in flat.output_tensors():
        last.pop(tensor, None)
    return last


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
        arrays = ordered(model, batch)
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


def ordered(model: keras.Model, batch: Batch) -> list[Any]:
    """Return a batch as one array per input, in the model's order.

    Raises:
        DataError: If it does not fit the model's inputs.
    """
    tensors = keras.tree.flatten(functional_graph(model).input)
    names = [tensor._keras_history.operation.name for tensor in tensors]  # noqa: SLF001 - the InputLayer's name
    if isinstance(batch, Mapping) and set(batch) == set(names):
        arrays = [np.asarray(batch[name]) for name in names]
    else:
        arrays = [np.asarray(array) for array in keras.tree.flatten(batch)]
    _check(model, arrays, tensors)
    return arrays


def _check(model: keras.Model, arrays: Sequence[Any], tensors: Sequence[Any]) -> None:
    wanted = [tuple(tensor.shape[1:]) for tensor in tensors]
    given = [tuple(array.shape[1:]) for array in arrays]
    fits = len(given) == len(wanted) and all(
        len(a) == len(b) and all(w in (None, g) for g, w in zip(a, b, strict=True))
        for a, b in zip(given, wanted, strict=True)
    )
    if not fits:
        raise errors.DataError(
            f"The data do not fit the model's inputs. Received: {len(given)} arrays of "
            f"shape {', '.join(map(str, given))}; {model.name!r} takes "
            f"{', '.join(map(str, wanted))}. Pass batches, preprocessed as in training."
        )
