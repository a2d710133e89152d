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

from tfcompress.graph.reading import functional_graph, read_model
from tfcompress.quantize.norm_folding import NormFolding, fold_batch_norms
from tfcompress.quantize.range_solver import EqualizedGroup, Solver
from tfcompress.quantize.scalable import ScalableChannels, find_scalable


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
    solver = Solver(channels, layers)
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
