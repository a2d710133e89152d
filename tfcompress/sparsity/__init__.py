"""Magnitude pruning of single weights while training: same shape, zeros inside.

`prune_low_magnitude` makes a model that any `fit` prunes, `strip` the plain model of
it; `keep_zeros` holds zeros that are there; `report` counts them; `PruningSummary`
watches them; `sparsify` does the whole method.
"""

from tfcompress.sparsity.method import SparsifyResult, sparsify
from tfcompress.sparsity.pruned_model import PrunedModel, is_being_pruned
from tfcompress.sparsity.pruning import (
    apply_masks,
    keep_zeros,
    prune_low_magnitude,
    resume,
    strip,
)
from tfcompress.sparsity.reporting import SparsityReport, report
from tfcompress.sparsity.schedules import (
    ConstantSparsity,
    PolynomialDecay,
    constant,
    polynomial_decay,
)
from tfcompress.sparsity.settings import SparsifyConfig
from tfcompress.sparsity.summary import PruningSummary

__all__ = [
    "ConstantSparsity",
    "PolynomialDecay",
    "PrunedModel",
    "PruningSummary",
    "SparsifyConfig",
    "SparsifyResult",
    "SparsityReport",
    "apply_masks",
    "constant",
    "is_being_pruned",
    "keep_zeros",
    "polynomial_decay",
    "prune_low_magnitude",
    "report",
    "resume",
    "sparsify",
    "strip",
]
