"""Put a small .tflite file together, tensor by tensor, without a converter.

Converting one layer takes a second, and a table needs thousands of layers; writing the
few tables of a file with one operator takes a millisecond.  Weights are drawn at
random: how long an operator takes does not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tfcompress.tflite import schema

Precision = Literal["float32", "int8"]

IN_SCALE, WEIGHT_SCALE = 0.05, 0.01  # of int8 tensors: any that the runtime accepts
_SEED = 20260
_POOL = 4099  # random numbers, used again and again: a prime, so that rows differ

_VERSIONS = {  # of the int8 kernels
    "ADD": 2,
    "AVERAGE_POOL_2D": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "EXP": 2,
    "FULLY_CONNECTED": 4,
    "GELU": 2,
    "LEAKY_RELU": 2,
    "LOG": 2,
    "LOGISTIC": 2,
    "MAXIMUM": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MINIMUM": 2,
    "MUL": 2,
    "PAD": 2,
    "REDUCE_MAX": 2,
    "RELU": 2,
    "RELU6": 2,
    "SOFTMAX": 2,
    "STRIDED_SLICE": 2,
    "SUB": 2,
    "TANH": 2,
    "TILE": 3,
    "TRANSPOSE": 2,
}
_BOTH_VERSIONS = {  # of int8 and float kernels; those of other floats are 1
    "RESIZE_BILINEAR": 3,
    "RESIZE_NEAREST_NEIGHBOR": 3,
    "TRANSPOSE_CONV": 4,
}


class FileBuilder:
    """Collects tensors and operators of one file.

    Args:
        precision: What activations and kernels are stored as.
    """

    def __init__(self, precision: Precision) -> None:
        from ai_edge_litert import schema_py_generated as generated

        self.precision = precision
        self._schema = generated
        rng = np.random.default_rng(_SEED)
        self._floats = rng.standard_normal(_POOL, np.float32) * np.float32(0.1)
        self._integers = rng.integers(-127, 128, _POOL, np.int8)
        self._buffers = [generated.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[str, int] = {}

    @property
    def is_int8(self) -> bool:
        """Whether activations are integers."""
        return self.precision == "int8"

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return the shape of a tensor that was made."""
        return tuple(int(dim) for dim in self._tensors[tensor].shape)

    def activation(
        self, shape: Sequence[int], *, scale: float = IN_SCALE, zero_point: int = 0
    ) -> int:
        """Make a tensor that is computed or fed."""
        if not self.is_int8:
            return self._tensor(shape, "FLOAT32")
        return self._tensor(shape, "INT8", scales=[scale], zero_point=zero_point)

    def border(self, shape: Sequence[int]) -> int:
        """Make a float tensor that goes into an integer file, or comes out of it."""
        return self._tensor(shape, "FLOAT32")

    def kernel(self, shape: Sequence[int], *, axis: int) -> int:
        """Make a random kernel; `axis` has one scale per channel."""
        if not self.is_int8:
            return self._tensor(shape, "FLOAT32", np.resize(self._floats, shape))
        whole = np.resize(self._integers, shape)
        scales = [WEIGHT_SCALE] * shape[axis]
        return self._tensor(shape, "INT8", whole, scales=scales, axis=axis)

    def bias(self, size: int) -> int:
        """Make the bias that goes with a kernel of so many outputs."""
        if not self.is_int8:
            return self._tensor([size], "FLOAT32", np.full(size, 0.1, np.float32))
        scales = [IN_SCALE * WEIGHT_SCALE] * size
        values = np.full(size, 100, np.int32)
        return self._tensor([size], "INT32", values, scales=scales)

    def constant(self, values: npt.NDArray[Any]) -> int:
        """Make a constant of int32, such as axes, or of the file's precision."""
        if values.dtype == np.int32:
            return self._tensor(values.shape, "INT32", values)
        if not self.is_int8:
            return self._tensor(values.shape, "FLOAT32", values.astype(np.float32))
        whole = np.clip(np.rint(values / IN_SCALE), -128, 127).astype(np.int8)
        return self._tensor(values.shape, "INT8", whole, scales=[IN_SCALE])

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        output: int,
        options: tuple[str, dict[str, Any]] | None = None,
    ) -> int:
        """Add an operator and return its output.

        Args:
            name: Of the builtin, such as ``CONV_2D``.
            inputs: Tensors that it reads.
            output: The tensor that it makes.
            options: Name of the options' table, and the fields that are not 0.
        """
        generated = self._schema
        operator = generated.OperatorT()
        operator.opcodeIndex = self._codes.setdefault(name, len(self._codes))
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([output], np.int32)
        if options is not None:
            kind, fields = options
            operator.builtinOptionsType = getattr(generated.BuiltinOptions, kind)
            operator.builtinOptions = getattr(generated, f"{kind}T")()
            vars(operator.builtinOptions).update(fields)
        self._operators.append(operator)
        return output

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the bytes of the file."""
        import flatbuffers

        generated = self._schema
        graph = generated.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs = np.array(inputs, np.int32)
        graph.outputs = np.array(outputs, np.int32)
        model = generated.ModelT()
        model.version, model.subgraphs = 3, [graph]
        model.description = "one operator, to be timed"
        model.operatorCodes = [self._code(name) for name in self._codes]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=schema.IDENTIFIER)
        return bytes(builder.Output())

    def _code(self, name: str) -> Any:
        code = self._schema.OperatorCodeT()
        code.builtinCode = getattr(self._schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        versions = _VERSIONS if self.is_int8 else {}
        code.version = _BOTH_VERSIONS.get(name) or versions.get(name, 1)
        return code

    def _tensor(
        self,
        shape: Sequence[int],
        kind: str,
        values: npt.NDArray[Any] | None = None,
        *,
        scales: Sequence[float] | None = None,
        axis: int = 0,
        zero_point: int = 0,
    ) -> int:
        generated = self._schema
        tensor = generated.TensorT()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = getattr(generated.TensorType, kind)
        tensor.name = f"t{len(self._tensors)}"
        tensor.buffer = 0 if values is None else self._buffer(values)
        if scales is not None:
            quantization = generated.QuantizationParametersT()
            quantization.scale = np.array(scales, np.float32)
            quantization.zeroPoint = np.full(len(scales), zero_point, np.int64)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _buffer(self, values: npt.NDArray[Any]) -> int:
        buffer = self._schema.BufferT()
        flat = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        buffer.data = flat if math.prod(values.shape) else None
        self._buffers.append(buffer)
        return len(self._buffers) - 1
