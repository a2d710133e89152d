"""A .tflite file as plain records, refused with one line if it is malformed.

The checks, in order, before any native code sees the file:

1. It has the identifier ``TFL3`` and every offset stays inside it (`flatbuffer`).
2. Every index (tensor, buffer, operator code, subgraph) exists.
3. Every known type; a constant's buffer has exactly the bytes that its shape needs.
4. Per-channel scales: finite, as many as the axis has channels, with zero points.
5. Operators read only what an earlier one wrote, an input, a constant or a variable.
"""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tfcompress import errors
from tfcompress.tflite import schema
from tfcompress.tflite.file_records import (
    Operator,
    ParsedModel,
    Signature,
    Subgraph,
    Tensor,
)
from tfcompress.tflite.flatbuffer import MalformedError, read


def read_content(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    """Return the bytes of a file, and how to call it in a message.

    Raises:
        TfliteFileError: If the file is missing or cannot be read.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), f"{len(source)} bytes"
    path = pathlib.Path(source)
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        raise errors.TfliteFileError(
            f"This .tflite file cannot be read. Received: {path} "
            f"({error.strerror or error}). Check the path."
        ) from error


def parse(content: bytes, *, name: str = "a .tflite file") -> ParsedModel:
    """Parse and check the bytes of a .tflite file.

    Args:
        content: The file.
        name: What to call it in a message.

    Raises:
        TfliteFileError: If it is no .tflite file, or a malformed one.
    """
    if len(content) < 8 or content[4:8] != schema.IDENTIFIER:
        found = content[4:8] if len(content) >= 8 else content
        raise errors.TfliteFileError(
            f"This is not a .tflite file. Received: {name} ({len(content)} bytes) with "
            f"identifier {found!r}, expected {schema.IDENTIFIER!r}. Write one with "
            "`tfcompress convert`."
        )
    try:
        return _model(read(content, schema.LAYOUT, "Model"), content)
    except MalformedError as error:
        raise errors.TfliteFileError(
            f"This .tflite file is damaged: {error}. Received: {name} "
            f"({len(content)} bytes). Copy or convert it again."
        ) from error


def _model(raw: dict[str, Any], content: bytes) -> ParsedModel:
    _require(raw["version"] == 3, f"schema version {raw['version']}, expected 3")
    _require(raw["subgraphs"], "it has no subgraph")
    buffers = [_buffer(item, content) for item in raw["buffers"]]
    subgraphs = tuple(
        _subgraph(item, buffers, raw["operator_codes"]) for item in raw["subgraphs"]
    )
    metadata = {}
    for item in raw["metadata"]:
        what = f"metadata {item['name']!r}"
        _require(item["buffer"] < len(buffers), f"{what} has no buffer")
        metadata[item["name"]] = buffers[item["buffer"]].tobytes()
    signatures = tuple(_signature(item, subgraphs) for item in raw["signatures"])
    return ParsedModel(raw["description"], subgraphs, signatures, metadata)


def _buffer(raw: dict[str, Any], content: bytes) -> np.ndarray[Any, Any]:
    if raw["offset"] <= 1:  # 0 and 1 both mean: not behind the tree
        data: np.ndarray[Any, Any] = raw["data"]
        return data
    start, size = raw["offset"], raw["size"]
    _require(
        start + size <= len(content), f"a buffer ends at byte {start + size} of it"
    )
    return np.frombuffer(content, np.uint8, size, start)


def _subgraph(
    raw: dict[str, Any],
    buffers: Sequence[np.ndarray[Any, Any]],
    codes: Sequence[dict[str, Any]],
) -> Subgraph:
    tensors = tuple(_tensor(i, item, buffers) for i, item in enumerate(raw["tensors"]))
    operators = tuple(
        _operator(i, item, codes, len(tensors))
        for i, item in enumerate(raw["operators"])
    )
    inputs = _indices(raw["inputs"], len(tensors), "a subgraph's input")
    outputs = _indices(raw["outputs"], len(tensors), "a subgraph's output")
    graph = Subgraph(tensors, operators, inputs, outputs)
    _check_order(graph)
    return graph


def _tensor(
    index: int, raw: dict[str, Any], buffers: Sequence[np.ndarray[Any, Any]]
) -> Tensor:
    name, shape = raw["name"], tuple(int(size) for size in raw["shape"])
    what = f"tensor {index} ({name!r})"
    dtype = schema.type_names().get(raw["type"])
    if dtype is None:
        raise MalformedError(f"{what} has the unknown type {raw['type']}")
    dynamic = any(size < 0 for size in (*shape, *raw["shape_signature"]))
    _require(all(size >= 0 for size in shape), f"{what} has the shape {shape}")
    _require(raw["buffer"] < len(buffers), f"{what} has no buffer {raw['buffer']}")
    data = buffers[raw["buffer"]] if len(buffers[raw["buffer"]]) else None
    sparse = raw["sparsity"] is not None
    bits = schema.ITEM_BITS.get(dtype)
    if data is not None and bits and not sparse:
        needed = -(-math.prod(shape) * bits // 8)
        _require(
            len(data) == needed, f"{what} needs {needed} bytes and has {len(data)}"
        )
    scales, zero_points, axis = _quantization(raw["quantization"], shape, what)
    return Tensor(
        index=index,
        name=name,
        shape=shape,
        dtype=dtype,
        scales=scales,
        zero_points=zero_points,
        axis=axis,
        data=data,
        dynamic=dynamic,
        sparse=sparse,
        variable=bool(raw["is_variable"]),
    )


def _quantization(
    raw: dict[str, Any] | None, shape: tuple[int, ...], what: str
) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    if raw is None or not len(raw["scale"]):
        return (), (), 0
    scales = tuple(float(scale) for scale in raw["scale"])
    points = tuple(int(point) for point in raw["zero_point"]) or (0,) * len(scales)
    axis = int(raw["axis"])
    _require(all(map(math.isfinite, scales)), f"{what} has a scale that is not finite")
    _require(
        len(points) in (1, len(scales)),
        f"{what} has {len(scales)} scales and {len(points)} zero points",
    )
    if len(scales) > 1:
        _require(
            0 <= axis < len(shape) and len(scales) == shape[axis],
            f"{what} has {len(scales)} scales on axis {axis} of {shape}",
        )
    return scales, points, axis


def _operator(
    index: int,
    raw: dict[str, Any],
    codes: Sequence[dict[str, Any]],
    num_tensors: int,
) -> Operator:
    what = f"operator {index}"
    _require(raw["code_index"] < len(codes), f"{what} has no code {raw['code_index']}")
    code = codes[raw["code_index"]]
    number = max(code["code"], code["deprecated_code"])
    name = schema.operator_names().get(number)
    if name is None:
        raise MalformedError(f"{what} has the unknown code {number}")
    _indices(raw["intermediates"], num_tensors, f"an intermediate of {what}")
    options = raw["options"]
    return Operator(
        index=index,
        name=f"CUSTOM:{code['custom_code']}" if name == "CUSTOM" else name,
        version=max(1, code["version"]),
        inputs=_indices(raw["inputs"], num_tensors, f"an input of {what}", least=-1),
        outputs=_indices(raw["outputs"], num_tensors, f"an output of {what}"),
        flag=options["flag"] if options else 0,
    )


def _signature(raw: dict[str, Any], subgraphs: Sequence[Subgraph]) -> Signature:
    what = f"signature {raw['key']!r}"
    _require(raw["subgraph"] < len(subgraphs), f"{what} has no subgraph")
    count = len(subgraphs[raw["subgraph"]].tensors)
    for item in (*raw["inputs"], *raw["outputs"]):
        _require(item["tensor"] < count, f"{what} has no tensor {item['tensor']}")
    return Signature(
        key=raw["key"],
        inputs={item["name"]: item["tensor"] for item in raw["inputs"]},
        outputs={item["name"]: item["tensor"] for item in raw["outputs"]},
        subgraph=raw["subgraph"],
    )


def _check_order(graph: Subgraph) -> None:
    known = set(graph.inputs)
    known |= {t.index for t in graph.tensors if t.data is not None or t.variable}
    # A constant without items has no bytes, and a resource handle is made at run time.
    known |= {t.index for t in graph.tensors if not t.num_items}
    for operator in graph.operators:
        missing = [i for i in operator.inputs if i >= 0 and i not in known]
        if missing:
            raise MalformedError(
                f"operator {operator.index} ({operator.name}) reads tensor "
                f"{missing[0]}, which nothing has written"
            )
        known.update(operator.outputs)
    lost = [i for i in graph.outputs if i not in known]
    _require(not lost, f"nothing writes the output tensor {lost[:1]}")


def _indices(
    values: Iterable[int], count: int, what: str, *, least: int = 0
) -> tuple[int, ...]:
    indices = tuple(int(value) for value in values)
    for index in indices:
        _require(least <= index < count, f"{what} is tensor {index} of {count}")
    return indices


def _require(condition: object, problem: str) -> None:
    if not condition:
        raise MalformedError(problem)
