"""What people call metrics and losses: Keras' names, ours, and which way is better."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from tfcompress import errors
from tfcompress.data import measures
from tfcompress.data.tasks import OutputTask, Task

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


def with_compiled(output: OutputTask, compiled: Any) -> OutputTask:
    """Take the first metric of the compiled model, or the one that the user names.

    Raises:
        ConfigError: If it has no metric of that name, or nobody knows its direction.
    """
    given = compiled if isinstance(compiled, list | tuple) else [compiled]
    given = [metric for metric in given if metric is not None]
    if output.stated:
        return _named(output, given)
    for metric in given:
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


def _named(output: OutputTask, given: list[Any]) -> OutputTask:
    """Find the metric that the user names, unless it is found already."""
    if output.metric in measures.METRICS[output.kind] or output.compiled_metric:
        return output
    for metric in given:
        if _metric_name(metric) == output.metric:
            found = keras.metrics.get(metric)
            return dataclasses.replace(output, compiled_metric=found)
    raise errors.ConfigError(
        f"There is no such metric. Received: --metric {output.metric!r}; the compiled "
        f"model has {', '.join(map(_metric_name, given)) or 'none'}, and tfcompress "
        f"has {', '.join(measures.METRICS[output.kind])}. Choose one of them."
    )


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
        if direction:  # a metric of the compiled model, found there by `with_compiled`
            better = direction == "max"
            return dataclasses.replace(
                output, metric=name, higher_is_better=better, stated=True
            )
        ours = ", ".join(measures.METRICS[output.kind])
        raise errors.ConfigError(
            f"There is no such metric. Received: --metric {text!r}; a {output.kind} "
            f"task has {ours}, or any metric of keras.metrics by name."
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


def _known(loss: str) -> str:
    try:
        keras.losses.get(loss)
    except ValueError as error:
        raise errors.ConfigError(
            f"There is no such loss. Received: --loss {loss!r}. Use a name of "
            "keras.losses, such as 'sparse_categorical_crossentropy' or 'mse'."
        ) from error
    return loss
