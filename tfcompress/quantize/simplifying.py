"""Split the layers that TFLite computes in several operators into one layer each.

A range lies after every operator, so every operator has to be a call of its own::

    Conv2D(activation="silu")   ->  Conv2D, Activation
    SeparableConv2D             ->  DepthwiseConv2D, Conv2D
    Add of n tensors            ->  n - 1 additions of two
    Multiply of n tensors       ->  n - 1 products of two
    Average of n tensors        ->  n - 1 additions of two, and a factor 1/n
    x + scale y in one layer    ->  a factor, an addition  (Inception-ResNet)

The part with the kernel keeps the layer's name, except at the model's outputs, whose
names losses and files go by: there the last part keeps it.  The numbers stay the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import keras

from tfcompress.graph.copying import copy_weights
from tfcompress.graph.reading import Call, FlatModel
from tfcompress.graph.rebuilding import arguments, copy_layer, replay
from tfcompress.graph.rule_table import entry_for
from tfcompress.quantize.layer_names import LayerNames
from tfcompress.quantize.operators import SCALED_SUM, classify

_MERGES: Any = (keras.layers.Add, keras.layers.Average, keras.layers.Multiply)
_SEPARABLE: Any = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)


def simplify(
    model: keras.Model, flat: FlatModel, *, leave: Collection[str] = ()
) -> tuple[keras.Model, dict[str, str], list[str]]:
    """Return an equal model of layers that are one operator each.

    Args:
        model: Any functional or Sequential model; it is not changed.
        flat: Its calls.
        leave: Names of layers to copy as they are.

    Returns:
        The model; for every layer of it the name of the layer that it is part of; and
        notes on layers that could not be copied.
    """
    names = LayerNames(model, flat)
    splitter = _Splitter(names, set(leave), _last_layers(flat))
    simple = replay(model, flat, splitter.visit)
    splitter.copy_state()
    return simple, splitter.origin, splitter.notes


def _last_layers(flat: FlatModel) -> set[str]:
    """Return the names of the layers that make the model's outputs."""
    outputs = set(flat.output_tensors())
    return {call.name for call in flat.calls if outputs & set(call.outputs)}


