"""How good a judged plan is: the rewards of AMC.

::

    error_reward    R = -error                 resource-constrained: the budget binds
    macs_reward     R = -error * ln(FLOPs)     accuracy-guaranteed: cost is traded
    params_reward   R = -error * ln(params)    accuracy-guaranteed

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, section 3.3.  The paper's FLOPs are multiply-accumulates (569 M for
MobileNet), so they are our MACs.

The error of a metric in [0, 1] where higher is better is ``1 - metric``; a metric where
lower is better (a loss, a mean absolute error) is an error itself.  At an error of 0
the accuracy-guaranteed rewards say nothing about the cost: they are 0 whatever it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What is known of a plan after its model was judged.

    Attributes:
        metric: The task's metric on the held-out examples.
        macs: Multiply-accumulates of one example.
        params: Number of weights (in fine-grained mode: of those that are not zero).
        size_bytes: Predicted bytes of the weights.
        higher_is_better: Direction of the metric.
        custom: What the budget's own cost functions say, in their order.
    """

    metric: float
    macs: int
    params: int
    size_bytes: int
    higher_is_better: bool = True
    custom: tuple[float, ...] = ()

    @property
    def error(self) -> float:
        """Return the metric as an error, lower is better."""
        return 1.0 - self.metric if self.higher_is_better else self.metric

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {**dataclasses.asdict(self), "custom": list(self.custom)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Evaluated:
        """Read what `to_dict` wrote."""
        return cls(**{**content, "custom": tuple(content.get("custom", ()))})


Reward = Callable[[Evaluated], float]


def error_reward(evaluated: Evaluated) -> float:
    """Return -error: the best network within the budget.

    Example:
        >>> error_reward(Evaluated(metric=0.75, macs=10, params=10, size_bytes=10))
        -0.25
    """
    return -evaluated.error


def macs_reward(evaluated: Evaluated) -> float:
    """Return -error * ln(MACs): as few MACs as the accuracy lets.

    Example:
        >>> plan = Evaluated(metric=0.75, macs=1000, params=10, size_bytes=10)
        >>> round(macs_reward(plan), 4)  # -0.25 * 6.9078
        -1.7269
    """
    return -evaluated.error * math.log(evaluated.macs)


def params_reward(evaluated: Evaluated) -> float:
    """Return -error * ln(params): as few parameters as the accuracy lets.

    Example:
        >>> plan = Evaluated(metric=0.75, macs=10, params=1000, size_bytes=10)
        >>> round(params_reward(plan), 4)
        -1.7269
    """
    return -evaluated.error * math.log(evaluated.params)
