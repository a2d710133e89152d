"""Limits of the GPU delegates beyond the operator's name: types, ranks, shapes.

Rules of ML Drift, each seen in the probe:

1. Every tensor is of a type it knows, and has at most four dimensions.
2. No tensor has a size that is known only when it runs: then it refuses the whole file.
3. STRIDED_SLICE keeps the number of dimensions; TOPK_V2 is of version 1 (floats).
4. A grouped CONV_2D is taken and computed wrongly.

Rules of the classic delegate, from its source:

1. Computed tensors are floats, or int8 and uint8 with scales; int32 and bool only where
   the operator is about them.
2. At most four dimensions, no dynamic size.
3. SLICE, STRIDED_SLICE and padding need three or four dimensions; STRIDED_SLICE keeps
   their number; GATHER takes a one-dimensional int32 index; a reduction's axes and
   padding are constants.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfcompress.tflite.file_records import Operator, Subgraph, Tensor
from tfcompress.tflite.gpu_operators import CLASSIC

MOST_DIMENSIONS = 4
_ML_DRIFT_TYPES = frozenset(
    ["float32", "float16", "int8", "uint8", "int32", "uint32", "int16", "bool", "int4"]
)
_CLASSIC_TYPES = frozenset(["float32", "float16", "int8", "uint8"])
_CONDITIONS = frozenset(
    [
        "CAST",
        "EQUAL",
        "GREATER",
        "GREATER_EQUAL",
        "LESS",
        "LESS_EQUAL",
        "LOGICAL_AND",
        "NOT_EQUAL",
        "SELECT",
        "SELECT_V2",
    ]
)
_INDEXED = frozenset(["CAST", "EMBEDDING_LOOKUP", "GATHER", "ONE_HOT"])
_REDUCTIONS = frozenset(
    [
        "MEAN",
        "SUM",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "REDUCE_PROD",
        "REDUCE_ANY",
        "REDUCE_ALL",
    ]
)
_PADDINGS = frozenset(["PAD", "PADV2", "MIRROR_PAD"])


def limit(op: Operator, graph: Subgraph, delegate: str) -> str:
    """Return which limit of the delegate the operator breaks; empty if none."""
    inputs = [graph.tensors[i] for i in op.inputs if i >= 0]
    outputs = [graph.tensors[i] for i in op.outputs]
    general = _shapes(inputs + outputs)
    if delegate == CLASSIC:
        found = general or _classic_types(op.name, inputs + outputs)
        return found or _classic_shapes(op.name, inputs, outputs)
    return general or _ml_drift(op, inputs, outputs)


def wrong(op: Operator, graph: Subgraph) -> str:
    """Return what ML Drift computes wrongly in this operator; empty if nothing."""
    if op.name == "CONV_2D" and len(op.inputs) > 1:
        image, kernel = (graph.tensors[i] for i in op.inputs[:2])
        if len(kernel.shape) == 4 and kernel.shape[3] != image.shape[-1]:
            return "it computes a grouped convolution as if it had one group"
    return ""


def _shapes(tensors: Sequence[Tensor]) -> str:
    for tensor in tensors:
        if tensor.dynamic:
            return f"{tensor.name} has a size that is known only when it runs"
        if len(tensor.shape) > MOST_DIMENSIONS:
            return (
                f"{tensor.name} has {len(tensor.shape)} dimensions, more than "
                f"{MOST_DIMENSIONS}"
            )
    return ""


def _ml_drift(op: Operator, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    for tensor in (*inputs, *outputs):
        if tensor.dtype not in _ML_DRIFT_TYPES:
            return f"{tensor.name} is of type {tensor.dtype}"
    if op.name == "STRIDED_SLICE":
        return _keeps_rank(inputs, outputs)
    if op.name == "TOPK_V2" and op.version > 1:
        return f"version {op.version} of it; version 1, on floats, is the last"
    return ""


def _keeps_rank(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> str:
    if len(inputs[0].shape) == len(outputs[0].shape):
        return ""
    return "it takes an axis away or adds one; slice x[:, i : i + 1] keeps it"


def _classic_types(name: str, tensors: Sequence[Tensor]) -> str:
    allowed = set(_CLASSIC_TYPES)
    if name in _CONDITIONS:
        allowed.add("bool")
    if name in _INDEXED:
        allowed.add("int32")
    for tensor in tensors:
        computed = tensor.data is None
        if computed and tensor.dtype not in allowed:
            return f"{tensor.name} is of type {tensor.dtype}"
    return ""


def _classic_shapes(
    name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> str:
    rank = len(inputs[0].shape) if inputs else 0
    if name in ("SLICE", "STRIDED_SLICE") and rank not in (3, 4):
        return f"its input has {rank} dimensions; 3 or 4 are supported"
    if name == "STRIDED_SLICE":
        return _keeps_rank(inputs, outputs)
    if name in _PADDINGS and rank not in (3, 4):
        return f"its input has {rank} dimensions; 3 or 4 are supported"
    if name in _REDUCTIONS | _PADDINGS and inputs[1].data is None:
        return f"{inputs[1].name} is no constant"
    if name == "GATHER":
        return _gather(inputs)
    return ""


def _gather(inputs: Sequence[Tensor]) -> str:
    if inputs[0].dtype == "int32":
        return f"{inputs[0].name} is of type int32"
    if len(inputs[1].shape) != 1 or inputs[1].dtype != "int32":
        return f"{inputs[1].name} is no one-dimensional int32 index"
    return ""
