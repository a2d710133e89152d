"""Call `android_bench` for `tfcompress benchmark`; no TensorFlow."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import click

from android_bench import choosing, comparison, parallel
from android_bench.assembling import Visit
from android_bench.records import BenchmarkRun
from android_bench.session import Failure, Target
from android_bench.variants import SessionConfig, Variant

_COOL_DOWN_S = 2.0
_RUNS = 50  # that count, in all rounds together


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What the command came to.

    Args:
        record: Plain JSON values, without serial numbers.
        runs: One per file, place, delegate and number of threads.
        comparisons: Of each file with the first one; empty if they were not asked for.
        failures: What could not be measured, each with its line.
        interrupted: Whether Ctrl-C ended it.
    """

    record: dict[str, Any]
    runs: tuple[BenchmarkRun, ...]
    comparisons: tuple[comparison.Comparison, ...]
    failures: tuple[Failure, ...]
    interrupted: bool


def measure(
    files: Sequence[pathlib.Path],
    *,
    devices: tuple[str, ...],
    delegates: tuple[str, ...],
    threads: tuple[int, ...],
    compare: bool,
    **settings: Any,
) -> Measured:
    """Benchmark the files on the chosen targets, all at once."""
    rounds, seed = settings.pop("rounds"), settings.pop("seed")
    cool_down = settings.pop("cool_down")
    max_seconds, fp16 = settings.pop("max_seconds"), settings.pop("fp16")
    choice = choosing.Choice(devices=devices, delegates=delegates, **settings)
    targets, note = choosing.targets(choice)
    if note:
        click.echo(note, err=True)
    phone = any(target.place == "device" for target in targets)
    config = SessionConfig(
        models=tuple(files),
        delegates=delegates,
        threads=threads,
        rounds=rounds,
        seed=seed,
        min_runs=max(10, -(-_RUNS // rounds)),
        max_seconds=max_seconds,
        fp16=fp16,
        cool_down_s=cool_down if cool_down is not None else _COOL_DOWN_S * phone,
    )
    found = parallel.measure(targets, config, on_visit=_progress(config))
    for failure in found.failures:
        message = " ".join(failure.message.split())
        click.echo(f"Not measured: {failure.what}: {message}", err=True)
    compared = comparison.compare_runs(found.records) if compare else []
    return Measured(
        record=_record(files, found.records, compared, found.failures),
        runs=found.records,
        comparisons=tuple(compared),
        failures=found.failures,
        interrupted=found.interrupted,
    )


def _record(
    files: Sequence[pathlib.Path],
    runs: Sequence[BenchmarkRun],
    compared: Sequence[comparison.Comparison],
    failures: Sequence[Failure],
) -> dict[str, Any]:
    """Return what users share: no serial number, no home folder."""
    names = {path.name: str(path) for path in files}
    serials = {run.device.serial: run.device.anonymous().serial for run in runs}
    record: dict[str, Any] = {
        "benchmark": [
            {"file": names[run.model], **run.shareable().to_dict()} for run in runs
        ]
    }
    if compared:
        record["comparisons"] = [
            {**dataclasses.asdict(item), "serial": serials.get(item.serial)}
            for item in compared
        ]
    if failures:
        record["failures"] = [
            {"what": item.what, "message": item.message} for item in failures
        ]
    return record


def _progress(config: SessionConfig) -> Any:
    """Return a function that says on stderr what was measured just now."""

    def tell(target: Target, variant: Variant, visit: Visit) -> None:
        click.echo(
            f"round {visit.index + 1}/{config.rounds}, {target.transport.serial}: "
            f"{variant}: {visit.typical_ms:.3f} ms",
            err=True,
        )

    return tell
