"""A copy of a model with some weights replaced, its structure to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import errors, graph
from tfcompress.graph import channel_rules, folding
from tfcompress.graph.derived_values import set_weights

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Weights = Mapping[tuple[str, str], Array]


def repaired_copy(
    layer_graph: graph.LayerGraph, plan: graph.PruningPlan, repaired: Weights
) -> keras.Model:
    """Copy a model with repaired weights in place; the plan fits the copy too.

    What the plan removes and no repair has taken care of is masked and folded in the
    copy already, unless it takes a bias that the structure lacks: that is left to
    `graph.prune_model` or `graph.mask_model`.

    Args:
        layer_graph: The original.
        plan: What to keep.
        repaired: Full-size weights by layer and short name.
    """
    weights = {**_masked_and_folded(layer_graph, plan, repaired), **repaired}
    copied = _copy(layer_graph)
    for (name, variable), value in weights.items():
        layer = copied.layers[name]
        if layer is layer_graph.layers[name]:
            raise errors.ModelError(
                f"Layer {name!r} cannot be copied, so its weights cannot be repaired. "
                f"Received: a {type(layer).__name__} that cannot be made from its "
                "config. Implement its `get_config`."
            )
        next(v for v in layer.variables if v.name == variable).assign(value)
    return copied.model


def _masked_and_folded(
    layer_graph: graph.LayerGraph, plan: graph.PruningPlan, repaired: Weights
) -> dict[tuple[str, str], Array]:
    """Return masked kernels and what took up their constants, for the other layers."""
    kept = layer_graph.kept_atoms(plan)
    shifts = {
        target.layer: shift for target, shift in folding.shifts(layer_graph, kept)
    }
    found: dict[tuple[str, str], Array] = {}
    for name, target in layer_graph.fold_targets.items():
        kernel = (name, target.fold.kernel)
        wants_bias = target.into == folding.NEW_BIAS and name in shifts
        if kernel in repaired or wants_bias or kept[target.atoms].all():
            continue
        found[kernel] = _masked(layer_graph, *kernel, kept)
        places = [(norm, "moving_mean", -1) for norm in target.norms]
        if target.into == folding.BIAS:
            places = [(name, "bias", 1)]
        for layer, variable, sign in places if name in shifts else []:
            before = channel_rules.weights_of(layer_graph.layers[layer])[variable]
            found[layer, variable] = before + sign * shifts[name]
    return found


def _masked(
    layer_graph: graph.LayerGraph, layer: str, variable: str, kept: Mask
) -> Array:
    """Return a kernel that is 0 where it reads removed channels."""
    value = channel_rules.weights_of(layer_graph.layers[layer])[variable]
    for i, axis in enumerate(layer_graph.weight_axes[layer][variable]):
        if axis is not None and axis.role == channel_rules.CONSUMES:
            view = [1] * value.ndim
            view[i] = -1
            value = np.where(kept[axis.atoms].reshape(view), value, 0)
    return value


def _copy(layer_graph: graph.LayerGraph) -> graph.LayerGraph:
    """Copy a model; a nested model stays nested where the order of calls needs it."""
    whole = graph.PruningPlan.full(layer_graph)
    copied = graph.trace(graph.mask_model(layer_graph, whole))
    if copied.fingerprint == layer_graph.fingerprint:
        return copied
    cloned = keras.models.clone_model(layer_graph.model)
    set_weights(cloned, layer_graph.model.get_weights())
    copied = graph.trace(cloned)
    if copied.fingerprint != layer_graph.fingerprint:
        raise errors.ModelError(
            "The model cannot be copied with its structure. Received: model "
            f"{layer_graph.name!r}, whose copy has other layers or another order. "
            "Rebuild it without nested models."
        )
    return copied
