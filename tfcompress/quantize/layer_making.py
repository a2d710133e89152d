"""Make the layers of a quantization-aware model out of a plain model's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tfcompress.graph.copying import copy_weights
from tfcompress.graph.reading import Call, FlatModel
from tfcompress.graph.rebuilding import copy_layer
from tfcompress.graph.rule_table import entry_for
from tfcompress.quantize.affine_layers import QUANTIZED as AFFINE
from tfcompress.quantize.folded_layers import FoldedBatchNormalization
from tfcompress.quantize.normalization import FreezableBatchNormalization
from tfcompress.quantize.quantized_activations import (
    QuantizedHardSigmoid,
    QuantizedSilu,
)
from tfcompress.quantize.recipes import Recipe
from tfcompress.quantize.sites import Sites
from tfcompress.quantize.weighted_layers import QUANTIZED

_NORM: Any = keras.layers.BatchNormalization
_ACTIVATIONS: Mapping[str, Any] = {
    "silu": QuantizedSilu,
    "hard_sigmoid": QuantizedHardSigmoid,
}


class LayerMaker:
    """Makes each layer once, however often it is called.

    Args:
        flat: The simplified model.
        sites: Where it is quantized.
        recipes: The recipe of each of its layers.
        per_channel: Whether kernels have a scale per output channel.
        renamed: Other names for layers.
    """

    def __init__(
        self,
        flat: FlatModel,
        sites: Sites,
        recipes: Mapping[str, Recipe],
        *,
        per_channel: bool,
        renamed: Mapping[str, str],
    ) -> None:
        self._renamed = renamed
        self._flat, self._sites, self._recipes = flat, sites, recipes
        self._per_channel = per_channel
        self._made: dict[str, Any] = {}
        self._olds: dict[str, Any] = {}
        self._pairs: dict[tuple[str, str], FoldedBatchNormalization] = {}
        self.notes: list[str] = []
        self._folds_early = self._find_early_folds()

    def _find_early_folds(self) -> dict[int, int]:
        """Return the BatchNorm calls that fold in every step, with their kernels'.

        A kernel or norm in several pairs cannot be one layer with each; then the norm
        is computed on its own.
        """
        if self._per_channel:
            return {}
        calls, folded = self._flat.calls, self._sites.folded
        pairs = {(calls[norm].name, calls[k].name) for norm, k in folded.items()}
        names = [name for pair in pairs for name in pair]
        counts = {call.name: 0 for call in calls}
        for call in calls:
            counts[call.name] += 1
        return {
            norm: kernel
            for norm, kernel in folded.items()
            if names.count(calls[norm].name) == names.count(calls[kernel].name) == 1
            and counts[calls[norm].name] == counts[calls[kernel].name]
            == sum(calls[n].name == calls[norm].name for n in folded)
        }  # fmt: skip

    def is_folded_away(self, call: Call) -> bool:
        """Return whether a kernel is computed by the BatchNorm's layer."""
        return call.index in self._folds_early.values()

    def is_of_another_kind(self, call: Call) -> bool:
        """Return whether the layer for a call takes one tensor and nothing else."""
        function = self._sites.operators[call.index].function
        return call.index in self._folds_early or function in _ACTIVATIONS

    def layer(self, call: Call) -> Any:
        """Return the layer for a call."""
        if call.index in self._folds_early:
            return self._folded(call)
        if call.name not in self._made:
            self._olds[call.name] = call.layer
            self._made[call.name] = self._make(call)
        return self._made[call.name]

    def _make(self, call: Call) -> Any:
        operator = self._sites.operators[call.index]
        name = self._renamed.get(call.name, call.name)
        if operator.kind == "kernel":
            return self._quantized(call, name)
        if entry_for(call.layer, {_NORM: True}):
            return _normalization(call.layer, name, in_float=operator.kind == "float")
        if operator.function in _ACTIVATIONS:
            bits = self._recipes[call.name].activation_bits
            kind = _ACTIVATIONS[operator.function]
            return kind(bits=bits, name=name, dtype=policy_of(call, self._flat))
        if operator.kind == "affine" and (kind := entry_for(call.layer, AFFINE)):
            return kind.from_config({**call.layer.get_config(), "name": name})
        return copy_layer(call.layer, name, {}, self.notes)

    def _quantized(self, call: Call, name: str) -> Any:
        base: Any = next(one for one in type(call.layer).__mro__ if one in QUANTIZED)
        bits = self._recipes[call.name].weight_bits or 8
        if base is keras.layers.Conv2DTranspose:
            bits = 8  # the converter stores no 4-bit kernels of these
        config = {**base.get_config(call.layer), "name": name}
        return QUANTIZED[base].from_config(
            {**config, "weight_bits": bits, "per_channel": self._per_channel}
        )

    def _folded(self, call: Call) -> FoldedBatchNormalization:
        kernel = self._flat.calls[self._folds_early[call.index]]
        pair = (call.name, kernel.name)
        if pair not in self._pairs:
            norm = _NORM.from_config({**_NORM.get_config(call.layer), "name": "norm"})
            quantized = self._quantized(kernel, kernel.name)
            self._pairs[pair] = FoldedBatchNormalization(
                quantized,
                norm,
                name=self._renamed.get(call.name, kernel.name),
                dtype=quantized.variable_dtype,
            )
            self._olds[call.name], self._olds[kernel.name] = call.layer, kernel.layer
        return self._pairs[pair]

    def copy_state(self) -> None:
        """Give the layers, called by now, the weights and flags of the old ones."""
        targets = dict(self._made)
        for (norm, kernel), layer in self._pairs.items():
            targets[norm], targets[kernel] = layer.norm, layer.layer
        for name, new in targets.items():
            old = self._olds[name]
            if new is old or not isinstance(old, keras.Layer):
                continue
            if old.weights:
                copy_weights(old, new)
            new.trainable = old.trainable


def _normalization(
    layer: Any, name: str, *, in_float: bool
) -> FreezableBatchNormalization:
    config = {**_NORM.get_config(layer), "name": name}
    made: FreezableBatchNormalization = FreezableBatchNormalization.from_config(
        {**config, "in_float": in_float}
    )
    return made


def policy_of(call: Call, flat: FlatModel) -> Any:
    """Return a layer's dtype policy; of an operation, the type of what it makes."""
    made = flat.tensors[call.outputs[0]].dtype
    return getattr(call.layer, "dtype_policy", made)
