"""Train a model on a data set: the one loop behind every method.

Each epoch is one ``fit`` of the fused twin, so whatever Keras does in a step (metrics,
sample weights, `tf.distribute`, a train step of the user's own) holds here too.  Around
it: the order of examples is a function of (seed, epoch) alone, the held-out part
decides which weights are best, a state file is written after every epoch, and a loss
that is no number ends the training with its epoch and step.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import data, files
from tfcompress.graph.identities import identity
from tfcompress.training import (
    checkpoints,
    following,
    preparation,
    schedules,
    updates,
    watching,
)
from tfcompress.training.settings import TrainConfig

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training did.

    Attributes:
        history: Per name one number per epoch: ``loss``, the compiled metrics,
            ``val_<metric>``, ``learning_rate``.
        best_epoch: Epoch, from 0, whose weights the model now holds.
        epochs_run: Epochs that ran, those before a resume included.
        seconds: Wall-clock time, that before a resume included.
    """

    history: dict[str, list[float]]
    best_epoch: int
    epochs_run: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)


def train(  # noqa: PLR0913 - what every method may vary
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: TrainConfig,
    task: data.Task | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    state_dir: files.PathLike | None = None,
    progress: Callable[[watching.Progress], None] | None = None,
    wrap: Callable[[keras.Model], keras.Model] | None = None,
) -> TrainResult:
    """Train `model` in place on the training part of `dataset`.

    Args:
        model: A built model; its weights are changed, nothing else.
        dataset: A `tfcompress.data.Dataset`. Its ``validation`` part decides, its
            ``test`` part is not touched.
        config: The settings.
        task: Loss and metrics; by default what the model is compiled with, else what
            the data set says.
        callbacks: Keras callbacks; ``logs`` of ``on_epoch_end`` hold the validation
            metric. One with ``get_state`` and ``set_state`` (JSON values) is resumed.
        state_dir: Where to keep the state. The same call after a kill goes on from the
            last finished epoch and ends with the same weights; one with another model,
            loss, data set or setting starts over.
        progress: Called after every step.
        wrap: Makes the model that is fitted out of the twin, such as a distiller; it
            is compiled with the loss and metrics of `task`. What it holds besides the
            twin and decides the outcome, its ``fingerprint`` should name.

    Raises:
        TrainingError: If weights or loss are not finite, or the data set has no
            training examples.
        ModelError: If the model cannot be trained.
    """
    preparation.check(model)
    return _Training(model, dataset, config, task, wrap).run(
        callbacks, state_dir, progress
    )


