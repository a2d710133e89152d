"""What a session measures: each file under each delegate and number of threads."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import random
from collections.abc import Sequence

from android_bench.agreement import TOLERANCE
from android_bench.backends.base import RunRequest
from android_bench.conditions import DELEGATES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One file under one delegate and number of threads."""

    model: pathlib.Path
    delegate: str
    num_threads: int

    def __str__(self) -> str:
        """Return it in words."""
        threads = f"{self.num_threads} thread{'s'[: self.num_threads > 1]}"
        return f"{self.model.name} on {self.delegate}, {threads}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """What is measured, and how carefully.

    Args:
        models: The files.
        delegates: Of each: ``cpu``, ``gpu``, ``nnapi``.
        threads: Numbers of threads on the CPU; other delegates take the first.
        rounds: How often all variants are measured, in a new random order each time.
        seed: Of those orders.
        warmup_runs: Runs before the first one that counts, in each round.
        min_runs: Runs that count in each round, at least.
        max_seconds: Of one variant in one round.
        fp16: Whether a delegate may compute in float16; None: its default.
        cool_down_s: Pause before each variant.
        max_cool_down_s: Longest pause while Android says that the device is hot.
        tolerance: Largest error of a delegate's output; see `agreement`.
        pin: Whether to hold the runner on the fastest processors.
    """

    models: tuple[pathlib.Path, ...]
    delegates: tuple[str, ...] = ("cpu",)
    threads: tuple[int, ...] = (1,)
    rounds: int = 5
    seed: int = 0
    warmup_runs: int = 10
    min_runs: int = 20
    max_seconds: float = 3.0
    fp16: bool | None = None
    cool_down_s: float = 1.0
    max_cool_down_s: float = 60.0
    tolerance: float = TOLERANCE
    pin: bool = True

    def __post_init__(self) -> None:
        """Check before the long work."""
        unknown = [name for name in self.delegates if name not in DELEGATES]
        if unknown or not self.delegates:
            raise _out_of_range("delegates", self.delegates, f"some of {DELEGATES}")
        if not self.models:
            raise _out_of_range("models", self.models, "at least one file")
        for name in ("rounds", "min_runs"):
            if getattr(self, name) < 1:
                raise _out_of_range(name, getattr(self, name), "at least 1")
        if not self.threads or min(self.threads) < 1:
            raise _out_of_range("threads", self.threads, "numbers of at least 1")
        if not 0 < self.max_seconds < math.inf:
            raise _out_of_range("max_seconds", self.max_seconds, "a number above 0")

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Everything to measure, each once."""
        found = [
            Variant(model=model, delegate=delegate, num_threads=count)
            for model in dict.fromkeys(self.models)
            for delegate in dict.fromkeys(self.delegates)
            for count in dict.fromkeys(
                self.threads if delegate == "cpu" else self.threads[:1]
            )
        ]
        return tuple(found)

    def order(self, index: int, variants: Sequence[Variant]) -> list[Variant]:
        """Return the variants in the random order of one round."""
        shuffled = list(variants)
        random.Random(f"{self.seed}:{index}").shuffle(shuffled)
        return shuffled

    def request(self, variant: Variant, cores: tuple[int, ...]) -> RunRequest:
        """Return the runner's call for a variant."""
        fits = len(cores) >= variant.num_threads and variant.delegate == "cpu"
        return RunRequest(
            model=variant.model,
            delegate=variant.delegate,
            num_threads=variant.num_threads,
            fp16=self.fp16,
            warmup_runs=self.warmup_runs,
            min_runs=self.min_runs,
            max_seconds=self.max_seconds,
            cores=cores if fits else (),
        )


def _out_of_range(name: str, value: object, expected: str) -> ValueError:
    return ValueError(
        f"A benchmark setting is out of its range. Received: {name}={value!r}; it must "
        f"be {expected}."
    )
