"""Latencies as they were measured: what, where and how, never one place as another."""

from __future__ import annotations

import dataclasses

from tfcompress.report.reading import Reader

UNKNOWN = "unknown place"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """One benchmark result.

    ``where`` is what it was measured on: `host`, `device`, `emulator`, `software_gpu`.
    """

    where: str
    backend: str | None
    cpu: str | None
    delegate: str | None
    num_threads: int | None
    num_runs: int | None
    stable: bool | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    init_ms: float | None
    peak_memory_bytes: float | None

    @property
    def label(self) -> str:
        """What the number may be called."""
        return f"{self.where.replace('_', ' ')} latency (median)"

    @property
    def note(self) -> str:
        """The conditions of the measurement."""
        parts = []
        if self.num_threads:
            parts.append(f"{self.num_threads} thread{'s'[: self.num_threads > 1]}")
        if self.where != "device":
            parts.append("not a phone")
        if self.stable is False:
            parts.append("not settled")
        return ", ".join(parts)


def read_latency(reader: Reader) -> Latency:
    """Read one record of `android_bench`."""
    conditions, times = reader.inside("conditions"), reader.inside("latency")
    device = reader.inside("device")
    return Latency(
        where=reader.text("where") or UNKNOWN,
        backend=reader.text("backend"),
        cpu=device.text("cpu", "name"),
        delegate=conditions.text("delegate"),
        num_threads=_whole(conditions.number("num_threads")),
        num_runs=_whole(reader.number("num_runs")),
        stable=reader.flag("stable"),
        p50_ms=times.number("p50_ms"),
        p90_ms=times.number("p90_ms"),
        p95_ms=times.number("p95_ms"),
        init_ms=reader.number("init_ms"),
        peak_memory_bytes=reader.number("peak_memory_bytes"),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
