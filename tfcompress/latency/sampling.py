"""Draw random plans: networks to fit a correction to, and to test predictions on.

Each plan has a ratio of its own, from a quarter of the channels to all; each group
keeps that ratio of its channels give or take a quarter.  So the plans reach from small
networks to the whole one, and differ in where they are thin.
"""

from __future__ import annotations

import numpy as np

from tfcompress import graph

LOWEST, SPREAD = 0.25, 0.25


def random_plans(
    layer_graph: graph.LayerGraph, number: int, *, seed: int, round_to: int = 8
) -> list[graph.PruningPlan]:
    """Return random plans; the kept channels are the first ones.

    Args:
        layer_graph: The traced model.
        number: How many.
        seed: Of the choice; other seeds give other plans.
        round_to: Kept counts are multiples of this, or all channels.

    Example:
        >>> import keras
        >>> x = image = keras.Input((4, 4, 3))
        >>> x = keras.layers.Conv2D(32, 1, name="conv")(x)
        >>> model = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
        >>> layer_graph = graph.trace(model)
        >>> plans = random_plans(layer_graph, 3, seed=0)
        >>> all(plan.kept("conv") % 8 == 0 for plan in plans)
        True
    """
    rng = np.random.default_rng(seed)
    plans = []
    for _ in range(number):
        ratio = rng.uniform(LOWEST, 1)
        keep = {}
        for group in layer_graph.groups:
            own = np.clip(ratio + rng.uniform(-SPREAD, SPREAD), 0, 1)
            keep[group.name] = np.arange(
                _rounded(own * group.size, group.size, round_to)
            )
        plans.append(graph.PruningPlan.of(layer_graph, keep))
    return plans


def _rounded(count: float, size: int, round_to: int) -> int:
    nearest = round_to * max(1, round(count / round_to))
    return int(min(nearest, size))
