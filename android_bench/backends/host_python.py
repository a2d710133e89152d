"""LiteRT's Python package on this computer, on the CPU with XNNPACK.

It works in a child process of its own: the memory is the file's, and a crash of the
runtime is an error with a name.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version as _version

import android_bench
from android_bench.backends.base import (
    SIGNALLED,
    Answer,
    Output,
    ProgramBackend,
    PushFile,
    RunRequest,
    model_name,
)
from android_bench.errors import ParseError, RunnerError, StoppedError
from android_bench.parsed import Parsed
from android_bench.records import Latency
from android_bench.transport import Transport

RESULT = "host_child.json"
CHILD = "android_bench.host_child"
_SIGNALS = {SIGNALLED + number: number.name for number in signal.Signals}


class HostPythonBackend(ProgramBackend):
    """Runs `android_bench.host_child`."""

    name = "litert_python"
    delegates = ("cpu",)

    def files(self, request: RunRequest) -> Sequence[PushFile]:
        """Return the model."""
        return (PushFile(source=request.model, name=model_name(request.model)),)

    def argv(self, request: RunRequest, at: Mapping[str, str]) -> list[str]:
        """Return the command."""
        settings = {
            "path": at[model_name(request.model)],
            "answer": f"{at['folder']}/{RESULT}",
            "num_threads": request.num_threads,
            "warmup_runs": request.warmup_runs,
            "min_runs": request.min_runs,
            "max_seconds": request.max_seconds,
        }
        return [
            sys.executable,
            "-m",
            CHILD,
            json.dumps(settings),
        ]

    def env(self, request: RunRequest, at: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002 -- the interface's
        """Return where this package is: the child starts in another folder."""
        root = str(pathlib.Path(android_bench.__file__).parents[1])
        known = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join(filter(None, (root, known)))}

    def results(self, request: RunRequest) -> Sequence[str]:  # noqa: ARG002 -- the interface's
        """Return the name of the answer."""
        return (RESULT,)

    def read(self, request: RunRequest, output: Output) -> Answer:  # noqa: ARG002 -- the interface's
        """Return the answer's figures."""
        try:
            answer = json.loads(output.files[RESULT])
            latency = Latency.of(answer["samples_ms"])
            parsed = Parsed(
                num_runs=len(answer["samples_ms"]),
                samples_ms=tuple(answer["samples_ms"]),
                mean_ms=latency.mean_ms,
                p50_ms=latency.p50_ms,
                stable=answer["stable"],
                init_ms=answer["init_ms"],
                first_ms=answer["first_ms"],
                peak_memory_bytes=answer["peak_memory_bytes"],
                model_memory_bytes=answer["model_memory_bytes"],
                version=f"ai-edge-litert {_version('ai-edge-litert')}",
            )
        except (KeyError, ValueError) as error:
            raise ParseError(
                f"The measuring process left no answer. Received: {error!r}. Measure "
                "again."
            ) from error
        return Answer(parsed=parsed, argv=())

    def measure(self, transport: Transport, request: RunRequest) -> Answer:
        """Measure once; a file that hangs is an error like any other."""
        try:
            return super().measure(transport, request)
        except StoppedError as error:
            raise _not_run(request, error.why) from error

    def _check_end(self, request: RunRequest, output: Output) -> None:
        code = output.shell.exit_code
        if code in _SIGNALS:
            raise _not_run(request, f"it crashed with {_SIGNALS[code]}")
        if code:
            lines = output.shell.stderr.strip().splitlines()
            reason = " ".join(lines[-1].split())[:300] if lines else "it failed"
            raise _not_run(request, reason)


def _not_run(request: RunRequest, reason: str) -> RunnerError:
    return RunnerError(
        f"The runtime could not run this file. Received: {request.model} ({reason}). "
        "Look at it with `tfcompress inspect`, or convert it again."
    )
