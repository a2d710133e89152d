"""Where a quantized file loses accuracy: each layer against the float file's.

The float32 file of the same model and the quantized one run on the same examples with
every intermediate tensor kept.  Their operators are paired, and each output gets its
noise-to-signal ratio.  A ratio grows along the network, so a layer is ranked by what it
adds: its output's ratio less the largest of its inputs'.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tfcompress.tflite import (
    coded_names,
    conversion,
    exporting,
    file_records,
    parsing,
)
from tfcompress.tflite.running import dequantize, quantize
from tfcompress.tflite.signal_quality import SignalQuality

Array = np.ndarray[Any, Any]
Example = Mapping[str, Array]  # by input name, a batch of one

_BORDERS = ("QUANTIZE", "DEQUANTIZE")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerError:
    """The quantization error of one operator.

    Args:
        layer: The Keras layers that it stands for, joined by ``+``; else the tensor.
        operator: Such as ``CONV_2D``.
        snr_db: Of its output, errors of earlier layers included.
        added_noise: Power of the error that this layer adds, over its output's power.
    """

    layer: str
    operator: str
    snr_db: float
    added_noise: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)


def worst_layers(
    float_file: bytes,
    quantized_file: bytes,
    examples: Iterable[Example],
    *,
    layers: Mapping[int, Collection[str]] | None = None,
    limit: int = 5,
) -> tuple[LayerError, ...]:
    """Rank the layers by the quantization noise that they add.

    Args:
        float_file: The model as a float32 file.
        quantized_file: The same model, quantized.
        examples: Inputs; a few are enough.
        layers: The Keras layers of the float file's operators, by their index.
        limit: How many to return.

    Returns:
        The worst first; empty if the two files' operators cannot be paired.
    """
    before, after = _Watched(float_file), _Watched(quantized_file)
    pairs = _pairs(before.graph, after.graph)
    quality = {new: SignalQuality() for _, new in pairs}
    for example in examples:
        before.run(example)
        after.run(example)
        for old, new in pairs:
            quality[new].add(before.value(old), after.value(new))
    ratios = {tensor: min(q.noise_to_signal, 1e20) for tensor, q in quality.items()}
    names = _names(before.graph, layers or {})
    partners = {new: names[old] for old, new in pairs}
    found = [
        LayerError(
            layer=partners[operator.outputs[0]],
            operator=operator.name,
            snr_db=quality[operator.outputs[0]].snr_db,
            added_noise=_added(operator, ratios),
        )
        for operator in after.graph.operators
        if operator.outputs and operator.outputs[0] in quality
    ]
    found.sort(key=lambda item: -item.added_noise)
    return tuple(found[:limit])


def layers_of(model: keras.Model, content: bytes) -> dict[int, list[str]]:
    """Return the Keras layers of each operator of a model's float file, by its index.

    They are read from the file of a copy with `coded_names`, since the converter's own
    names may be those of other layers; nothing is told if that has other operators.
    """
    copy = coded_names.coded(model)
    twin = parsing.parse(conversion.convert(copy.model, "float32").content)
    kinds = [
        [operator.name for operator in parsed.subgraphs[0].operators]
        for parsed in (parsing.parse(content), twin)
    ]
    if kinds[0] != kinds[1]:
        return {}
    found = coded_names.by_operator(copy, twin, exporting.interface(copy.model))
    order = {name: number for number, name in enumerate(copy.names)}
    return {
        index: sorted(names, key=lambda name: order.get(name, 0))
        for index, names in found.items()
    }


class _Watched:
    """An interpreter that keeps every intermediate tensor."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        parsed = parsing.parse(content)
        self.graph = parsed.subgraphs[0]
        self._names = parsed.signatures[0].inputs if parsed.signatures else {}
        self._interpreter = Interpreter(
            model_content=content,
            experimental_preserve_all_tensors=True,
            # XNNPACK fuses operators: their tensors would never be written.
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._interpreter.allocate_tensors()
        self._details = {d["index"]: d for d in self._interpreter.get_tensor_details()}

    def run(self, example: Example) -> None:
        for name, value in example.items():
            detail = self._details[self._names[name]]
            self._interpreter.set_tensor(detail["index"], quantize(value, detail))
        self._interpreter.invoke()

    def value(self, index: int) -> Array:
        return dequantize(self._interpreter.get_tensor(index), self._details[index])


def _pairs(
    old: file_records.Subgraph, new: file_records.Subgraph
) -> list[tuple[int, int]]:
    """Pair the output tensors of equal operators: by order, else by tensor name."""
    old_ops, new_ops = _inner(old), _inner(new)
    if [_kind(op, old) for op in old_ops] == [_kind(op, new) for op in new_ops]:
        return [
            (a.outputs[0], b.outputs[0]) for a, b in zip(old_ops, new_ops, strict=True)
        ]
    by_name = {old.tensors[op.outputs[0]].name: op.outputs[0] for op in old_ops}
    outputs = [new.tensors[op.outputs[0]] for op in new_ops]
    return [
        (by_name[tensor.name], tensor.index)
        for tensor in outputs
        if tensor.name in by_name
        and old.tensors[by_name[tensor.name]].shape == tensor.shape
    ]


def _inner(graph: file_records.Subgraph) -> list[file_records.Operator]:
    """Return the operators that compute, which have a partner in the other file."""
    return [op for op in graph.operators if op.outputs and op.name not in _BORDERS]


def _kind(op: file_records.Operator, graph: file_records.Subgraph) -> tuple[Any, ...]:
    return op.name, graph.tensors[op.outputs[0]].shape


def _names(
    graph: file_records.Subgraph, layers: Mapping[int, Collection[str]]
) -> dict[int, str]:
    """Return what to call each operator, by its first output."""
    return {
        operator.outputs[0]: "+".join(layers.get(operator.index, ()))
        or graph.tensors[operator.outputs[0]].name
        for operator in graph.operators
        if operator.outputs
    }


def _added(op: file_records.Operator, ratios: Mapping[int, float]) -> float:
    inherited = max((ratios.get(i, 0.0) for i in op.inputs), default=0.0)
    return max(0.0, ratios[op.outputs[0]] - inherited)
