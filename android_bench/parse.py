"""From a tool's output to figures: text and bytes only, no I/O.

Each reader knows one format (the letters are those of the documentation):

A. `read_classic`: the classic ``benchmark_model``, old and new, microseconds.
B. `read_litert`: LiteRT's ``benchmark_model``, milliseconds.
C. `read_litert` and `read_litert_json`: ``litert-benchmark``.
D. `read_proto`: the result file of new builds of A and B; `with_log` adds to it what
   only the text says.
E. `read_native`: our own runner and the Android app.

A wrong number is worse than an error: what is torn, cut or contradicts itself raises
`ParseError`.
"""

from __future__ import annotations

import dataclasses

from android_bench.parse_classic import read_classic
from android_bench.parse_delegation import read_adapter, read_taken
from android_bench.parse_litert import read_litert, read_litert_json
from android_bench.parse_native import read_native
from android_bench.parse_profile import read_ops
from android_bench.parsed import OpTime, Parsed, Taken, TensorFile
from android_bench.result_proto import read_proto

__all__ = [
    "OpTime",
    "Parsed",
    "Taken",
    "TensorFile",
    "flags_are_unknown",
    "read_adapter",
    "read_classic",
    "read_litert",
    "read_litert_json",
    "read_native",
    "read_ops",
    "read_proto",
    "read_taken",
    "with_log",
]

_UNKNOWN_FLAGS = "Unconsumed cmdline flags"


def with_log(parsed: Parsed, log: str) -> Parsed:
    """Add to a result file's figures what only the log says: delegate, operators, GPU.

    Args:
        parsed: Of `read_proto`.
        log: Both output streams of the same run.
    """
    gpu, software = read_adapter(log)
    return dataclasses.replace(
        parsed,
        ops=read_ops(log),
        taken=read_taken(log),
        gpu=gpu,
        software_gpu=software,
    )


def flags_are_unknown(log: str, flag: str) -> bool:
    r"""Tell whether a ``benchmark_model`` says that it does not know a flag.

    Example:
        >>> flags_are_unknown("WARN: Unconsumed cmdline flags: --a=1\n", "--a")
        True
    """
    return any(
        flag in line.partition(_UNKNOWN_FLAGS)[2]
        for line in log.splitlines()
        if _UNKNOWN_FLAGS in line
    )
