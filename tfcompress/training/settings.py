"""The settings of one training."""

from __future__ import annotations

import dataclasses
from typing import Literal

from tfcompress.config import Config, require


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How a model is trained.

    Example:
        >>> TrainConfig(epochs=2, learning_rate=0.1, optimizer="sgd").batch_size
        128
        >>> TrainConfig(epochs=0)
        Traceback (most recent call last):
        tfcompress.errors.ConfigError: A setting is out of its range. Received: \
epochs=0; it must be 1 or more.
    """

    epochs: int = 10
    batch_size: int = 128  # examples, over all replicas
    learning_rate: float = 1e-3  # at its highest, after the warm-up
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: float = 0.9  # of "sgd"
    weight_decay: float = 0.0  # decoupled, per unit of learning rate; kernels only
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.75)  # fractions of the steps, for "step"
    milestone_factor: float = 0.1  # "step": Liu et al. 2017 divide by 10
    warmup_fraction: float = 0.0  # of the steps, linear from 0
    early_stopping: int = 0  # epochs without a better validation metric; 0: off
    mixed_precision: Literal["auto", "off", "float16", "bfloat16"] = "auto"
    accelerate: bool = True  # train the fused twin
    steps_per_execution: int = 1  # steps per call into TensorFlow
    seed: int = 0  # order of the examples, augmentation, dropout

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("epochs", "batch_size", "steps_per_execution"):
            value = getattr(self, name)
            require(value >= 1, name, value, "1 or more")
        for name in ("weight_decay", "early_stopping", "seed"):
            value = getattr(self, name)
            require(value >= 0, name, value, "0 or more")
        for name in ("momentum", "warmup_fraction"):
            value = getattr(self, name)
            require(0 <= value < 1, name, value, "in [0, 1)")
        rate, factor, marks = self.learning_rate, self.milestone_factor, self.milestones
        require(rate > 0, "learning_rate", rate, "above 0")
        require(0 < factor <= 1, "milestone_factor", factor, "in (0, 1]")
        sorted_inside = all(0 < mark < 1 for mark in marks) and list(marks) == sorted(
            marks
        )
        require(sorted_inside, "milestones", marks, "rising numbers in (0, 1)")
        _require_choice("optimizer", self.optimizer, ("adam", "adamw", "sgd"))
        _require_choice("schedule", self.schedule, ("cosine", "step", "constant"))
        precisions = ("auto", "off", "float16", "bfloat16")
        _require_choice("mixed_precision", self.mixed_precision, precisions)


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    require(value in choices, name, value, "one of " + ", ".join(map(repr, choices)))
