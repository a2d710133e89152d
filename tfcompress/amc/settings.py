"""The settings of AMC: what is searched, how the agent learns, how a plan is judged.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3 and appendix.  The defaults are the paper's, except where
a comment says otherwise.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from tfcompress.channels import Budget
from tfcompress.config import Config, require

RewardName = Literal["error", "macs", "params"]
Granularity = Literal["channels", "weights"]

DEFAULT_EXAMPLES = 3000


@dataclasses.dataclass(frozen=True, kw_only=True)
class AmcConfig(Config):
    """How plans are searched by reinforcement learning.

    With ``reward="error"`` (resource-constrained) the plan meets the budget, half of
    the MACs by default (half of the weights in fine-grained mode).  ``"macs"`` and
    ``"params"`` (accuracy-guaranteed) need no budget: they compress as far as the
    accuracy lets, and a budget that is given holds all the same.

    Example:
        >>> config = AmcConfig(macs=0.4, episodes=200)
        >>> config.budget()
        Budget(macs=0.4, params=None, size_bytes=None, recipe='int8', custom=())
        >>> AmcConfig(reward="macs").budget() is None
        True
    """

    macs: float | None = None  # to keep: a fraction up to 1, or a number above
    params: float | None = None  # likewise; of the prunable ones in "weights" mode
    size_bytes: float | None = None  # likewise, of the weights stored by `recipe`
    recipe: str = "int8"
    reward: RewardName = "error"  # -error, -error * ln(FLOPs), -error * ln(params)
    granularity: Granularity = "channels"  # whole channels, or single weights
    min_ratio: float = 0.2  # smallest kept fraction of a group (the authors' program)
    round_to: int = 8  # kept counts are multiples of this
    min_channels: int = 1  # of each group
    exclude: tuple[str, ...] = ()  # groups or layers to leave whole
    max_sparsity: float = 0.8  # "weights" mode: most zeros of a convolution
    max_dense_sparsity: float = 0.98  # likewise of a Dense layer
    episodes: int = 400  # plans tried, warm-up included; the paper: 100 + 300
    warmup_episodes: int = 100  # uniform random plans, before the first update
    noise: float = 0.5  # sigma of the truncated normal, at the end of the warm-up
    noise_decay: float = 0.99  # of sigma per episode after the warm-up; the paper: 0.95
    near_best: float = 0.5  # of these episodes vary the best plan; the paper: 0
    near_best_noise: float = 0.2  # sigma of a step from it; decays as `noise` does
    near_best_draws: int = 64  # steps, of which a model of the rewards picks one
    hidden_units: int = 300  # of each hidden layer of actor and critic
    actor_learning_rate: float = 1e-4
    critic_learning_rate: float = 1e-3
    target_rate: float = 0.01  # of the soft update of the target networks, per update
    discount: float = 0.0  # of the next value: each reward is the plan's; the paper: 1
    batch_size: int = 64  # transitions of an update
    updates_per_decision: int = 1  # of an episode after the warm-up
    replay_per_decision: int = 100  # transitions kept, times the decisions of a plan
    baseline_decay: float = 0.95  # of the moving average of the rewards
    evaluation_examples: int = DEFAULT_EXAMPLES  # held-out images behind each reward
    reconstruct: bool = True  # refit by least squares what reads cut channels or zeros
    reconstruction_examples: int = 400  # training images that the fit is sampled from
    max_memory_mb: float = 1024  # of the held-out images; as much again for the fit
    patience: int = 0  # stop after so many episodes without a better plan; 0: never
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        _check_one_of("reward", self.reward, RewardName)
        _check_one_of("granularity", self.granularity, Granularity)
        for name in _POSITIVE:
            value = getattr(self, name)
            require(value > 0, name, value, "above 0")
        for name in _COUNTS:
            value = getattr(self, name)
            require(value >= 1, name, value, "1 or more")
        for name in _FROM_0:
            value = getattr(self, name)
            require(value >= 0, name, value, "0 or more")
        for name in _FRACTIONS:
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "in [0, 1]")
        for name in ("max_sparsity", "max_dense_sparsity"):
            value = getattr(self, name)
            require(0 <= value < 1, name, value, "in [0, 1)")
        require(0 < self.min_ratio <= 1, "min_ratio", self.min_ratio, "in (0, 1]")
        if self.granularity == "weights":
            self._check_fine_grained()
        self.budget()

    def budget(self) -> Budget | None:
        """Return the limits of the plan; None if only the reward holds it back."""
        limits = [self.macs, self.params, self.size_bytes]
        if limits == [None, None, None]:
            if self.reward != "error":
                return None
            limits[int(self.granularity == "weights")] = 0.5
        macs, params, size_bytes = limits
        return Budget(
            macs=macs, params=params, size_bytes=size_bytes, recipe=self.recipe
        )

    def _check_fine_grained(self) -> None:
        """Refuse limits that zeros among the weights do not change."""
        for name in ("macs", "size_bytes"):
            value = getattr(self, name)
            require(
                value is None,
                name,
                value,
                "unset with granularity='weights', whose limit is `params`, the "
                "fraction of the prunable weights that is kept",
            )


_POSITIVE = ("actor_learning_rate", "critic_learning_rate", "max_memory_mb")
_COUNTS = (
    "round_to",
    "min_channels",
    "episodes",
    "hidden_units",
    "batch_size",
    "updates_per_decision",
    "near_best_draws",
    "replay_per_decision",
    "evaluation_examples",
    "reconstruction_examples",
)
_FROM_0 = ("warmup_episodes", "noise", "patience", "seed")
_FRACTIONS = (
    "noise_decay",
    "near_best",
    "near_best_noise",
    "target_rate",
    "discount",
    "baseline_decay",
)


def _check_one_of(name: str, value: str, choices: object) -> None:
    names = get_args(choices)
    require(value in names, name, value, "one of " + ", ".join(names))
