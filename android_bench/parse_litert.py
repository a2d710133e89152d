"""The text of LiteRT's ``benchmark_model`` (format B) and ``litert-benchmark`` (C).

They print milliseconds, with the unit, so that a cut number is seen::

    INFO: [benchmark_litert_model.h:94] Model initialization: 45.32 ms
    Warmup (first):        0.40 ms
    Inference (avg):       0.59 ms (30 runs)

``litert-benchmark --result_json`` writes the same as a JSON object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from android_bench import lines as reading
from android_bench.errors import ParseError
from android_bench.parse_delegation import read_adapter, read_taken
from android_bench.parse_profile import read_ops
from android_bench.parsed import Parsed

_N = rf"(?:{reading.NUMBER})"
_KEY = (
    r"odel initialization:|(?:armup|nference) ?\("
    r"|\((?:avg|min|max|std|median|p\d+|first)\)"
)
_LINE = re.compile(
    rf"(?:Model (?P<init>initialization)|(?P<phase>Warmup|Inference) \((?P<what>\w+)\))"
    rf":\s+(?P<ms>{_N}) ms(?: \((?P<runs>\d+) runs\))?"
    r"|Inference \(std\):\s+(?P<std>\d+\.\d\d)"  # no unit, but always two decimals
)
_PEAK_KEY = r"eak memory"
_PEAK = re.compile(
    rf"Peak memory:?\s+(?P<value>{_N}) (?P<unit>[KMG]i?B)"
    r"|Peak memory usage not available\..*"
)
_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
_NAMES = {
    ("Warmup", "first"): "first_ms",
    ("Warmup", "avg"): "warmup_ms",
    ("Inference", "avg"): "mean_ms",
    ("Inference", "median"): "p50_ms",
    ("Inference", "min"): "min_ms",
    ("Inference", "max"): "max_ms",
    ("Inference", "std"): "std_ms",
    ("Inference", "p5"): "p5_ms",
    ("Inference", "p90"): "p90_ms",
    ("Inference", "p95"): "p95_ms",
}


def read_litert(text: str) -> Parsed:
    """Read what one of LiteRT's two benchmarks printed.

    Args:
        text: Both output streams: a part of it goes to stderr.

    Raises:
        ParseError: If it is torn, holds no result, or contradicts itself.
    """
    lines = reading.whole_lines(text)
    figures: dict[str, Any] = {}
    for match in reading.figures(lines, _KEY, _LINE):
        for name, value in _named(match):
            if figures.setdefault(name, value) != value:
                raise ParseError(
                    f"The output has two figures of one kind. Received: {name} "
                    f"{figures[name]} and {value}. Keep the output of one run apart."
                )
    if "mean_ms" not in figures or "num_runs" not in figures:
        raise ParseError(
            "This is no whole output of LiteRT's benchmark. Received: "
            f"{len(lines)} lines without `Inference (avg)`. {_reason(lines)}"
        )
    gpu, software = read_adapter(text)
    return Parsed(
        **figures,
        peak_memory_bytes=_peak(lines),
        ops=read_ops(text),
        taken=read_taken(text),
        gpu=gpu,
        software_gpu=software,
    )


def read_litert_json(content: bytes, *, log: str = "") -> Parsed:
    """Read the file that ``litert-benchmark --result_json`` wrote.

    Args:
        content: The file.
        log: What was printed: the delegate and the adapter are only there.

    Raises:
        ParseError: If it is cut, or a figure is missing or impossible.
    """
    latency = _object(content)
    gpu, software = read_adapter(log)
    try:
        return Parsed(
            num_runs=_whole(latency["num_runs"]),
            num_warmup_runs=_whole(latency["num_warmup_runs"]),
            mean_ms=_number(latency["avg_ms"]),
            p5_ms=_number(latency["p5_ms"]),
            p50_ms=_number(latency["median_ms"]),
            p95_ms=_number(latency["p95_ms"]),
            std_ms=_number(latency["std_ms"]),
            min_ms=_number(latency["min_ms"]),
            max_ms=_number(latency["max_ms"]),
            init_ms=_number(latency["init_ms"]),
            first_ms=_number(latency["warmup_first_ms"]),
            warmup_ms=_number(latency["warmup_avg_ms"]),
            taken=read_taken(log),
            gpu=gpu,
            software_gpu=software,
        )
    except (KeyError, TypeError) as error:
        raise _unreadable(str(error)) from error


def _named(match: re.Match[str]) -> list[tuple[str, Any]]:
    """Return the fields of `Parsed` that a line holds."""
    if match["std"]:
        return [("std_ms", float(match["std"]))]
    value = float(match["ms"])
    if match["init"]:
        return [("init_ms", value)]
    name = _NAMES.get((match["phase"], match["what"]))
    found: list[tuple[str, Any]] = [(name, value)] if name else []
    if match["runs"]:
        warm = match["phase"] == "Warmup"
        found.append(("num_warmup_runs" if warm else "num_runs", int(match["runs"])))
    return found


def _peak(lines: Sequence[str]) -> int | None:
    found = reading.same(reading.figures(lines, _PEAK_KEY, _PEAK), "the peak memory")
    if found is None or found["value"] is None:
        return None
    return round(float(found["value"]) * _UNITS[found["unit"][0]])


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        latency = json.loads(content)["latency"]
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(str(error)) from error
    if not isinstance(latency, Mapping):
        raise _unreadable(f"latency={latency!r}")
    return latency


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _unreadable(received: str) -> ParseError:
    return ParseError(
        "The result file of litert-benchmark cannot be read. Received: "
        f"{received}, expected the object `latency` with its figures. Measure again."
    )


def _reason(lines: Sequence[str]) -> str:
    """Return the tool's own last word of failure, if it has one."""
    words = re.compile(r"[Ff]ailed|Error|not found|Aborted")
    said = [line for line in lines if words.search(line)]
    return f"It says: {said[-1][:200]}" if said else "Look at the whole output."
