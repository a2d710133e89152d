"""Write the zeros of a model as zeros: TFLite's sparse tensors, checked one by one.

The converter (`EXPERIMENTAL_SPARSITY`) stores a constant with many zeros as its other
values and their places.  What comes out depends on recipe, layer and block shape: some
files do not load, some give NaN or other answers, without any error from the
converter.  So the same model is also converted densely, both files are run on the same
examples (the sparse one first in a process of its own), and one that differs is
refused.

The runtime makes weights dense again when it loads them; whether that costs or saves
time is measured by `compare_latency`, never promised.
"""

from __future__ import annotations

import dataclasses
import gzip
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfcompress import errors
from tfcompress.tflite import parsing
from tfcompress.tflite.running import Runner
from tfcompress.tflite.signal_quality import SignalQuality

Array = np.ndarray[Any, Any]

_LEAST_SNR_DB = 40.0  # between both files: of equal weights, rounded in another order
_EXAMPLES = 4  # that both files are run on
_SAME = 0.05  # medians that differ by less are called equal, whatever the quartiles


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseEncoding:
    """What sparse tensors do to the size of a file.

    Attributes:
        tensors: How many weight tensors are stored sparsely.
        dense_bytes: Size of the same file with dense tensors.
        dense_gzip_bytes: That compressed, as a download is.
        encoded_bytes: Size of the file with sparse tensors.
        encoded_gzip_bytes: That compressed.
    """

    tensors: int
    dense_bytes: int
    dense_gzip_bytes: int
    encoded_bytes: int
    encoded_gzip_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """Return the sizes in a sentence."""
        return (
            f"{self.tensors} tensors stored sparsely: {self.dense_bytes:,} bytes dense "
            f"({self.dense_gzip_bytes:,} compressed), {self.encoded_bytes:,} encoded "
            f"({self.encoded_gzip_bytes:,} compressed)"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatencyComparison:
    """Both files run in turns in one process.

    Attributes:
        dense_ms: Median of one run of the dense file.
        encoded_ms: Median of one run of the sparse file.
        ratio: Median of encoded / dense over the rounds.
        quartiles: Of that ratio.
        rounds: How many.
        num_threads: Of the runtime.
    """

    dense_ms: float
    encoded_ms: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    num_threads: int

    @property
    def sentence(self) -> str:
        """What the measurement says, and no more than that."""
        low, high = self.quartiles
        if low <= 1 <= high or abs(self.ratio - 1) < _SAME:
            result = "as fast as"
        elif self.ratio < 1:
            result = f"{1 / self.ratio:.2f} times as fast as"
        else:
            result = f"{self.ratio:.2f} times slower than"
        return (
            f"The sparse file ran {result} the dense one on this computer "
            f"({self.encoded_ms:.3f} ms and {self.dense_ms:.3f} ms, {self.rounds} "
            f"rounds in turns, {self.num_threads} thread"
            f"{'s' if self.num_threads != 1 else ''}); it says nothing of a phone."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values with the sentence."""
        found = dataclasses.asdict(self)
        return {**found, "quartiles": list(self.quartiles), "sentence": self.sentence}


def check(
    dense: bytes, encoded: bytes, *, example: dict[str, Array] | None = None
) -> SparseEncoding:
    """Return what the encoding is worth, after both files have answered alike.

    Args:
        dense: The file with dense tensors.
        encoded: The file with sparse tensors, of the same model and recipe.
        example: One example by input name, to run beside made-up ones.

    Raises:
        ConversionError: If the sparse file does not load, crashes, or answers
            differently.
    """
    try:
        ours = Runner(encoded, trusted=False)
    except errors.TfliteFileError as error:
        raise _refused("it does not load: " + _reason(error)) from error
    theirs = Runner(dense)
    quality = SignalQuality()
    for inputs in _examples(theirs, example):
        for expected, given in zip(
            _run(theirs, inputs), _run(ours, inputs), strict=True
        ):
            if not np.isfinite(given).all() and np.isfinite(expected).all():
                raise _refused("its outputs are not finite")
            quality.add(expected, given)
    if quality.snr_db < _LEAST_SNR_DB:
        raise _refused(
            f"its outputs agree with the dense file's to {quality.snr_db:.1f} dB only"
        )
    return SparseEncoding(
        tensors=_num_sparse(encoded),
        dense_bytes=len(dense),
        dense_gzip_bytes=len(gzip.compress(dense, mtime=0)),
        encoded_bytes=len(encoded),
        encoded_gzip_bytes=len(gzip.compress(encoded, mtime=0)),
    )


def compare_latency(
    dense: bytes, encoded: bytes, *, rounds: int = 50, num_threads: int = 1
) -> LatencyComparison:
    """Measure both files in turns, so that both see the same machine.

    Args:
        dense: The file with dense tensors, or its path.
        encoded: The file with sparse tensors, likewise.
        rounds: Runs of each that count, after a warm-up.
        num_threads: Threads of the runtime.
    """
    runners = [Runner(file, num_threads=num_threads) for file in (dense, encoded)]
    inputs = next(iter(_examples(runners[0], None)))
    runs = [_timed(runner, inputs) for runner in runners]
    for run in runs:
        run()
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        if number % 2:
            second, first = runs[1](), runs[0]()
        else:
            first, second = runs[0](), runs[1]()
        times.append((first, second))
    ratios = [second / first for first, second in times]
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return LatencyComparison(
        dense_ms=float(np.median([first for first, _ in times])),
        encoded_ms=float(np.median([second for _, second in times])),
        ratio=float(median),
        quartiles=(float(low), float(high)),
        rounds=rounds,
        num_threads=num_threads,
    )


def repeatable(batches: Any) -> Any:
    """Return calibration batches that can be read twice."""
    if batches is None or callable(batches) or isinstance(batches, Sequence):
        return batches
    return list(batches)


def _timed(runner: Runner, inputs: list[Array]) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        runner(inputs)
        return 1000 * (time.perf_counter() - started)

    return run


def _run(runner: Runner, inputs: list[Array]) -> list[Array]:
    found = runner(inputs)
    return found if isinstance(found, list) else [found]


def _examples(runner: Runner, example: dict[str, Array] | None) -> list[list[Array]]:
    """Return a few inputs of the file's shapes and types, the given one first."""
    rng = np.random.default_rng(0)
    types = [detail["dtype"] for detail in runner._inputs]  # noqa: SLF001 - of this package
    shapes = runner.input_shapes
    given = [] if example is None else [[example[n] for n in runner.input_names]]
    made_up = [
        [
            rng.random((1, *shape), np.float32)
            if np.dtype(kind).kind == "f" or np.dtype(kind) in (np.int8, np.int16)
            else np.zeros((1, *shape), kind)  # an index that always exists
            for shape, kind in zip(shapes, types, strict=True)
        ]
        for _ in range(_EXAMPLES)
    ]
    return given + made_up


def _num_sparse(content: bytes) -> int:
    parsed = parsing.parse(content)
    return sum(tensor.sparse for graph in parsed.subgraphs for tensor in graph.tensors)


def _reason(error: Exception) -> str:
    """Return what the runtime said, which stands in parentheses in our own words.

    Example:
        >>> _reason(ValueError("It cannot run. Received: 9 bytes (no kernel.). Try."))
        'no kernel'
    """
    text = " ".join(str(error).split())
    inner = text.partition("(")[2].rpartition(").")[0]
    return (inner or text).rstrip(".")[:200]


def _refused(why: str) -> errors.ConversionError:
    return errors.ConversionError(
        f"The sparse file cannot be used. Received: sparse=True, and {why}. Convert "
        "without `sparse`: the zeros still compress in a download; or choose another "
        "recipe."
    )
