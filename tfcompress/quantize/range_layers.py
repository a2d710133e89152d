"""Put the layers that quantize activations where `sites` says."""

from __future__ import annotations

from typing import Any

import keras

from tfcompress.graph.reading import Call, FlatModel
from tfcompress.quantize.activation_ranges import FakeQuantize, FixedFakeQuantize
from tfcompress.quantize.sites import Range, Sites


class RangeLayers:
    """Makes one layer for each range, when it is first needed.

    A ReLU whose output alone sets a range is part of the range's layer, under the
    ReLU's name: clipping at the range's lower end is the ReLU.

    Args:
        flat: The model.
        sites: Where it is quantized.
        bits: Of activations.
        momentum: Of the moving averages.
    """

    def __init__(
        self, flat: FlatModel, sites: Sites, *, bits: int, momentum: float
    ) -> None:
        self._flat, self._sites = flat, sites
        self._bits, self._momentum = bits, momentum
        self._makers = {t: call for call in flat.calls for t in call.outputs}
        self._outputs = set(flat.output_tensors())
        self._taken = {call.name for call in flat.calls}
        self._layers: dict[int, FakeQuantize] = {}
        self.renamed = self._find_renamed()

    def _find_renamed(self) -> dict[str, str]:
        """Return new names of layers at the outputs: theirs go to their ranges.

        Losses, metrics and files call an output by the layer that makes it.
        """
        names = [call.name for call in self._flat.calls]
        found = {}
        for tensor in self._outputs & self._sites.range_of.keys():
            maker, one = self._makers.get(tensor), self._range(tensor)
            if (
                maker is not None
                and (tensor in one.sources or tensor in self._sites.rounded)
                and one.fixed is None
                and names.count(maker.name) == 1
                and not self.rectifies(maker)
            ):
                found[maker.name] = f"{maker.name}_unrounded"
        return found

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
            result = layer(value, source=found.sources.index(tensor))
        else:
            result = layer(value, observe=False, ties=self._ties(tensor))
        maker = self._makers.get(tensor)
        if maker and maker.name in self.renamed and layer.name != maker.name:
            return keras.layers.Identity(name=maker.name, dtype=policy)(result)
        return result

    def _ties(self, tensor: int) -> str:
        """Return how TFLite rounds the averages that a call makes."""
        resizes = isinstance(self._makers[tensor].layer, keras.layers.UpSampling2D)
        return "up" if resizes else "away"

    def _fixed(self, found: Range, tensor: int, value: Any, policy: Any) -> Any:
        """Round a known range, but not the model's outputs: losses take logarithms."""
        maker = self._makers[found.sources[0]]
        operator = self._sites.operators[maker.index]
        if tensor in self._outputs or operator.function == "hard_sigmoid":
            return value  # that one rounds itself
        low, high = (found.fixed or {})[self._bits]
        name = self._name(tensor)
        return FixedFakeQuantize(
            low=low, high=high, bits=self._bits, name=name, dtype=policy
        )(value)

    def _layer(self, index: int, policy: Any) -> FakeQuantize:
        if index in self._layers:
            return self._layers[index]
        found = self._sites.ranges[index]
        first = found.sources[0]
        relu = self._sites.rectified.get(first) if len(found.sources) == 1 else None
        call = None if relu is None else self._flat.calls[relu]
        cap = None if relu is None else self._sites.operators[relu].max_value
        self._layers[index] = FakeQuantize(
            bits=self._bits,
            momentum=self._momentum,
            sources=len(found.sources),
            rectify=call is not None,
            max_value=cap,
            name=self._name(first) if call is None else call.name,
            dtype=policy,
        )
        return self._layers[index]

    def _range(self, tensor: int) -> Range:
        return self._sites.ranges[self._sites.range_of[tensor]]

    def _name(self, tensor: int) -> str:
        """Return a new name after what makes the tensor."""
        maker = self._makers.get(tensor)
        if maker and maker.name in self.renamed and len(maker.outputs) == 1:
            return maker.name
        stem = maker.name if maker else self._flat.tensors[tensor].name
        name = f"{stem}_range"
        while name in self._taken:
            name = f"{name}_"
        self._taken.add(name)
        return name
