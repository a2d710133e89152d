"""Call the host benchmark for `tfcompress benchmark`; no TensorFlow."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import android_bench


def measure(
    files: Sequence[pathlib.Path], *, threads: Sequence[int], max_seconds: float
) -> list[dict[str, Any]]:
    """Benchmark each file with each number of threads, one after the other."""
    return [
        {
            "file": str(path),
            **android_bench.benchmark(
                path, num_threads=count, max_seconds=max_seconds
            ).to_dict(),
        }
        for path in files
        for count in threads
    ]
