"""Where the constants of removed channels go: a bias, or a BatchNorm's mean.

For each layer that consumes removed channels with constants ``c``:

1. It has a bias: ``bias += W·c``.
2. It has none, is linear, and only BatchNorms read its output: their moving mean is
   lowered by ``W·c``, which costs nothing.
3. Otherwise it gets a bias.
4. A layer that is called several times with different constants cannot take them all;
   they are lost, as are those of a strided transposed convolution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import keras
import numpy as np

from tfcompress.graph.atoms import IntArray
from tfcompress.graph.channel_rules import Effect, Fold, weights_of
from tfcompress.graph.constants import EXACT, INTERIOR, LOST, FloatArray
from tfcompress.graph.reading import Call
from tfcompress.graph.tracing import BoolArray, LayerGraph

BIAS, MEAN, NEW_BIAS = "bias", "batch_norm_mean", "new_bias"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FoldTarget:
    """How one consumer can take up constants, whatever the plan.

    Attributes:
        layer: Name of the consumer.
        into: BIAS, MEAN or NEW_BIAS.
        fold: The consumer's own description.
        norms: Names of the BatchNorms that take it up, for MEAN.
        atoms: Its input channels, one per position.
        value: The constant at each position; 0 where it cannot be folded.
        level: EXACT, INTERIOR or LOST at each position.
        out: Its output channels.
    """

    layer: str
    into: str
    fold: Fold
    norms: tuple[str, ...]
    atoms: IntArray
    value: FloatArray
    level: IntArray
    out: IntArray

    def removed(self, kept: BoolArray) -> FloatArray:
        """Return the constants of the removed positions, 0 elsewhere."""
        return np.where(kept[self.atoms], 0.0, self.value)

    def places(self) -> list[tuple[tuple[str, str], int]]:
        """Return the weights that take the shift up (layer, name), and its sign."""
        if self.into == MEAN:
            return [((norm, "moving_mean"), -1) for norm in self.norms]
        return [((self.layer, "bias"), 1)]


@dataclasses.dataclass(frozen=True, slots=True)
class FoldReport:
    """What became of the constants of one consumer's removed inputs.

    Attributes:
        layer: Name of the consumer.
        into: Where they went: ``bias``, ``batch_norm_mean``, ``new_bias``.
        exact: Number of channels folded exactly.
        interior: Number folded exactly only away from zero-padded borders.
        lost: Number that could not be folded, because they stay data-dependent.
    """

    layer: str
    into: str
    exact: int
    interior: int
    lost: int


def fold_targets(graph: LayerGraph) -> dict[str, FoldTarget]:
    """Return for each consuming layer how it takes up constants."""
    found: dict[str, FoldTarget] = {}
    for call, effect in zip(graph.flat.calls, graph.effects, strict=True):
        if effect.fold is None:
            continue
        target = _target(graph, call, effect, effect.fold)
        earlier = found.get(call.name)
        if earlier is not None:
            target = _agreeing(earlier, target)
        found[call.name] = target
    return found


def _target(graph: LayerGraph, call: Call, effect: Effect, fold: Fold) -> FoldTarget:
    source, made = graph.channels[call.inputs[0]], effect.outputs[0]
    constants = graph.constants[call.inputs[0]]
    if source is None or made is None or constants is None:
        raise AssertionError(call.name)  # a rule that folds has channels on both sides
    level = constants.level
    if not fold.exact_at_borders:
        level = np.maximum(level, np.where(constants.value != 0, INTERIOR, EXACT))
    if not fold.uniform:
        level = np.maximum(level, np.where(constants.value != 0, LOST, EXACT))
    norms = _norms_after(graph, call, fold)
    into = BIAS if fold.bias else MEAN if norms else NEW_BIAS
    return FoldTarget(
        layer=call.name,
        into=into,
        fold=fold,
        norms=norms,
        atoms=source.atoms,
        value=np.where(level == LOST, 0.0, constants.value),
        level=level.astype(np.int64),
        out=made.atoms,
    )


def _norms_after(graph: LayerGraph, call: Call, fold: Fold) -> tuple[str, ...]:
    """Return the BatchNorms that alone read this call's output (rule 2), or none."""
    output = call.outputs[0]
    readers = graph.consumers_of.get(output, [])
    private = (
        fold.linear
        and graph.call_counts[call.name] == 1
        and output not in graph.flat.output_tensors()
        and all(
            isinstance(reader.layer, keras.layers.BatchNormalization)
            and graph.call_counts[reader.name] == 1
            for reader in readers
        )
    )
    return tuple(reader.name for reader in readers) if private else ()


def _agreeing(one: FoldTarget, other: FoldTarget) -> FoldTarget:
    """Apply rule 4 to two calls of one layer."""
    same = np.isclose(one.value, other.value, rtol=1e-6, atol=0)
    level = np.maximum(one.level, other.level)
    return dataclasses.replace(
        one,
        value=np.where(same, one.value, 0.0),
        level=np.where(same, level, LOST),
        into=BIAS if one.fold.bias else NEW_BIAS,
        norms=(),
    )


def shifts(
    graph: LayerGraph, kept: BoolArray
) -> Iterator[tuple[FoldTarget, FloatArray]]:
    """Yield each consumer that has something to take up, with its shift per output."""
    for target in graph.fold_targets.values():
        values = target.removed(kept)
        if np.any(values):
            weights = weights_of(graph.layers[target.layer])
            yield target, target.fold.shift(weights, values)


def report(graph: LayerGraph, kept: BoolArray) -> list[FoldReport]:
    """Count the folded and lost constants of each consumer that loses inputs."""
    found = []
    for target in graph.fold_targets.values():
        gone = ~kept[target.atoms]
        if not np.any(gone):
            continue
        counts = [
            int(np.sum(gone & (target.level == level) & _counts(target, level)))
            for level in (EXACT, INTERIOR, LOST)
        ]
        found.append(FoldReport(target.layer, target.into, *counts))
    return found


def _counts(target: FoldTarget, level: int) -> BoolArray | bool:
    """Zero constants need no folding; lost ones have no value to look at."""
    return True if level == LOST else target.value != 0


def shifted_weights(
    graph: LayerGraph, kept: BoolArray
) -> dict[str, dict[str, FloatArray]]:
    """Return the full-size biases and means after folding, by layer and short name."""
    found: dict[str, dict[str, FloatArray]] = {}
    for target, shift in shifts(graph, kept):
        for (layer, name), sign in target.places():
            before = weights_of(graph.layers[layer])
            base = before[name] if name in before else np.zeros(shift.shape)
            found.setdefault(layer, {})[name] = base + sign * shift
    return found


def new_biases(graph: LayerGraph, kept: BoolArray) -> list[FoldTarget]:
    """Return the consumers that get a bias they did not have (rule 3)."""
    return [
        target
        for target in graph.fold_targets.values()
        if target.into == NEW_BIAS and np.any(target.removed(kept))
    ]
