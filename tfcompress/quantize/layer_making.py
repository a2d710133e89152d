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
from tfcompress.quantize.layer_names import LayerNames
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

    An activation is two layers if it is of one class in integers and of another where
    it stays in float. A BatchNorm learns, so it is one, which tells by its inputs.

    Args:
        flat: The simplified model.
        sites: Where it is quantized.
        recipes: The recipe of each of its layers.
        names: Of the model's layers.
        per_channel: Whether kernels have a scale per output channel.
        renamed: Other names for layers.
    """

    def __init__(
        self,
        flat: FlatModel,
        sites: Sites,
        recipes: Mapping[str, Recipe],
        names: LayerNames,
        *,
        per_channel: bool,
        renamed: Mapping[str, str],
    ) -> None:
        self._names, self._renamed = names, renamed
        self._flat, self._sites, self._recipes = flat, sites, recipes
        self._per_channel = per_channel
        self._made: dict[tuple[str, Any], Any] = {}
        self._pairs: dict[tuple[str, str], FoldedBatchNormalization] = {}
        self._copies: list[tuple[Any, Any]] = []
        self.notes: list[str] = []
        self._folds_early = self._find_early_folds()
        self._named = self._find_named()

    def _find_named(self) -> dict[str, Any]:
        """Return which class of layer goes by a name.

        That of an output, whose name losses and files know, before that of others; a
        range lies behind outputs in integers and takes their names.
        """
        outputs, operators = set(self._flat.output_tensors()), self._sites.operators

        def rank(call: Call) -> tuple[bool, bool]:
            is_float = operators[call.index].kind == "float"
            return outputs.isdisjoint(call.outputs), not is_float

        named: dict[str, Any] = {}
        for call in sorted(self._flat.calls, key=rank):
            named.setdefault(call.name, self._kind(call))
        return named

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
        kind = self._kind(call)
        if (call.name, kind) not in self._made:
            name = self._renamed.get(call.name, call.name)
            if kind is not self._named[call.name]:
                name = self._names.new(name)
            made = self._make(call, kind, name)
            self._made[call.name, kind] = made
            self._copies.append((call.layer, made))
        return self._made[call.name, kind]

    def _kind(self, call: Call) -> Any:
        """Return the class of ours for a call; None for a copy of its layer."""
        operator = self._sites.operators[call.index]
        if operator.kind == "kernel":
            return QUANTIZED[_keras_class(call.layer)]
        if entry_for(call.layer, {_NORM: True}):
            return FreezableBatchNormalization
        if operator.kind == "affine":
            return entry_for(call.layer, AFFINE)
        return _ACTIVATIONS.get(operator.function)

    def _make(self, call: Call, kind: Any, name: str) -> Any:
        if kind is None:
            return copy_layer(call.layer, name, {}, self.notes)
        if kind in QUANTIZED.values():
            return self._quantized(call, name)
        if kind is FreezableBatchNormalization:
            return kind.from_config({**_NORM.get_config(call.layer), "name": name})
        if kind in _ACTIVATIONS.values():
            bits = self._recipes[call.name].activation_bits
            return kind(bits=bits, name=name, dtype=policy_of(call, self._flat))
        return kind.from_config({**call.layer.get_config(), "name": name})

    def _quantized(self, call: Call, name: str) -> Any:
        base = _keras_class(call.layer)
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
            self._copies += [(call.layer, norm), (kernel.layer, quantized)]
        return self._pairs[pair]

    def copy_state(self) -> None:
        """Give the layers, called by now, the weights and flags of the old ones."""
        for old, new in self._copies:
            if new is old or not isinstance(old, keras.Layer):
                continue
            if old.weights:
                copy_weights(old, new)
            new.trainable = old.trainable


def _keras_class(layer: Any) -> Any:
    """Return the class with a kernel that a layer is or has kept the ``call`` of."""
    return next(one for one in type(layer).__mro__ if one in QUANTIZED)


def policy_of(call: Call, flat: FlatModel) -> Any:
    """Return a layer's dtype policy; of an operation, the type of what it makes."""
    made = flat.tensors[call.outputs[0]].dtype
    return getattr(call.layer, "dtype_policy", made)
