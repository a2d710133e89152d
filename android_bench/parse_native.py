"""The JSON object of our own runner, and of the Android app, which writes the same.

It is written whole or not at all, and holds every run, so that quantiles are ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from android_bench.conditions import APPLIED
from android_bench.errors import ParseError, RunnerError
from android_bench.parse_delegation import read_adapter
from android_bench.parsed import OpTime, Parsed, Taken, TensorFile
from android_bench.records import Latency

SCHEMA = 1


def read_native(content: bytes, *, log: str = "") -> Parsed:
    """Read the answer of the native runner.

    Args:
        content: The file.
        log: What was printed beside it: the adapter's name is only there.

    Raises:
        RunnerError: If the answer is an error of the runner.
        ParseError: If it is cut, of another schema, or a figure is missing or
            impossible.
    """
    answer = _object(content)
    if answer.get("error"):
        raise RunnerError(
            f"The runner could not measure this file. Received: {answer['error']}. "
            "Look at it with `tfcompress inspect`, or convert it again."
        )
    try:
        return _parsed(answer, log)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(f"{type(error).__name__}: {error}") from error


def _parsed(answer: Mapping[str, Any], log: str) -> Parsed:
    samples = tuple(_number(value) for value in answer["samples_ms"])
    if not samples:
        raise ValueError("no runs")
    latency = Latency.of(samples)
    gpu, software = read_adapter(log)
    return Parsed(
        num_runs=len(samples),
        samples_ms=samples,
        mean_ms=latency.mean_ms,
        p50_ms=latency.p50_ms,
        p90_ms=latency.p90_ms,
        p95_ms=latency.p95_ms,
        std_ms=latency.std_ms,
        min_ms=latency.min_ms,
        max_ms=latency.max_ms,
        stable=_flag(answer["stable"]),
        init_ms=_number(answer["init_ms"]),
        first_ms=_number(answer["first_ms"]),
        peak_memory_bytes=_count(answer.get("peak_memory_bytes")),
        model_memory_bytes=_count(answer.get("model_memory_bytes")),
        ops=tuple(_op(item) for item in answer.get("op_profile") or ()),
        taken=_taken(answer),
        gpu=gpu or answer.get("gpu"),
        software_gpu=software,
        version=answer.get("library_version"),
        inputs=_tensors(answer.get("inputs")),
        outputs=_tensors(answer.get("outputs")),
    )


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError as error:
        raise _unreadable(f"{len(content)} bytes, {error}") from error
    if not isinstance(answer, Mapping) or answer.get("schema") != SCHEMA:
        raise _unreadable(f"{str(answer)[:80]!r}")
    return answer


def _taken(answer: Mapping[str, Any]) -> Taken:
    if answer["delegate_asked"] == "cpu":
        return Taken(applied="none")
    applied = answer["delegate_applied"]
    delegated, total = (
        _count(answer.get("delegated_ops")),
        _count(answer.get("total_ops")),
    )
    if applied not in APPLIED or (delegated or 0) > (total or delegated or 0):
        raise ValueError(
            f"delegate_applied={applied!r} with {delegated} of {total} operators"
        )
    if total is not None and applied in ("full", "partial"):
        _check_counts(applied, delegated or 0, total)
    return Taken(
        applied=applied,
        delegated_ops=delegated,
        total_ops=total,
        refused_ops=tuple(str(name) for name in answer.get("refused_ops") or ()),
    )


def _check_counts(applied: str, delegated: int, total: int) -> None:
    fits = delegated == total if applied == "full" else 0 < delegated < total
    if not fits:
        raise ValueError(f"{applied} delegation of {delegated} of {total} operators")


def _op(item: Mapping[str, Any]) -> OpTime:
    return OpTime(
        name=str(item["name"]),
        type=str(item["type"]),
        avg_ms=_number(item["avg_ms"]),
        calls=_count(item["calls"]) or 0,
    )


def _tensors(items: Sequence[Mapping[str, Any]] | None) -> tuple[TensorFile, ...]:
    return tuple(
        TensorFile(
            name=str(item["name"]),
            dtype=str(item["type"]),
            shape=tuple(int(size) for size in item["shape"]),
            file=str(item.get("file") or ""),
        )
        for item in items or ()
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _count(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise TypeError(f"{value!r} is no count")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _unreadable(received: str) -> ParseError:
    return ParseError(
        f"The runner's answer cannot be read. Received: {received}; expected an object "
        f"of schema {SCHEMA} with its runs. Measure again."
    )
