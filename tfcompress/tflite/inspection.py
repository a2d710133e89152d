"""Say what is in a .tflite file, without TensorFlow and without running it.

The file is parsed by `parsing`, which refuses a malformed one with a line; no native
code sees it.
"""

from __future__ import annotations

import collections
import dataclasses
import gzip
import os
from typing import Any

from tfcompress.tflite import file_records, metadata, parsing
from tfcompress.tflite import macs as counting

FLOAT_TYPES = ("float32", "float16", "bfloat16", "float64")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperatorRecord:
    """One operator of the main subgraph.

    Args:
        macs: None when it cannot be known from the file.
        float_tensors: Whether it computes on floats: reads or writes one that is not
            a quantized border of the file.
    """

    index: int
    name: str
    version: int
    input_types: tuple[str, ...]
    output: str
    output_type: str
    output_shape: tuple[int, ...]
    macs: int | None
    float_tensors: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorRecord:
    """An input or output of the file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    dynamic: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalesRecord:
    """The quantization of one constant: its scales, one per channel of an axis."""

    tensor: str
    dtype: str
    shape: tuple[int, ...]
    axis: int
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]

    @property
    def per_channel(self) -> bool:
        """Whether each channel has a scale of its own."""
        return len(self.scales) > 1

    def to_dict(self) -> dict[str, Any]:
        """Return the record with its scales summed up as count and range."""
        return {
            "tensor": self.tensor,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "axis": self.axis if self.per_channel else None,
            "num_scales": len(self.scales),
            "min_scale": min(self.scales),
            "max_scale": max(self.scales),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """What `inspect` found.

    Args:
        name: The path, or a word for bytes.
        size_bytes: The file as it is.
        gzip_bytes: After gzip, as app stores send it.
        macs: Total of the operators that can be counted.
        unknown_macs: Names of the operators that cannot.
        metadata: The toolkit's note: recipe, versions, labels, preprocessing.
        entries: Names of all metadata entries in the file.
    """

    name: str
    size_bytes: int
    gzip_bytes: int
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    signatures: dict[str, dict[str, list[str]]]
    operators: tuple[OperatorRecord, ...]
    weights: tuple[ScalesRecord, ...]
    tensor_types: dict[str, int]
    num_weights: int
    weight_bytes: int
    num_subgraphs: int
    macs: int
    unknown_macs: tuple[str, ...]
    metadata: dict[str, Any]
    entries: tuple[str, ...]

    @property
    def operator_counts(self) -> dict[str, int]:
        """How often each operator is used, most frequent first."""
        counts = collections.Counter(op.name for op in self.operators)
        return dict(counts.most_common())

    @property
    def float_operators(self) -> tuple[str, ...]:
        """Operators that compute on floats, as ``NAME (output tensor)``."""
        return tuple(
            f"{o.name} ({o.output})" for o in self.operators if o.float_tensors
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        record = dataclasses.asdict(self)
        record["weights"] = [item.to_dict() for item in self.weights]
        record["operator_counts"] = self.operator_counts
        record["float_operators"] = list(self.float_operators)
        return {key: _plain(value) for key, value in record.items()}


def inspect(source: str | os.PathLike[str] | bytes) -> Inspection:
    """Look inside a .tflite file.

    Needs no TensorFlow and runs nothing of the file, so it is safe on any file.

    Args:
        source: The file, or its bytes.

    Raises:
        TfliteFileError: If the file is missing, is no .tflite file or is damaged.

    Example:
        >>> inspect(b"not a model at all")
        Traceback (most recent call last):
        tfcompress.errors.TfliteFileError: This is not a .tflite file. Received: 18 \
bytes (18 bytes) with identifier b'a mo', expected b'TFL3'. Write one with \
`tfcompress convert`.
    """
    content, name = parsing.read_content(source)
    return describe(parsing.parse(content, name=name), content, name=name)


def describe(
    model: file_records.ParsedModel, content: bytes, *, name: str = "bytes"
) -> Inspection:
    """Sum up a file that is parsed already; see `inspect`."""
    graph = model.subgraphs[0]
    operators = tuple(_operator(op, graph) for op in graph.operators)
    constants = [t for g in model.subgraphs for t in g.tensors if t.data is not None]
    types = collections.Counter(t.dtype for g in model.subgraphs for t in g.tensors)
    return Inspection(
        name=name,
        size_bytes=len(content),
        gzip_bytes=len(gzip.compress(content, compresslevel=6, mtime=0)),
        inputs=tuple(_tensor(graph.tensors[i]) for i in graph.inputs),
        outputs=tuple(_tensor(graph.tensors[i]) for i in graph.outputs),
        signatures={
            s.key: {"inputs": list(s.inputs), "outputs": list(s.outputs)}
            for s in model.signatures
        },
        operators=operators,
        weights=tuple(_scales(t) for t in constants if t.scales),
        tensor_types=dict(types.most_common()),
        num_weights=sum(t.num_items for t in constants),
        weight_bytes=sum(len(t.data) for t in constants if t.data is not None),
        num_subgraphs=len(model.subgraphs),
        macs=sum(op.macs or 0 for op in operators),
        unknown_macs=tuple(op.name for op in operators if op.macs is None),
        metadata=metadata.decode(model.metadata),
        entries=tuple(model.metadata),
    )


def _operator(
    op: file_records.Operator, graph: file_records.Subgraph
) -> OperatorRecord:
    tensors = graph.tensors
    shapes = [tensors[i].shape if i >= 0 else () for i in op.inputs]
    first = tensors[op.outputs[0]] if op.outputs else None
    return OperatorRecord(
        index=op.index,
        name=op.name,
        version=op.version,
        input_types=tuple(tensors[i].dtype for i in op.inputs if i >= 0),
        output=first.name if first else "",
        output_type=first.dtype if first else "",
        output_shape=first.shape if first else (),
        macs=_macs(op, shapes, [tensors[i].shape for i in op.outputs]),
        float_tensors=_computes_on_floats(op, graph),
    )


def _macs(
    op: file_records.Operator,
    inputs: list[tuple[int, ...]],
    outputs: list[tuple[int, ...]],
) -> int | None:
    try:
        return counting.count(op.name, inputs, outputs, flag=op.flag)
    except IndexError:  # fewer inputs or dimensions than the operator needs
        return None


def _computes_on_floats(
    op: file_records.Operator, graph: file_records.Subgraph
) -> bool:
    tensors = graph.tensors
    inputs = [i for i in op.inputs if i >= 0 and tensors[i].dtype in FLOAT_TYPES]
    outputs = [i for i in op.outputs if tensors[i].dtype in FLOAT_TYPES]
    if op.name == "QUANTIZE" and not outputs:
        return not set(inputs) <= set(graph.inputs)
    if op.name == "DEQUANTIZE" and not inputs:
        return not set(outputs) <= set(graph.outputs)
    return bool(inputs or outputs)


def _tensor(tensor: file_records.Tensor) -> TensorRecord:
    return TensorRecord(
        name=tensor.name,
        shape=tensor.shape,
        dtype=tensor.dtype,
        scale=tensor.scales[0] if tensor.scales else None,
        zero_point=tensor.zero_points[0] if tensor.zero_points else None,
        dynamic=tensor.dynamic,
    )


def _scales(tensor: file_records.Tensor) -> ScalesRecord:
    return ScalesRecord(
        tensor=tensor.name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        axis=tensor.axis,
        scales=tensor.scales,
        zero_points=tensor.zero_points,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
