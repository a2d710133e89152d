"""Trace a Keras model into a `LayerGraph`: its calls, its channels, its groups.

>>> import keras
>>> x = inputs = keras.Input((8, 8, 3))
>>> x = keras.layers.Conv2D(16, 3, name="conv")(x)
>>> x = keras.layers.GlobalAveragePooling2D()(x)
>>> graph = trace(keras.Model(inputs, keras.layers.Dense(10, name="head")(x)))
>>> [(group.name, group.size) for group in graph.groups]
[('conv', 16)]
>>> graph.pinned
{'head': 'model output'}
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
from keras import tree

from tfcompress import errors, files
from tfcompress.graph import rule_table
from tfcompress.graph.atoms import AtomClasses, AtomTable, Channels
from tfcompress.graph.channel_rules import Axis, Effect, LayerCall
from tfcompress.graph.constants import Constants
from tfcompress.graph.groups import ChannelGroup, find_groups, pinned_layers
from tfcompress.graph.reading import Call, FlatModel, Ref, Tensor, read_model

if TYPE_CHECKING:
    from tfcompress.graph.folding import FoldTarget
    from tfcompress.graph.plans import PruningPlan

BoolArray = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, eq=False)
class LayerGraph:
    """A traced model: what it is made of and which of its channels can go.

    Attributes:
        model: The model that was traced; it is never changed.
        flat: Its calls and tensors, nested models inlined.
        effects: What each call does with channels.
        channels: The channels of each tensor; None where there are none.
        classes: Which channels stand or fall together.
        groups: The channel groups that can be cut.
        pinned: For each layer whose output channels are fixed, the reason.
        unknown: For each layer without a channel rule, its class.
    """

    model: keras.Model
    flat: FlatModel
    effects: tuple[Effect, ...]
    channels: tuple[Channels | None, ...]
    classes: AtomClasses
    groups: tuple[ChannelGroup, ...]
    pinned: dict[str, str]
    unknown: dict[str, str]

    @property
    def name(self) -> str:
        """Return the model's name."""
        return str(self.model.name)

    @property
    def nodes(self) -> tuple[Call, ...]:
        """Return the calls in topological order."""
        return self.flat.calls

    @functools.cached_property
    def layers(self) -> dict[str, Any]:
        """Return every layer and operation by its name in the flattened model."""
        return {call.name: call.layer for call in self.flat.calls}

    @functools.cached_property
    def fingerprint(self) -> str:
        """Return a name of the structure: layers, wiring and weight shapes."""
        return files.fingerprint(*map(_describe, self.flat.calls))

    def group(self, name: str) -> ChannelGroup:
        """Return a group by its name.

        Raises:
            KeyError: If there is none; the message lists them.
        """
        for group in self.groups:
            if group.name == name:
                return group
        names = ", ".join(group.name for group in self.groups)
        raise KeyError(f"no channel group {name!r} in {self.name!r}; it has {names}")

    def kept_atoms(self, plan: PruningPlan | None) -> BoolArray:
        """Return for each atom whether the plan keeps it."""
        kept = np.ones(self.classes.root.size, bool)
        for group in self.groups if plan is not None else ():
            keep = plan.keep.get(group.name) if plan is not None else None
            if keep is not None:
                kept[group.roots] = False
                kept[group.roots[keep]] = True
        return kept[self.classes.root]

    @functools.cached_property
    def constants(self) -> tuple[Constants | None, ...]:
        """Return for each tensor the constant of each channel, should it be removed."""
        return _constants(self)

    @functools.cached_property
    def weight_axes(self) -> dict[str, Mapping[str, tuple[Axis | None, ...]]]:
        """Return for each layer what its weights have on their axes."""
        found: dict[str, Mapping[str, tuple[Axis | None, ...]]] = {}
        for call, effect in zip(self.flat.calls, self.effects, strict=True):
            found.setdefault(call.name, effect.weights)
        return found

    @functools.cached_property
    def call_counts(self) -> Counter[str]:
        """Return how often each layer is called."""
        return Counter(call.name for call in self.flat.calls)

    def refreshed(self) -> LayerGraph:
        """Return the graph without what was worked out from earlier weights."""
        return dataclasses.replace(self)

    @functools.cached_property
    def fold_targets(self) -> dict[str, FoldTarget]:
        """Return for each consuming layer how it takes up constants."""
        from tfcompress.graph import folding

        return folding.fold_targets(self)

    @functools.cached_property
    def consumers_of(self) -> dict[int, list[Call]]:
        """Return the calls that read each tensor."""
        readers: dict[int, list[Call]] = {}
        for call in self.flat.calls:
            for tensor in call.inputs:
                readers.setdefault(tensor, []).append(call)
        return readers


