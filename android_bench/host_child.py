"""The measuring process of the ``litert_python`` backend.

Started as ``python -m android_bench.host_child SETTINGS``, a JSON object; writes its
answer as JSON to the path that the settings name (native code prints on stdout).
Only `invoke` lies between the two readings of the clock.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from android_bench.statistics import quantile

TOLERANCE = 0.02  # settled: the medians of both halves differ by less
_GROWTH = 1.1  # runs at the next look at the medians, over those at this one
_MIN_SECONDS = 0.5  # a network of microseconds: 50 runs are over before the clock rises


def is_settled(samples_ms: Sequence[float], *, tolerance: float = TOLERANCE) -> bool:
    """Tell whether the median of the older half equals that of the newer one.

    Args:
        samples_ms: The runs, in order.
        tolerance: The largest difference, as a fraction of the newer median.

    Example:
        >>> is_settled([5.0, 5.0, 4.0, 4.0])
        False
        >>> is_settled([4.0, 4.0, 4.0, 4.0])
        True
    """
    half = len(samples_ms) // 2
    if half == 0:
        return False
    older = quantile(sorted(samples_ms[-2 * half : -half]), 0.5)
    newer = quantile(sorted(samples_ms[-half:]), 0.5)
    return abs(older - newer) <= tolerance * newer


def run_until_settled(
    run: Callable[[], None],
    *,
    min_runs: int,
    max_seconds: float,
    min_seconds: float = _MIN_SECONDS,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> tuple[list[float], bool]:
    """Time `run` again and again until the median of the newer half stays.

    Only the newer half of the runs counts for the verdict, so that a slow start does
    not stay in it for ever; all runs are returned.

    Args:
        run: One inference.
        min_runs: Runs to make at least, whatever the time.
        min_seconds: Time to measure at least.
        max_seconds: When to stop although the median still moves.
        clock: Nanoseconds.

    Returns:
        Milliseconds of each run, and whether the median settled.
    """
    samples: list[float] = []
    started, next_look = clock(), 0
    while True:
        before = clock()
        run()
        after = clock()
        samples.append((after - before) / 1e6)
        seconds = (after - started) / 1e9
        if len(samples) < min_runs:
            continue
        if seconds >= max_seconds:
            return samples, is_settled(samples)
        if seconds >= min_seconds and len(samples) >= next_look:
            next_look = int(len(samples) * _GROWTH) + 1
            if is_settled(samples):
                return samples, True


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Load the file, warm up, and measure."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    before_bytes = _memory("VmRSS")
    started = time.perf_counter_ns()
    interpreter = Interpreter(
        model_path=settings["path"], num_threads=settings["num_threads"]
    )
    interpreter.allocate_tensors()
    init_ms = (time.perf_counter_ns() - started) / 1e6
    fill_inputs(interpreter, np.random.default_rng(0))
    started = time.perf_counter_ns()
    interpreter.invoke()
    first_ms = (time.perf_counter_ns() - started) / 1e6
    _warm_up(interpreter.invoke, settings["warmup_runs"], settings["max_seconds"])
    samples, stable = run_until_settled(
        interpreter.invoke,
        min_runs=settings["min_runs"],
        max_seconds=settings["max_seconds"],
    )
    peak = _memory("VmHWM")
    return {
        "samples_ms": samples,
        "stable": stable,
        "init_ms": init_ms,
        "first_ms": first_ms,
        "peak_memory_bytes": peak,
        "model_memory_bytes": peak - before_bytes if peak and before_bytes else None,
    }


def _warm_up(run: Callable[[], None], num_runs: int, max_seconds: float) -> None:
    deadline = time.perf_counter() + max_seconds
    for _ in range(max(0, num_runs - 1)):  # the first inference was one
        run()
        if time.perf_counter() > deadline:
            return  # a slow model is warm by then


def fill_inputs(interpreter: Any, rng: Any) -> None:
    """Fill the inputs: noise in floats and small integers, 0 where it is an index.

    Args:
        interpreter: A LiteRT interpreter with its tensors allocated.
        rng: A NumPy generator.
    """
    for detail in interpreter.get_input_details():
        dtype, shape = detail["dtype"], detail["shape"]
        kind = getattr(dtype, "__name__", str(dtype))
        if kind.startswith("float"):
            value = rng.random(shape).astype(dtype)
        elif kind in ("int8", "uint8"):
            value = rng.integers(0, 127, shape).astype(dtype)
        else:
            value = rng.integers(0, 1, shape).astype(dtype)
        interpreter.set_tensor(detail["index"], value)


def _memory(key: str) -> int | None:
    """Return a figure of /proc/self/status in bytes, None where there is none.

    Not ``getrusage``: its peak is inherited from the process that started this one.
    """
    try:
        status = pathlib.Path("/proc/self/status").read_text("utf-8")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None


def _main(arguments: str) -> int:
    settings = json.loads(arguments)
    try:
        answer = measure(settings)
    except (RuntimeError, ValueError, MemoryError) as error:
        sys.stderr.write("\n" + " ".join(str(error).split()) + "\n")
        return 1
    pathlib.Path(settings["answer"]).write_text(json.dumps(answer), "utf-8")
    return 0


if __name__ == "__main__":
    code = _main(sys.argv[1])
    sys.stderr.flush()
    os._exit(code)  # a damaged file may crash its own clean-up
