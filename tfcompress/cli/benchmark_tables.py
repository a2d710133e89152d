"""Show benchmarks: one table per place, so that none is read as another's."""

from __future__ import annotations

from collections.abc import Sequence

from android_bench.records import PLACES, BenchmarkRun
from tfcompress.cli import state, tables
from tfcompress.cli.measuring import Measured

_TITLES = {
    "device": "Latency on Android devices",
    "emulated": "Emulated: not a phone, and no time means anything",
    "software_gpu": "GPU delegate on a software driver (not a phone: numerics only)",
    "host": "Latency on this computer (not a phone)",
}


def show(result: Measured) -> None:
    """Show the runs, what does not count and why, and the comparisons."""
    for place in PLACES:
        _table(place, [run for run in result.runs if run.where == place])
    for line in dict.fromkeys(_remarks(result.runs)):
        state.emit(line)
    for item in result.comparisons:
        state.emit(item.sentence())


def _table(place: str, runs: Sequence[BenchmarkRun]) -> None:
    rows: list[tuple[str, ...]] = [
        (
            run.model,
            run.device.name,
            run.conditions.delegate,
            str(run.conditions.num_threads),
            _figure(run, run.latency.typical_ms),
            _figure(run, run.latency.p90_ms),
            _figure(run, run.init_ms),
            "" if run.delegation is None else _delegated(run),
        )
        for run in runs
    ]
    columns: tuple[str, ...] = (
        "file",
        "on",
        "delegate",
        "threads",
        "median ms",
        "p90",
        "init",
        "took",
    )
    if place == "host":
        rows = [row[:1] + row[2:] for row in rows]
        columns = columns[:1] + columns[2:]
    if all(not row[-1] for row in rows):
        rows, columns = [row[:-1] for row in rows], columns[:-1]
    tables.table(_TITLES[place], columns, rows)


def _figure(run: BenchmarkRun, value: float | None) -> str:
    """Return milliseconds; in brackets if they do not count."""
    if value is None:
        return ""
    return f"{value:.3f}" if run.counts else f"({value:.3f})"


def _delegated(run: BenchmarkRun) -> str:
    delegation = run.delegation
    if delegation is None or delegation.asked == "cpu":
        return ""
    if delegation.total_ops is None:
        return delegation.applied
    return f"{delegation.applied} {delegation.delegated_ops}/{delegation.total_ops}"


def _remarks(runs: Sequence[BenchmarkRun]) -> list[str]:
    remarks = []
    for run in runs:
        what = f"{run.model} on {run.conditions.delegate}"
        if not run.counts:
            remarks.append(f"does not count: {what}: {'; '.join(run.not_counted)}")
        if run.stable is False:
            remarks.append(f"not settled: {what}")
        if run.delegation is not None and run.delegation.refused_ops:
            names = "; ".join(run.delegation.refused_ops)
            remarks.append(f"left to the CPU: {what}: {names}")
        if run.latency.p50_ms is None:
            remarks.append(f"a mean, not a median: {what}: {run.backend} gives no more")
        if run.drift is not None and run.drift.throttled:
            remarks.append(
                f"{run.device.name} became {run.drift.rise:.0%} slower while it was "
                "measured (Mann-Kendall test): let it cool and measure again"
            )
        if run.after is not None and run.after.throttling:
            remarks.append(
                f"{run.device.name} says that it is throttled "
                f"({run.after.thermal_name})"
            )
    return remarks
