"""Ratios of work measured alternately in one run: the only times that mean anything.

A shared machine speeds up and slows down while it measures. Two pieces of work that
take turns see the same machine, so the median of their ratios holds where times do not.

One disturbance comes from within: a kernel may keep both threads of TensorFlow's pool
on one core while the other idles, for seconds, which doubles the wall-clock time of a
step at equal CPU time.  `spread_threads` gives each of them a core of its own.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the wall-clock seconds of one call, averaged over `repeats`."""
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def paired(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    rounds: int,
    bound: float,
    repeats: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """Measure two pieces of work in turn, after one unmeasured round.

    Returns:
        The median ratio ours / theirs, its quartiles, the bound it should keep, and
        whether it does.
    """
    ours()
    theirs()
    spread_threads()
    return summary(
        [
            (seconds(ours, repeats[0]), seconds(theirs, repeats[1]))
            for _ in range(rounds)
        ],
        bound=bound,
    )


def turns(
    works: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Measure several pieces of work in turns, every other round in reverse.

    Returns:
        For each, its wall-clock and CPU seconds in each round. CPU time tells less,
        but other people's work on the machine disturbs it less.
    """
    for work in works.values():
        work()
    spread_threads()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works) if number % 2 else list(reversed(works)):
            wall, cpu = time.perf_counter(), time.process_time()
            works[name]()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return times


def spread_threads() -> None:
    """Give each of the busiest threads but this one a core of its own, on Linux.

    Call it after a warm-up: the threads that have worked most are the pool's.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    threads = [t for t in psutil.Process().threads() if t.id != os.getpid()]
    busiest = sorted(threads, key=lambda t: -t.user_time)[: len(cores)]
    for thread, core in zip(busiest, cores, strict=False):
        os.sched_setaffinity(thread.id, {core})


def summary(pairs: list[tuple[float, float]], *, bound: float) -> dict[str, Any]:
    """Return the statistics of measured pairs; see `paired`.

    Example:
        >>> summary([(1.0, 2.0), (3.0, 4.0), (1.0, 1.0)], bound=0.8)["ratio"]
        0.75
    """
    low, median, high = np.quantile([a / b for a, b in pairs], [0.25, 0.5, 0.75])
    return {
        "ratio": round(float(median), 4),
        "quartiles": [round(float(low), 4), round(float(high), 4)],
        "rounds": len(pairs),
        "bound": bound,
        "kept": bool(median <= bound),
    }


def environment() -> dict[str, Any]:
    """Return the versions that figures were measured with."""
    import keras
    import tensorflow as tf

    import tfcompress

    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "tfcompress": tfcompress.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
    }
