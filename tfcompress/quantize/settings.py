"""The settings of quantization-aware training."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfcompress.config import require
from tfcompress.quantize.recipes import RECIPES
from tfcompress.training import TrainConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantizeConfig(TrainConfig):
    """How a model is trained for its recipe: the settings of a training, and these.

    Example:
        >>> QuantizeConfig(epochs=3).freeze_steps(total=100)
        (80, 90)
    """

    learning_rate: float = 1e-4  # a tenth of the training's or less: it is a finish
    recipe: str = "int8"
    skip: tuple[str, ...] = ()  # layers to leave in floating point
    precision: dict[str, str] = dataclasses.field(default_factory=dict)  # per layer
    per_channel: bool = True  # a scale for each output channel of a kernel
    range_momentum: float = 0.99  # of the moving averages of ranges
    calibration_batches: int = 4  # that set the ranges before the first step
    freeze_batch_norm: float = 0.8  # of the steps, after which statistics are fixed
    freeze_ranges: float = 0.9  # of the steps, after which ranges are fixed; 1: never

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        known = [name for name, one in RECIPES.items() if not one.is_float]
        require(self.recipe in known, "recipe", self.recipe, "one of " + str(known))
        for name in ("freeze_batch_norm", "freeze_ranges"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "in [0, 1]")
        momentum, count = self.range_momentum, self.calibration_batches
        require(0 <= momentum < 1, "range_momentum", momentum, "in [0, 1)")
        require(count >= 1, "calibration_batches", count, "1 or more")

    def freeze_steps(self, *, total: int) -> tuple[int, int]:
        """Return the steps at which statistics and ranges freeze, of `total`."""
        parts = (self.freeze_batch_norm, self.freeze_ranges)
        steps = [round(part * total) for part in parts]
        return steps[0], steps[1]

    def arguments(self) -> dict[str, Any]:
        """Return the settings that `quantize_aware` takes."""
        return {
            "recipe": self.recipe,
            "skip": self.skip,
            "precision": self.precision,
            "per_channel": self.per_channel,
            "momentum": self.range_momentum,
        }