class _Splitter:
    """Makes the parts of each layer, once, and calls them."""

    def __init__(self, names: LayerNames, leave: set[str], last: set[str]) -> None:
        self.origin: dict[str, str] = {}
        self.notes: list[str] = []
        self._names, self._leave, self._last = names, leave, last
        self._parts: dict[str, list[Any]] = {}
        self._layers: dict[str, Any] = {}

    def visit(self, call: Call, tensors: Mapping[int, Any]) -> Any:
        args, kwargs = arguments(call, tensors)
        if call.name not in self._parts:
            self._layers[call.name] = call.layer
            self._parts[call.name] = self._make(call)
            for part in self._parts[call.name]:
                self.origin[part.name] = call.name
        parts = self._parts[call.name]
        if len(parts) > 1 and isinstance(call.layer, _MERGES):
            return self._chain(parts, args[0])
        if len(parts) > 1 and _is_scaled_sum(call.layer):
            x, y = args[0]
            return parts[1]([x, parts[0](y)])
        outputs = parts[0](*args, **kwargs)
        for part in parts[1:]:
            outputs = part(outputs)
        return outputs

    def _make(self, call: Call) -> list[Any]:
        layer, name = call.layer, call.name
        kind = classify(call).kind
        if name in self._leave or kind == "float":
            return [copy_layer(layer, name, {}, self.notes)]
        if isinstance(layer, _MERGES) and len(call.inputs) > 1:
            return self._merging(layer, name, len(call.inputs))
        if _is_scaled_sum(layer):
            return [
                _factor(layer, self._names.new(f"{name}_scaled"), layer.scale),
                keras.layers.Add(name=name, dtype=layer.dtype_policy),
            ]
        if kind != "kernel":
            return [copy_layer(layer, name, {}, self.notes)]
        return self._with_kernel(layer, name)

    def _merging(self, layer: Any, name: str, terms: int) -> list[Any]:
        """Return additions or products of two, and the factor of an average."""
        multiplies = isinstance(layer, keras.layers.Multiply)
        averages = isinstance(layer, keras.layers.Average)
        pairs = terms - 1 if averages else terms - 2  # under names of their own
        names = [self._names.new(f"{name}_{i}") for i in range(pairs)]
        kind = keras.layers.Multiply if multiplies else keras.layers.Add
        parts = [kind(name=one, dtype=layer.dtype_policy) for one in names]
        if averages:
            return [*parts, _factor(layer, name, 1.0 / terms)]
        return [*parts, kind(name=name, dtype=layer.dtype_policy)]

    def _with_kernel(self, layer: Any, name: str) -> list[Any]:
        """Return a layer of the kernel, and one of the activation inside, if any."""
        if _is_linear(layer.activation):
            return self._kernel(layer, name, {})
        kernel, last = name, name
        if name in self._last:
            kernel = self._names.new(f"{name}_kernel")
        else:
            last = self._names.new(f"{name}_activation")
        activation = keras.layers.Activation(
            layer.activation, name=last, dtype=layer.dtype_policy
        )
        return [*self._kernel(layer, kernel, {"activation": "linear"}), activation]

    def _kernel(self, layer: Any, name: str, edits: Mapping[str, Any]) -> list[Any]:
        if isinstance(layer, _SEPARABLE):
            return _separated(layer, self._names.new(f"{name}_depthwise"), name)
        return [copy_layer(layer, name, edits, self.notes)]

    def _chain(self, parts: list[Any], terms: Any) -> Any:
        total, count = terms[0], len(terms) - 1
        for part, term in zip(parts[:count], terms[1:], strict=True):
            total = part([total, term])
        for factor in parts[count:]:
            total = factor(total)
        return total

    def copy_state(self) -> None:
        """Give the parts the layers' weights and ``trainable`` flags."""
        for name, parts in self._parts.items():
            layer = self._layers[name]
            if isinstance(layer, _SEPARABLE) and len(parts) > 1:
                _copy_separated(layer, parts)
            elif isinstance(layer, keras.Layer) and layer.weights:
                copy_weights(layer, parts[0])
            for part in parts:
                if part is not layer and hasattr(layer, "trainable"):
                    part.trainable = layer.trainable


def _is_scaled_sum(layer: Any) -> bool:
    return bool(entry_for(layer, {SCALED_SUM: True}))


def _factor(layer: Any, name: str, scale: float) -> Any:
    return keras.layers.Rescaling(scale, name=name, dtype=layer.dtype_policy)


def _is_linear(function: Any) -> bool:
    return function is None or getattr(function, "__name__", "") == "linear"


def _separated(layer: Any, depthwise_name: str, name: str) -> list[Any]:
    """Return the two convolutions of a separable one, with new weights."""
    two = isinstance(layer, keras.layers.SeparableConv2D)
    first = keras.layers.DepthwiseConv2D if two else keras.layers.DepthwiseConv1D
    second = keras.layers.Conv2D if two else keras.layers.Conv1D
    config = layer.get_config()
    depthwise = first(
        config["kernel_size"],
        strides=config["strides"],
        padding=config["padding"],
        depth_multiplier=config["depth_multiplier"],
        dilation_rate=config["dilation_rate"],
        depthwise_regularizer=layer.depthwise_regularizer,
        depthwise_constraint=layer.depthwise_constraint,
        use_bias=False,
        name=depthwise_name,
        dtype=layer.dtype_policy,
    )
    pointwise = second(
        config["filters"],
        1,
        use_bias=config["use_bias"],
        kernel_regularizer=layer.pointwise_regularizer,
        kernel_constraint=layer.pointwise_constraint,
        bias_regularizer=layer.bias_regularizer,
        bias_constraint=layer.bias_constraint,
        name=name,
        dtype=layer.dtype_policy,
    )
    return [depthwise, pointwise]


def _copy_separated(layer: Any, parts: list[Any]) -> None:
    depthwise, pointwise = parts[:2]
    depthwise.kernel.assign(layer.depthwise_kernel)
    pointwise.kernel.assign(layer.pointwise_kernel)
    if layer.use_bias:
        pointwise.bias.assign(layer.bias)
