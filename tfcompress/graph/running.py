"""Run a flattened model call by call, on tensors that the caller sees.

Only what a later call still reads is held, and the model's outputs: memory is that of
the widest point of the network for one batch, whatever the number of tensors that are
looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.graph.reading import Call, FlatModel, Ref, functional_graph

Alive = Mapping[int, Any]
Run = Callable[[Call, Alive], list[Any]]


def run_call(call: Call, alive: Alive, *, layer: Any = None) -> list[Any]:
    """Run a call as in inference; return the tensors that it makes.

    Args:
        call: The call.
        alive: At least its inputs, by their numbers.
        layer: What to run in the place of its own layer.
    """
    layer = call.layer if layer is None else layer
    args, kwargs = keras.tree.map_structure(
        lambda x: alive[x.tensor] if isinstance(x, Ref) else x,
        (call.args, dict(call.kwargs)),
    )
    if (
        getattr(layer, "_call_has_training_arg", False)
        and kwargs.get("training") is None
    ):
        kwargs["training"] = False
    return list(keras.tree.flatten(layer(*args, **kwargs)))


def run_through(
    flat: FlatModel, inputs: Sequence[Any], *, run: Run = run_call
) -> Iterator[tuple[Call, Alive]]:
    """Run a model; yield after each call with the tensors alive.

    Args:
        flat: The model.
        inputs: One tensor per input of the model.
        run: Makes the outputs of a call.

    Yields:
        The call and the tensors by number: at least its own inputs and outputs, and
        the outputs of the model made so far.
    """
    alive = dict(zip(flat.input_tensors(), inputs, strict=True))
    last = last_uses(flat)
    for call in flat.calls:
        alive.update(zip(call.outputs, run(call, alive), strict=True))
        yield call, alive
        for tensor in {*call.inputs, *call.outputs}:
            if last.get(tensor, -1) <= call.index:
                alive.pop(tensor, None)


def run_all(
    flat: FlatModel, inputs: Sequence[Any], *, run: Run = run_call
) -> list[Any]:
    """Run a model as `run_through` does; return its outputs."""
    alive: Alive = dict(zip(flat.input_tensors(), inputs, strict=True))
    for _, held in run_through(flat, inputs, run=run):
        alive = held
    return [alive[tensor] for tensor in flat.output_tensors()]


def last_uses(flat: FlatModel) -> dict[int, int]:
    """Return for each tensor the last call that reads it; an output is always read."""
    last = {tensor: call.index for call in flat.calls for tensor in call.inputs}
    return {**last, **dict.fromkeys(flat.output_tensors(), len(flat.calls))}


def inputs_in_order(model: keras.Model, batch: Any) -> list[Any]:
    """Return a batch as one array per input, in the model's order.

    Args:
        model: A functional or Sequential model.
        batch: An array, a list of arrays, or a dict of arrays by the inputs' names.

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
            "The data do not fit the model's inputs. Received: examples of shape "
            f"{', '.join(map(str, given))}; model {model.name!r} takes "
            f"{', '.join(map(str, wanted))}. Pass batches, preprocessed as in training."
        )
