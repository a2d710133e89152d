"""A float network whose layers can be switched to a quantized precision, one by one.

Compiled once: the weights of a layer are assigned in place, rounded or not, and the
number of steps of its output is a variable, 0 for float.  What is switched:

* a layer with quantized weights: its kernels per output channel (symmetric), and its
  output after the activation that the file fuses, or before one that it does not fuse,
  such as softmax (asymmetric, range of the calibration);
* everything else ("the rest"): inputs, sums, averages and activations that stand alone,
  all together.

    q = round(x / S) + Z, S = (max - min) / (2^bits - 1), and 0 is a value of q

Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress.graph.reading import Call, FlatModel, read_model
from tfcompress.graph.running import Alive, inputs_in_order, run_all, run_call
from tfcompress.quantize import precision as precisions
from tfcompress.quantize.example_batches import Batch, batches
from tfcompress.quantize.kernels import Array, array_of, kernels_of, variables_of
from tfcompress.quantize.norm_folding import fold_batch_norms
from tfcompress.quantize.rounding import round_kernel
from tfcompress.training.views import share

REST = ""
"""Stands for all tensors that belong to no layer with quantized weights."""

_FUSED = (keras.activations.relu, keras.activations.relu6)
_SAME_VALUES = (  # their output takes the scale of their input
    "Flatten",
    "Reshape",
    "MaxPooling1D",
    "MaxPooling2D",
    "ZeroPadding2D",
    "Dropout",
    "Identity",
    "ReLU",
    "Permute",
)


class Simulation:
    """A folded copy of a model that answers at any precision of each layer.

    Args:
        model: A built functional or Sequential model; it is not changed.
        per_channel: One weight scale per output channel; else one per kernel.

    Attributes:
        layers: The layers with quantized weights, and the number of their weights.

    Raises:
        ModelError: If the model's graph cannot be read.
    """

    def __init__(self, model: keras.Model, *, per_channel: bool = True) -> None:
        self.model, _ = fold_batch_norms(model)
        self._structure = _outputs_of(model)
        self._flat = read_model(self.model)
        self._called = {call.name: call.layer for call in self._flat.calls}
        self._per_channel = per_channel
        self.layers = precisions.quantized_layers(self.model)
        self._kept = {name: self._kernels(name) for name in self.layers}
        self._owner = _owners(self._flat)
        self._number = {name: i for i, name in enumerate([REST, *self.layers])}
        self._steps = tf.Variable(np.zeros(len(self._number), np.float32))
        # A call's output before an activation that is not fused has its own number.
        count = len(self._flat.tensors) + len(self._flat.calls)
        self._low = tf.Variable(np.full(count, np.inf, np.float32))
        self._high = tf.Variable(-self._low)
        self._state: dict[str, str] = dict.fromkeys(self._number, "float32")
        self._forward = tf.function(self._run, jit_compile=False, reduce_retracing=True)
        self._forward._omit_frequent_tracing_warning = True  # noqa: SLF001 - one per model is meant

    def calibrate(self, examples: Iterable[Batch]) -> int:
        """Set the ranges of all tensors; return the number of examples.

        Raises:
            DataError: If there are no examples or they do not fit.
        """
        low, high = self._low.numpy(), self._high.numpy()
        watch = tf.function(self._ranges, jit_compile=False, reduce_retracing=True)
        count = 0
        for batch in batches(self.model, examples, at_most=64):
            count += len(batch[0])
            for tensor, (least, most) in watch(*batch).items():
                low[tensor] = min(low[tensor], float(least))
                high[tensor] = max(high[tensor], float(most))
        self._low.assign(np.minimum(low, 0.0))  # 0 must be a value
        self._high.assign(np.maximum(high, 0.0))
        return count

    def set(self, precision: Mapping[str, str]) -> None:
        """Switch the named layers, and `REST`; all others go back to float."""
        steps = self._steps.numpy()
        for name, number in self._number.items():
            wanted = precision.get(name, "float32")
            if wanted == self._state[name]:
                continue
            bits = precisions.ACTIVATION_BITS[wanted]
            steps[number] = 2**bits - 1 if bits else 0
            if name != REST:
                self._assign(name, precisions.WEIGHT_BITS[wanted])
            self._state[name] = wanted
        self._steps.assign(steps)

    def __call__(self, x: Batch) -> Any:
        """Return the outputs of a batch as arrays, in the model's own structure."""
        arrays = inputs_in_order(self.model, x)
        made = [tensor.numpy() for tensor in self._forward(*arrays)]
        return keras.tree.pack_sequence_as(self._structure, made)

    def _kernels(self, name: str) -> dict[str, Array]:
        held = variables_of(self._called[name])
        names = [kernel.name for kernel in kernels_of(self._called[name])]
        return {kernel: array_of(held[kernel]) for kernel in names}

    def _assign(self, name: str, bits: int) -> None:
        layer = self._called[name]
        for kernel in kernels_of(layer):
            value = self._kept[name][kernel.name]
            if bits:
                value = round_kernel(
                    value, kernel, bits=bits, per_channel=self._per_channel
                )
            variables_of(layer)[kernel.name].assign(value)

    def _ranges(self, *inputs: Any) -> dict[int, tuple[Any, Any]]:
        found: dict[int, tuple[Any, Any]] = {}

        def look(tensor: int, value: Any) -> Any:
            if tensor in self._owner:
                found[tensor] = (tf.reduce_min(value), tf.reduce_max(value))
            return value

        self._walk(inputs, look)
        return found

    def _run(self, *inputs: Any) -> list[Any]:
        return self._walk(inputs, self._quantized)

    def _walk(self, inputs: Any, change: Any) -> list[Any]:
        def run(call: Call, alive: Alive) -> list[Any]:
            made = self._call(call, alive, change)
            return [
                change(t, value) for t, value in zip(call.outputs, made, strict=True)
            ]

        given = [
            change(number, tf.cast(value, self._flat.tensors[number].dtype))
            for number, value in zip(self._flat.input_tensors(), inputs, strict=True)
        ]
        return run_all(self._flat, given, run=run)

    def _call(self, call: Call, alive: Alive, change: Any) -> list[Any]:
        if not _acts_apart(call):
            return run_call(call, alive)
        linear = share(call.layer, activation=keras.activations.linear)
        before = run_call(call, alive, layer=linear)[0]
        return [call.layer.activation(change(_inside(self._flat, call), before))]

    def _quantized(self, tensor: int, value: Any) -> Any:
        owner = self._owner.get(tensor)
        if owner is None:
            return value
        steps = self._steps[self._number[owner]]
        low, high = self._low[tensor], self._high[tensor]
        return tf.cond(
            (steps > 0) & (high > low),
            lambda: _rounded(value, low, high, steps),
            lambda: value,
        )


