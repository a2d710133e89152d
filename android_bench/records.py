"""The records of a benchmark: device, conditions, latency; they survive JSON.

`BenchmarkRun.where` says what was measured: ``device`` (a phone), ``emulated`` (a
phone's code on another processor), ``software_gpu`` (a GPU delegate on a driver that
computes on the CPU) or ``host`` (this computer).  Only ``device`` is device latency;
every text made of a record goes through `BenchmarkRun.label`, which says which it is.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

from android_bench import schema
from android_bench.conditions import Agreement, Conditions, Delegation
from android_bench.devices import Device, DeviceState
from android_bench.errors import BenchmarkError
from android_bench.statistics import Drift, quantile

__all__ = [
    "PLACES",
    "BenchmarkRun",
    "Conditions",
    "Device",
    "Latency",
    "Round",
    "quantile",
]

SCHEMA = schema.SCHEMA
PLACES = ("device", "emulated", "software_gpu", "host")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """One inference, in milliseconds, over the runs that count.

    A runner that prints only some of these leaves the others None.
    """

    mean_ms: float
    p50_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None
    std_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None

    @classmethod
    def of(cls, samples_ms: Sequence[float]) -> Self:
        """Sum up the runs; quantiles are interpolated as in NumPy.

        Example:
            >>> Latency.of([1.0, 2.0, 3.0, 4.0, 100.0]).p50_ms
            3.0
        """
        values = sorted(samples_ms)
        if not values:
            raise BenchmarkError(
                "There is nothing to sum up. Received: no runs. Allow at least one."
            )
        mean = math.fsum(values) / len(values)
        variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
        return cls(
            p50_ms=quantile(values, 0.5),
            p90_ms=quantile(values, 0.9),
            p95_ms=quantile(values, 0.95),
            mean_ms=mean,
            std_ms=math.sqrt(variance),
            min_ms=values[0],
            max_ms=values[-1],
        )

    @property
    def typical_ms(self) -> float:
        """The median; the mean where the runner gives none."""
        return self.mean_ms if self.p50_ms is None else self.p50_ms


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """One visit to a variant: all variants are measured once in each round.

    Args:
        index: Of the round, from 0: rounds of the same index belong together.
        seconds: When it began, after the session's start.
        typical_ms: `Latency.typical_ms` of its runs.
        num_runs: Runs that count.
    """

    index: int
    seconds: float
    typical_ms: float
    num_runs: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkRun:
    """The result of one benchmark.

    Args:
        where: One of `PLACES`.
        backend: The runner that drove it, such as ``litert_python`` or ``native``.
        model: Name of the file, without its folder.
        model_sha256: The file's fingerprint.
        size_bytes: The file's size.
        stable: Whether the median had settled before `Conditions.max_seconds`; None
            where the runner does not say.
        init_ms: Loading the file and allocating its tensors.
        first_ms: The first inference, which also packs weights.
        num_runs: Runs that count.
        peak_memory_bytes: Peak of the measuring process, Python and runtime included.
        model_memory_bytes: What of it came with the file: the peak less what the
            process had before it loaded the file.
        started: ISO time in UTC.
        runner_version: What the runner or its library calls itself.
        delegation: What the delegate took; None for runners without delegates.
        agreement: Whether the delegate's output is the CPU's.
        not_counted: Reasons why this latency may not be used; empty: it counts.
        before: The device's state when its session began.
        after: The same when it ended.
        drift: Whether the device became slower over the session.
        rounds: One entry per visit, for comparisons pair by pair.
        argv: The command on the device.
    """

    where: str
    backend: str
    model: str
    model_sha256: str
    size_bytes: int
    device: Device
    conditions: Conditions
    latency: Latency
    num_runs: int
    stable: bool | None
    init_ms: float | None
    first_ms: float | None
    peak_memory_bytes: int | None
    model_memory_bytes: int | None
    started: str
    runner_version: str | None = None
    delegation: Delegation | None = None
    agreement: Agreement | None = None
    not_counted: tuple[str, ...] = ()
    before: DeviceState | None = None
    after: DeviceState | None = None
    drift: Drift | None = None
    rounds: tuple[Round, ...] = ()
    argv: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a place that no report knows how to call."""
        if self.where not in PLACES:
            raise ValueError(
                f"Unknown place of a benchmark. Received: where={self.where!r}; it "
                f"must be one of {', '.join(PLACES)}."
            )

    @property
    def counts(self) -> bool:
        """Whether the latency may be used."""
        return not self.not_counted

    @property
    def label(self) -> str:
        """What the latency may be called: never a device's unless it is one.

        Returns:
            Such as ``host latency``.
        """
        return f"{self.where.replace('_', ' ')} latency"

    def summary(self) -> str:
        """Return the run in a line."""
        threads = self.conditions.num_threads
        latency = self.latency
        kind = "mean" if latency.p50_ms is None else "median"
        p90 = "" if latency.p90_ms is None else f"{latency.p90_ms:.3f} ms p90 "
        unsettled = ", not settled" if self.stable is False else ""
        why = "; ".join(self.not_counted)
        return (
            f"{self.model}: {self.label} {latency.typical_ms:.3f} ms {kind}, {p90}"
            f"({self.num_runs} runs, {threads} thread{'s'[: threads > 1]}, "
            f"{self.backend}{unsettled})" + (f"; does not count: {why}" if why else "")
        )

    def shareable(self) -> Self:
        """Return it without what tells whose it is: serial number and home folder."""
        home = str(pathlib.Path.home())
        return dataclasses.replace(
            self,
            device=self.device.anonymous(),
            argv=tuple(part.replace(home, "~") for part in self.argv),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote, in this version or the one before.

        Raises:
            BenchmarkError: If it is another schema, or a field is missing or unknown.
        """
        record = schema.upgraded(values)
        try:
            return schema.build(cls, record)
        except (KeyError, TypeError, ValueError) as error:
            raise BenchmarkError(
                f"This benchmark record cannot be read. Received: {error}. Measure "
                "again."
            ) from error
