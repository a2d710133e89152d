"""Stage ``benchmark``: how fast the file is on this computer.

The original's float32 file is measured in the same minutes, so that the two numbers may
be compared on a machine that is busy with other things.
"""

from __future__ import annotations

import pathlib
from typing import Any

import android_bench
from tfcompress import errors
from tfcompress.pipeline.settings import BenchmarkConfig
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Measure the file, and before it the original's."""
    config: BenchmarkConfig = context.config
    baseline: dict[str, Any] = {}
    if config.baseline and context.original is not None:
        path = context.original.with_suffix(".tflite")
        if path.exists():
            baseline["benchmark"] = _measure(path, config)
    runs = _measure(context.inputs["file"].path, config)
    return Outcome(details={"benchmark": runs}, baseline=baseline)


def _measure(path: pathlib.Path, config: BenchmarkConfig) -> list[dict[str, Any]]:
    try:
        return [
            android_bench.benchmark(
                path, num_threads=threads, max_seconds=config.max_seconds
            ).to_dict()
            for threads in config.num_threads
        ]
    except android_bench.BenchmarkError as error:
        raise errors.BenchmarkError(str(error)) from error
