"""Repair a final plan with inputs taken again from the network that is already cut.

`reconstruction` fits every layer to inputs of the unpruned network; in the cut network
they come out a little different, and the differences add up with depth.  Here

1. layers are refitted in topological order;
2. a layer's inputs are read from the network as cut and repaired so far, its targets
   from the original one, at the same positions;
3. where its output is added to other branches that are computed by then, the target is
   corrected by what those have lost: ``Y + (others − others') / gain``, with the gain
   γ / σ of the BatchNorms in between.

Both networks advance side by side over all sampled images, so each runs once; where
their tensors would exceed the memory limit they run anew for every layer instead.

Source: He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV
2017, sections 3.2 and 3.3 (the last layer of a residual branch).  Where we differ: the
shortcut's error is brought through the BatchNorm, and whichever branch comes last makes
up for the others, projections included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.channels import consumers, repairs, walking
from tfcompress.channels.consumers import Consumer
from tfcompress.channels.feature_sampling import Sampling
from tfcompress.channels.least_squares import natural_ridge, regress
from tfcompress.channels.repairs import Solution, Weights
from tfcompress.channels.side_by_side import SideBySide

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def refit(
    layer_graph: graph.LayerGraph,
    plan: graph.PruningPlan,
    examples: walking.Examples,
    sampling: Sampling,
) -> Weights:
    """Return the repaired weights of every layer that loses inputs.

    Args:
        layer_graph: The unpruned network.
        plan: What to keep.
        examples: A data set, or an array of preprocessed inputs.
        sampling: How to sample.
    """
    kept = layer_graph.kept_atoms(plan)
    candidate = graph.CandidateModel(layer_graph)
    candidate.assign(plan)
    pair = SideBySide(layer_graph, graph.trace(candidate.model), examples, sampling)
    weights: Weights = {}
    for consumer in consumers.find_consumers(layer_graph)[0]:
        if kept[consumer.atoms].all():
            continue
        rows, targets = pair.features(consumer, kept)
        solution = _fit(layer_graph, consumer, kept, rows, targets, sampling.ridge)
        if solution.serves:
            weights |= repairs.place(layer_graph, consumer, solution, kept)
            candidate.assign(plan, weights)
    return weights


def _fit(
    layer_graph: graph.LayerGraph,
    consumer: Consumer,
    kept: Mask,
    rows: Array,
    targets: Array,
    ridge: float | None,
) -> Solution:
    """Fit one layer to rows ``[blocks, rows, kept]`` and targets ``[rows, out]``."""
    columns = consumer.kept_columns(kept[consumer.atoms])
    new = consumer.matrix(consumer.kernel) * columns[:, None]
    wanted = np.moveaxis(targets.reshape(len(targets), consumer.blocks, -1), 1, 0)
    left = wanted - rows @ new[:, columns]
    centred = consumer.takes_intercept
    means = rows.mean(axis=1) * centred
    if ridge is None:
        ridge = natural_ridge(rows.shape[2], rows.shape[1])
    change = np.stack(
        [
            _change(x - mean, y - y.mean(axis=0) * centred, ridge)
            for x, mean, y in zip(rows, means, left, strict=True)
        ]
    )
    new[:, columns] += change
    intercept = left.mean(axis=1) - np.einsum("bc,bco->bo", means, change)
    serves = True
    if not centred:
        shift = repairs.folded(layer_graph, consumer, kept).reshape(intercept.shape)
        error, folded_error = left - rows @ change, left - shift[:, None]
        serves = bool(np.sum(error**2) <= np.sum(folded_error**2))
        intercept = np.zeros_like(intercept)
    return Solution(consumer.kernel_of(new), intercept.reshape(-1), serves=serves)


def _change(rows: Array, targets: Array, ridge: float) -> Array:
    """Regress with each column in its own scale; one that is constant changes not."""
    spread = np.sqrt(np.mean(np.square(rows), axis=0))
    scale = np.where(spread > 0, spread, np.inf)
    return regress(rows / scale, targets, ridge=ridge) / scale[:, None]
