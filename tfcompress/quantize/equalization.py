"""Cross-layer equalisation: give the channels of neighbouring layers equal ranges.

Per-tensor quantization of a kernel wastes its steps on the channels with small weights.
A positive factor per channel can move between the layer that makes a channel and those
that read it without changing what the network computes.  With ``r1``, the largest
weight that makes channel ``i``, and ``r2``, the largest that reads it,

    s_i = sqrt(r1_i / r2_i)       makers / s_i,  readers · s_i

both become ``sqrt(r1_i · r2_i)``, which maximises the product of the precisions of the
two.  Layer after layer, and again until nothing moves.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1, equations 8 to 11.  Where we differ: a channel with
several makers (a residual sum) or readers takes the largest of their ranges, so these
groups are equalised too, exactly; factors stay within 1e-4 to 1e4, and channels whose
weights are all but zero are left alone; high biases are not absorbed (section 4.1.3),
which changes the function, and ReLU6 is not replaced by ReLU, which does so too.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress.graph.reading import functional_graph, read_model
from tfcompress.quantize.kernels import array_of, variables_of
from tfcompress.quantize.norm_folding import NormFolding, fold_batch_norms
from tfcompress.quantize.scalable import (
    ScalableChannels,
    ScaledWeight,
    find_scalable,
    free_roots,
)

Array = npt.NDArray[np.float64]

MAX_SWEEPS = 100
CONVERGED = 1e-4  # largest relative change of a factor in the last sweep
MAX_FACTOR = 1e4
DEAD = 1e-6  # of the largest range: such a channel is left alone


@dataclasses.dataclass(frozen=True, kw_only=True)
class EqualizedGroup:
    """Channels that got factors together.

    Attributes:
        makers: The layers that make them.
        readers: The layers that read them.
        channels: How many.
        largest_factor: The largest factor or inverse factor.
    """

    makers: tuple[str, ...]
    readers: tuple[str, ...]
    channels: int
    largest_factor: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class EqualizationReport:
    """What was equalised, and why the rest was not.

    Attributes:
        groups: The channels that got factors.
        skipped: For each quantized layer whose output channels are fixed, why.
        spread_before: For each quantized layer, its largest channel range over the
            median one: what one scale for the whole kernel wastes.
        spread_after: The same afterwards.
        sweeps: How often all layers were visited.
        deviation: Largest difference of the outputs on random inputs, relative to the
            largest output.
        norms: The BatchNorms folded first.
    """

    groups: tuple[EqualizedGroup, ...]
    skipped: dict[str, str]
    spread_before: dict[str, float]
    spread_after: dict[str, float]
    sweeps: int
    deviation: float
    norms: NormFolding

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)


def equalize(model: keras.Model) -> tuple[keras.Model, EqualizationReport]:
    """Return an equal model whose layers have equalised channel ranges.

    BatchNorms are folded first, nested models inlined. Use it before quantizing with
    one scale per tensor, or where neighbouring channels have very unequal ranges.

    Args:
        model: A built functional or Sequential model; it is not changed.

    Returns:
        A new model that computes the same, and the report.

    Raises:
        ModelError: If the model's graph cannot be read.

    Example:
        >>> x = inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(2, activation="relu", name="hidden")(x)
        >>> model = keras.Model(inputs, keras.layers.Dense(1, name="head")(x))
        >>> model.get_layer("hidden").kernel.assign(np.full((4, 2), [8.0, 1.0]))
        ... # doctest: +ELLIPSIS
        <...>
        >>> model.get_layer("head").kernel.assign([[0.5], [4.0]])  # doctest: +ELLIPSIS
        <...>
        >>> equal, report = equalize(model)
        >>> equal.get_layer("hidden").kernel.numpy()[0], report.skipped
        (array([2., 2.], dtype=float32), {'head': 'they are an output of the model'})
    """
    folded, norms = fold_batch_norms(model)
    channels = find_scalable(read_model(folded))
    layers = _layers(folded)
    solver = _Solver(channels, layers)
    before = solver.spreads()
    sweeps = solver.solve()
    solver.assign()
    return folded, EqualizationReport(
        groups=tuple(solver.report()),
        skipped=_skipped(channels),
        spread_before=before,
        spread_after=solver.spreads(),
        sweeps=sweeps,
        deviation=_deviation(model, folded),
        norms=norms,
    )


def _layers(model: keras.Model) -> dict[str, Any]:
    return {call.name: call.layer for call in read_model(model).calls}


def _skipped(channels: ScalableChannels) -> dict[str, str]:
    found: dict[str, str] = {}
    for weight in channels.weights:
        reason = channels.reason(weight.makes.ravel())
        if reason:
            found.setdefault(weight.layer, reason)
    return found


class _Solver:
    """Finds the factors; holds each kernel's magnitudes, window reduced away."""

    def __init__(self, channels: ScalableChannels, layers: dict[str, Any]) -> None:
        self._channels = channels
        self._layers = layers
        self._root = channels.classes.root
        self.factor: Array = np.ones(self._root.size)
        kernels = [w for w in channels.weights if w.is_kernel]
        self._kernels = [(w, self._magnitude(w)) for w in kernels]
        self._groups = self._find_groups()

    def solve(self) -> int:
        """Visit all groups until no factor moves; return the number of sweeps."""
        for sweep in range(1, MAX_SWEEPS + 1):
            moved = max((self._update(group) for group in self._groups), default=0.0)
            if moved < CONVERGED:
                return sweep
        return MAX_SWEEPS

    def assign(self) -> None:
        """Put the factors into the weights."""
        for weight in self._channels.weights:
            variable = variables_of(self._layers[weight.layer])[weight.name]
            value = array_of(variable).astype(np.float64)
            variable.assign(value * self._multiplier(weight, value.shape))

    def spreads(self) -> dict[str, float]:
        """Return each kernel's largest channel range over the median one."""
        found: dict[str, float] = {}
        for weight, magnitude in self._kernels:
            scaled = magnitude * self._scale(weight)
            axes = tuple(i for i, n in enumerate(weight.makes.shape) if n == 1)
            ranges = scaled.max(axis=axes)
            used = ranges[ranges > 0]
            spread = float(used.max() / np.median(used)) if used.size else 1.0
            found[weight.layer] = max(spread, found.get(weight.layer, 0.0))
        return found

    def report(self) -> list[EqualizedGroup]:
        """Return what each group got."""
        made = []
        for roots, makers, readers in self._groups:
            used = self.factor[roots]
            made.append(
                EqualizedGroup(
                    makers=_names(makers),
                    readers=_names(readers),
                    channels=len(roots),
                    largest_factor=float(np.max(np.maximum(used, 1 / used))),
                )
            )
        return made

    def _magnitude(self, weight: ScaledWeight) -> Array:
        value = np.abs(array_of(variables_of(self._layers[weight.layer])[weight.name]))
        shape = np.broadcast_shapes(
            weight.makes.shape, () if weight.reads is None else weight.reads.shape
        )
        axes = tuple(i for i, n in enumerate(shape) if n == 1)
        return np.asarray(value.max(axis=axes, keepdims=True), np.float64)

    def _find_groups(self) -> list[tuple[Any, list[int], list[int]]]:
        """Sort the free classes by the kernels that make and that read them."""
        around: dict[int, tuple[list[int], list[int]]] = {}
        for number, (weight, _) in enumerate(self._kernels):
            for root in free_roots(self._channels, weight.makes.ravel()):
                around.setdefault(root, ([], []))[0].append(number)
            reads = np.zeros(0, int) if weight.reads is None else weight.reads.ravel()
            for root in free_roots(self._channels, reads):
                around.setdefault(root, ([], []))[1].append(number)
        groups: dict[tuple[Any, Any], list[int]] = {}
        for root, (makers, readers) in around.items():
            if makers and readers:
                groups.setdefault((tuple(makers), tuple(readers)), []).append(root)
        return [
            (np.array(roots), *map(self._weights, key)) for key, roots in groups.items()
        ]

    def _weights(self, numbers: tuple[int, ...]) -> Any:
        return [self._kernels[number] for number in numbers]

    def _update(self, group: tuple[Any, Any, Any]) -> float:
        roots, makers, readers = group
        made = self._ranges(roots, makers, "makes")
        read = self._ranges(roots, readers, "reads")
        alive = (made > DEAD * made.max()) & (read > DEAD * read.max())
        step = np.sqrt(np.where(alive, made, 1.0) / np.where(alive, read, 1.0))
        old = self.factor[roots]
        new = np.clip(old * step, 1 / MAX_FACTOR, MAX_FACTOR)
        self.factor[roots] = new
        return float(np.abs(np.log(new / old)).max())

    def _ranges(self, roots: Any, kernels: Any, side: str) -> Array:
        """Return for each class the largest weight on one side."""
        largest: Array = np.zeros(self._root.size)
        for weight, magnitude in kernels:
            scaled = magnitude * self._scale(weight)
            atoms = getattr(weight, side)
            axes = tuple(i for i, n in enumerate(atoms.shape) if n == 1)
            reduced = scaled.max(axis=axes, keepdims=True)
            np.maximum.at(largest, self._root[atoms].ravel(), reduced.ravel())
        found: Array = largest[roots]
        return found

    def _scale(self, weight: ScaledWeight) -> Array:
        scale: Array = 1.0 / self.factor[self._root[weight.makes]]
        if weight.reads is not None:
            scale = scale * self.factor[self._root[weight.reads]]
        return scale

    def _multiplier(self, weight: ScaledWeight, shape: tuple[int, ...]) -> Array:
        scale = self._scale(weight)
        return scale if weight.is_kernel else scale.reshape(shape)


def _names(kernels: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(weight.layer for weight, _ in kernels))


def _deviation(model: keras.Model, other: keras.Model) -> float:
    """Return how far two models are apart on random inputs."""
    rng = np.random.default_rng(0)
    tensors = keras.tree.flatten(functional_graph(model).input)
    shapes = [(2, *[dim or 8 for dim in tensor.shape[1:]]) for tensor in tensors]
    given = [
        rng.standard_normal(shape).astype(tensor.dtype)
        if "float" in str(tensor.dtype)
        else np.zeros(shape, tensor.dtype)  # an index that always exists
        for tensor, shape in zip(tensors, shapes, strict=True)
    ]
    one, two = (_outputs(net, given) for net in (model, other))
    return max(
        float(np.abs(a - b).max() / (np.abs(a).max() + 1e-12))
        for a, b in zip(one, two, strict=True)
    )


def _outputs(model: keras.Model, given: list[Any]) -> list[Any]:
    graph = functional_graph(model)
    inputs = keras.tree.pack_sequence_as(graph.input, given)
    made = keras.tree.flatten(model(inputs, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(t), np.float64) for t in made]
