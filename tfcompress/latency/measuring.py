"""Measure a batch of .tflite files on this host."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence

from tfcompress import errors
from tfcompress.tflite.probing import child_problem

Measure = Callable[[Sequence[pathlib.Path]], list[float]]
"""Takes .tflite files, returns the milliseconds of one run of each."""

_GRACE_S = 120.0  # to start and to load


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostMeasure:
    """Times files with the LiteRT runtime on this computer, in one child process.

    Args:
        num_threads: Threads of the runtime.
        rounds: How often each file has its turn.
        min_runs: Runs of a turn, at least.
        min_seconds: Seconds of a turn, at least.
    """

    num_threads: int = 1
    rounds: int = 3
    min_runs: int = 7
    min_seconds: float = 0.004

    def __call__(self, paths: Sequence[pathlib.Path]) -> list[float]:
        """Return the milliseconds of one run of each file.

        Raises:
            BenchmarkError: If the runtime cannot run one, crashes or hangs.
        """
        with tempfile.TemporaryDirectory() as folder:
            settings = pathlib.Path(folder, "settings.json")
            answer = pathlib.Path(folder, "answer.json")
            asked = dataclasses.asdict(self)
            asked["paths"] = [str(path.resolve()) for path in paths]
            settings.write_text(json.dumps(asked), "utf-8")
            command = [sys.executable, "-m", "tfcompress.latency.host_child"]
            command += [str(settings), str(answer)]
            problem = child_problem(command, _GRACE_S + 5 * len(paths))
            if problem:
                raise errors.BenchmarkError(
                    f"The runtime could not run this batch. Received: {len(paths)} "
                    f"files, {', '.join(p.name for p in paths[:3])}, ... ({problem}). "
                    "Run `tfcompress benchmark` on one of them, or update the runtime."
                )
            found: list[float] = json.loads(answer.read_text("utf-8"))
        return found
