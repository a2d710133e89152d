"""Where a session measures, and what it comes to."""

from __future__ import annotations

import dataclasses

from android_bench.backends.base import Backend
from android_bench.records import PLACES, BenchmarkRun
from android_bench.transport import Transport


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A place to measure, and the runner to use there.

    Args:
        transport: How to reach it.
        backend: The runner.
        where: What the records say, if the transport does not know better: a program
            under an emulator of processors is ``emulated``.
    """

    transport: Transport
    backend: Backend
    where: str | None = None

    @property
    def place(self) -> str:
        """One of `PLACES`."""
        place = self.where or self.transport.where
        if place not in PLACES:
            raise ValueError(
                f"Unknown place of a benchmark. Received: where={place!r}; it must be "
                f"one of {', '.join(PLACES)}."
            )
        return place


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """What could not be measured, and why."""

    serial: str
    what: str
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class SessionResult:
    """What a session came to.

    Args:
        records: In the order of the variants.
        failures: Of the others.
        interrupted: Whether it was stopped; the records are of what was done.
    """

    records: tuple[BenchmarkRun, ...] = ()
    failures: tuple[Failure, ...] = ()
    interrupted: bool = False
