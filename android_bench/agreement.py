"""Whether a delegate's output is the CPU's: without that, its time means nothing.

The error is the largest difference over the range of the CPU's output (over its
largest value, for a single number), and the worst of the outputs counts.  In float16,
as GPUs compute by default, a few thousandths are normal; one step of int8 is 0.004.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping, Sequence

from android_bench.conditions import Agreement
from android_bench.parsed import TensorFile

TOLERANCE = 0.02  # of the range: 5 steps of int8, a dozen roundings in float16

_CODES = {
    "float32": "f",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint32": "I",
    "bool": "B",
}


def compare_outputs(
    tensors: Sequence[TensorFile],
    reference: Mapping[str, bytes],
    outputs: Mapping[str, bytes],
    *,
    tolerance: float = TOLERANCE,
) -> Agreement:
    """Compare a delegate's outputs with the CPU's for the same inputs.

    Args:
        tensors: What the files are.
        reference: The CPU's output files by name.
        outputs: The delegate's.
        tolerance: Largest error that passes.
    """
    worst = 0.0
    for tensor in tensors:
        cpu, other = reference.get(tensor.file), outputs.get(tensor.file)
        if cpu is None or other is None:
            return _failed(f"output {tensor.name} was not written", tolerance)
        error, problem = _error(tensor, cpu, other)
        if problem:
            return _failed(f"output {tensor.name} {problem}", tolerance)
        worst = max(worst, error)
    if not tensors:
        return _failed("the runner wrote no output", tolerance)
    problem = ""
    if worst > tolerance:
        problem = f"outputs differ by {worst:.3g} of their range, over {tolerance:g}"
    return Agreement(reference="cpu", error=worst, tolerance=tolerance, problem=problem)


def _error(tensor: TensorFile, cpu: bytes, other: bytes) -> tuple[float, str]:
    """Return the error of one output, or why there is none."""
    code = _CODES.get(tensor.dtype)
    if code is None:
        return 0.0, f"has the type {tensor.dtype}, which is not compared"
    if len(cpu) != len(other) or len(cpu) % array(code).itemsize or not cpu:
        return 0.0, f"has {len(other)} bytes, the CPU's {len(cpu)}"
    expected, values = _values(code, cpu), _values(code, other)
    if not all(map(math.isfinite, expected)):
        return 0.0, "is not finite on the CPU"
    if not all(map(math.isfinite, values)):
        return 0.0, "is not finite"
    low, high = min(expected), max(expected)
    span = high - low if len(expected) > 1 else abs(high)
    if span <= 1e-6 * max(abs(low), abs(high), 1e-30):
        return 0.0, "is constant on the CPU, so that agreement would prove nothing"
    return max(abs(a - b) for a, b in zip(expected, values, strict=True)) / span, ""


def _values(code: str, content: bytes) -> array[float]:
    values: array[float] = array(code)
    values.frombytes(content)
    if sys.byteorder == "big":
        values.byteswap()  # every target is little-endian
    return values


def _failed(problem: str, tolerance: float) -> Agreement:
    return Agreement(reference="cpu", error=None, tolerance=tolerance, problem=problem)