def trace(
    model: keras.Model, *, input_shape: Sequence[int] | None = None
) -> LayerGraph:
    """Read a model and find which channels can be removed, and which together.

    Args:
        model: A built Functional or Sequential model; nested models are inlined.
        input_shape: Shape without batch, such as ``(224, 224, 3)``, for a model whose
            own input has open dimensions; costs need it.

    Returns:
        The graph. Layers without a channel rule have their channels pinned and are
        named in `LayerGraph.unknown`; they never fail the model.

    Raises:
        ModelError: If the model is subclassed, not built, quantized or of Keras 2, or
            if `input_shape` does not fit it.
    """
    flat = read_model(model)
    if input_shape is not None:
        flat = _with_input_shape(flat, tuple(input_shape))
    table = AtomTable()
    channels: list[Channels | None] = [None] * len(flat.tensors)
    for tensor in flat.input_tensors():
        channels[tensor] = _fixed(table, flat.tensors[tensor], "model input")
    effects: list[Effect] = []
    for call in flat.calls:
        view = LayerCall(call, tuple(channels[i] for i in call.inputs), flat, table)
        effect = _effect(view)
        for tensor, made in zip(call.outputs, effect.outputs, strict=True):
            channels[tensor] = made
        effects.append(effect)
    _tie_repeated_calls(flat.calls, effects, table)
    for tensor in flat.output_tensors():
        made = channels[tensor]
        if made is not None:
            table.pin(made.atoms, "model output", foremost=True)
    classes = table.resolve()
    return LayerGraph(
        model=model,
        flat=flat,
        effects=tuple(effects),
        channels=tuple(channels),
        classes=classes,
        groups=find_groups(flat.calls, effects, classes),
        pinned=pinned_layers(flat.calls, classes),
        unknown={
            call.name: effect.unknown
            for call, effect in zip(flat.calls, effects, strict=True)
            if effect.unknown
        },
    )


def as_graph(model_or_graph: keras.Model | LayerGraph) -> LayerGraph:
    """Trace a model, or hand a graph back."""
    if isinstance(model_or_graph, LayerGraph):
        return model_or_graph
    return trace(model_or_graph)


def _effect(call: LayerCall) -> Effect:
    rule = rule_table.rule_for(call.layer)
    if rule is None:
        kind = type(call.layer).__name__
        return call.pinned(f"{kind} has no channel rule", known=False)
    return rule(call)


def _fixed(table: AtomTable, tensor: Tensor, reason: str) -> Channels | None:
    if len(tensor.shape) < 2 or tensor.shape[-1] is None:
        return None
    channels = Channels(len(tensor.shape) - 1, table.new(tensor.shape[-1], owner=-1))
    table.pin(channels.atoms, reason)
    return channels


def _tie_repeated_calls(
    calls: Sequence[Call], effects: Sequence[Effect], table: AtomTable
) -> None:
    """Tie what several calls of one layer put on the axes of its one set of weights.

    A layer without weights whose config is edited (a ``Reshape``) has one config for
    all calls too: there the outputs are tied.
    """
    first: dict[str, Effect] = {}
    for call, effect in zip(calls, effects, strict=True):
        earlier = first.setdefault(call.name, effect)
        if earlier is effect:
            continue
        for name, axes in effect.weights.items():
            for one, other in zip(earlier.weights.get(name, ()), axes, strict=True):
                if one is not None and other is not None:
                    table.tie(one.atoms, other.atoms)
        if effect.edits is not None and not effect.weights:
            for made, other_made in zip(earlier.outputs, effect.outputs, strict=True):
                if made is not None and other_made is not None:
                    table.tie(made.atoms, other_made.atoms)


def _constants(graph: LayerGraph) -> tuple[Constants | None, ...]:
    found: list[Constants | None] = [
        None if channels is None else Constants.lost(channels.atoms.size)
        for channels in graph.channels
    ]
    for call, effect in zip(graph.flat.calls, graph.effects, strict=True):
        parts = [found[i] for i in call.inputs]
        known = [part for part in parts if part is not None]
        if effect.constants is not None and len(known) == len(parts):
            made = effect.constants(known)
            for tensor in call.outputs:
                found[tensor] = made
    return tuple(found)


def _describe(call: Call) -> str:
    shapes = [tuple(v.shape) for v in getattr(call.layer, "variables", ())]
    wiring = f"{call.inputs}->{call.outputs}"
    return f"{call.name}:{type(call.layer).__name__}:{wiring}:{shapes}"


def _with_input_shape(flat: FlatModel, shape: tuple[int, ...]) -> FlatModel:
    """Fill in open dimensions by inferring every shape again from a fixed input."""
    inputs = flat.input_tensors()
    own = flat.tensors[inputs[0]].shape[1:]
    fits = len(own) == len(shape) and all(
        open_ is None or open_ == given for open_, given in zip(own, shape, strict=True)
    )
    if not fits or len(inputs) != 1:
        raise errors.ModelError(
            f"`input_shape` does not fit the model's input. Received: {shape}; the "
            f"model has {len(inputs)} input(s), the first of shape {own}. Pass a shape "
            "that agrees with its fixed dimensions."
        )
    specs: dict[int, Any] = {
        inputs[0]: keras.KerasTensor((None, *shape), flat.tensors[inputs[0]].dtype)
    }
    for call in flat.calls:
        args, kwargs = tree.map_structure(
            lambda x: specs[x.tensor] if isinstance(x, Ref) else x,
            (call.args, dict(call.kwargs)),
        )
        kwargs.pop("training", None)
        made = call.layer.compute_output_spec(*args, **kwargs)
        specs.update(zip(call.outputs, tree.flatten(made), strict=True))
    tensors = [
        dataclasses.replace(tensor, shape=tuple(specs[i].shape))
        if i in specs
        else tensor
        for i, tensor in enumerate(flat.tensors)
    ]
    return dataclasses.replace(flat, tensors=tuple(tensors))
