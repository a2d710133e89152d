"""Several targets at once, one thread each; Ctrl-C ends them all and keeps the rest."""

from __future__ import annotations

import concurrent.futures
import functools
import threading
import time
from collections.abc import Callable, Sequence

from android_bench.assembling import Visit
from android_bench.errors import BenchmarkError
from android_bench.session import Failure, Session, SessionResult, Target
from android_bench.variants import SessionConfig, Variant

_LOOK_S = 0.1


def measure(
    targets: Sequence[Target],
    config: SessionConfig,
    *,
    on_visit: Callable[[Target, Variant, Visit], None] | None = None,
) -> SessionResult:
    """Measure the same files on all targets, each in its own thread.

    Interrupted by Ctrl-C, it kills what runs on the targets and returns what they
    have measured by then, marked `interrupted`.

    Args:
        targets: At least one.
        config: What to measure.
        on_visit: Called after each measurement, from the target's thread.

    Raises:
        BenchmarkError: If a file is no .tflite file, or every target failed.
    """
    stop = threading.Event()
    sessions = [
        Session(
            target,
            config,
            stop=stop,
            on_visit=functools.partial(on_visit, target) if on_visit else None,
        )
        for target in targets
    ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(sessions)) as pool:
        futures: list[concurrent.futures.Future[SessionResult]] = []
        try:
            for session in sessions:  # Ctrl-C may come before the first has begun
                futures.append(pool.submit(session.run))  # noqa: PERF401
            _wait(futures)
        except KeyboardInterrupt:
            stop.set()
            _wait(futures, cancelling=targets)
    return _together([f.result() for f in futures], interrupted=stop.is_set())


def _wait(
    futures: Sequence[concurrent.futures.Future[SessionResult]],
    *,
    cancelling: Sequence[Target] = (),
) -> None:
    """Wait for all, asleep: Ctrl-C within `concurrent.futures.wait` may keep locks.

    Targets are cancelled again and again: one may start its next program just now.
    """
    while not all(future.done() for future in futures):
        for target in cancelling:
            target.transport.cancel()
        time.sleep(_LOOK_S)


def _together(results: Sequence[SessionResult], *, interrupted: bool) -> SessionResult:
    records = tuple(record for result in results for record in result.records)
    failures = tuple(failure for result in results for failure in result.failures)
    if not records and not interrupted:
        raise _nothing(failures)
    return SessionResult(records=records, failures=failures, interrupted=interrupted)


def _nothing(failures: Sequence[Failure]) -> BenchmarkError:
    reasons = dict.fromkeys(failure.message for failure in failures)
    if len(reasons) == 1:
        return BenchmarkError(next(iter(reasons)))
    return BenchmarkError(
        "Nothing could be measured. Received: "
        + " | ".join(f"{failure.what}: {failure.message}" for failure in failures)
    )
