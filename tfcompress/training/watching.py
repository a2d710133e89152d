"""Callbacks of the training loop: validation, progress, and a guard against NaN."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tfcompress import errors


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        epoch: The running epoch, from 0.
        epochs: Epochs of the whole training.
        step: Steps done in this epoch.
        steps: Steps of an epoch.
        logs: Loss and metrics so far in this epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    logs: Mapping[str, float]

    @property
    def fraction(self) -> float:
        """Return the part of the training that is done, in [0, 1].

        Example:
            >>> Progress(epoch=1, epochs=2, step=5, steps=10, logs={}).fraction
            0.75
        """
        return (self.epoch + self.step / self.steps) / self.epochs


class EpochCallbacks(keras.callbacks.CallbackList):
    """A callback list that takes many calls of ``fit`` for one training."""

    def begin_training(self) -> None:
        """Tell the callbacks that training begins."""
        super().on_train_begin()

    def end_training(self) -> None:
        """Tell the callbacks that training ends."""
        super().on_train_end()

    def on_train_begin(self, logs: Any = None) -> None:
        """Pass nothing on: this is one epoch of many."""

    def on_train_end(self, logs: Any = None) -> None:
        """Pass nothing on: this is one epoch of many."""


class Validator(keras.callbacks.Callback):
    """Adds the results of `validate` to an epoch's logs, for the callbacks after it."""

    def __init__(self, validate: Callable[[], Mapping[str, float]]) -> None:
        super().__init__()
        self._validate = validate
        self.logs: dict[str, float] = {}

    def on_epoch_end(
        self,
        epoch: int,  # noqa: ARG002 - Keras passes it
        logs: dict[str, float] | None = None,
    ) -> None:
        """Validate."""
        logs = {} if logs is None else logs
        logs.update(self._validate())
        self.logs = {name: float(value) for name, value in logs.items()}


class Watcher(keras.callbacks.Callback):
    """Reports progress and stops at a loss that is no number."""

    def __init__(
        self,
        epochs: int,
        steps: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        super().__init__()
        self._epochs, self._steps, self._progress = epochs, steps, progress
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss.

        Raises:
            TrainingError: If it is NaN or infinite.
        """
        logs = logs or {}
        loss = float(logs.get("loss", 0.0))
        if not math.isfinite(loss):
            raise errors.TrainingError(
                f"The loss is no longer a number. Received: loss={loss} by epoch "
                f"{self._epoch}, step {batch}. Lower `learning_rate`, or look for NaN "
                "in the data."
            )
        if self._progress:
            plain = {name: float(value) for name, value in logs.items()}
            self._progress(
                Progress(self._epoch, self._epochs, batch + 1, self._steps, plain)
            )
