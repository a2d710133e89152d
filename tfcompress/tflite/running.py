"""Run a .tflite file on NumPy arrays: floats in, floats out, whatever is inside.

The batch of the file decides how examples are fed: a fixed batch is filled and looped
over, a dynamic one is allocated once for the batch that comes.  Quantized inputs and
outputs are converted at the border with the file's own scale and zero point,
``real = scale * (quantized - zero_point)``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcompress import errors
from tfcompress.tflite import file_records, metadata, parsing, probing

Array = np.ndarray[Any, Any]


class Runner:
    """A loaded .tflite file, called like a function.

    Args:
        source: The file, or its bytes.
        num_threads: Threads of the runtime.
        trusted: False for a file from elsewhere: it first runs once in a child
            process, so that a crash of native code is an error and not the end.

    Raises:
        TfliteFileError: If the file is missing, damaged, or cannot be loaded.

    Attributes:
        input_names: In the order in which a list of inputs is taken.
        output_names: In the order of the outputs.
        input_shapes: Without the batch.
        output_shapes: Without the batch.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        num_threads: int = 1,
        trusted: bool = True,
    ) -> None:
        content, self.name = parsing.read_content(source)
        parsed = parsing.parse(content, name=self.name)
        if not trusted:
            probing.probe(content, name=self.name)
        self.metadata = metadata.decode(parsed.metadata)
        self._content = content  # the interpreter keeps a pointer into it
        self._interpreter = self._load(num_threads)
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()
        names = _tensor_names(parsed)
        self.input_names = [names.get(d["index"], d["name"]) for d in self._inputs]
        self.output_names = [names.get(d["index"], d["name"]) for d in self._outputs]
        self.input_shapes = [_shape(d) for d in self._inputs]
        self.output_shapes = [_shape(d) for d in self._outputs]
        self.batch_size = int(self._inputs[0]["shape"][0])
        self._dynamic = all(d["shape_signature"][0] == -1 for d in self._inputs)

    def __call__(self, x: Any) -> Any:
        """Run the file on a batch of any size.

        Args:
            x: An array ``[batch, ...]``; a list (in the order of `input_names`) or a
                dict of arrays for several inputs.

        Returns:
            An array, or a list of arrays in the order of `output_names`. Quantized
            outputs come back as float32.

        Raises:
            DataError: If the arrays do not fit the file's inputs.
        """
        arrays = self._arrays(x)
        num_examples = len(arrays[0])
        if self._dynamic and num_examples:
            self._allocate_for(num_examples)
        parts = [
            self._run([a[i : i + self.batch_size] for a in arrays])
            for i in range(0, num_examples, self.batch_size)
        ]
        outputs = [
            np.concatenate(part)[:num_examples] for part in zip(*parts, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else outputs

    def _load(self, num_threads: int) -> Any:
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(
                model_content=self._content, num_threads=num_threads
            )
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise errors.TfliteFileError(
                f"The runtime cannot load this .tflite file. Received: {self.name} "
                f"({_one_line(error)}). Convert it again without what the runtime "
                "lacks: an operator, or scales far apart, as behind a ReLU that is "
                "always 0 on the calibration data."
            ) from error
        return interpreter

    def _arrays(self, x: Any) -> list[Array]:
        from tfcompress.tflite.calibration import named

        arrays = named(x, self.input_names)
        given = [arrays[name] for name in self.input_names]
        for name, array, detail in zip(
            self.input_names, given, self._inputs, strict=True
        ):
            wanted = _shape(detail)
            if array.shape[1:] != wanted or array.ndim == 0 or not len(array):
                raise errors.DataError(
                    f"The input {name!r} does not fit. Received: shape {array.shape}; "
                    f"{self.name} takes {('batch', *wanted)} with at least one example."
                )
        return given

    def _allocate_for(self, num_examples: int) -> None:
        if num_examples == self.batch_size:
            return
        for detail in self._inputs:
            shape = [num_examples, *(int(size) for size in detail["shape"][1:])]
            self._interpreter.resize_tensor_input(detail["index"], shape)
        self._interpreter.allocate_tensors()
        self.batch_size = num_examples

    def _run(self, arrays: list[Array]) -> list[Array]:
        for array, detail in zip(arrays, self._inputs, strict=True):
            if missing := self.batch_size - len(array):  # the last, shorter batch
                array = np.concatenate([array, np.repeat(array[-1:], missing, 0)])
            self._interpreter.set_tensor(detail["index"], quantize(array, detail))
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise errors.TfliteFileError(
                f"This .tflite file stops while it runs. Received: {self.name} "
                f"({_one_line(error)}). Convert it again."
            ) from error
        return [
            dequantize(self._interpreter.get_tensor(detail["index"]), detail)
            for detail in self._outputs
        ]


def quantize(array: Array, detail: Mapping[str, Any]) -> Array:
    """Return floats as the tensor's own type, rounded and clipped to its range.

    Example:
        >>> quantize(np.array([0.0, 1.0, 9.0]), {"dtype": np.int8,
        ...     "quantization": (0.5, -128)}).tolist()
        [-128, -126, -110]
    """
    dtype = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    if not scale or array.dtype == dtype:
        return np.ascontiguousarray(array, dtype)
    limits = np.iinfo(dtype)
    steps = np.round(np.asarray(array, np.float32) / np.float32(scale)) + zero_point
    clipped: Array = np.clip(steps, limits.min, limits.max).astype(dtype)
    return clipped


def dequantize(array: Array, detail: Mapping[str, Any]) -> Array:
    """Return a tensor's values as floats; those of a plain tensor as they are.

    Example:
        >>> dequantize(np.array([-128, -126], np.int8), {"quantization": (0.5, -128)})
        array([0., 1.], dtype=float32)
    """
    scale, zero_point = detail["quantization"]
    if not scale or array.dtype.kind == "f":
        return array
    return (array.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _tensor_names(parsed: file_records.ParsedModel) -> dict[int, str]:
    """Return the signature's name of each tensor that has one."""
    names: dict[int, str] = {}
    for signature in parsed.signatures:
        if signature.subgraph == 0:
            for side in (signature.inputs, signature.outputs):
                names |= {index: name for name, index in side.items()}
    return names


def _shape(detail: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in detail["shape"][1:])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
