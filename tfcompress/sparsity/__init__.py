"""Magnitude pruning of single weights while training: same shape, zeros inside."""

from tfcompress.sparsity.pruned_model import PrunedModel
from tfcompress.sparsity.pruning import (
    apply_masks,
    keep_zeros,
    prune_low_magnitude,
    resume,
    strip,
)
from tfcompress.sparsity.schedules import (
    ConstantSparsity,
    PolynomialDecay,
    constant,
    polynomial_decay,
)

__all__ = [
    "ConstantSparsity",
    "PolynomialDecay",
    "PrunedModel",
    "apply_masks",
    "constant",
    "keep_zeros",
    "polynomial_decay",
    "prune_low_magnitude",
    "resume",
    "strip",
]
