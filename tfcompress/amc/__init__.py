"""AutoML for Model Compression: an agent finds how much of each layer to keep.

::

    result = search(model, dataset, config=AmcConfig(macs=0.5))
    smaller, report = tfcompress.prune_model(result.model, result.plan)
    rows = compare(model, dataset, config=AmcConfig(macs=0.5), seeds=(0, 1, 2))

`CompressionEnvironment` is where plans are decided and judged, `DdpgAgent` learns to
decide; `search` lets one learn in the other.  `SparsityEnvironment` decides the zeros
among single weights instead; `GymAdapter` lends either to other agents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfcompress.amc.agent import DdpgAgent, LossInfo
from tfcompress.amc.comparison import METHODS, compare
from tfcompress.amc.driver import Episode, run_episode
from tfcompress.amc.environment import CompressionEnvironment
from tfcompress.amc.evaluation import HeldOut
from tfcompress.amc.fine_grained import SparsityEnvironment
from tfcompress.amc.layer_regression import LayerRegression
from tfcompress.amc.replay import ReplayBuffer, Transitions
from tfcompress.amc.results import AmcProgress, AmcResult
from tfcompress.amc.rewards import (
    Evaluated,
    error_reward,
    macs_reward,
    params_reward,
)
from tfcompress.amc.rows import CompareProgress, Row
from tfcompress.amc.search import search
from tfcompress.amc.settings import AmcConfig

if TYPE_CHECKING:
    from tfcompress.amc.gym_adapter import GymAdapter

__all__ = [
    "METHODS",
    "AmcConfig",
    "AmcProgress",
    "AmcResult",
    "CompareProgress",
    "CompressionEnvironment",
    "DdpgAgent",
    "Episode",
    "Evaluated",
    "GymAdapter",
    "HeldOut",
    "LayerRegression",
    "LossInfo",
    "ReplayBuffer",
    "Row",
    "SparsityEnvironment",
    "Transitions",
    "compare",
    "error_reward",
    "macs_reward",
    "params_reward",
    "run_episode",
    "search",
]


def __getattr__(name: str) -> Any:
    """Import `GymAdapter`, which needs an extra, on first access (PEP 562)."""
    if name == "GymAdapter":
        from tfcompress.amc import gym_adapter

        return gym_adapter.GymAdapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
