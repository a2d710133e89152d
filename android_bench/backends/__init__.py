"""Runners: what to push, what to run, how to read the answer.

| Name | What it is | Where | Delegates | Outputs |
|---|---|---|---|---|
| ``litert_python`` | LiteRT's Python package, in process | host | CPU | no |
| ``native`` | our C program with LiteRT's C library | host, device | CPU, GPU | yes |
| ``classic`` | the classic ``benchmark_model`` | host, device | CPU, GPU, NNAPI | no |
| ``litert`` | LiteRT's ``benchmark_model`` | host, device | CPU, GPU | no |
| ``litert-benchmark`` | the package's script | host | CPU | no |

`benchmark` measures a file on this computer in one call; `android_bench.session`
measures several files on targets.
"""

from __future__ import annotations

from android_bench.backends.base import (
    Answer,
    Backend,
    Output,
    ProgramBackend,
    PushFile,
    RunRequest,
)
from android_bench.backends.benchmark_model import (
    ClassicBackend,
    LiteRtBackend,
    LiteRtScriptBackend,
)
from android_bench.backends.litert_python import BACKENDS, benchmark
from android_bench.backends.native import NativeBackend

__all__ = [
    "BACKENDS",
    "Answer",
    "Backend",
    "ClassicBackend",
    "LiteRtBackend",
    "LiteRtScriptBackend",
    "NativeBackend",
    "Output",
    "ProgramBackend",
    "PushFile",
    "RunRequest",
    "benchmark",
]
