"""The text of the classic ``benchmark_model`` (format A).

It prints microseconds.  The figure that matters comes twice, in a block and in a
sentence, and both have to agree::

    count=50 first=119449 curr=121350 min=117385 max=128213 avg=119375 std=1929
    Inference timings in us: Init: 870557, First inference: 130565, Warmup (avg):
        122373, Inference (avg): 119375

Builds before 2020 say ``Average inference timings in us: Warmup: .., Init: .., no
stats: ..``; new ones append `` p5=.. median=.. p95=..`` to the block.  A constant
series is ``count=5 curr=119375(all same)``, a single run ``count=1 curr=119375``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from android_bench import lines as reading
from android_bench.errors import ParseError
from android_bench.parse_delegation import read_adapter, read_taken
from android_bench.parse_profile import read_ops
from android_bench.parsed import Parsed

_N = rf"(?:{reading.NUMBER})"
_OTHER_COUNTS = re.compile(r"(?:Timings|Memory) \((?:microseconds|bytes)\): ")
_BLOCK_KEY = r"\b(?:count|curr|avg|std|median|p5|p95)=|\(all same\)"
_BLOCK = re.compile(
    rf"count=(?P<count>\d+)(?: first=(?P<first>{_N}))?"
    rf"(?: curr=(?P<curr>{_N})(?P<same>\(all same\))?"
    rf"(?: min=(?P<min>{_N}) max=(?P<max>{_N}) avg=(?P<avg>{_N}) std=(?P<std>{_N})"
    rf"(?: p5=(?P<p5>{_N}) median=(?P<p50>{_N}) p95=(?P<p95>{_N}))?)?)?"
)
_SUMMARY_KEY = r"nference timings|First inference:|\(avg\):|no stats:"
_SUMMARY = re.compile(
    rf"Inference timings in us: Init: (?P<init>{_N}), "
    rf"First inference: (?P<first>{_N}), Warmup \(avg\): (?P<warmup>{_N}), "
    rf"Inference \(avg\): (?P<avg>{_N})"
    rf"|Average inference timings in us: Warmup: (?P<old_warmup>{_N}), "
    rf"Init: (?P<old_init>{_N}), (?:no stats|Inference): (?P<old_avg>{_N})"
    rf"(?:, with stats: {_N})?"
)
_SESSION_KEY = r"nitialized session in"
_SESSION = re.compile(rf"Initialized session in (?P<ms>{_N})ms\.?")
_MEMORY_KEY = r"emory footprint (?:delta|\(MB\))|\boverall="
_MEMORY = re.compile(
    rf"Memory footprint delta from the start of the tool \(MB\): "
    rf"init=(?P<init>{_N}) overall=(?P<overall>{_N})"
    rf"|Overall peak memory footprint \(MB\) via periodic monitoring: (?P<peak>{_N})"
)
_MEBI = 1024 * 1024


def read_classic(text: str) -> Parsed:
    """Read what the classic `benchmark_model` printed.

    Args:
        text: Both output streams.

    Raises:
        ParseError: If it is torn or cut, holds no result, or contradicts itself.
    """
    lines = reading.whole_lines(text)
    summary = reading.same(
        reading.figures(lines, _SUMMARY_KEY, _SUMMARY), "the timings"
    )
    if summary is None:
        raise ParseError(
            "This is no whole output of benchmark_model. Received: "
            f"{len(lines)} lines without `Inference timings in us`. "
            f"{_reason(lines)}"
        )
    old = summary["avg"] is None
    avg = summary["old_avg" if old else "avg"]
    warmup = summary["old_warmup" if old else "warmup"]
    init = summary["old_init" if old else "init"]
    blocks = _blocks(lines)
    block = _block_of(avg, blocks, "Inference (avg)")
    warm = _warm_up(warmup, blocks)
    gpu, software = read_adapter(text)
    return Parsed(
        **_latency(block),
        **_memory(lines),
        init_ms=_init(init, lines),
        first_ms=_first(summary, warm),
        warmup_ms=float(warmup) / 1e3,
        num_warmup_runs=int(warm["count"]) if warm else None,
        ops=read_ops(text),
        taken=read_taken(text),
        gpu=gpu,
        software_gpu=software,
    )


def _blocks(lines: Sequence[str]) -> list[re.Match[str]]:
    own = [line for line in lines if not _OTHER_COUNTS.match(line)]
    found = reading.figures(own, _BLOCK_KEY, _BLOCK)
    distinct = {match.group(0): match for match in found if int(match["count"])}
    return list(distinct.values())


def _mean(block: re.Match[str]) -> str:
    return str(block["avg"] or block["curr"])


def _agree(one: str, other: str) -> bool:
    slack = reading.resolution(one) + reading.resolution(other)
    return abs(float(one) - float(other)) <= slack * 1.0001


def _block_of(mean: str, blocks: list[re.Match[str]], what: str) -> re.Match[str]:
    """Return the series whose mean the summary repeats: the last one that agrees."""
    for block in reversed(blocks):
        whole = block["avg"] or block["same"] or block["count"] == "1"
        if whole and _agree(mean, _mean(block)):
            return block
    means = ", ".join(_mean(block) for block in blocks) or "none"
    raise ParseError(
        f"The figures of benchmark_model contradict each other. Received: {what} "
        f"{mean} us, and series with the means {means}. The output is torn or of two "
        "runs; measure again."
    )


def _warm_up(mean: str, blocks: list[re.Match[str]]) -> re.Match[str] | None:
    """Return the warm-up's series: the first one that agrees; none without warm-up."""
    if float(mean) == 0 or not blocks:
        return None
    return _block_of(mean, blocks[::-1], "Warmup (avg)")


