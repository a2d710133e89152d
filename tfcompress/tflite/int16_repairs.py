"""Repair what the converter gets wrong in a trained file with 16-bit activations.

It is made for calibrated 8-bit files; in a 16-bit one with trained ranges

1. biases come as int32 where the runtime's kernels read int64 (garbage, or a refusal
   to load), and
2. a sigmoid has the scale and zero point of 8 bits, where the runtime wants 1/32768
   and 0.

Found with TensorFlow 2.21 by converting and running each operator.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfcompress.tflite import schema
from tfcompress.tflite.low_bit_weights import edited

# Position of the bias among the inputs, and of the activations, by operator.
_BIASES = {
    "CONV_2D": (2, 0),
    "DEPTHWISE_CONV_2D": (2, 0),
    "FULLY_CONNECTED": (2, 0),
    "TRANSPOSE_CONV": (3, 2),
}
_SIGMOID_SCALE = 1.0 / 32768


def repair(content: bytes) -> bytes:
    """Return a 16-bit file that the runtime computes as it was meant.

    Args:
        content: A file that was just converted (not an untrusted one).
    """
    return edited(content, _repair)


def _repair(model: Any) -> None:
    from ai_edge_litert import schema_py_generated as generated

    names = schema.operator_names()
    for graph in model.subgraphs:
        for operator in graph.operators:
            name = names[model.operatorCodes[operator.opcodeIndex].builtinCode]
            if name in _BIASES:
                _widen_bias(model, graph, operator, *_BIASES[name], generated)
            elif name == "LOGISTIC":
                _set_sigmoid_scale(graph.tensors[operator.outputs[0]], generated)


def _widen_bias(
    model: Any, graph: Any, operator: Any, bias: int, data: int, generated: Any
) -> None:
    """Store a bias in 64 bits: repair 1."""
    types = generated.TensorType
    if len(operator.inputs) <= bias or operator.inputs[bias] < 0:
        return
    tensor = graph.tensors[operator.inputs[bias]]
    is_int16 = graph.tensors[operator.inputs[data]].type == types.INT16
    if not is_int16 or tensor.type != types.INT32:
        return
    stored = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    wide = generated.BufferT()
    wide.data = np.frombuffer(stored, "<i4").astype("<i8").view(np.uint8)
    model.buffers.append(wide)  # another operator may share the old one
    tensor.buffer, tensor.type = len(model.buffers) - 1, types.INT64


def _set_sigmoid_scale(tensor: Any, generated: Any) -> None:
    """Give a 16-bit sigmoid its scale: repair 2."""
    if tensor.type == generated.TensorType.INT16:
        tensor.quantization.scale = np.array([_SIGMOID_SCALE], np.float32)
        tensor.quantization.zeroPoint = np.array([0], np.int64)
