"""Measure several files on one target, well.

1. Each delegate's output is compared with the CPU's, once, before its time is taken.
2. All variants are measured once in a round, in a random order, in several rounds: what
   changes on the device meanwhile falls on all of them alike.
3. Before each variant the device may cool down: a pause, longer while Android says that
   it is throttled.
4. The medians of all rounds, each over its variant's own, are tested for a rise with
   time (Mann-Kendall): a device that became slower has throttled, and the records say
   so.
5. What fails is noted, and the rest is measured on; what a lost device has already
   given is kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from android_bench import assembling, cooling, device_state
from android_bench.agreement import compare_outputs
from android_bench.assembling import Surroundings, Visit
from android_bench.backends.base import Answer
from android_bench.conditions import Agreement
from android_bench.devices import DeviceState
from android_bench.errors import BenchmarkError, DeviceError
from android_bench.model_files import read_model
from android_bench.records import BenchmarkRun
from android_bench.statistics import Drift, drift, median
from android_bench.targets import Failure, SessionResult, Target
from android_bench.variants import SessionConfig, Variant

__all__ = ["Failure", "Session", "SessionResult", "Target"]


class Session:
    """One target while it is measured.

    Args:
        target: The target.
        config: What to measure.
        stop: Set from another thread to end soon.
        on_visit: Called with the variant and its visit after each measurement.
    """

    def __init__(
        self,
        target: Target,
        config: SessionConfig,
        *,
        stop: threading.Event | None = None,
        on_visit: Callable[[Variant, Visit], None] | None = None,
    ) -> None:
        self._target = target
        self._config = config
        self._stop = stop or threading.Event()
        self._on_visit = on_visit
        self._visits: dict[Variant, list[Visit]] = {v: [] for v in config.variants}
        self._agreements: dict[Variant, Agreement] = {}
        self._failures: dict[Variant | str, str] = {}
        self._cores: tuple[int, ...] = ()
        self._before: DeviceState | None = None

    def run(self) -> SessionResult:
        """Measure everything.

        Raises:
            BenchmarkError: If a file is no .tflite file, before the device is touched.
        """
        for model in self._config.models:
            read_model(model)
        started, clock = dt.datetime.now(dt.UTC), time.monotonic()
        around: Surroundings | None = None
        with self._keeping("the device"):
            around = self._look(started)
            self._check_outputs()
            for index in range(self._config.rounds):
                self._round(index, clock)
        return self._result(around)

    def _look(self, started: dt.datetime) -> Surroundings:
        transport = self._target.transport
        if self._config.pin and getattr(self._target.backend, "pins", True):
            self._cores = device_state.big_cores(transport)
        self._before = device_state.state(transport)
        return Surroundings(
            where=self._target.place,
            device=device_state.describe(transport),
            backend=self._target.backend,
            started=started,
            before=self._before,
        )

    @contextlib.contextmanager
    def _keeping(self, what: Variant | str) -> Iterator[None]:
        """Note an error instead of losing what is measured; a lost device ends all."""
        try:
            yield
        except BenchmarkError as error:
            if self._stop.is_set():
                return  # it was cancelled: the error is ours
            if isinstance(error, DeviceError) and isinstance(what, Variant):
                raise  # to the one who notes it for the whole device
            self._failures[what] = str(error)

    def _active(self) -> list[Variant]:
        return [v for v in self._visits if v not in self._failures]

    def _check_outputs(self) -> None:
        """Compare each delegate's outputs with the CPU's."""
        if not self._target.backend.writes_outputs:
            return
        references: dict[str, Answer] = {}
        for variant in [v for v in self._active() if v.delegate != "cpu"]:
            with self._keeping(variant):
                key = str(variant.model)
                if key not in references:
                    cpu = dataclasses.replace(variant, delegate="cpu")
                    references[key] = self._outputs(cpu)
                if self._stop.is_set():
                    return
                answer = self._outputs(variant)
                self._agreements[variant] = compare_outputs(
                    answer.parsed.outputs,
                    references[key].outputs,
                    answer.outputs,
                    tolerance=self._config.tolerance,
                )

    def _outputs(self, variant: Variant) -> Answer:
        request = dataclasses.replace(
            self._config.request(variant, ()),
            warmup_runs=0,
            min_runs=1,
            max_seconds=0.1,
            write_outputs=True,
        )
        return self._target.backend.measure(self._target.transport, request)

    def _round(self, index: int, clock: float) -> None:
        for variant in self._config.order(index, self._active()):
            if self._stop.is_set():
                return
            with self._keeping(variant):
                cooling.cool_down(
                    self._target.transport,
                    self._before,
                    pause_s=self._config.cool_down_s,
                    most_s=self._config.max_cool_down_s,
                    stop=self._stop,
                )
                request = self._config.request(variant, self._cores)
                seconds = time.monotonic() - clock
                answer = self._target.backend.measure(self._target.transport, request)
                visit = Visit(
                    index=index, seconds=seconds, answer=answer, cores=request.cores
                )
                self._visits[variant].append(visit)
                if self._on_visit is not None:
                    self._on_visit(variant, visit)

    def _result(self, around: Surroundings | None) -> SessionResult:
        records: list[BenchmarkRun] = []
        if around is not None:
            after = None
            with contextlib.suppress(BenchmarkError):
                after = device_state.state(self._target.transport)
            around = dataclasses.replace(
                around, after=after, drift=_drift(self._visits.values())
            )
            records = [self._record(v, around) for v in self._visits if self._visits[v]]
        serial = self._target.transport.serial
        return SessionResult(
            records=tuple(records),
            failures=tuple(
                Failure(serial=serial, what=str(what), message=message)
                for what, message in self._failures.items()
            ),
            interrupted=self._stop.is_set(),
        )

    def _record(self, variant: Variant, around: Surroundings) -> BenchmarkRun:
        return assembling.assemble(
            variant,
            self._visits[variant],
            config=self._config,
            around=around,
            agreement=self._agreements.get(variant),
        )


def _drift(series: Iterable[list[Visit]]) -> Drift | None:
    """Test all rounds together: each median over its variant's own."""
    times: list[float] = []
    values: list[float] = []
    for visits in series:
        if len(visits) > 1:
            own = median([visit.typical_ms for visit in visits])
            times += [visit.seconds for visit in visits]
            values += [visit.typical_ms / own for visit in visits]
    return drift(times, values) if values else None
