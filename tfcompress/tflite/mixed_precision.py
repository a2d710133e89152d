"""Convert with a precision for each layer: some stay in float, some get 4-bit weights.

1. A copy of the model under coded names (`coded_names`) is converted to a float file
   with calibrated ranges.
2. The quantizer leaves out the operators of the layers that stay in float
   (``denylisted_nodes``: the names of their output tensors).
3. Weights of 4 bits replace those of 8 (`low_bit_weights`).
4. The file is checked: of the operators made of a layer, exactly those of the named
   layers compute in float. Then the codes become names again.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import convert as _convert

from tfcompress import errors
from tfcompress.tflite import (
    captured_output,
    coded_names,
    exporting,
    inspection,
    low_bit_weights,
    parsing,
    translation,
)
from tfcompress.tflite.calibration import CalibrationStream

_LOG = logging.getLogger(__name__)
_BORDERS = ("QUANTIZE", "DEQUANTIZE")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixedFile:
    """A file with several precisions.

    Attributes:
        content: The file's bytes.
        kept_float: Indices of the operators in float because a layer was named.
    """

    content: bytes = dataclasses.field(repr=False)
    kept_float: tuple[int, ...]


def translate(  # noqa: PLR0913 - what the converter needs to know
    model: keras.Model,
    known: exporting.Interface,
    recipe: str,
    stream: CalibrationStream,
    *,
    inputs: str,
    precision: Mapping[str, str],
    per_channel: bool = True,
) -> MixedFile:
    """Return the converter's file for a float32 model and a precision map.

    Args:
        model: The model; not changed.
        known: Its interface.
        recipe: ``int8`` or ``int16x8``: the precision of what is not named.
        stream: The calibration examples.
        inputs: ``float`` or ``int8``.
        precision: A checked map: ``float32``, ``int8_w4`` or the recipe's own.
        per_channel: One weight scale per output channel; else one per tensor.

    Raises:
        ConversionError: If the converter refuses, or a layer cannot be had in its
            precision.
        DataError: If the calibration stream found something wrong.
    """
    copy = coded_names.coded(model)
    calibrated = _calibrated(copy.model, known, recipe, stream)
    before = parsing.parse(calibrated)
    layers = coded_names.by_operator(copy, before, known)
    floats = {name for name, value in precision.items() if value == "float32"}
    _refuse_lost(floats, layers)
    nodes = [
        before.subgraphs[0].tensors[operator.outputs[0]].name
        for operator in before.subgraphs[0].operators
        if layers[operator.index] & floats
    ]
    content = _quantized(
        calibrated, recipe, nodes, inputs=inputs, per_channel=per_channel
    )
    low = {name for name, value in precision.items() if value == "int8_w4"}
    if low:
        content = low_bit_weights.with_int4(
            content, calibrated, copy, known, low, per_channel=per_channel
        )
    kept = _check(content, copy, known, floats)
    return MixedFile(content=_renamed(content, copy), kept_float=kept)


def _calibrated(
    model: keras.Model,
    known: exporting.Interface,
    recipe: str,
    stream: CalibrationStream,
) -> bytes:
    with (
        tempfile.TemporaryDirectory() as folder,
        captured_output.logged(_LOG),
        translation.readable_errors(model, recipe, stream),
    ):
        saved = pathlib.Path(folder, "model")
        exporting.write_saved_model(model, known, saved, batch_size=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(saved), signature_keys=[exporting.SIGNATURE]
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = stream
        # What tf.lite.experimental.QuantizationDebugger sets; it takes no int16.
        converter.experimental_mlir_quantizer = True
        converter._experimental_calibrate_only = True  # noqa: SLF001 - has no public name
        return bytes(converter.convert())


def _quantized(
    calibrated: bytes,
    recipe: str,
    nodes: list[str],
    *,
    inputs: str,
    per_channel: bool,
) -> bytes:
    types = _convert._types_pb2  # noqa: SLF001 - where the converter keeps them
    wide = recipe == "int16x8"
    border = {"float": tf.float32, "int8": tf.int16 if wide else tf.int8}[inputs]
    with captured_output.logged(_LOG):
        made = _convert.mlir_quantize(
            calibrated,
            disable_per_channel=not per_channel,
            disable_per_channel_for_dense_layers=not per_channel,
            fully_quantize=inputs == "int8",
            inference_type=types.QUANTIZED_INT16 if wide else types.QUANTIZED_INT8,
            input_data_type=border,
            output_data_type=border,
            denylisted_nodes=nodes,
        )
    return low_bit_weights.edited(made, _as_16_bits) if wide else bytes(made)


def _as_16_bits(model: Any) -> None:
    """Give a 16-bit file what its kernels want: zero points of 0, biases of 64 bits.

    The quantizer rounds a zero point half-way between 0 and -1 to either.
    """
    from ai_edge_litert import schema_py_generated as generated

    types = generated.TensorType
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            ranges = tensor.quantization
            if tensor.type == types.INT16 and ranges and ranges.zeroPoint is not None:
                ranges.zeroPoint = np.zeros_like(ranges.zeroPoint)
        for operator in graph.operators:
            used = [graph.tensors[i] for i in operator.inputs if i >= 0]
            for bias in used[2:3] if used[0].type == types.INT16 else ():
                buffer = model.buffers[bias.buffer]
                if bias.type == types.INT32 and buffer.data is not None:
                    bias.type = types.INT64
                    data = np.asarray(buffer.data, np.uint8).view(np.int32)
                    buffer.data = data.astype(np.int64).view(np.uint8)


def _refuse_lost(floats: set[str], layers: Mapping[int, set[str]]) -> None:
    found = set().union(*layers.values()) if layers else set()
    lost = sorted(floats - found)
    if lost:
        raise errors.ConversionError(
            "A layer that was to stay in float has no operator of its own in the file. "
            f"Received: precision with {', '.join(lost)}. It is folded into another "
            "layer, or does nothing in inference: name the convolution or Dense layer "
            "that it belongs to."
        )


def _check(
    content: bytes,
    copy: coded_names.CodedModel,
    known: exporting.Interface,
    floats: set[str],
) -> tuple[int, ...]:
    """Return the operators in float for a named layer, after checking them."""
    parsed = parsing.parse(content)
    layers = coded_names.by_operator(copy, parsed, known)
    kept = []
    for operator in inspection.describe(parsed, content).operators:
        named = layers[operator.index] & floats
        if operator.name in _BORDERS or not named:
            continue
        if not operator.float_tensors:
            raise errors.ConversionError(
                "The converter has quantized a layer that was to stay in float. "
                f"Received: {', '.join(sorted(named))} as {operator.name}. Convert "
                "without it in the precision map, or with recipe 'float32'."
            )
        kept.append(operator.index)
    return tuple(kept)


def _renamed(content: bytes, copy: coded_names.CodedModel) -> bytes:
    """Put the layers' real names into the file."""

    def rename(model: Any) -> None:
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                name = tensor.name or b""
                text = (
                    name.decode("utf-8", "replace") if isinstance(name, bytes) else name
                )
                tensor.name = copy.real_name(text)

    return low_bit_weights.edited(content, rename)
