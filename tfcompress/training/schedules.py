"""Learning rates as a function of the step.

With progress ``p = (step - warmup) / (steps - warmup)`` in [0, 1]::

    warm-up   rate * (step + 1) / warmup        while step < warmup
    cosine    rate * (1 + cos(pi * p)) / 2
    step      rate * factor ** (milestones passed by step / steps)
    constant  rate

Everything is relative to the number of steps, so an arm that trains longer scales its
milestones alike.

Source: I. Loshchilov and F. Hutter, "SGDR", ICLR 2017, equation 5 without restarts.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from tfcompress.training.settings import TrainConfig


@keras.saving.register_keras_serializable(package="tfcompress")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of a `TrainConfig` over a known number of steps.

    Args:
        config: The settings.
        steps: Steps of the whole training, 1 or more.

    Example:
        >>> rate = Schedule(TrainConfig(learning_rate=1.0), steps=100)
        >>> [round(float(rate(step)), 4) for step in (0, 50, 100)]
        [1.0, 0.5, 0.0]
    """

    def __init__(self, config: TrainConfig, *, steps: int) -> None:
        super().__init__()
        self.config = config
        self.steps = steps
        self.warmup = round(config.warmup_fraction * steps)

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at `step`, counted from 0."""
        step = ops.cast(step, "float32")
        warm = self.config.learning_rate * (step + 1.0) / max(self.warmup, 1)
        return ops.where(step < self.warmup, warm, self._after_warmup(step))

    def _after_warmup(self, step: Any) -> Any:
        rate = self.config.learning_rate
        if self.config.schedule == "constant":
            return ops.full_like(step, rate)
        if self.config.schedule == "step":
            marks = [mark * self.steps for mark in self.config.milestones]
            passed = sum(ops.cast(step >= mark, "float32") for mark in marks)
            return rate * ops.power(self.config.milestone_factor, passed)
        progress = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return rate * 0.5 * (1.0 + ops.cos(math.pi * ops.clip(progress, 0.0, 1.0)))

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {"config": self.config.to_dict(), "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Schedule:
        """Build the schedule again from `get_config`."""
        return cls(TrainConfig.from_dict(config["config"]), steps=config["steps"])


def optimizer(config: TrainConfig, *, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of `config`, its learning rate scheduled over `steps`.

    Weight decay is decoupled and spares biases and scales (1-D variables are left out
    once the optimizer is built, see `tfcompress.training.loop`).
    """
    rate: Any = Schedule(config, steps=steps)
    if config.schedule == "constant" and not config.warmup_fraction:
        rate = config.learning_rate  # stays settable, for callbacks that lower it
    decay = config.weight_decay or None
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=config.momentum, weight_decay=decay)
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    return keras.optimizers.Adam(rate, weight_decay=decay)
