"""How a file was run, and what a delegate made of it."""

from __future__ import annotations

import dataclasses
import math

DELEGATES = ("cpu", "gpu", "nnapi")
APPLIED = ("none", "partial", "full", "unknown")
PRECISIONS = ("default", "fp32", "fp16")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conditions:
    """How it was run.

    Args:
        num_threads: Threads of the runtime.
        warmup_runs: Runs before the first one that counts.
        min_runs: Runs that count, at least; in each round.
        max_seconds: When to stop although the median still moves.
        delegate: What was asked to compute, such as ``xnnpack``, ``cpu`` or ``gpu``.
        runtime: Name and version.
        precision: Of a delegate's floats: ``fp16``, ``fp32``, or its default.
        pinned_cores: Processors it was held on; none: wherever the system put it.
        rounds: How often all variants were measured, in random order.
        seed: Of that order.
    """

    num_threads: int
    warmup_runs: int
    min_runs: int
    max_seconds: float
    delegate: str
    runtime: str
    precision: str = "default"
    pinned_cores: tuple[int, ...] = ()
    rounds: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        least = {"num_threads": 1, "warmup_runs": 0, "min_runs": 1, "rounds": 1}
        for name, lowest in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < lowest:
                raise ValueError(
                    f"A benchmark setting is out of its range. Received: {name}="
                    f"{value!r}; it must be a whole number of at least {lowest}."
                )
        if not 0 < self.max_seconds < math.inf:
            raise ValueError(
                "A benchmark setting is out of its range. Received: max_seconds="
                f"{self.max_seconds!r}; it must be a number above 0."
            )
        _one_of("precision", self.precision, PRECISIONS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delegation:
    """What a delegate took of the graph.

    Args:
        asked: One of `DELEGATES`.
        applied: ``full``, ``partial``, ``none``, or ``unknown`` where the runner does
            not say.
        delegated_ops: Operators that the delegate runs; None where it is not said.
        total_ops: Operators of the graph.
        refused_ops: The others by name, with the delegate's reason.
    """

    asked: str
    applied: str
    delegated_ops: int | None = None
    total_ops: int | None = None
    refused_ops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse words that no report knows."""
        _one_of("asked", self.asked, DELEGATES)
        _one_of("applied", self.applied, APPLIED)

    @property
    def problem(self) -> str:
        """Why a result of it does not count, or an empty string.

        Example:
            >>> Delegation(asked="gpu", applied="unknown").problem
            'it is not known whether the GPU delegate took the graph'
        """
        if self.asked == "cpu" or self.applied in ("full", "partial"):
            return ""
        name = self.asked.upper()
        if self.applied == "unknown":
            return f"it is not known whether the {name} delegate took the graph"
        refused = f" ({'; '.join(self.refused_ops)})" if self.refused_ops else ""
        return f"the {name} delegate took nothing of the graph{refused}"

    @property
    def text(self) -> str:
        """What it took, in words.

        Example:
            >>> Delegation(
            ...     asked="gpu", applied="partial", delegated_ops=3, total_ops=4
            ... ).text
            'partial (3 of 4 operators)'
        """
        if self.delegated_ops is None or self.total_ops is None:
            return self.applied
        return f"{self.applied} ({self.delegated_ops} of {self.total_ops} operators)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """Whether a delegate computed what the CPU computes.

    Args:
        reference: What it was compared with, such as ``cpu``.
        error: Largest difference over the range of the reference's output; None: the
            outputs could not be compared.
        tolerance: Largest error that passes.
        problem: Why it could not be compared, or what is wrong; empty if it agrees.
    """

    reference: str
    error: float | None
    tolerance: float
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the outputs are the same within the tolerance."""
        return not self.problem


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(
            f"A benchmark setting is unknown. Received: {name}={value!r}; it must be "
            f"one of {', '.join(known)}."
        )
