"""Measure a batch of .tflite files on a device, for a table of that device.

Each file is pushed, run and removed again, in rounds of another random order: what the
device does meanwhile falls on all alike.  The least of a file's medians counts, as on
the host: whatever disturbs a measurement makes it longer.  Before each batch the device
may cool down while Android says that it is hot; one that gets slower with time all the
same has throttled (`android_bench.statistics.drift`), and is measured once more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import pathlib
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np

from android_bench import BenchmarkError, choosing, cooling, device_state, statistics
from android_bench.backends import RunRequest
from android_bench.backends.base import Answer, model_name
from android_bench.devices import DeviceState
from android_bench.session import Target
from tfcompress import errors
from tfcompress.latency.table import Conditions

PathLike = str | os.PathLike[str]

_LOG = logging.getLogger(__name__)
_COOL = DeviceState(thermal_status=0)  # what is waited for


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
        max_cool_down_s: Seconds to wait before a batch while the device is hot.
    """

    target: Target
    delegate: str = "cpu"
    num_threads: int = 1
    rounds: int = 2
    min_runs: int = 20
    max_seconds: float = 0.5
    max_cool_down_s: float = 120.0

    def __call__(self, paths: Sequence[pathlib.Path]) -> list[float]:
        """Return the milliseconds of one run of each file.

        Raises:
            BenchmarkError: If the device, the runner or the delegate fails.
        """
        with _translated():
            first, drift = self._rounds(paths)
            if not drift.throttled:
                return first
            self._warn(f"{drift.rise:.0%} slower while measured; once more")
            second, drift = self._rounds(paths)
        if drift.throttled:
            self._warn(f"{drift.rise:.0%} slower again; times may be too long")
        return [min(pair) for pair in zip(first, second, strict=True)]

    def conditions(self, recipe: str) -> Conditions:
        """Return what a table of these measurements holds for.

        Raises:
            BenchmarkError: If the device cannot be asked.
        """
        with _translated():
            device = device_state.describe(self.target.transport)
        return Conditions(
            target=self.target.transport.serial,
            where=self.target.place,
            recipe=recipe,
            num_threads=self.num_threads,
            delegate=self.delegate,
            device=f"{device.name}, {device.cpu}",
            runtime=self.target.backend.name,
        )

    def _rounds(
        self, paths: Sequence[pathlib.Path]
    ) -> tuple[list[float], statistics.Drift]:
        """Give each file its turns; return the least times, and whether they rose."""
        self._cool_down()
        cores, random = self._cores(), np.random.default_rng(0)
        order: list[int] = []
        clock: list[float] = []
        times: list[list[float]] = [[] for _ in paths]
        for _ in range(self.rounds):
            for index in random.permutation(len(paths)).tolist():
                times[index].append(self._once(paths[index], cores))
                order.append(index)
                clock.append(time.monotonic())
        own = [statistics.median(taken) for taken in times]
        turns = [iter(taken) for taken in times]
        relative = [next(turns[index]) / own[index] for index in order]
        return [min(taken) for taken in times], statistics.drift(clock, relative)

    def _cool_down(self) -> None:
        cooled = cooling.cool_down(
            self.target.transport,
            _COOL,
            pause_s=0.0,
            most_s=self.max_cool_down_s,
            stop=threading.Event(),
        )
        if not cooled:
            self._warn(f"still hot after {self.max_cool_down_s:g} s; measured as it is")

    def _warn(self, what: str) -> None:
        _LOG.warning("%s is %s.", self.target.transport.serial, what)

    def _cores(self) -> tuple[int, ...]:
        """Return the processors to run on: the big ones, if the threads fit."""
        if self.delegate != "cpu" or not getattr(self.target.backend, "pins", True):
            return ()
        cores = device_state.big_cores(self.target.transport)
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
        finally:
            with contextlib.suppress(BenchmarkError):  # of a device that is gone
                transport.remove(f"{transport.folder}/{model_name(path)}")
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


def on_device(  # noqa: PLR0913 - what `tfcompress latency` asks for
    serial: str,
    *,
    delegate: str = "cpu",
    num_threads: int = 1,
    runner: str = "auto",
    runner_file: PathLike | None = None,
    library: PathLike | None = None,
    apk: PathLike | None = None,
) -> DeviceMeasure:
    """Return how to measure on an attached device.

    Args:
        serial: Its serial number.
        delegate: ``cpu`` or ``gpu``.
        num_threads: Threads of the runtime.
        runner: What measures, one of `android_bench.choosing.RUNNERS`.
        runner_file: Its program.
        library: LiteRT's library for it.
        apk: The Android app.

    Raises:
        android_bench.NoDeviceError: If it is not attached.
        android_bench.BenchmarkError: If the runner cannot be used.
    """
    choice = choosing.Choice(
        devices=(serial,),
        delegates=(delegate,),
        runner=runner,
        runner_file=_path(runner_file),
        library=_path(library),
        apk=_path(apk),
    )
    (target, *_), _ = choosing.targets(choice)
    return DeviceMeasure(target=target, delegate=delegate, num_threads=num_threads)


def _path(name: PathLike | None) -> pathlib.Path | None:
    return None if name is None else pathlib.Path(name)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn an error of android_bench into this package's."""
    try:
        yield
    except BenchmarkError as error:
        raise errors.BenchmarkError(str(error)) from error