def _latency(block: re.Match[str]) -> dict[str, Any]:
    def milliseconds(name: str) -> float | None:
        return None if block[name] is None else float(block[name]) / 1e3

    if block["avg"] is None:  # one run, or all the same
        value = float(block["curr"]) / 1e3
        names = ("mean_ms", "p5_ms", "p50_ms", "p90_ms", "p95_ms", "min_ms", "max_ms")
        figures: dict[str, Any] = dict.fromkeys(names, value)
        return {"num_runs": int(block["count"]), "std_ms": 0.0, **figures}
    return {
        "num_runs": int(block["count"]),
        "mean_ms": float(block["avg"]) / 1e3,
        **{
            f"{name}_ms": milliseconds(name)
            for name in ("p5", "p50", "p95", "std", "min", "max")
        },
    }


def _init(init: str, lines: Sequence[str]) -> float:
    session = reading.same(
        reading.figures(lines, _SESSION_KEY, _SESSION), "the session"
    )
    milliseconds = float(init) / 1e3
    if session is not None:
        slack = reading.resolution(init) / 1e3 + reading.resolution(session["ms"])
        if abs(milliseconds - float(session["ms"])) > slack * 1.0001:
            raise ParseError(
                "The figures of benchmark_model contradict each other. Received: Init: "
                f"{init} us and a session of {session['ms']} ms. Measure again."
            )
    return milliseconds


def _first(summary: re.Match[str], warm: re.Match[str] | None) -> float | None:
    """Return the first inference, which is the first run of the warm-up."""
    if summary["first"] is not None:
        return float(summary["first"]) / 1e3
    if warm is None:
        return None
    return float(warm["first"] or warm["curr"]) / 1e3


def _memory(lines: Sequence[str]) -> dict[str, Any]:
    found = reading.figures(lines, _MEMORY_KEY, _MEMORY)
    delta = reading.same([m for m in found if m["init"]], "the memory")
    peak = reading.same([m for m in found if m["peak"]], "the peak memory")
    return {
        "init_memory_bytes": _bytes(delta and delta["init"]),
        "model_memory_bytes": _bytes(delta and delta["overall"]),
        "peak_memory_bytes": _bytes(peak and peak["peak"]),
    }


def _bytes(mebibytes: str | None) -> int | None:
    return None if mebibytes is None else round(float(mebibytes) * _MEBI)


def _reason(lines: Sequence[str]) -> str:
    """Return the tool's own last word of failure, if it has one."""
    words = re.compile(r"[Ff]ailed|rror|not found|Aborted")
    said = [line for line in lines if words.search(line)]
    return f"It says: {said[-1][:200]}" if said else "Look at the whole output."
