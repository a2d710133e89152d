"""What was read of a runner's output: plain figures, in milliseconds and bytes."""

from __future__ import annotations

import dataclasses
import itertools
import math

from android_bench.errors import ParseError

_SLACK = 1e-3  # of figures that a tool has rounded before printing them


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpTime:
    """One operator's time in one inference.

    Args:
        name: Of the node in the graph.
        type: Of the operator, or the delegate's name for its kernel.
        avg_ms: Mean over the runs.
        calls: How often it ran in all.
    """

    name: str
    type: str
    avg_ms: float
    calls: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Taken:
    """What a delegate took of the graph, as a log says it; see `Delegation`."""

    applied: str = "unknown"
    delegated_ops: int | None = None
    total_ops: int | None = None
    refused_ops: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorFile:
    """A tensor that a runner read or wrote.

    Args:
        name: Of the tensor.
        dtype: Such as ``float32``.
        shape: Of the tensor.
        file: Its file's name; empty if it was not written.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    file: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parsed:
    """The figures of one call of a runner; None where it prints none.

    Args:
        num_runs: Runs that count.
        mean_ms: Of the runs that count; so are the other latencies.
        samples_ms: Each run, where the runner gives them.
        stable: Whether the median had settled, where the runner looks at it.
        init_ms: Loading the model.
        first_ms: The first inference.
        warmup_ms: Mean of the warm-up.
        peak_memory_bytes: Of the runner's process.
        init_memory_bytes: What loading the model added.
        model_memory_bytes: What the whole benchmark added.
        ops: Times per operator, in the order of execution; empty: not asked for.
        taken: What the delegate took.
        gpu: Name of the adapter, where the log has it.
        software_gpu: Whether that adapter computes on the CPU.
        version: Of the runner's library.
        inputs: Tensors it read.
        outputs: Tensors it wrote.
    """

    num_runs: int
    mean_ms: float
    samples_ms: tuple[float, ...] = ()
    p5_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    std_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    stable: bool | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    warmup_ms: float | None = None
    num_warmup_runs: int | None = None
    peak_memory_bytes: int | None = None
    init_memory_bytes: int | None = None
    model_memory_bytes: int | None = None
    ops: tuple[OpTime, ...] = ()
    taken: Taken = Taken()
    gpu: str | None = None
    software_gpu: bool = False
    version: str | None = None
    inputs: tuple[TensorFile, ...] = ()
    outputs: tuple[TensorFile, ...] = ()

    def __post_init__(self) -> None:
        """Refuse figures that cannot be of one series of runs."""
        if self.num_runs < 1:
            raise _contradiction(f"num_runs={self.num_runs}", "at least one run")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not 0 <= value < math.inf:
                raise _contradiction(f"{field.name}={value!r}", "a finite duration")
        for name in ("p5_ms", "p50_ms", "p90_ms", "p95_ms", "mean_ms"):
            self._check_between(name, getattr(self, name))
        ordered = [self.p5_ms, self.p50_ms, self.p90_ms, self.p95_ms]
        known = [value for value in ordered if value is not None]
        if any(b < a * (1 - _SLACK) for a, b in itertools.pairwise(known)):
            raise _contradiction(f"quantiles {known}", "rising ones")

    def _check_between(self, name: str, value: float | None) -> None:
        """Check that a figure lies between the least and the largest run."""
        if value is None:
            return
        low = self.min_ms if self.min_ms is not None else value
        high = self.max_ms if self.max_ms is not None else value
        if not low * (1 - _SLACK) <= value <= high * (1 + _SLACK):
            raise _contradiction(
                f"{name}={value:g}", f"a figure from {low:g} to {high:g}"
            )


def _contradiction(received: str, expected: str) -> ParseError:
    return ParseError(
        f"The runner's figures contradict each other. Received: {received}, expected "
        f"{expected}. Measure again; if it repeats, report the output."
    )
