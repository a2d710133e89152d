"""Latencies as they were measured: what, where and how, never one place as another."""

from __future__ import annotations

import dataclasses

from tfcompress.report.reading import Reader

UNKNOWN = "unknown place"
_OLD_PLACES = {"emulator": "emulated"}  # of the first schema


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """One benchmark result.

    ``where`` is what it was measured on: `host`, `device`, `emulated`, `software_gpu`.
    ``not_counted`` says why the figure may not be used; empty: it may.
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
    not_counted: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether there is a figure that may be used."""
        return self.p50_ms is not None and not self.not_counted

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
        if self.not_counted:
            parts.append(f"does not count: {'; '.join(self.not_counted)}")
        return ", ".join(parts)


def read_latency(reader: Reader) -> Latency:
    """Read one record of `android_bench`."""
    conditions, times = reader.inside("conditions"), reader.inside("latency")
    device = reader.inside("device")
    where = reader.text("where") or UNKNOWN
    return Latency(
        where=_OLD_PLACES.get(where, where),
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
        not_counted=tuple(reader.texts("not_counted")),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
