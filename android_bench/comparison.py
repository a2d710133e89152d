"""Compare files pair by pair: in each round, under the same conditions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from android_bench.records import BenchmarkRun
from android_bench.statistics import CONFIDENCE, Ratio, compare

LEAST_ROUNDS = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """One file against the first one.

    Args:
        model: The file.
        reference: The file that it is compared with.
        label: What was measured, such as ``host latency``.
        serial: On which device; None on the host.
        delegate: Of both.
        num_threads: Of both.
        ratio: Latency of `model` over that of `reference`; None: not compared.
        problem: Why it is not compared; empty if it is.
    """

    model: str
    reference: str
    label: str
    serial: str | None
    delegate: str
    num_threads: int
    ratio: Ratio | None
    problem: str = ""

    def sentence(self) -> str:
        """Return it in a line."""
        what = f"{self.model} against {self.reference} ({self.label}, {self.delegate})"
        if self.ratio is None:
            return f"{what}: not compared: {self.problem}"
        found = self.ratio
        return (
            f"{what}: {found.ratio:.3f} of the latency, {found.confidence:.0%} "
            f"interval {found.low:.3f} to {found.high:.3f} over {found.pairs} rounds: "
            f"{found.verdict}"
        )


def compare_runs(
    records: Sequence[BenchmarkRun], *, confidence: float = CONFIDENCE
) -> list[Comparison]:
    """Compare each file with the first one of the same device and conditions.

    Only rounds in which both were measured count, and only results that count.

    Args:
        records: Of one session.
        confidence: Of the intervals.
    """
    first: dict[tuple[object, ...], BenchmarkRun] = {}
    found = []
    for record in records:
        key = _key(record)
        if key in first and first[key].model_sha256 != record.model_sha256:
            found.append(_comparison(first[key], record, confidence))
        first.setdefault(key, record)
    return found


def _key(record: BenchmarkRun) -> tuple[object, ...]:
    conditions = record.conditions
    return (
        record.where,
        record.device.serial,
        record.backend,
        conditions.delegate,
        conditions.num_threads,
        conditions.precision,
    )


def _comparison(
    reference: BenchmarkRun, record: BenchmarkRun, confidence: float
) -> Comparison:
    before = {part.index: part.typical_ms for part in reference.rounds}
    after = {part.index: part.typical_ms for part in record.rounds}
    both = sorted(before.keys() & after.keys())
    problem = _problem(reference, record, len(both))
    pairs = [before[index] for index in both], [after[index] for index in both]
    return Comparison(
        model=record.model,
        reference=reference.model,
        label=record.label,
        serial=record.device.serial,
        delegate=record.conditions.delegate,
        num_threads=record.conditions.num_threads,
        ratio=None if problem else compare(*pairs, confidence=confidence),
        problem=problem,
    )


def _problem(reference: BenchmarkRun, record: BenchmarkRun, pairs: int) -> str:
    for run in (reference, record):
        if not run.counts:
            return f"{run.model} does not count: {'; '.join(run.not_counted)}"
    if pairs < LEAST_ROUNDS:
        return f"{pairs} rounds in common, at least {LEAST_ROUNDS} are needed"
    return ""
