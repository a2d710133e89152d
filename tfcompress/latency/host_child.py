"""The measuring process of the host: times a batch of files, taking turns.

Started as ``python -m tfcompress.latency.host_child SETTINGS ANSWER``, two JSON files.
One process for many files: starting it costs more than most operators take.  The files
take turns in several rounds, so that a machine that slows down for a second slows all
of them, and only for one round.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from android_bench.host_child import fill_inputs

QUANTILE = 0.1
"""What is reported of a file's runs: what it takes when nothing else disturbs it."""

_WARMUP_RUNS = 2  # of every turn: other files have taken over the caches


def take_turns(
    runs: Sequence[Callable[[], None]],
    *,
    rounds: int,
    min_runs: int,
    min_seconds: float,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> list[list[float]]:
    """Time each of `runs` in each round, every other round backwards.

    Args:
        runs: The work, one call each.
        rounds: How often each has its turn.
        min_runs: Timed calls of a turn, at least.
        min_seconds: Time of a turn, at least.
        clock: Nanoseconds.

    Returns:
        Milliseconds of every timed call, by work.
    """
    samples: list[list[float]] = [[] for _ in runs]
    order = list(range(len(runs)))
    for _ in range(rounds):
        for i in order:
            samples[i] += _turn(runs[i], min_runs, min_seconds, clock)
        order.reverse()
    return samples


def _turn(
    run: Callable[[], None],
    min_runs: int,
    min_seconds: float,
    clock: Callable[[], int],
) -> list[float]:
    for _ in range(_WARMUP_RUNS):
        run()
    found: list[float] = []
    started = clock()
    while len(found) < min_runs or clock() - started < min_seconds * 1e9:
        before = clock()
        run()
        found.append((clock() - before) / 1e6)
    return found


def low_quantile(samples: Sequence[float]) -> float:
    """Return the `QUANTILE` of some milliseconds.

    Example:
        >>> low_quantile([5.0, 1.0, 2.0, 3.0, 9.0, 8.0, 7.0, 4.0, 6.0, 10.0])
        2.0
    """
    return sorted(samples)[int(QUANTILE * len(samples))]


def measure(settings: dict[str, Any]) -> list[float]:
    """Load the files and time them."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    rng = np.random.default_rng(0)
    runs = []
    for path in settings["paths"]:
        interpreter = Interpreter(model_path=path, num_threads=settings["num_threads"])
        interpreter.allocate_tensors()
        fill_inputs(interpreter, rng)
        runs.append(interpreter.invoke)
    samples = take_turns(
        runs,
        rounds=settings["rounds"],
        min_runs=settings["min_runs"],
        min_seconds=settings["min_seconds"],
    )
    return [low_quantile(found) for found in samples]


def _main(settings: str, answer: str) -> int:
    given = json.loads(pathlib.Path(settings).read_text("utf-8"))
    try:
        found = measure(given)
    except (RuntimeError, ValueError, MemoryError) as error:
        sys.stderr.write("\n" + " ".join(str(error).split()) + "\n")
        return 1
    pathlib.Path(answer).write_text(json.dumps(found), "utf-8")
    return 0


if __name__ == "__main__":
    code = _main(*sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # a damaged file may crash its own clean-up