def _rounded(value: Any, low: Any, high: Any, steps: Any) -> Any:
    """Round to a grid of `steps` steps from `low` to `high`, with 0 on it."""
    scale = (high - low) / steps
    zero = tf.round(-low / scale)
    levels = tf.clip_by_value(tf.round(value / scale) + zero, 0.0, steps)
    return (levels - zero) * scale


def _owners(flat: FlatModel) -> dict[int, str]:
    """Return who quantizes each tensor: a layer with kernels, or the rest."""
    readers: dict[int, list[Call]] = {}
    for call in flat.calls:
        for tensor in call.inputs:
            readers.setdefault(tensor, []).append(call)
    outputs = set(flat.output_tensors())
    owner: dict[int, str] = {
        number: REST
        for number in flat.input_tensors()
        if "float" in flat.tensors[number].dtype
    }
    for call in flat.calls:
        if _acts_apart(call):
            owner[_inside(flat, call)] = call.name
            owner[call.outputs[0]] = REST
        elif kernels_of(call.layer):
            after = readers.get(call.outputs[0], [])
            fused = len(after) == 1 and call.outputs[0] not in outputs
            if fused and _is_fused(after[0].layer) and _is_linear(call.layer):
                owner[after[0].outputs[0]] = call.name
            else:
                owner[call.outputs[0]] = call.name
        elif type(call.layer).__name__ not in _SAME_VALUES:
            for number in call.outputs:
                if "float" in flat.tensors[number].dtype:
                    owner.setdefault(number, REST)
    return owner


def _acts_apart(call: Call) -> bool:
    """Tell whether a layer's own activation is an operator of its own in the file."""
    if not kernels_of(call.layer) or _is_linear(call.layer):
        return False
    return not any(call.layer.activation is known for known in _FUSED)


def _inside(flat: FlatModel, call: Call) -> int:
    """Return the number of what a call makes before its activation."""
    return len(flat.tensors) + call.index


def _is_linear(layer: Any) -> bool:
    return layer.activation is keras.activations.linear


def _is_fused(layer: Any) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return layer.max_value in (None, 6.0) and not layer.threshold
    alone = isinstance(layer, keras.layers.Activation)
    return alone and any(layer.activation is known for known in _FUSED)


def _outputs_of(model: keras.Model) -> Any:
    structure = getattr(model, "_outputs_struct", None)
    return model.outputs[0] if structure is None else structure
