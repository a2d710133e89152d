"""Train a small network to give what a large one gives.

`distill` does it end to end; `Distiller` is the Keras model behind it;
`cache_soft_targets` runs the teacher once; `losses` are the formulas.
"""

from tfcompress.distill import losses
from tfcompress.distill.distiller import Distiller
from tfcompress.distill.hints import Hint
from tfcompress.distill.losses import FeatureLoss, SoftTargetLoss
from tfcompress.distill.method import DistillConfig, distill, wrapper
from tfcompress.distill.soft_targets import SoftTargets, cache_soft_targets

__all__ = [
    "DistillConfig",
    "Distiller",
    "FeatureLoss",
    "Hint",
    "SoftTargetLoss",
    "SoftTargets",
    "cache_soft_targets",
    "distill",
    "losses",
    "wrapper",
]
