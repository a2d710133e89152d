"""The same-shape model with removed channels switched off where they are consumed.

It is the oracle that surgery is tested against, and what a search evaluates when it
assigns weights in place instead of rebuilding a model for every candidate.
"""

from __future__ import annotations

import keras

from tfcompress.graph.folding import shifted_weights
from tfcompress.graph.plans import PruningPlan
from tfcompress.graph.rebuilding import rebuild
from tfcompress.graph.surgery import bias_edits, copy_weights
from tfcompress.graph.tracing import LayerGraph, as_graph


def mask_model(
    model: keras.Model | LayerGraph, plan: PruningPlan, *, fold_constants: bool = False
) -> keras.Model:
    """Return a copy of the model that ignores the channels a plan drops.

    The input axes of all kernels that read a removed channel are zero there, so the
    channel may compute what it likes.

    Args:
        model: The model, or its graph; it is not changed.
        plan: What to keep.
        fold_constants: Put the removed channels' constants in their place, as
            `prune_model` does by default.

    Returns:
        A model of the same shape (a few biases may be added by folding) that computes
        what the pruned one does.

    Raises:
        PlanError: If the plan does not fit the model.
        ModelError: If the model cannot be traced.
    """
    graph = as_graph(model).refreshed()
    plan.validate(graph)
    kept = graph.kept_atoms(plan)
    edits = bias_edits(graph, kept) if fold_constants else {}
    new, layers, _ = rebuild(graph.model, graph.flat, edits)
    shifted = shifted_weights(graph, kept) if fold_constants else {}
    for name, layer in layers.items():
        copy_weights(
            graph, name, layer, kept=None, shifted=shifted.get(name, {}), zeroed=kept
        )
    return new
