"""Ratios of work measured alternately in one run: the only times that mean anything.

A shared machine speeds up and slows down while it measures. Two pieces of work that
take turns see the same machine, so the median of their ratios holds where times do not.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np


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
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works) if number % 2 else list(reversed(works)):
            wall, cpu = time.perf_counter(), time.process_time()
            works[name]()
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return times


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
