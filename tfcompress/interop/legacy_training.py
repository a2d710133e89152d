"""Train a Keras 2 model the way `tfcompress.training` trains a Keras 3 one.

The same batches in the same order with the same augmentation, the same learning rate at
every step, the same optimizer, decoupled weight decay that spares biases and scales:
what differs between two such trainings is the model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import data, errors
from tfcompress.interop import legacy
from tfcompress.training import TrainConfig, schedules

OnEpoch = Callable[[int, dict[str, float]], None]


def fit(
    model: Any,
    dataset: data.Dataset,
    *,
    config: TrainConfig,
    task: data.Task,
    callbacks: Sequence[Any] = (),
    on_epoch: OnEpoch | None = None,
) -> dict[str, list[float]]:
    """Train a ``tf_keras`` model in place.

    Args:
        model: The model; it is compiled here.
        dataset: Its training part is learned, its validation part is measured.
        config: The settings. Early stopping and mixed precision do not apply.
        task: Loss and metric.
        callbacks: Keras 2 callbacks.
        on_epoch: Called after each epoch with its number and figures.

    Returns:
        Per name one number per epoch: ``loss``, ``val_<metric>``, ``seconds``.

    Raises:
        TrainingError: If there is nothing to train on, or the loss is not finite.
    """
    steps = _steps_per_epoch(dataset, config)
    compile_like(model, config, task, steps=steps * config.epochs)
    history: dict[str, list[float]] = {}
    for epoch in range(config.epochs):
        started = time.perf_counter()
        stream = dataset.train(config.batch_size, seed=config.seed, epoch=epoch)
        logs = model.fit(
            stream,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            shuffle=False,
            callbacks=list(callbacks),
        ).history
        figures = {"loss": float(logs["loss"][0])}
        figures["seconds"] = time.perf_counter() - started
        _check_loss(figures["loss"], epoch, config)
        if dataset.sizes.get("validation"):
            found = evaluate(model, dataset, task, split="validation")
            figures[f"val_{task.metric}"] = found
        for name, value in figures.items():
            history.setdefault(name, []).append(value)
        if on_epoch is not None:
            on_epoch(epoch, figures)
    return history


def compile_like(
    model: Any, config: TrainConfig, task: data.Task, *, steps: int
) -> None:
    """Compile a ``tf_keras`` model as `training.train` compiles a Keras 3 one."""
    optimizer = _optimizer(config, steps)
    flat = [v for v in model.trainable_variables if len(v.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=flat)
    model.compile(
        optimizer=optimizer,
        loss=keras.tree.map_structure(_as_function, task.loss()),
        loss_weights=task.loss_weights(),
        jit_compile=False,
    )


def evaluate(
    model: Any, dataset: data.Dataset, task: data.Task, *, split: str = "test"
) -> float:
    """Return the task's metric of a ``tf_keras`` model on one part of the data."""
    batches = dataset.batches(split, 256)
    found = task.evaluate(model.predict_on_batch, batches)
    return float(found.value)


def _optimizer(config: TrainConfig, steps: int) -> Any:
    kit = legacy.tf_keras()

    class Rate(kit.optimizers.schedules.LearningRateSchedule):  # type: ignore[name-defined]
        """Our schedule, for an optimizer of Keras 2."""

        def __init__(self) -> None:
            self.ours = schedules.Schedule(config, steps=steps)

        def __call__(self, step: Any) -> Any:
            return self.ours(step)

    rate, decay = Rate(), config.weight_decay or None
    if config.optimizer == "sgd":
        return kit.optimizers.SGD(rate, momentum=config.momentum, weight_decay=decay)
    if config.optimizer == "adamw":
        return kit.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    return kit.optimizers.Adam(rate, weight_decay=decay)


def _as_function(loss: Any) -> Any:
    """Return a Keras 3 loss as a function of one loss per example, as Keras 2 wants."""
    return loss.call if isinstance(loss, keras.losses.Loss) else loss


def _steps_per_epoch(dataset: data.Dataset, config: TrainConfig) -> int:
    steps = math.ceil(dataset.sizes["train"] / config.batch_size)
    if not steps:
        raise errors.TrainingError(
            "There is nothing to train on. Received: a data set with 0 training "
            f"examples ({dataset.name!r}). Check its path."
        )
    return steps


def _check_loss(loss: float, epoch: int, config: TrainConfig) -> None:
    if not np.isfinite(loss):
        raise errors.TrainingError(
            f"The loss is not finite. Received: loss={loss} in epoch {epoch + 1}. "
            f"Lower learning_rate={config.learning_rate}."
        )
