"""The settings of magnitude pruning as a whole."""

from __future__ import annotations

import dataclasses

from tfcompress.config import require
from tfcompress.sparsity import patterns
from tfcompress.sparsity.schedules import (
    PolynomialDecay,
    check_sparsity,
    polynomial_decay,
)
from tfcompress.training import TrainConfig

_MOST_STEPS = 100  # between two computations of the masks; Zhu and Gupta 2017
_LEAST_TURNS = 10  # a short training computes them more often


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifyConfig(TrainConfig):
    """How a model is pruned while it is trained; the inherited settings are Adam's.

    Example:
        >>> config = SparsifyConfig(sparsity=0.9, epochs=4)
        >>> schedule = config.schedule_for(steps=1000)
        >>> schedule.begin_step, schedule.end_step, schedule.frequency
        (0, 700, 70)
    """

    sparsity: float = 0.8  # fraction of zeros in the pruned kernels at the end
    initial_sparsity: float = 0.0  # at the first masks
    pattern: str = "unstructured"  # or "1x4", "4x1", "2:4", ...
    begin_fraction: float = 0.0  # of the steps, before the first masks
    end_fraction: float = 0.7  # of the steps, until the last masks; then it recovers
    power: float = 3.0  # of the schedule; Zhu and Gupta 2017
    plan: str | None = (
        None  # JSON with sparsities by layer, as AMC's weights mode writes
    )
    layers: tuple[str, ...] = ()  # the layers to prune; none: all that can be
    temperature: float = 4.0  # with a teacher, as in distillation
    alpha: float = 0.9  # with a teacher: weight of its answers

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check_sparsity("sparsity", self.sparsity)
        check_sparsity("initial_sparsity", self.initial_sparsity)
        pattern = patterns.parse(self.pattern)
        if isinstance(pattern, patterns.NOfM) and self.plan is None:
            fixed = pattern.sparsity
            enough = self.sparsity >= fixed - 1e-9
            expected = f"{fixed:g} or more, the fixed sparsity of {pattern}"
            require(enough, "sparsity", self.sparsity, expected)
        begin, end = self.begin_fraction, self.end_fraction
        require(0 <= begin < 1, "begin_fraction", begin, "in [0, 1)")
        ends = f"in (begin_fraction={begin}, 1]: it ends before it begins"
        require(begin < end <= 1, "end_fraction", end, ends)
        require(self.power > 0, "power", self.power, "above 0")
        require(self.temperature > 0, "temperature", self.temperature, "above 0")
        require(0 <= self.alpha <= 1, "alpha", self.alpha, "in [0, 1]")
        alone = self.plan is None or not self.layers
        require(alone, "layers", self.layers, "left out with a plan, which names them")
        stopped = self.early_stopping
        require(not stopped, "early_stopping", stopped, "0: masks must reach their end")

    def training(self) -> TrainConfig:
        """Return the settings of the training alone."""
        names = [field.name for field in dataclasses.fields(TrainConfig)]
        return TrainConfig(**{name: getattr(self, name) for name in names})

    def schedule_for(
        self, *, steps: int, sparsity: float | None = None
    ) -> PolynomialDecay:
        """Return the schedule of a training of so many steps.

        Args:
            steps: Steps of the whole training.
            sparsity: The final sparsity, if not `sparsity`.
        """
        begin = min(int(self.begin_fraction * steps), steps - 1)
        end = max(begin, min(int(self.end_fraction * steps), steps - 1))
        turns = max(1, (end - begin) // _LEAST_TURNS)
        final = self.sparsity if sparsity is None else sparsity
        return polynomial_decay(
            min(self.initial_sparsity, final),
            final,
            begin_step=begin,
            end_step=end,
            power=self.power,
            frequency=min(_MOST_STEPS, turns),
        )
