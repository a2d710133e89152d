"""Bound each sparsity so that enough weights go in all: Algorithm 1, in whole weights.

::

    duty = W_over - sum of most_k over later layers k - removed so far
    removed_t = min(max(round(a_t W_t), duty), most_t)

``W_over`` is how many weights the budget wants gone in all, and ``most_k = a_max W_k``
how many of layer k may go.  As zeros are counted exactly, every finished plan meets the
budget if any can.

Source: He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile
Devices", ECCV 2018, Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfcompress import channels, errors
from tfcompress.amc.magnitudes import SparseLayer
from tfcompress.config import require

Removed = tuple[int, ...]


class Duties:
    """Turns wanted sparsities into numbers of zeros that meet a budget.

    Args:
        layers: The layers, in order.
        budget: How many of their weights may stay: a fraction up to 1 or a number
            above, or a `Budget` of `params` alone; None for all.

    Attributes:
        total: How many weights there are.

    Raises:
        BudgetError: If the largest sparsities do not meet the budget.
        ConfigError: If the budget limits what zeros do not change.

    Example:
        >>> conv = SparseLayer(layer="conv", variables=("kernel",), size=100, most=80)
        >>> dense = SparseLayer(layer="dense", variables=("kernel",), size=100, most=98)
        >>> duties = Duties([conv, dense], 0.3)  # 140 of 200 weights have to go
        >>> duties.least(()), duties.decide((), 0.1)  # 140 - 98 = 42 in `conv`
        (42, 42)
        >>> duties.decide((60,), 0.1)  # 140 - 60 = 80 in `dense`
        80
    """

    def __init__(
        self, layers: Sequence[SparseLayer], budget: float | channels.Budget | None
    ) -> None:
        self._layers = tuple(layers)
        self.total = sum(entry.size for entry in self._layers)
        self._over = self.total - _limit(budget, self.total)
        most = sum(entry.most for entry in self._layers)
        if self._over > most:
            raise errors.BudgetError(
                "No plan meets the budget. Received: weights <= "
                f"{self.total - self._over:,} of {self.total:,}; the fewest that can "
                f"be reached are {self.total - most:,}. Raise the limit, exclude fewer "
                "layers, or raise `max_sparsity` and `max_dense_sparsity`."
            )

    def least(self, removed: Removed) -> int:
        """Return the duty of the layer after those in `removed`: its fewest zeros."""
        later = sum(entry.most for entry in self._layers[len(removed) + 1 :])
        return max(self._over - later - sum(removed), 0)

    def decide(self, removed: Removed, wanted: float) -> int:
        """Return how many weights of the next layer become zero."""
        entry = self._layers[len(removed)]
        return min(max(round(wanted * entry.size), self.least(removed)), entry.most)

    def decide_all(self, wanted: Sequence[float]) -> Removed:
        """Return the zeros of every layer when all are wanted so."""
        removed: Removed = ()
        for sparsity in wanted:
            removed = (*removed, self.decide(removed, sparsity))
        return removed


def _limit(budget: float | channels.Budget | None, total: int) -> int:
    """Return how many of `total` weights may stay."""
    if budget is None:
        return total
    if isinstance(budget, channels.Budget):
        others = (budget.macs, budget.size_bytes, *budget.custom)
        require(
            budget.params is not None and not any(others),
            "budget",
            budget,
            "a limit on `params` alone, the part of the weights that stays, where "
            "single weights are removed",
        )
        budget = float(budget.params or 0)
    require(budget > 0, "budget", budget, "in (0, 1] as a fraction, or above 1")
    return min(int(budget * total) if budget <= 1 else int(budget), total)
