"""A short session on this computer's side of a device suite, and what records owe."""

from __future__ import annotations

import pathlib

from android_bench.backends import Backend
from android_bench.records import BenchmarkRun
from android_bench.session import Session, SessionResult, Target
from android_bench.transport import LocalTransport
from android_bench.variants import SessionConfig

FIXTURES = pathlib.Path(__file__).parents[1] / "android_bench" / "native"
FLOAT = FIXTURES / "digits_float.tflite"
INT8 = FIXTURES / "digits_int8.tflite"


def session(
    folder: pathlib.Path,
    backend: Backend,
    *,
    place: str | None = None,
    delegates: tuple[str, ...] = ("cpu",),
) -> SessionResult:
    """Measure the float network once, shortly."""
    config = SessionConfig(
        models=(FLOAT,),
        delegates=delegates,
        rounds=1,
        warmup_runs=1,
        min_runs=3,
        max_seconds=0.01,
        cool_down_s=0.0,
        fp16=False,
    )
    target = Target(transport=LocalTransport(folder), backend=backend, where=place)
    result = Session(target, config).run()
    assert not result.failures, result.failures
    return result


def measured(record: BenchmarkRun) -> None:
    """Check that a record has figures and survives its JSON."""
    assert record.latency.p50_ms > 0
    assert BenchmarkRun.from_dict(record.to_dict()) == record
