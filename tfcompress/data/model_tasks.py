"""Complete a data set's task with what the model says about itself.

For each output, first that answers wins:

1. loss:       ``--loss`` of the data set, the compiled loss, the default of the kind
2. metric:     ``--metric``, the compiled metric, the default of the kind
3. direction:  ``--metric name:max``, our table, words in the metric's name
4. logits:     the loss' ``from_logits``, the output's activation, a few outputs
5. weight:     the compiled loss weight; 0 for an output that is compiled without a loss
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import keras
import numpy as np

from tfcompress import errors, graph
from tfcompress.data import metric_names
from tfcompress.data.datasets import Dataset
from tfcompress.data.tasks import OutputTask, Task
from tfcompress.graph import endings

_PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid", "hardsigmoid")


def complete(model: keras.Model, dataset: Dataset) -> Task:
    """Return the task of `Task.for_model`."""
    names = graph.output_names(model) or list(dataset.task.outputs)
    stated = paired(dataset.task, names)
    losses = _by_output(getattr(model, "loss", None), names)
    compiled = _compiled(model)
    found = _by_output(compiled.get("metrics"), names, lists=True)
    weights = _by_output(compiled.get("loss_weights"), names)
    outputs = {}
    for i, (name, output) in enumerate(stated.items()):
        loss = output.compiled_loss or losses.get(name)
        logits = output.from_logits or _from_logits(model, i, loss, output, dataset)
        weight = 0.0 if losses and loss is None else weights.get(name)
        completed = dataclasses.replace(
            output,
            compiled_loss=loss,
            loss_weight=output.loss_weight if weight is None else float(weight),
            from_logits=logits,
            units=_units(model, i),
        )
        outputs[name] = metric_names.with_compiled(completed, found.get(name))
    return Task(outputs=outputs, named=dataset.task.named)


def paired(task: Task, names: list[str]) -> dict[str, OutputTask]:
    """Pair the labels with the outputs of a model, by name or by order.

    Raises:
        DataError: If they do not pair.
    """
    if set(task.outputs) == set(names):
        return {name: task.outputs[name] for name in names}
    if len(names) == len(task.outputs) and (not task.several or not task.named):
        return dict(zip(names, task.outputs.values(), strict=True))
    raise errors.DataError(
        "The labels do not pair with the model's outputs. Received: labels for "
        f"{', '.join(task.outputs)}; the model has {', '.join(names)}. Give y as a "
        "dict by output name."
    )


def _from_logits(
    model: keras.Model, index: int, loss: Any, output: OutputTask, dataset: Dataset
) -> bool:
    if output.kind == "regression":
        return False
    stated = takes_logits(loss)
    if stated is not None:
        return stated
    logits = _shown_logits(model, index)
    if logits is not None:
        return logits
    return _looks_like_logits(model, index, output, dataset)


def takes_logits(loss: Any) -> bool | None:
    """Return whether a loss is of logits; None if it does not say.

    A name, or a function of Keras, means ``from_logits=False`` as in ``compile``.

    Example:
        >>> takes_logits("binary_crossentropy"), takes_logits("mse")
        (False, None)
        >>> takes_logits(keras.losses.BinaryCrossentropy(from_logits=True))
        True
    """
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            return None  # a name that only the task knows
    stated = getattr(loss, "from_logits", None)
    if stated is None and hasattr(loss, "get_config"):
        stated = loss.get_config().get("from_logits")
    if stated is None and isinstance(loss, FunctionType | functools.partial):
        parameter = inspect.signature(loss).parameters.get("from_logits")
        stated = parameter.default if parameter is not None else None
    return bool(stated) if isinstance(stated, bool) else None


def _units(model: keras.Model, index: int) -> int | None:
    """Return the width of an output, where it is known."""
    outputs = getattr(model, "outputs", None) or []
    shape = tuple(outputs[index].shape) if index < len(outputs) else ()
    return int(shape[-1]) if len(shape) > 1 and shape[-1] is not None else None


def _shown_logits(model: keras.Model, index: int) -> bool | None:
    """Return whether the graph shows an output to be logits; None if it does not."""
    try:
        operation = endings.maker(model.outputs[index])
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    activation = getattr(getattr(operation, "activation", None), "__name__", None)
    if {type(operation).__name__.lower(), activation} & set(_PROBABILITIES):
        return False
    return True if activation == "linear" else None


def _looks_like_logits(
    model: keras.Model, index: int, output: OutputTask, dataset: Dataset
) -> bool:
    """Try a few examples: probabilities lie in [0, 1] and of one class add up to 1."""
    x = next(iter(dataset.calibration(8, batch_size=8)))
    found = model(x, training=False)
    if isinstance(found, Mapping):
        found = list(found.values())
    scores = np.asarray(found[index] if isinstance(found, list | tuple) else found)
    inside = scores.min() >= -1e-3 and scores.max() <= 1 + 1e-3
    exclusive = output.kind != "multilabel" and scores.shape[-1] > 1
    adds_up = not exclusive or bool(np.allclose(scores.sum(axis=-1), 1, atol=1e-2))
    return not (inside and adds_up)


def _compiled(model: keras.Model) -> dict[str, Any]:
    """Return what `model.compile` was told, as the objects it was given.

    The public ``get_compile_config`` gives them serialised, and a metric of the user's
    own then needs to be registered to come back.
    """
    if not getattr(model, "compiled", False):
        return {}
    arguments = getattr(model, "_compile_config", None)
    return dict(getattr(arguments, "config", {}))


def _by_output(value: Any, names: list[str], *, lists: bool = False) -> dict[str, Any]:
    """Arrange what `compile` was given by output name."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple) and not (lists and len(names) == 1):
        if len(value) == len(names):
            return dict(zip(names, value, strict=True))
        return {}
    return dict.fromkeys(names, value)
