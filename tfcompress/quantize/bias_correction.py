"""Bias correction: take the mean error of quantized weights out of the biases.

Rounded weights ``W~`` shift the mean of a layer's output: ``E[W~x~ - Wx]`` is rarely
zero, most of all for depthwise kernels with nine weights per channel. The mean per
channel, before the activation, is subtracted from the bias.

Empirical form: the float network and the one with rounded weights run side by side on
calibration batches, and each layer is corrected before the next one sees its output,
as in the paper. Where we differ: one pass instead of one per layer. After ``n`` batches
a layer carries the mean of its errors on these ``n``; what follows sees that.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.2 and appendix D (the empirical form).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from tfcompress.graph.reading import Call, FlatModel, read_model
from tfcompress.graph.rebuilding import rebuild
from tfcompress.graph.running import Alive, run_all, run_call
from tfcompress.quantize import precision as precisions
from tfcompress.quantize.example_batches import Batch, batches
from tfcompress.quantize.kernels import (
    Array,
    array_of,
    channel_axis,
    kernels_of,
    variables_of,
)
from tfcompress.quantize.norm_folding import copy_variables, fold_batch_norms
from tfcompress.quantize.rounding import round_kernel
from tfcompress.training.views import share

BATCH_BYTES = 64 * 2**20
"""Size of the largest tensor of a batch: bounds the memory of the forward pass."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BiasReport:
    """What was corrected.

    Attributes:
        shifts: For each layer, the root mean square of the shifts of its biases over
            that of its outputs before the activation.
        num_examples: How many examples the means come from.
    """

    shifts: dict[str, float]
    num_examples: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)


def correct_biases(
    model: keras.Model,
    examples: Iterable[Batch],
    *,
    precision: Mapping[str, str] | None = None,
    recipe: str = "int8",
    per_channel: bool = True,
) -> tuple[keras.Model, BiasReport]:
    """Return a float model whose biases make up for the rounding of its weights.

    Its weights are not rounded: quantizing it is what the biases are made for.
    BatchNorms are folded first; layers without a bias get one.

    Args:
        model: A built functional or Sequential model; it is not changed.
        examples: Batches of training inputs, preprocessed; a few hundred examples.
        precision: Layers that are quantized otherwise than by the recipe.
        recipe: How the other layers will be quantized.
        per_channel: One scale per output channel; else one per kernel.

    Raises:
        ConfigError: If `precision` names an unknown layer or precision.
        DataError: If there are no examples or they do not fit.
        ModelError: If the model's graph cannot be read.
    """
    chosen = precisions.complete(model, precision or {}, recipe=recipe)
    folded, _ = fold_batch_norms(model)
    flat = read_model(folded)
    edits = {call.name: {"use_bias": True} for call in flat.calls if _corrects(call)}
    made, layers = _copy(folded, flat, edits)
    _, rounded = _copy(folded, flat, edits)
    bits = {
        name: precisions.WEIGHT_BITS[chosen[name]]
        for name in precisions.quantized_layers(folded)
    }
    for name in bits:
        _round(rounded[name], bits=bits[name], per_channel=per_channel)
    walk = _SideBySide(read_model(made), layers, rounded)
    walk.targets = {name for name in bits if bits[name]}
    for batch in batches(made, examples, at_most=_batch_size(flat)):
        walk.add(batch)
    for name, mean in walk.means.items():
        bias = variables_of(layers[name])["bias"]
        bias.assign(array_of(bias) - mean.value)
    shifts = {name: mean.relative for name, mean in walk.means.items()}
    return made, BiasReport(shifts=shifts, num_examples=walk.num_examples)


def _corrects(call: Call) -> bool:
    return bool(kernels_of(call.layer)) and not call.layer.use_bias


def _copy(
    model: keras.Model, flat: FlatModel, edits: Mapping[str, Mapping[str, Any]]
) -> tuple[keras.Model, dict[str, Any]]:
    """Copy a model; layers that get a bias get one of zero."""
    new, layers, _ = rebuild(model, flat, edits)
    old = {call.name: call.layer for call in flat.calls}
    for name, layer in layers.items():
        if layer is old[name]:
            continue
        if name in edits:
            for key, variable in variables_of(old[name]).items():
                variables_of(layer)[key].assign(variable)
        else:
            copy_variables(old[name], layer)
    return new, layers


def _round(layer: Any, *, bits: int, per_channel: bool) -> None:
    held = variables_of(layer)
    for kernel in kernels_of(layer) if bits else ():
        value = array_of(held[kernel.name])
        held[kernel.name].assign(
            round_kernel(value, kernel, bits=bits, per_channel=per_channel)
        )


class _Mean:
    """The mean error per channel so far, and the power of the layer's outputs."""

    def __init__(self) -> None:
        self.value: Any = 0.0
        self._weight = 0.0
        self._power = 0.0

    def add(self, error: Array, power: float, weight: int) -> None:
        self._weight += weight
        share_of_new = weight / self._weight
        self.value = self.value + (error - self.value) * share_of_new
        self._power += (power - self._power) * share_of_new

    @property
    def relative(self) -> float:
        shift = float(np.sqrt(np.mean(np.square(self.value))))
        return shift / math.sqrt(self._power) if self._power > 0 else 0.0


class _SideBySide:
    """Runs the float and the rounded network in step and collects the mean errors."""

    def __init__(
        self, flat: FlatModel, layers: Mapping[str, Any], rounded: Mapping[str, Any]
    ) -> None:
        self._flat = flat
        self._sides = (layers, rounded)
        self.targets: set[str] = set()
        self.means: dict[str, _Mean] = {}
        self.num_examples = 0

    def add(self, batch: list[Any]) -> None:
        """Run both networks on one batch."""
        self.num_examples += len(batch[0])
        tensors = [keras.ops.convert_to_tensor(array) for array in batch]
        run_all(self._flat, [(tensor, tensor) for tensor in tensors], run=self._run)

    def _run(self, call: Call, alive: Alive) -> list[tuple[Any, Any]]:
        """Run a call in both networks, on pairs of tensors."""
        sides = [layers[call.name] for layers in self._sides]
        if call.name in self.targets:
            sides = [share(layer, activation=_linear) for layer in sides]
        held = [{t: alive[t][side] for t in call.inputs} for side in (0, 1)]
        made = [
            run_call(call, tensors, layer=layer)
            for layer, tensors in zip(sides, held, strict=True)
        ]
        if call.name in self.targets:
            return [self._corrected(call, *made[0], *made[1])]
        return list(zip(*made, strict=True))

    def _corrected(self, call: Call, exact: Any, rounded: Any) -> tuple[Any, Any]:
        layer = self._sides[0][call.name]
        axis = channel_axis(layer) % len(exact.shape)
        others = [i for i in range(len(exact.shape)) if i != axis]
        error = keras.ops.mean(rounded - exact, axis=others)
        power = float(keras.ops.mean(keras.ops.square(exact)))
        mean = self.means.setdefault(call.name, _Mean())
        mean.add(np.asarray(error, np.float64), power, int(exact.shape[0]))
        shape = [1] * len(exact.shape)
        shape[axis] = -1
        shift = keras.ops.cast(np.reshape(mean.value, shape), exact.dtype)
        return layer.activation(exact), layer.activation(rounded - shift)


def _linear(x: Any) -> Any:
    return x


def _batch_size(flat: FlatModel) -> int:
    sizes = [math.prod(dim or 64 for dim in t.shape[1:]) for t in flat.tensors]
    return max(1, min(64, BATCH_BYTES // (4 * max(sizes, default=1))))