class _Training:
    """The objects of one training, made from the arguments of `train`."""

    def __init__(
        self, model: Any, dataset: Any, config: TrainConfig, task: Any, wrap: Any
    ) -> None:
        self.model, self.dataset, self.config = model, dataset, config
        self.task = task or data.Task.for_model(model, dataset)
        self.steps = preparation.steps_per_epoch(dataset, config)
        with model.distribute_strategy.scope():
            self.twin = preparation.twin_of(model, config)
            self.fitted = wrap(self.twin) if wrap else self.twin
            self._compile()
        self.predict = data.predictor(self.twin)
        self.best: list[np.ndarray] = []
        self.record: dict[str, Any] = {
            "epoch": 0, "history": {}, "best_epoch": -1, "seconds": 0.0,
            "callbacks": {},
        }  # fmt: skip

    def _compile(self) -> None:
        optimizer = schedules.optimizer(
            self.config, steps=self.steps * self.config.epochs
        )
        flat = [v for v in self.fitted.trainable_variables if len(v.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=flat)
        if preparation.precision(self.config) == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        if self.config.accelerate:
            updates.fuse(optimizer)
        self.fitted.compile(
            optimizer=optimizer,
            loss=self.task.loss(),
            loss_weights=self.task.loss_weights(),
            metrics=self.task.metrics(),
            steps_per_execution=min(self.config.steps_per_execution, self.steps),
        )
        optimizer.build(self.fitted.trainable_variables)
        following.follow_optimizer(self.fitted)

    def run(self, callbacks: Any, state_dir: Any, progress: Any) -> TrainResult:
        """Train until the last epoch, a callback's stop, or early stopping."""
        checkpoint = self._checkpoint(state_dir)
        preparation.seed_generators(self.fitted, self.config.seed)
        self._restore(checkpoint, callbacks)
        validator = watching.Validator(self._validate)
        watcher = watching.Watcher(self.config.epochs, self.steps, progress)
        listeners = watching.EpochCallbacks(
            [validator, watcher, *callbacks],
            add_history=True,
            model=self.fitted,
            epochs=self.config.epochs,
            steps=self.steps,
            verbose=0,
        )
        watchers = keras.callbacks.CallbackList(
            following.fit_watchers(self.fitted),
            epochs=self.config.epochs - self.record["epoch"],
            steps=self.steps,
        )
        watchers.on_train_begin()
        listeners.begin_training()
        while self.record["epoch"] < self.config.epochs and not self._exhausted():
            self._epoch(listeners, validator)
            self._save(checkpoint, callbacks)
            if self.fitted.stop_training:
                break
        listeners.end_training()
        result = self._finish()
        watchers.on_train_end()
        return result

    def _epoch(self, listeners: Any, validator: watching.Validator) -> None:
        epoch, started = self.record["epoch"], time.perf_counter()
        self.fitted.fit(
            self.dataset.train(
                self.config.batch_size, seed=self.config.seed, epoch=epoch
            ),
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            shuffle=False,
            callbacks=listeners,
        )
        for name, value in validator.logs.items():
            self.record["history"].setdefault(name, []).append(float(value))
        self._keep_best(epoch)
        self.record["epoch"] = epoch + 1
        self.record["seconds"] += time.perf_counter() - started

    def _validate(self) -> dict[str, float]:
        """Return the validation metric and the learning rate, for the logs."""
        preparation.check_weights(self.model, f"after epoch {self.record['epoch']}")
        rate = float(np.asarray(self.fitted.optimizer.learning_rate))
        if not self.dataset.sizes.get("validation"):
            return {"learning_rate": rate}
        evaluation = self.task.evaluate(
            self.predict, self.dataset.validation(self.config.batch_size)
        )
        return {f"val_{evaluation.metric}": evaluation.value, "learning_rate": rate}

    def _keep_best(self, epoch: int) -> None:
        values = self._validation_values()
        if not self.config.early_stopping or not values:
            self.record["best_epoch"] = epoch
        elif self._best_index(values) == epoch:
            self.record["best_epoch"] = epoch
            self.best = [np.asarray(v.value) for v in self.model.weights]

    def _validation_values(self) -> list[float]:
        history: dict[str, list[float]] = self.record["history"]
        return next((v for n, v in history.items() if n.startswith("val_")), [])

    def _best_index(self, values: Sequence[float]) -> int:
        sign = 1.0 if self.task.higher_is_better else -1.0
        return max(range(len(values)), key=lambda i: (sign * values[i], -i))

    def _exhausted(self) -> bool:
        patience = self.config.early_stopping
        waited = self.record["epoch"] - 1 - self.record["best_epoch"]
        return bool(patience and self.record["epoch"] and waited >= patience)

    def _checkpoint(self, state_dir: Any) -> checkpoints.Checkpoint | None:
        if state_dir is None:
            return None
        named = identity(
            self.model,
            self.config.to_dict(),
            str(getattr(self.dataset, "fingerprint", "")),
            list(self.task.outputs.values()),
            None if self.fitted is self.twin else self.fitted,
        )
        return checkpoints.Checkpoint(state_dir, identity=named)

    def _state(self) -> dict[str, list[keras.Variable]]:
        return {
            "model": self.fitted.variables,
            "optimizer": self.fitted.optimizer.variables,
        }

    def _restore(self, checkpoint: Any, callbacks: Any) -> None:
        stored = checkpoint.load(self._state()) if checkpoint else None
        if stored is None:
            return
        self.record, self.best = stored
        _LOG.info("going on after epoch %d", self.record["epoch"])
        for index, callback in enumerate(callbacks):
            state = self.record["callbacks"].get(str(index))
            if state is not None and hasattr(callback, "set_state"):
                callback.set_state(state)

    def _save(self, checkpoint: Any, callbacks: Any) -> None:
        self.record["callbacks"] = {
            str(index): callback.get_state()
            for index, callback in enumerate(callbacks)
            if hasattr(callback, "get_state")
        }
        if checkpoint:
            checkpoint.save(self._state(), best=self.best, record=self.record)

    def _finish(self) -> TrainResult:
        if self.best:
            for variable, value in zip(self.model.weights, self.best, strict=True):
                variable.assign(value)
        return TrainResult(
            history=self.record["history"],
            best_epoch=self.record["best_epoch"],
            epochs_run=self.record["epoch"],
            seconds=self.record["seconds"],
        )
