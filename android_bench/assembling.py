"""Make one record of what a variant's rounds came to, and say whether it counts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import TypeVar

from android_bench.backends.base import Answer, Backend
from android_bench.conditions import PRECISIONS, Agreement, Conditions, Delegation
from android_bench.devices import Device, DeviceState
from android_bench.model_files import read_model
from android_bench.parsed import Parsed
from android_bench.records import BenchmarkRun, Latency, Round
from android_bench.statistics import Drift, median
from android_bench.variants import SessionConfig, Variant

N = TypeVar("N", int, float)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visit:
    """What a variant came to in one round."""

    index: int
    seconds: float
    answer: Answer
    cores: tuple[int, ...] = ()

    @property
    def typical_ms(self) -> float:
        """Its median; its mean where the runner gives none."""
        parsed = self.answer.parsed
        return parsed.mean_ms if parsed.p50_ms is None else parsed.p50_ms

    @property
    def round(self) -> Round:
        """What the record keeps of it."""
        return Round(
            index=self.index,
            seconds=round(self.seconds, 3),
            typical_ms=self.typical_ms,
            num_runs=self.answer.parsed.num_runs,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all records of one session on one target share."""

    where: str
    device: Device
    backend: Backend
    started: dt.datetime
    before: DeviceState | None = None
    after: DeviceState | None = None
    drift: Drift | None = None


def assemble(
    variant: Variant,
    visits: Sequence[Visit],
    *,
    config: SessionConfig,
    around: Surroundings,
    agreement: Agreement | None,
) -> BenchmarkRun:
    """Return the record of one variant."""
    answers = [visit.answer for visit in visits]
    parsed = [answer.parsed for answer in answers]
    content = read_model(variant.model)
    delegation = _delegation(variant, parsed)
    stable = [item.stable for item in parsed]
    gpu = next((item.gpu for item in parsed if item.gpu), None)
    return BenchmarkRun(
        where=_where(around.where, variant, parsed),
        backend=around.backend.name,
        model=variant.model.name,
        model_sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        device=dataclasses.replace(around.device, gpu=gpu),
        conditions=_conditions(variant, visits, config, around),
        latency=_latency(parsed),
        num_runs=sum(item.num_runs for item in parsed),
        stable=None if None in stable else all(stable),
        init_ms=_middle([item.init_ms for item in parsed]),
        first_ms=_middle([item.first_ms for item in parsed]),
        peak_memory_bytes=_largest([item.peak_memory_bytes for item in parsed]),
        model_memory_bytes=_largest([item.model_memory_bytes for item in parsed]),
        started=around.started.isoformat(timespec="seconds"),
        runner_version=parsed[0].version,
        delegation=delegation,
        agreement=agreement,
        not_counted=_reasons(delegation, agreement, answers, around),
        before=around.before,
        after=around.after,
        drift=around.drift,
        rounds=tuple(visit.round for visit in visits),
        argv=answers[-1].argv,
    )


def _where(place: str, variant: Variant, parsed: Sequence[Parsed]) -> str:
    """Name the place: a GPU that computes on the CPU is no device's."""
    software = variant.delegate != "cpu" and any(item.software_gpu for item in parsed)
    return "software_gpu" if software and place != "emulated" else place


def _delegation(variant: Variant, parsed: Sequence[Parsed]) -> Delegation:
    if variant.delegate == "cpu":
        return Delegation(asked="cpu", applied="none")
    taken = {item.taken for item in parsed}
    if len(taken) > 1:
        return Delegation(asked=variant.delegate, applied="unknown")
    return Delegation(asked=variant.delegate, **dataclasses.asdict(taken.pop()))


def _conditions(
    variant: Variant,
    visits: Sequence[Visit],
    config: SessionConfig,
    around: Surroundings,
) -> Conditions:
    version = visits[0].answer.parsed.version
    return Conditions(
        num_threads=variant.num_threads,
        warmup_runs=config.warmup_runs,
        min_runs=config.min_runs,
        max_seconds=config.max_seconds,
        delegate=variant.delegate,
        runtime=" ".join(filter(None, (around.backend.name, version))),
        precision=_precision(variant, visits, config),
        pinned_cores=visits[0].cores,
        rounds=len(visits),
        seed=config.seed,
    )


def _precision(variant: Variant, visits: Sequence[Visit], config: SessionConfig) -> str:
    """Return what the delegate computed in, as far as the runner says it or took it."""
    if variant.delegate == "cpu":
        return "default"
    said = {visit.answer.parsed.precision for visit in visits}
    if len(said) == 1 and said <= set(PRECISIONS):
        return str(said.pop())
    if config.fp16 is None or not all(visit.answer.fp16_applied for visit in visits):
        return "default"
    return "fp16" if config.fp16 else "fp32"


def _latency(parsed: Sequence[Parsed]) -> Latency:
    """Sum up the rounds: over all runs if they are known, else over their figures."""
    samples = [value for item in parsed for value in item.samples_ms]
    if len(samples) == sum(item.num_runs for item in parsed):
        return Latency.of(samples)
    runs = sum(item.num_runs for item in parsed)
    single = len(parsed) == 1  # quantiles of several rounds cannot be put together
    return Latency(
        mean_ms=sum(item.mean_ms * item.num_runs for item in parsed) / runs,
        p50_ms=_middle([item.p50_ms for item in parsed]),
        p90_ms=parsed[0].p90_ms if single else None,
        p95_ms=parsed[0].p95_ms if single else None,
        std_ms=parsed[0].std_ms if single else None,
        min_ms=_least([item.min_ms for item in parsed]),
        max_ms=_largest([item.max_ms for item in parsed]),
    )


def _reasons(
    delegation: Delegation,
    agreement: Agreement | None,
    answers: Sequence[Answer],
    around: Surroundings,
) -> tuple[str, ...]:
    """Return why the latency may not be used; empty: it may."""
    reasons = [note for answer in answers for note in answer.notes]
    if delegation.asked != "cpu":
        reasons.append(delegation.problem)
        if agreement is not None:
            reasons.append(agreement.problem)
        elif not around.backend.writes_outputs:
            reasons.append(
                f"the runner {around.backend.name} gives no outputs to compare with "
                "the CPU's"
            )
        else:
            reasons.append("its outputs were not compared with the CPU's")
    return tuple(dict.fromkeys(filter(None, reasons)))


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None


def _largest(values: Sequence[N | None]) -> N | None:
    return max((value for value in values if value is not None), default=None)


def _least(values: Sequence[N | None]) -> N | None:
    return min((value for value in values if value is not None), default=None)
