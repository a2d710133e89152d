"""Say before a phone is at hand what a GPU delegate will take of a .tflite file.

Operator by operator, for the classic delegate and for ML Drift, from the table
`gpu_operators` and the limits in `gpu_rules`. Both name the version they are about.
The delegate itself has the last word: `android_bench` reports what it took.

A quantized file runs on a GPU in floating point: weights and activations are
dequantized, so its outputs differ from the CPU's and its speed is the float file's.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from typing import Any

from tfcompress.tflite import file_records, gpu_rules, parsing
from tfcompress.tflite.gpu_operators import DELEGATES, ML_DRIFT, ROWS, UNTRIED, Row

_LIMIT_HINTS = {  # words of a reason of `gpu_rules`: the first that fits
    "dimensions": "reshape to at most 4 dimensions, with the batch",
    "known only when it runs": "fix the batch and image size when converting",
    "int64": "use int32, such as keras.ops.cast(x, 'int32')",
    "of type": "compute it in float32, or convert without quantization",
    "takes an axis away": "slice with i : i + 1 and keep the axis",
    "constant": "give {name} constant axes or paddings",
    "index": "gather with a constant list of int32 indices",
    "version": "keep {name} in float32",
}
_UNKNOWN = Row(
    classic="the operator is not in the table",
    ml_drift="the operator is not in the table",
    hint="measure on the device, or build it of convolutions and arithmetic",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OperatorVerdict:
    """What one delegate does with one operator.

    Args:
        output: Name of its first output, which tells where in the model it is.
        taken: Whether it runs on the GPU.
        reason: Why not; empty if it does.
        wrong: What the delegate computes wrongly although it takes it; else empty.
        hint: How to change the Keras model; empty if there is nothing to change.
        tried: Whether the delegate itself was seen to take or refuse the operator.
    """

    index: int
    name: str
    output: str
    taken: bool
    reason: str
    wrong: str
    hint: str
    tried: bool

    @property
    def blocks(self) -> bool:
        """Whether it keeps the file from running wholly, and rightly, on the GPU."""
        return not self.taken or bool(self.wrong)

    def line(self) -> str:
        """Return the verdict in a line, for a reader."""
        what = self.reason or self.wrong or "runs on the GPU"
        hint = f"; {self.hint}" if self.hint and self.blocks else ""
        return f"{self.name} ({self.output}): {what}{hint}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delegation:
    """What one delegate takes of a file.

    Args:
        delegate: One of `gpu_operators.DELEGATES`.
        version: Which version the table is about, and how it is known.
    """

    delegate: str
    version: str
    operators: tuple[OperatorVerdict, ...]

    @property
    def taken(self) -> int:
        """How many operators run on the GPU."""
        return sum(op.taken for op in self.operators)

    @property
    def full(self) -> bool:
        """Whether all do, and rightly."""
        return not self.blockers

    @property
    def blockers(self) -> tuple[OperatorVerdict, ...]:
        """The operators that do not, or are computed wrongly, in graph order."""
        return tuple(op for op in self.operators if op.blocks)

    @property
    def parts(self) -> int:
        """Runs of operators on the GPU; each border is a copy and a wait."""
        flags = [False, *(op.taken for op in self.operators)]
        return sum(now and not before for before, now in itertools.pairwise(flags))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; of the operators, the blockers."""
        return {
            "delegate": self.delegate,
            "version": self.version,
            "full": self.full,
            "taken": self.taken,
            "total": len(self.operators),
            "parts": self.parts,
            "blockers": [dataclasses.asdict(op) for op in self.blockers],
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class GpuCompatibility:
    """What `gpu_compatibility` found, by delegate."""

    name: str
    quantized: bool
    delegations: dict[str, Delegation]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know besides the verdicts."""
        if not self.quantized:
            return ()
        return (
            (
                "a quantized file runs on a GPU in floating point: compare its outputs "
                "with the float model's too"
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "delegates": {k: d.to_dict() for k, d in self.delegations.items()},
            "notes": list(self.notes),
        }


def gpu_compatibility(source: str | os.PathLike[str] | bytes) -> GpuCompatibility:
    """Predict what the GPU delegates take of a .tflite file, and what blocks them.

    Needs no TensorFlow, no GPU and no device, and runs nothing of the file.

    Args:
        source: The file, or its bytes.

    Raises:
        TfliteFileError: If the file is missing, is no .tflite file or is damaged.

    Example:
        >>> gpu_compatibility("missing.tflite")
        Traceback (most recent call last):
        tfcompress.errors.TfliteFileError: This .tflite file cannot be read. Received: \
missing.tflite (No such file or directory). Check the path.
    """
    content, name = parsing.read_content(source)
    return assess(parsing.parse(content, name=name), name=name)


def assess(model: file_records.ParsedModel, *, name: str = "bytes") -> GpuCompatibility:
    """Judge a file that is parsed already; see `gpu_compatibility`."""
    graph = model.subgraphs[0]
    return GpuCompatibility(
        name=name,
        quantized=any(t.scales and t.data is None for t in graph.tensors),
        delegations={
            delegate: Delegation(
                delegate=delegate,
                version=version,
                operators=tuple(
                    _verdict(op, graph, delegate) for op in graph.operators
                ),
            )
            for delegate, version in DELEGATES.items()
        },
    )


def _verdict(
    op: file_records.Operator, graph: file_records.Subgraph, delegate: str
) -> OperatorVerdict:
    row = ROWS.get(op.name, _UNKNOWN)
    limit = gpu_rules.limit(op, graph, delegate)
    reason = row.reason(delegate) or limit
    wrong = ""
    if delegate == ML_DRIFT and not reason:
        wrong = row.wrong or gpu_rules.wrong(op, graph)
    return OperatorVerdict(
        index=op.index,
        name=op.name,
        output=graph.tensors[op.outputs[0]].name if op.outputs else "",
        taken=not reason,
        reason=reason,
        wrong=wrong,
        hint=row.hint or _hint(op.name, reason, wrong),
        tried=delegate == ML_DRIFT and op.name in ROWS and op.name not in UNTRIED,
    )


def _hint(name: str, reason: str, wrong: str) -> str:
    """Say what to change where the limit, not the operator, is the matter."""
    if wrong:
        return "split the channels and convolve each group, then concatenate"
    for words, hint in _LIMIT_HINTS.items():
        if words in reason:
            return hint.format(name=name)
    return ""
