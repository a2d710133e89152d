"""Cut a plan's channels out of a model: an ordinary, smaller Keras model comes back.

The steps, in order:

1. Every constant of a removed channel is added to what its consumers compute
   (`folding`), unless `fold_constants` is false.
2. Every layer is made again from its config, with ``filters``, ``units``,
   ``target_shape`` … cut to what is kept.
3. Every weight is copied with the removed positions of each axis left out.

Pre-condition: the plan is valid for the graph. Post-condition: the new model computes
what the old one does with the removed channels at zero (or at their constants).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfcompress.graph import folding
from tfcompress.graph.atoms import IntArray
from tfcompress.graph.channel_rules import Axis
from tfcompress.graph.constants import FloatArray
from tfcompress.graph.derived_values import refresh
from tfcompress.graph.folding import FoldReport
from tfcompress.graph.plans import PruningPlan
from tfcompress.graph.rebuilding import rebuild
from tfcompress.graph.tracing import BoolArray, LayerGraph, as_graph


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SurgeryReport:
    """What a cut changed, what it could not touch, and why.

    Attributes:
        channels: For each group, its layers and its width before and after.
        pinned: For each layer whose output channels are fixed, the reason.
        unknown: Layers without a channel rule, with the reason.
        folded: What became of the constants of the removed channels.
        notes: Anything else a user should know.
    """

    channels: tuple[dict[str, Any], ...]
    pinned: Mapping[str, str]
    unknown: Mapping[str, str]
    folded: tuple[FoldReport, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "channels": [dict(group) for group in self.channels],
            "pinned": dict(self.pinned),
            "unknown": dict(self.unknown),
            "folded": [dataclasses.asdict(fold) for fold in self.folded],
            "notes": list(self.notes),
        }


def prune_model(
    model: keras.Model | LayerGraph, plan: PruningPlan, *, fold_constants: bool = True
) -> tuple[keras.Model, SurgeryReport]:
    """Remove the channels that a plan drops.

    Args:
        model: The model, or its graph; it is not changed.
        plan: What to keep.
        fold_constants: Move the constants of removed channels into their consumers'
            biases or BatchNorm means. Without it they are treated as zero.

    Returns:
        A smaller model with the same layer names, settings and, where they can be
        copied, compile settings; and the report.

    Raises:
        PlanError: If the plan does not fit the model.
        ModelError: If the model cannot be traced.
    """
    graph = as_graph(model).refreshed()
    plan.validate(graph)
    kept = graph.kept_atoms(plan)
    new, layers, notes = rebuild(
        graph.model, graph.flat, _edits(graph, kept, fold_constants=fold_constants)
    )
    shifted = folding.shifted_weights(graph, kept) if fold_constants else {}
    for name, layer in layers.items():
        copy_weights(graph, name, layer, kept=kept, shifted=shifted.get(name, {}))
    return new, SurgeryReport(
        channels=tuple(_widths(graph, plan)),
        pinned=graph.pinned,
        unknown=graph.unknown,
        folded=tuple(folding.report(graph, kept)) if fold_constants else (),
        notes=tuple(notes),
    )


def bias_edits(graph: LayerGraph, kept: BoolArray) -> dict[str, dict[str, Any]]:
    """Return the config edits of consumers that get a bias they did not have."""
    return {
        target.layer: dict(target.fold.can_add_bias)
        for target in folding.new_biases(graph, kept)
    }


def _edits(
    graph: LayerGraph, kept: BoolArray, *, fold_constants: bool
) -> dict[str, dict[str, Any]]:
    edits = bias_edits(graph, kept) if fold_constants else {}

    def count(atoms: IntArray) -> int:
        return int(np.count_nonzero(kept[atoms]))

    for call, effect in zip(graph.flat.calls, graph.effects, strict=True):
        if effect.edits is not None:
            edits[call.name] = {**edits.get(call.name, {}), **effect.edits(count)}
    return edits


def copy_weights(
    graph: LayerGraph,
    name: str,
    layer: Any,
    *,
    kept: BoolArray | None,
    shifted: Mapping[str, FloatArray],
    zeroed: BoolArray | None = None,
) -> None:
    """Copy one layer's weights into its new self.

    Args:
        graph: The traced original.
        name: Name of the layer.
        layer: The new layer, built.
        kept: Which atoms to keep; None copies every position.
        shifted: Full-size replacements by short name, from folding.
        zeroed: Atoms kept in shape; the positions where it is false are set to zero on
            the input axes of kernels (see `masking`).
    """
    old = graph.layers[name]
    if old is layer or not hasattr(old, "variables"):
        return
    sources = _pairs(old, layer)
    for variable in layer.variables:
        source = sources.get(id(variable))
        value = shifted.get(variable.name)
        if value is None:
            if source is None:
                continue  # a new bias whose shift is all zero
            value = source.numpy()
        spec = axes_of(graph, name, variable.name)
        if kept is not None:
            value = _cut(value, spec, kept)
        if zeroed is not None:
            value = _zero(value, spec, zeroed)
        variable.assign(value)
    refresh(layer)


def _pairs(old: Any, new: Any) -> dict[int, Any]:
    """Match new variables to old ones: by order, or by name where one was added."""
    if len(old.variables) == len(new.variables):
        return {id(b): a for a, b in zip(old.variables, new.variables, strict=True)}
    by_name = {variable.name: variable for variable in old.variables}
    return {id(b): by_name[b.name] for b in new.variables if b.name in by_name}


def axes_of(graph: LayerGraph, layer: str, weight: str) -> tuple[Axis | None, ...]:
    """Return what a weight has on its axes, also for a bias that folding adds."""
    known = graph.weight_axes.get(layer, {}).get(weight)
    if known:
        return known
    target = graph.fold_targets.get(layer) if weight == "bias" else None
    return (Axis("follows", target.out),) if target is not None else ()


def _cut(value: Any, spec: tuple[Axis | None, ...], kept: BoolArray) -> Any:
    for i, axis in enumerate(spec):
        if axis is not None:
            keep = kept[axis.atoms]
            if not keep.all():
                value = np.compress(keep, value, axis=i)
    return value


def _zero(value: Any, spec: tuple[Axis | None, ...], kept: BoolArray) -> Any:
    for i, axis in enumerate(spec):
        if axis is not None and axis.role == "consumes":
            view = [1] * value.ndim
            view[i] = -1
            value = np.where(kept[axis.atoms].reshape(view), value, 0)
    return value


def _widths(graph: LayerGraph, plan: PruningPlan) -> list[dict[str, Any]]:
    return [
        {
            "group": group.name,
            "layers": list(group.layers),
            "before": group.size,
            "after": plan.kept(group.name),
        }
        for group in graph.groups
    ]
