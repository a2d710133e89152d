"""Benchmark .tflite files; needs no TensorFlow and imports nothing of tfcompress.

`benchmark` measures a file on this computer and returns a `BenchmarkRun`, a plain
record that says what it was measured on.  A host's figures are marked ``host``: they
compare files with each other and are never a phone's latency.

For devices: `choosing.targets` finds them and their runner, `parallel.measure` measures
files on all of them, and `comparison.compare_runs` compares the records.
"""

from __future__ import annotations

from android_bench.backends import BACKENDS, benchmark
from android_bench.errors import BenchmarkError
from android_bench.records import BenchmarkRun, Conditions, Device, Latency

__all__ = [
    "BACKENDS",
    "BenchmarkError",
    "BenchmarkRun",
    "Conditions",
    "Device",
    "Latency",
    "benchmark",
]
