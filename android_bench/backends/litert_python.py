"""Run a benchmark through a backend: what to start, and how to read its answer.

``litert_python`` measures on this computer with the LiteRT runtime's Python package,
on the CPU with XNNPACK.  It works in a child process of its own: the memory is the
file's, and a crash of the runtime is an error with a name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from android_bench.errors import BenchmarkError
from android_bench.model_files import read_model
from android_bench.records import BenchmarkRun, Conditions, Device, Latency

GRACE_S = 120.0  # to start, to load a large file, to finish the last run

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
    answer = _run_child(path, conditions)
    return BenchmarkRun(
        where="host",
        backend="litert_python",
        model=path.name,
        model_sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        device=Device.host(),
        conditions=conditions,
        latency=Latency.of(answer["samples_ms"]),
        num_runs=len(answer["samples_ms"]),
        stable=answer["stable"],
        init_ms=answer["init_ms"],
        first_ms=answer["first_ms"],
        peak_memory_bytes=answer["peak_memory_bytes"],
        model_memory_bytes=answer["model_memory_bytes"],
        started=started,
    )


BACKENDS: dict[str, Callable[[pathlib.Path, Conditions], BenchmarkRun]] = {
    "litert_python": litert_python,
}


def _run_child(path: pathlib.Path, conditions: Conditions) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answer = pathlib.Path(folder, "answer.json")
        settings = {
            "path": str(path.resolve()),
            "answer": str(answer),
            "num_threads": conditions.num_threads,
            "warmup_runs": conditions.warmup_runs,
            "min_runs": conditions.min_runs,
            "max_seconds": conditions.max_seconds,
        }
        command = [sys.executable, "-m", "android_bench.host_child"]
        command.append(json.dumps(settings))
        problem = _problem(command, GRACE_S + 2 * conditions.max_seconds)
        if problem:
            raise BenchmarkError(
                f"The runtime could not run this file. Received: {path} ({problem}). "
                "Look at it with `tfcompress inspect`, or convert it again."
            )
        read: dict[str, Any] = json.loads(answer.read_text("utf-8"))
        return read


def _problem(command: list[str], timeout_s: float) -> str:
    """Run the child; return what went wrong in one line, or an empty string."""
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer after {timeout_s:g} s"
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"it crashed with {signal.Signals(-done.returncode).name}"
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return " ".join(lines[-1].split())[:300] if lines else "it failed"
