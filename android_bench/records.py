"""The records of a benchmark: device, conditions, latency; they survive JSON.

`BenchmarkRun.where` says what was measured: ``host`` (this computer), ``device`` (a
phone), ``emulator`` or ``software_gpu``.  Only ``device`` is device latency; every
text made of a record goes through `BenchmarkRun.label`, which says which it is.
"""

from __future__ import annotations

import dataclasses
import math
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Self

from android_bench.errors import BenchmarkError

SCHEMA = 1
PLACES = ("host", "device", "emulator", "software_gpu")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
    """What ran the file.

    Args:
        name: A phone's model, or ``host``.
        cpu: Name of the processor, as the system gives it.
        cores: Logical processors.
        system: Operating system and version.
        serial: A phone's serial number; None on the host.
    """

    name: str
    cpu: str
    cores: int
    system: str
    serial: str | None = None

    @classmethod
    def host(cls) -> Self:
        """Describe this computer."""
        return cls(
            name="host",
            cpu=_cpu_name(),
            cores=os.cpu_count() or 1,
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conditions:
    """How it was run.

    Args:
        num_threads: Threads of the runtime.
        warmup_runs: Runs before the first one that counts.
        min_runs: Runs that count, at least.
        max_seconds: When to stop although the median still moves.
        delegate: What computes, such as ``xnnpack``.
        runtime: Name and version.
    """

    num_threads: int
    warmup_runs: int
    min_runs: int
    max_seconds: float
    delegate: str
    runtime: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("num_threads", 1), ("warmup_runs", 0), ("min_runs", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"A benchmark setting is out of its range. Received: {name}="
                    f"{value!r}; it must be a whole number of at least {least}."
                )
        if not 0 < self.max_seconds < math.inf:
            raise ValueError(
                "A benchmark setting is out of its range. Received: max_seconds="
                f"{self.max_seconds!r}; it must be a number above 0."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """One inference, in milliseconds: quantiles over the runs that count."""

    p50_ms: float
    p90_ms: float
    p95_ms: float
    mean_ms: float
    std_ms: float
    min_ms: float
    max_ms: float

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkRun:
    """The result of one benchmark.

    Args:
        where: One of `PLACES`.
        backend: What drove it, such as ``litert_python``.
        model: Name of the file, without its folder.
        model_sha256: The file's fingerprint.
        size_bytes: The file's size.
        stable: Whether the median had settled before `Conditions.max_seconds`.
        init_ms: Loading the file and allocating its tensors.
        first_ms: The first inference, which also packs weights.
        num_runs: Runs that count.
        peak_memory_bytes: Peak of the measuring process, Python and runtime included.
        model_memory_bytes: What of it came with the file: the peak less what the
            process had before it loaded the file.
        started: ISO time in UTC.
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
    stable: bool
    init_ms: float
    first_ms: float
    peak_memory_bytes: int | None
    model_memory_bytes: int | None
    started: str

    def __post_init__(self) -> None:
        """Refuse a place that no report knows how to call."""
        if self.where not in PLACES:
            raise ValueError(
                f"Unknown place of a benchmark. Received: where={self.where!r}; it "
                f"must be one of {', '.join(PLACES)}."
            )

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
        unsettled = "" if self.stable else ", not settled"
        return (
            f"{self.model}: {self.label} {self.latency.p50_ms:.3f} ms median, "
            f"{self.latency.p90_ms:.3f} ms p90 ({self.num_runs} runs, {threads} "
            f"thread{'s'[: threads > 1]}, {self.backend}{unsettled})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            BenchmarkError: If it is another schema, or a field is missing or unknown.
        """
        record = dict(values)
        schema = record.pop("schema", None)
        if schema != SCHEMA:
            raise BenchmarkError(
                f"This is no benchmark record of this version. Received: schema="
                f"{schema!r}; expected {SCHEMA}. Measure again."
            )
        try:
            record["device"] = Device(**record["device"])
            record["conditions"] = Conditions(**record["conditions"])
            record["latency"] = Latency(**record["latency"])
            return cls(**record)
        except (KeyError, TypeError) as error:
            raise BenchmarkError(
                f"This benchmark record cannot be read. Received: {error}. Measure "
                "again."
            ) from error


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of sorted values, interpolated between neighbours.

    Example:
        >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
        2.5
    """
    position = (len(ordered) - 1) * share
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith(("model name", "Hardware")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not a Linux system
    return platform.processor() or platform.machine()
