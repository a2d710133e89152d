"""Which channels to remove: score them, then select within a budget.

::

    scores = score(graph, criterion="bn_scale")
    plan = select(graph, scores, budget=Budget(macs=0.5))
    model = reconstruct(graph, plan, dataset)  # make up for what the plan removes
"""

from tfcompress.channels.budgets import Budget
from tfcompress.channels.criteria import (
    bn_scale,
    consumer_l1,
    geometric_median,
    l1_norm,
    l2_norm,
    random,
    score,
)
from tfcompress.channels.reconstruction import Reconstructor, reconstruct
from tfcompress.channels.selection import select
from tfcompress.channels.taylor_scores import taylor

__all__ = [
    "Budget",
    "Reconstructor",
    "bn_scale",
    "consumer_l1",
    "geometric_median",
    "l1_norm",
    "l2_norm",
    "random",
    "reconstruct",
    "score",
    "select",
    "taylor",
]
