"""What the other branches of a residual addition have lost, as a target's correction.

If a layer's output y reaches an addition through BatchNorms alone, the sum is right
again when

    gain · y' + others'  =  gain · y + others,      gain = Π γ / σ
    y'  =  y + (others − others') / gain
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.channels.consumers import Consumer
from tfcompress.channels.patches import pick
from tfcompress.channels.walking import Halting
from tfcompress.graph.channel_rules import weights_of
from tfcompress.graph.reading import Call

Array = npt.NDArray[Any]

SMALLEST_GAIN = 1e-2
"""Of the largest: a channel that a BatchNorm all but switches off corrects nothing."""

_PASSING = (keras.layers.Dropout, keras.layers.Identity)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Branches:
    """The other branches that a layer's output is added to.

    Attributes:
        gain: From the layer's output to the addition, per channel.
        others: Their tensors, none of which waits for a layer that is refitted later.
    """

    gain: Array
    others: tuple[int, ...]


def find(layer_graph: graph.LayerGraph, call: Call) -> Branches | None:
    """Return the branches that a layer can make up for, or None.

    It must be linear up to the addition, with no other reader in between, and the last
    of the branches to be refitted.
    """
    if getattr(call.layer, "activation", None) is not keras.activations.linear:
        return None
    tensor = call.outputs[0]
    gain: Array = np.ones(layer_graph.fold_targets[call.name].out.size)
    while True:
        readers = layer_graph.consumers_of.get(tensor, [])
        if len(readers) != 1 or tensor in layer_graph.flat.output_tensors():
            return None
        reader = readers[0]
        if layer_graph.call_counts[reader.name] > 1:
            return None
        if isinstance(reader.layer, keras.layers.BatchNormalization):
            gain = gain * _gain(reader.layer)
        elif _adds(reader):
            return _branches(layer_graph, call, reader, tensor, gain)
        elif not isinstance(reader.layer, _PASSING):
            return None
        tensor = reader.outputs[0]


def lost(
    consumer: Consumer,
    branches: Sequence[Branches | None],
    networks: Sequence[Halting],
    chosen: Array,
) -> Array | float:
    """Return the correction at the chosen output positions, `[rows, out]`.

    Args:
        consumer: The layer.
        branches: From `find` in the original network and in the cut one.
        networks: Both, halted before the layer.
        chosen: Positions, `[batch, positions]`.
    """
    before, after = branches
    if before is None or after is None:
        return 0.0
    layer = consumer.layer
    missing = np.zeros(1)
    for there, gone in zip(before.others, after.others, strict=True):
        missing = missing + pick(layer, networks[0].ahead(there), chosen)
        missing = missing - pick(layer, networks[1].ahead(gone), chosen)
    usable = np.abs(before.gain) > SMALLEST_GAIN * np.abs(before.gain).max()
    factor = np.where(usable, 1 / np.where(usable, before.gain, 1.0), 0.0)
    return np.asarray(missing * factor, np.float64)


def _gain(norm: Any) -> Array:
    weights = weights_of(norm)
    spread = np.sqrt(weights["moving_variance"].astype(np.float64) + norm.epsilon)
    scaled: Array = weights.get("gamma", np.ones_like(spread)) / spread
    return scaled


def _adds(call: Call) -> bool:
    """Tell an Add layer, or ``x + y`` of two tensors."""
    plain = type(call.layer).__name__ == "Add" and len(call.inputs) == 2
    return isinstance(call.layer, keras.layers.Add) or plain


def _branches(
    layer_graph: graph.LayerGraph, call: Call, add: Call, tensor: int, gain: Array
) -> Branches | None:
    flat = layer_graph.flat
    others = tuple(other for other in add.inputs if other != tensor)
    ready = all(_ready(layer_graph, other, call.index) for other in others)
    alike = all(flat.tensors[o].shape == flat.tensors[tensor].shape for o in others)
    if not others or not ready or not alike or add.inputs.count(tensor) > 1:
        return None
    return Branches(gain, others)


def _ready(layer_graph: graph.LayerGraph, tensor: int, before: int) -> bool:
    """Tell whether a tensor waits for no kernel at or after call number `before`."""
    maker = next((c for c in layer_graph.flat.calls if tensor in c.outputs), None)
    if maker is None or maker.index < before:
        return True
    if maker.index == before or maker.name in layer_graph.fold_targets:
        return False
    return all(_ready(layer_graph, read, before) for read in maker.inputs)
