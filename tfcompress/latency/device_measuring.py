"""Measure a batch of .tflite files on a device, for a table of that device.

Each file is pushed, run and removed again, in rounds of another random order: what the
device does meanwhile falls on all alike.  The least of a file's medians counts, as on
the host: whatever disturbs a measurement makes it longer.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from android_bench import BenchmarkError, device_state
from android_bench.backends import RunRequest
from android_bench.backends.base import Answer, model_name
from android_bench.session import Target
from tfcompress import errors
from tfcompress.latency.table import Conditions


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceMeasure:
    """Times files on a target of `android_bench`; a `Measure`.

    Args:
        target: The device and the runner.
        delegate: ``cpu`` or ``gpu``; a file that the delegate does not take wholly is
            refused, since its time would be another processor's.
        num_threads: Threads of the runtime.
        rounds: How often each file has its turn.
        min_runs: Runs of a turn, at least.
        max_seconds: Seconds of a turn, at most.
    """

    target: Target
    delegate: str = "cpu"
    num_threads: int = 1
    rounds: int = 2
    min_runs: int = 20
    max_seconds: float = 0.5

    def __call__(self, paths: Sequence[pathlib.Path]) -> list[float]:
        """Return the milliseconds of one run of each file.

        Raises:
            BenchmarkError: If the device, the runner or the delegate fails.
        """
        lowest = [math.inf] * len(paths)
        random = np.random.default_rng(0)
        cores = self._cores()
        for _ in range(self.rounds):
            for index in random.permutation(len(paths)).tolist():
                ms = self._once(paths[index], cores)
                lowest[index] = min(lowest[index], ms)
        return lowest

    def conditions(self, recipe: str) -> Conditions:
        """Return what a table of these measurements holds for.

        Raises:
            BenchmarkError: If the device cannot be asked.
        """
        try:
            device = device_state.describe(self.target.transport)
        except BenchmarkError as error:
            raise errors.BenchmarkError(str(error)) from error
        return Conditions(
            target=self.target.transport.serial,
            where=self.target.place,
            recipe=recipe,
            num_threads=self.num_threads,
            delegate=self.delegate,
            device=f"{device.name}, {device.cpu}",
            runtime=self.target.backend.name,
        )

    def _cores(self) -> tuple[int, ...]:
        """Return the processors to run on: the big ones, if the threads fit."""
        if self.delegate != "cpu":
            return ()
        try:
            cores = device_state.big_cores(self.target.transport)
        except BenchmarkError as error:
            raise errors.BenchmarkError(str(error)) from error
        return cores if self.num_threads <= len(cores) else ()

    def _once(self, path: pathlib.Path, cores: tuple[int, ...]) -> float:
        transport = self.target.transport
        request = RunRequest(
            model=path,
            delegate=self.delegate,
            num_threads=self.num_threads,
            warmup_runs=5,
            min_runs=self.min_runs,
            max_seconds=self.max_seconds,
            cores=cores,
        )
        try:
            answer = self.target.backend.measure(transport, request)
            transport.remove(f"{transport.folder}/{model_name(path)}")
        except BenchmarkError as error:
            raise errors.BenchmarkError(str(error)) from error
        if self.delegate != "cpu":
            self._check_taken(path, answer)
        figures = answer.parsed
        return figures.p50_ms if figures.p50_ms is not None else figures.mean_ms

    def _check_taken(self, path: pathlib.Path, answer: Answer) -> None:
        taken = answer.parsed.taken
        if taken.applied == "full" and not answer.parsed.software_gpu:
            return
        software = answer.parsed.software_gpu
        seen = "a driver that computes on the CPU" if software else taken.applied
        raise errors.BenchmarkError(
            "The delegate did not run this file by itself, so its time would mislead. "
            f"Received: {path.name} on {self.delegate}: {seen}. Build the table with "
            "`--delegate cpu`."
        )
