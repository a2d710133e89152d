"""Measure one file on this computer, in one call.

``litert_python`` is `HostPythonBackend` on `LocalTransport`, once and without rounds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import os
import pathlib
from collections.abc import Callable

from android_bench.backends.base import RunRequest
from android_bench.backends.host_python import HostPythonBackend
from android_bench.model_files import read_model
from android_bench.records import BenchmarkRun, Conditions, Device, Latency
from android_bench.transport import LocalTransport

PathLike = str | os.PathLike[str]


def benchmark(
    path: PathLike,
    *,
    backend: str = "litert_python",
    num_threads: int = 1,
    warmup_runs: int = 10,
    min_runs: int = 50,
    max_seconds: float = 10.0,
) -> BenchmarkRun:
    """Measure latency, start-up time and memory of a .tflite file.

    Warms up, then runs until the median has settled. On a busy or two-core machine
    use one thread, and compare files measured in the same minutes.

    Args:
        path: The file.
        backend: One of `BACKENDS`.
        num_threads: Threads of the runtime.
        warmup_runs: Runs before the first one that counts.
        min_runs: Runs that count, at least.
        max_seconds: When to stop although the median still moves; the record's
            `stable` is then False.

    Raises:
        BenchmarkError: If the file is missing or not a .tflite file, or the backend
            cannot load it, crashes or hangs.
        ValueError: If a setting is out of its range.
    """
    if backend not in BACKENDS:
        raise ValueError(
            f"Unknown backend. Received: backend={backend!r}; it must be one of "
            f"{', '.join(BACKENDS)}."
        )
    conditions = Conditions(
        num_threads=num_threads,
        warmup_runs=warmup_runs,
        min_runs=min_runs,
        max_seconds=max_seconds,
        delegate="xnnpack",
        runtime=f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}",
    )
    return BACKENDS[backend](pathlib.Path(path), conditions)


def litert_python(path: pathlib.Path, conditions: Conditions) -> BenchmarkRun:
    """Measure on this computer's CPU, in a child process."""
    content = read_model(path)
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    request = RunRequest(
        model=path,
        num_threads=conditions.num_threads,
        warmup_runs=conditions.warmup_runs,
        min_runs=conditions.min_runs,
        max_seconds=conditions.max_seconds,
    )
    backend, transport = HostPythonBackend(), LocalTransport()
    found = backend.measure(transport, request).parsed
    return BenchmarkRun(
        where=transport.where,
        backend=backend.name,
        model=path.name,
        model_sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        device=Device.host(),
        conditions=conditions,
        latency=Latency.of(found.samples_ms),
        num_runs=found.num_runs,
        stable=found.stable,
        init_ms=found.init_ms,
        first_ms=found.first_ms,
        peak_memory_bytes=found.peak_memory_bytes,
        model_memory_bytes=found.model_memory_bytes,
        started=started,
    )


BACKENDS: dict[str, Callable[[pathlib.Path, Conditions], BenchmarkRun]] = {
    "litert_python": litert_python,
}
