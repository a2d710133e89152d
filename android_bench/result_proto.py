"""The file that ``--result_file_path`` writes (format D), decoded by hand.

A proto2 message with three messages inside; all its latencies are float milliseconds::

    2 latency { 1 avg 2 min 3 max 4 stddev 5 median 6 p5 7 p95 8 init
                9 first_inference 10 average_warm_up }
    3 memory  { 1 init_footprint_kb 2 overall_footprint_kb (int64) 3 peak_mem_mb }
    4 misc    { 1 model_size_mb 2 num_runs 3 num_warmup_runs (int32) 4 throughput }

Protobuf itself would be a large dependency for 17 numbers.  Of a field that comes twice
the last one counts; fields with other numbers are skipped, as proto2 has it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from android_bench.errors import ParseError
from android_bench.parsed import Parsed

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LATENCY = {
    1: "mean_ms",
    2: "min_ms",
    3: "max_ms",
    4: "std_ms",
    5: "p50_ms",
    6: "p5_ms",
    7: "p95_ms",
    8: "init_ms",
    9: "first_ms",
    10: "warmup_ms",
}
_LATENCY_FIELD, _MEMORY_FIELD, _MISC_FIELD = 2, 3, 4

Field = int | float | bytes


def read_proto(content: bytes) -> Parsed:
    """Read a result file of either ``benchmark_model``.

    Raises:
        ParseError: If it is cut, no such message, or lacks the mean or the runs.
    """
    outer = _message(content)
    latency = _inner(outer, _LATENCY_FIELD)
    memory, misc = _inner(outer, _MEMORY_FIELD), _inner(outer, _MISC_FIELD)
    figures: dict[str, Any] = {
        name: _float(latency, number) for number, name in _LATENCY.items()
    }
    mean, num_runs = figures.pop("mean_ms"), _int(misc, 2)
    if mean is None or num_runs is None:
        raise _broken("no mean latency or number of runs")
    peak = _float(memory, 3)
    return Parsed(
        mean_ms=mean,
        num_runs=num_runs,
        num_warmup_runs=_int(misc, 3),
        init_memory_bytes=_kibi(_int(memory, 1)),
        model_memory_bytes=_kibi(_int(memory, 2)),
        peak_memory_bytes=None if peak is None else round(peak * 1024 * 1024),
        **figures,
    )


def _message(content: bytes) -> dict[int, Field]:
    """Return the last value of each field."""
    return dict(_fields(content))


def _fields(content: bytes) -> Iterator[tuple[int, Field]]:
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise _broken("a field with number 0")
        value, at = _value(content, at, wire)
        yield number, value


def _value(content: bytes, at: int, wire: int) -> tuple[Field, int]:
    if wire == _VARINT:
        return _varint(content, at)
    if wire == _BYTES:
        length, at = _varint(content, at)
        return _slice(content, at, length), at + length
    if wire == _FIXED32:
        number: float = struct.unpack("<f", _slice(content, at, 4))[0]
        return number, at + 4
    if wire == _FIXED64:
        return _slice(content, at, 8), at + 8
    raise _broken(f"wire type {wire}")


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = _slice(content, at, 1)
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _broken("a number of more than ten bytes")


def _slice(content: bytes, at: int, length: int) -> bytes:
    if at + length > len(content):
        raise _broken(f"only {len(content)} bytes where {at + length} are announced")
    return content[at : at + length]


def _inner(outer: Mapping[int, Field], number: int) -> dict[int, Field]:
    value = outer.get(number, b"")
    if not isinstance(value, bytes):
        raise _broken(f"field {number} is no message")
    return _message(value)


def _float(message: Mapping[int, Field], number: int) -> float | None:
    value = message.get(number)
    if value is not None and not isinstance(value, float):
        raise _broken(f"field {number} is {value!r}, expected a float")
    return value


def _int(message: Mapping[int, Field], number: int) -> int | None:
    value = message.get(number)
    if value is not None and (not isinstance(value, int) or value >= 1 << 63):
        raise _broken(f"field {number} is {value!r}, expected a count")
    return value


def _kibi(value: int | None) -> int | None:
    return None if value is None else value * 1024


def _broken(received: str) -> ParseError:
    return ParseError(
        f"The result file cannot be read. Received: {received}; expected a "
        "BenchmarkResult message of benchmark_model. Measure again."
    )
