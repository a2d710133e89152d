"""Complete a data set's task with what the model says about itself.

For each output, first that answers wins:

1. loss:       ``--loss`` of the data set, the compiled loss, the default of the kind
2. metric:     ``--metric``, the compiled metric, the default of the kind
3. direction:  ``--metric name:max``, our table, words in the metric's name
4. logits:     the loss' ``from_logits``, the output's activation, a few outputs
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.data import measures
from tfcompress.data.datasets import Dataset
from tfcompress.data.tasks import OutputTask, Task

_PROBABILITIES = ("softmax", "sigmoid")
_UP = (
    "accuracy", "acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "dice",
    "score", "r2", "similarity", "match",
)  # fmt: skip
_DOWN = ("error", "loss", "entropy", "divergence", "distance", "hinge", "mae", "mse")

# What people call our metrics, by the words that Keras accepts in `compile`.
_ALIASES = {
    "acc": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "binary_accuracy": "accuracy",
    "mean_absolute_error": "mae",
    "meanabsoluteerror": "mae",
    "mean_squared_error": "mse",
    "meansquarederror": "mse",
    "root_mean_squared_error": "rmse",
    "rootmeansquarederror": "rmse",
    "r2_score": "r2",
    "mean_io_u": "mean_iou",
    "miou": "mean_iou",
    "top_k_categorical_accuracy": "top5_accuracy",
    "sparse_top_k_categorical_accuracy": "top5_accuracy",
}


def complete(model: keras.Model, dataset: Dataset) -> Task:
    """Return the task of `Task.for_model`."""
    names = list(getattr(model, "output_names", None) or dataset.task.outputs)
    stated = paired(dataset.task, names)
    losses = _by_output(getattr(model, "loss", None), names)
    compiled = _compiled(model)
    found = _by_output(compiled.get("metrics"), names, lists=True)
    weights = _by_output(compiled.get("loss_weights"), names)
    outputs = {}
    for i, (name, output) in enumerate(stated.items()):
        loss = output.compiled_loss or losses.get(name)
        logits = output.from_logits or _from_logits(model, i, loss, output, dataset)
        completed = dataclasses.replace(
            output,
            compiled_loss=loss,
            loss_weight=float(weights.get(name) or output.loss_weight),
            from_logits=logits,
        )
        metric = None if output.stated else found.get(name)
        outputs[name] = _with_metric(completed, metric)
    return Task(outputs=outputs, named=dataset.task.named)


def with_options(
    task: Task, *, loss: str | None = None, metric: str | None = None
) -> Task:
    """Return the task with the loss and metric that the user states.

    Args:
        task: The data set's own task.
        loss: A Keras loss by name.
        metric: A metric by name, with its direction if it is none of ours: "iou:max".
            For one of several outputs: "head.mae".

    Raises:
        ConfigError: If nobody knows the loss, the metric or its direction.
    """
    outputs = dict(task.outputs)
    name = next(iter(outputs))
    if metric is not None and "." in metric and metric.split(".")[0] in outputs:
        name, metric = metric.split(".", 1)
    if loss is not None:
        outputs[name] = dataclasses.replace(outputs[name], compiled_loss=_known(loss))
    if metric is not None:
        outputs[name] = _stated_metric(outputs[name], metric)
    return dataclasses.replace(task, outputs=outputs)


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
        f"{', '.join(task.outputs)}; the model has {', '.join(names)}. Give y as a dict "
        "by output name."
    )


def _with_metric(output: OutputTask, compiled: Any) -> OutputTask:
    """Take the first metric of the compiled model."""
    for metric in compiled if isinstance(compiled, list | tuple) else [compiled]:
        if metric is None:
            continue
        name = _metric_name(metric)
        if name in measures.METRICS[output.kind] and not _unlike_ours(metric, name):
            return _ours(output, name)
        return dataclasses.replace(
            output,
            metric=name,
            higher_is_better=_direction(name),
            compiled_metric=keras.metrics.get(metric),
        )
    return output


def _stated_metric(output: OutputTask, text: str) -> OutputTask:
    name, _, direction = text.partition(":")
    name = _ALIASES.get(name.lower(), name.lower())
    if name in measures.METRICS[output.kind] and not direction:
        return dataclasses.replace(_ours(output, name), stated=True)
    if direction not in ("", "max", "min"):
        raise errors.ConfigError(
            f"The metric's direction is unknown. Received: --metric {text!r}. Write "
            f"'{name}:max' or '{name}:min'."
        )
    try:
        metric = keras.metrics.get(name)
    except ValueError as error:
        ours = ", ".join(measures.METRICS[output.kind])
        raise errors.ConfigError(
            f"There is no such metric. Received: --metric {text!r}; a {output.kind} task "
            f"has {ours}, or any metric of keras.metrics by name."
        ) from error
    better = direction == "max" if direction else _direction(name)
    return dataclasses.replace(
        output,
        metric=name,
        higher_is_better=better,
        compiled_metric=metric,
        stated=True,
    )


def _ours(output: OutputTask, name: str) -> OutputTask:
    better = measures.METRICS[output.kind][name]
    return dataclasses.replace(output, metric=name, higher_is_better=better)


def _metric_name(metric: Any) -> str:
    name = metric if isinstance(metric, str) else getattr(metric, "name", None)
    name = str(name or getattr(metric, "__name__", "metric")).lower()
    return _ALIASES.get(name, name)


def _unlike_ours(metric: Any, name: str) -> bool:
    """Tell whether a metric has our name but settings that ours does not have."""
    if not isinstance(metric, keras.metrics.Metric):
        return False
    config = metric.get_config()
    k = config.get("k", 5)
    threshold = config.get("threshold", 0.5)
    return (name == "top5_accuracy" and k != 5) or threshold not in (None, 0.5, 0)


def _direction(name: str) -> bool:
    """Guess a direction from the words of a metric's name.

    Raises:
        ConfigError: If no word tells it.
    """
    lowered = name.lower()
    if any(word in lowered for word in _DOWN):
        return False
    if any(word in lowered for word in _UP):
        return True
    raise errors.ConfigError(
        f"Nobody knows whether more is better. Received: the compiled metric {name!r}. "
        f"State it with `--metric {name}:max` or `--metric {name}:min`."
    )


def _from_logits(
    model: keras.Model, index: int, loss: Any, output: OutputTask, dataset: Dataset
) -> bool:
    if output.kind == "regression":
        return False
    stated = getattr(loss, "from_logits", None)
    if stated is None and hasattr(loss, "get_config"):
        stated = loss.get_config().get("from_logits")
    if stated is not None:
        return bool(stated)
    activation = _last_activation(model, index)
    if activation is not None:
        return activation not in _PROBABILITIES
    return _looks_like_logits(model, index, output, dataset)


def _last_activation(model: keras.Model, index: int) -> str | None:
    """Return the name of the function that makes an output, where the graph shows it."""
    try:
        tensor = model.outputs[index]
        operation = tensor._keras_history.operation  # noqa: SLF001 - no public way
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    kind = type(operation).__name__.lower()
    if kind in _PROBABILITIES:
        return kind
    if isinstance(operation, keras.Model) or kind in ("reshape", "flatten"):
        return None
    activation = getattr(operation, "activation", None)
    return None if activation is None else str(getattr(activation, "__name__", ""))


def _looks_like_logits(
    model: keras.Model, index: int, output: OutputTask, dataset: Dataset
) -> bool:
    """Run a few examples: probabilities lie in [0, 1] and, if exclusive, add up to 1."""
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


def _known(loss: str) -> str:
    try:
        keras.losses.get(loss)
    except ValueError as error:
        raise errors.ConfigError(
            f"There is no such loss. Received: --loss {loss!r}. Use a name of "
            "keras.losses, such as 'sparse_categorical_crossentropy' or 'mse'."
        ) from error
    return loss
