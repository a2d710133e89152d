"""Put the layers that quantize activations where `sites` says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import keras

from tfcompress.graph.reading import Call, FlatModel
from tfcompress.quantize.activation_ranges import FakeQuantize, FixedFakeQuantize
from tfcompress.quantize.layer_names import LayerNames
from tfcompress.quantize.recipes import Recipe
from tfcompress.quantize.sites import Range, Sites


class RangeLayers:
    """Makes one layer for each range, when it is first needed.

    A ReLU whose output alone sets a range is part of the range's layer, under the
    ReLU's name if it is called once: clipping at the range's lower end is the ReLU.

    Args:
        flat: The model.
        sites: Where it is quantized.
        names: Of the model's layers.
        recipe: Of the whole model.
        momentum: Of the moving averages.

    Attributes:
        renamed: New names of layers at the outputs: theirs go to their ranges.
    """

    def __init__(
        self,
        flat: FlatModel,
        sites: Sites,
        names: LayerNames,
        *,
        recipe: Recipe,
        momentum: float,
    ) -> None:
        self._flat, self._sites, self._names = flat, sites, names
        self._recipe, self._momentum = recipe.name, momentum
        self._bits = recipe.activation_bits or 8
        self._makers = {t: call for call in flat.calls for t in call.outputs}
        self._outputs = dict.fromkeys(flat.output_tensors())
        self._calls = Counter(call.name for call in flat.calls)
        self._layers: dict[int, FakeQuantize] = {}
        self._last_names = self._name_outputs()
        self.renamed = self._find_renamed()

    def _name_outputs(self) -> dict[int, str]:
        """Return the name of the range at each output that has one.

        Losses, metrics and files call an output by the layer that makes it.  Where one
        layer makes several outputs, the later ones are numbered, as files do.
        """
        makers = {t: self._makers[t].name for t in self._outputs if t in self._makers}
        times = Counter(name for t, name in makers.items() if not self._is_ranged(t))
        found = {}
        for tensor in filter(self._is_ranged, makers):
            name = makers[tensor]
            again = times[name]
            found[tensor] = self._names.new(f"{name}_{again}") if again else name
            times[name] += 1
        return found

    def _is_ranged(self, tensor: int) -> bool:
        """Return whether the layer of a range is the last to make a call's output."""
        sites = self._sites
        if tensor not in sites.range_of or tensor in sites.entries:
            return False
        one = self._range(tensor)
        return one.fixed is None and (tensor in one.sources or tensor in sites.rounded)

    def _find_renamed(self) -> dict[str, str]:
        """Return new names of layers whose own go to the ranges of outputs."""
        given = set(self._last_names.values())
        made = [call.name for call in self._flat.calls if not self.rectifies(call)]
        return {
            name: self._names.new(f"{name}_unrounded")
            for name in dict.fromkeys(made)
            if name in given
        }

    def rectifies(self, call: Call) -> bool:
        """Return whether a call's ReLU is done by the layer of its range."""
        tensor = call.outputs[0]
        if call.index not in self._sites.rectified.values():
            return False
        return self._range(tensor).sources == (tensor,)

    def apply(self, tensor: int, value: Any, *, policy: Any) -> Any:
        """Return `value`, quantized if there is a site at `tensor`."""
        index = self._sites.range_of.get(tensor)
        if index is None:
            return value
        found = self._sites.ranges[index]
        is_source = tensor in found.sources
        if not is_source and tensor not in self._sites.rounded:
            return value
        if found.fixed is not None:
            return self._fixed(found, tensor, value, policy)
        layer = self._layer(index, policy)
        if is_source:
            value = self._in_own_range(tensor, value, policy)
            result = layer(value, source=found.sources.index(tensor))
        else:
            result = layer(value, observe=False, ties=self._ties(tensor))
        last = self._last_names.get(tensor, layer.name)
        if last == layer.name:
            return result
        return keras.layers.Identity(name=last, dtype=policy)(result)

    def _in_own_range(self, tensor: int, value: Any, policy: Any) -> Any:
        """Round an activation of a known range that joins another one, as TFLite does.

        It computes in the known range, and rescales what comes out.
        """
        maker = self._makers.get(tensor)
        operator = self._sites.operators[maker.index] if maker else None
        if not operator or not operator.fixed or operator.function == "hard_sigmoid":
            return value  # that one rounds itself
        name = self._names.new(f"{maker.name}_range") if maker else None
        return self._in_known_range(operator.fixed, name, value, policy)

    def _ties(self, tensor: int) -> str:
        """Return how TFLite rounds the averages that a call makes."""
        resizes = isinstance(self._makers[tensor].layer, keras.layers.UpSampling2D)
        return "up" if resizes else "away"

    def _fixed(self, found: Range, tensor: int, value: Any, policy: Any) -> Any:
        """Round a known range, but not the model's outputs: losses take logarithms."""
        maker = self._makers[tensor]
        operator = self._sites.operators[maker.index]
        if tensor in self._outputs or operator.function == "hard_sigmoid":
            return value  # that one rounds itself
        return self._in_known_range(
            found.fixed or {}, self._name(tensor), value, policy
        )

    def _in_known_range(
        self,
        ends: Mapping[int, tuple[float, float]],
        name: Any,
        value: Any,
        policy: Any,
    ) -> Any:
        low, high = ends[self._bits]
        return FixedFakeQuantize(
            low=low, high=high, bits=self._bits, name=name, dtype=policy
        )(value)

    def _layer(self, index: int, policy: Any) -> FakeQuantize:
        if index in self._layers:
            return self._layers[index]
        found = self._sites.ranges[index]
        first = found.sources[0]
        relu = self._sites.rectified.get(first) if len(found.sources) == 1 else None
        cap = None if relu is None else self._sites.operators[relu].max_value
        self._layers[index] = FakeQuantize(
            bits=self._bits,
            momentum=self._momentum,
            sources=len(found.sources),
            rectify=relu is not None,
            max_value=cap,
            recipe=self._recipe,
            name=self._name(first),
            dtype=policy,
        )
        return self._layers[index]

    def _range(self, tensor: int) -> Range:
        return self._sites.ranges[self._sites.range_of[tensor]]

    def _name(self, tensor: int) -> str:
        """Return the name of a new layer, after what makes its tensor."""
        if tensor in self._last_names:
            return self._last_names[tensor]
        maker = self._makers.get(tensor)
        if maker and self.rectifies(maker) and self._calls[maker.name] == 1:
            return maker.name
        stem = maker.name if maker else self._flat.tensors[tensor].name
        return self._names.new(f"{stem}_range")
