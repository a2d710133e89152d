"""Put 4-bit weights into a file that the converter has quantized to 8 bits.

The converter rounds weights to 8 bits only.  For a layer with 4, its float weights are
rounded again, ``scale = max|w| / 7`` per output channel, and stored two in a byte, the
earlier one in the lower half; the bias, whose scale is that of the input times that of
the weights, is rounded anew.  The runtime computes with them as with 8 bits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.tflite import coded_names, file_records, parsing, schema
from tfcompress.tflite.exporting import Interface

Array = npt.NDArray[Any]

LARGEST = 7  # symmetric and narrow: -7 ... 7
CARRIES_INT4 = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclasses.dataclass(frozen=True, eq=False)
class _Replacement:
    """New content of one tensor of the file."""

    data: Array
    scales: Array
    int4: bool = False


def with_int4(
    content: bytes,
    calibrated: bytes,
    copy: coded_names.CodedModel,
    known: Interface,
    names: set[str],
    *,
    per_channel: bool,
) -> bytes:
    """Return the file with 4-bit weights in some layers.

    Args:
        content: The quantized file.
        calibrated: The float file that it was made from.
        copy: What maps operators to layers.
        known: The model's interface.
        names: The layers.
        per_channel: One scale per output channel; else one per tensor.

    Raises:
        ConversionError: If an operator with weights of such a layer takes none of 4
            bits.
    """
    parsed, before = parsing.parse(content), parsing.parse(calibrated)
    layers = coded_names.by_operator(copy, parsed, known)
    floats = _by_output(before)
    found: dict[int, _Replacement] = {}
    done = set()
    for operator in parsed.subgraphs[0].operators:
        mine = layers[operator.index] & names
        if not mine or not _has_weights(operator, parsed):
            continue
        if operator.name not in CARRIES_INT4:
            raise errors.ConversionError(
                f"{operator.name} takes no 4-bit weights. Received: precision "
                f"'int8_w4' for {', '.join(sorted(mine))}. Use 'int8' for it."
            )
        done |= mine
        source = floats[_output_name(operator, parsed)]
        found.update(_replacements(operator, parsed, source, before, per_channel))
    _refuse_without_weights(names - done)
    return edited(content, lambda model: _replace(model, found))


def edited(content: bytes, change: Callable[[Any], None]) -> bytes:
    """Return a file after a change to its unpacked content."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as generated

    model = generated.ModelT.InitFromObj(generated.Model.GetRootAs(content, 0))
    change(model)
    builder = flatbuffers.Builder(len(content) + 1024)
    builder.Finish(model.Pack(builder), file_identifier=schema.IDENTIFIER)
    return bytes(builder.Output())


def packed(values: Array) -> Array:
    """Return integers of -8 to 7 as bytes, two in each.

    Example:
        >>> packed(np.array([1, -1, 7])).tolist()
        [241, 7]
    """
    nibbles = np.append(values.ravel(), [0] * (values.size % 2)).astype(np.int8) & 0xF
    return (nibbles[0::2] | (nibbles[1::2] << 4)).astype(np.uint8)


def _by_output(
    parsed: file_records.ParsedModel,
) -> Mapping[str, file_records.Operator]:
    return {_output_name(op, parsed): op for op in parsed.subgraphs[0].operators}


def _output_name(
    operator: file_records.Operator, parsed: file_records.ParsedModel
) -> str:
    """Return the name of an operator's output as it was before quantization.

    The quantizer puts a 1 behind the name of a model output, whose own name goes to
    what it dequantizes to.
    """
    graph = parsed.subgraphs[0]
    tensor = operator.outputs[0]
    for other in graph.operators:
        if other.name == "DEQUANTIZE" and other.inputs[0] == tensor:
            name = graph.tensors[other.outputs[0]].name
            if other.outputs[0] in graph.outputs:
                return name
    return graph.tensors[tensor].name


def _has_weights(
    operator: file_records.Operator, parsed: file_records.ParsedModel
) -> bool:
    tensors = parsed.subgraphs[0].tensors
    return any(
        i >= 0 and tensors[i].data is not None and tensors[i].dtype == "int8"
        for i in operator.inputs
    )


def _refuse_without_weights(names: set[str]) -> None:
    if names:
        raise errors.ConversionError(
            "A layer has no weights that 4 bits could hold. Received: precision "
            f"'int8_w4' for {', '.join(sorted(names))}. Use 'int8' for it."
        )


def _replacements(
    operator: file_records.Operator,
    parsed: file_records.ParsedModel,
    source: file_records.Operator,
    before: file_records.ParsedModel,
    per_channel: bool,  # noqa: FBT001 - private
) -> dict[int, _Replacement]:
    tensors, floats = parsed.subgraphs[0].tensors, before.subgraphs[0].tensors
    weights = _values(floats[source.inputs[1]])
    axis = tensors[operator.inputs[1]].axis if per_channel else None
    others = tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(axis=others if per_channel else None, keepdims=True)
    scales = np.where(largest > 0, largest, 1.0) / LARGEST
    rounded = np.clip(np.round(weights / scales), -LARGEST, LARGEST)
    found = {
        operator.inputs[1]: _Replacement(packed(rounded), scales.ravel(), int4=True)
    }
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        step = tensors[operator.inputs[0]].scales[0] * scales.ravel()
        bias = _values(floats[source.inputs[2]])
        kind = np.dtype(tensors[operator.inputs[2]].dtype)
        found[operator.inputs[2]] = _Replacement(
            np.round(bias / step).astype(kind).view(np.uint8), step
        )
    return found


def _values(tensor: file_records.Tensor) -> Array:
    if tensor.data is None:
        raise AssertionError(tensor.name)  # quantized weights come from constants
    raw = np.frombuffer(tensor.data.tobytes(), np.float32)
    return raw.reshape(tensor.shape).astype(np.float64)


def _replace(model: Any, found: Mapping[int, _Replacement]) -> None:
    from ai_edge_litert import schema_py_generated as generated

    graph = model.subgraphs[0]
    for index, new in found.items():
        tensor = graph.tensors[index]
        buffer = generated.BufferT()
        buffer.data = new.data
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
        tensor.quantization.scale = new.scales.astype(np.float32)
        tensor.quantization.zeroPoint = np.zeros(new.scales.size, np.int64)
        if new.int4:
            tensor.type = generated.TensorType.INT4
    used = {tensor.buffer for part in model.subgraphs for tensor in part.tensors}
    used |= {entry.buffer for entry in model.metadata or ()}
    for number, buffer in enumerate(model.buffers):
        if number not in used:
            buffer.data = None
