"""The settings of Network Slimming as a whole."""

from __future__ import annotations

import dataclasses
from typing import Literal

from tfcompress.channels import Budget
from tfcompress.config import require
from tfcompress.training import TrainConfig
from tfcompress.training.arms import ARMS


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlimConfig(TrainConfig):
    """How a model is slimmed; the inherited settings are those of fine-tuning.

    Without a budget, half of the MACs go.

    Example:
        >>> config = SlimConfig(macs=0.4, sparse_epochs=20, epochs=10)
        >>> config.sparse_training().epochs, config.fine_tuning().epochs
        (20, 10)
        >>> config.budget()
        Budget(macs=0.4, params=None, size_bytes=None, recipe='int8', custom=())
    """

    strength: float = 1e-4  # weight of the L1 penalty; Liu et al. 2017: 1e-4 or 1e-5
    proximal: bool = False  # soft threshold (exact zeros) instead of the subgradient
    unfreeze: bool = False  # train frozen layers too, instead of refusing them
    sparse_epochs: int = 10  # epochs with the penalty; 0: the scales are sparse already
    sparse_learning_rate: float | None = None  # None: learning_rate
    criterion: str = "bn_scale"  # what ranks the channels
    macs: float | None = None  # to keep: a fraction up to 1, or a number above
    params: float | None = None  # likewise
    size_bytes: float | None = None  # likewise, of the weights stored by `recipe`
    recipe: str = "int8"
    scope: Literal["global", "layer"] = "global"
    round_to: int = 8  # kept counts are multiples of this
    min_channels: int = 8  # of each group
    exclude: tuple[str, ...] = ()  # groups or layers to leave whole
    fold_constants: bool = True  # fold what removed channels contribute into biases
    passes: int = 1  # the budget is approached in so many rounds of the whole method
    max_drop: float = 0.01  # of the validation metric, that a pass may leave
    arm: Literal["finetune", "scratch_e", "scratch_b"] = "finetune"  # of the last pass
    original_epochs: int | None = None  # for the scratch arms; None: epochs

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        require(self.strength > 0, "strength", self.strength, "above 0")
        rate = self.sparse_learning_rate
        require(rate is None or rate > 0, "sparse_learning_rate", rate, "above 0")
        for name in ("sparse_epochs", "max_drop"):
            value = getattr(self, name)
            require(value >= 0, name, value, "0 or more")
        for name in ("round_to", "min_channels", "passes"):
            value = getattr(self, name)
            require(value >= 1, name, value, "1 or more")
        require(
            self.scope in ("global", "layer"), "scope", self.scope, "global or layer"
        )
        require(self.arm in ARMS, "arm", self.arm, "one of " + ", ".join(ARMS))
        self.budget()

    def budget(self) -> Budget:
        """Return the limits of the final model."""
        limits = (self.macs, self.params, self.size_bytes)
        macs = 0.5 if limits == (None, None, None) else self.macs
        return Budget(
            macs=macs,
            params=self.params,
            size_bytes=self.size_bytes,
            recipe=self.recipe,
        )

    def fine_tuning(self) -> TrainConfig:
        """Return the settings of the training after the cut."""
        names = [field.name for field in dataclasses.fields(TrainConfig)]
        return TrainConfig(**{name: getattr(self, name) for name in names})

    def sparse_training(self) -> TrainConfig:
        """Return the settings of the training under the penalty, not stopped early."""
        return dataclasses.replace(
            self.fine_tuning(),
            epochs=self.sparse_epochs,
            learning_rate=self.sparse_learning_rate or self.learning_rate,
            early_stopping=0,
        )
