"""The official tools: two programs called ``benchmark_model``, and one in Python.

Both programs take ``--result_file_path`` in new builds and leave a protocol buffer with
the median; an old one says ``Unconsumed cmdline flags``, and its text is read instead.
None of them writes outputs, so their GPU results cannot be checked for accuracy.
"""

from __future__ import annotations

import abc
import dataclasses
import pathlib
import sys
from collections.abc import Mapping, Sequence

from android_bench import parse
from android_bench.backends.base import (
    Answer,
    Output,
    ProgramBackend,
    PushFile,
    RunRequest,
    model_name,
)

RESULT = "benchmark_result.pb"
RESULT_JSON = "litert_benchmark.json"
_QUEUED = (
    "litert-benchmark times only the queueing of GPU work, not the work: use the "
    "native runner"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _BenchmarkModel(ProgramBackend):
    """What both programs share.

    Args:
        program: The executable for the target.
    """

    program: pathlib.Path

    def files(self, request: RunRequest) -> Sequence[PushFile]:
        """Return the program and the model."""
        return (
            PushFile(source=self.program, name=self.name, executable=True),
            PushFile(source=request.model, name=model_name(request.model)),
        )

    def argv(self, request: RunRequest, at: Mapping[str, str]) -> list[str]:
        """Return the command."""
        return [
            at[self.name],
            f"--graph={at[model_name(request.model)]}",
            f"--num_threads={request.num_threads}",
            f"--num_runs={request.min_runs}",
            f"--warmup_runs={max(1, request.warmup_runs)}",
            f"--max_secs={request.max_seconds:g}",
            "--report_peak_memory_footprint=true",
            f"--result_file_path={at['folder']}/{RESULT}",
            *self._delegate(request),
        ]

    def results(self, request: RunRequest) -> Sequence[str]:  # noqa: ARG002 -- the interface's
        """Return the name of the protocol buffer."""
        return (RESULT,)

    def read(self, request: RunRequest, output: Output) -> Answer:
        """Return the protocol buffer's figures, or the text's of an old build."""
        return Answer(
            parsed=self._parsed(output),
            argv=(),
            fp16_applied=request.fp16 is None
            or not parse.flags_are_unknown(output.log, self._fp16_flag),
        )

    def _parsed(self, output: Output) -> parse.Parsed:
        content = output.files.get(RESULT)
        unknown = parse.flags_are_unknown(output.log, "--result_file_path")
        if content and not unknown:
            return parse.with_log(parse.read_proto(content), output.log)
        return self._read_text(output.log)

    _fp16_flag = ""

    @abc.abstractmethod
    def _read_text(self, log: str) -> parse.Parsed:
        """Return the figures of what it printed."""

    @abc.abstractmethod
    def _delegate(self, request: RunRequest) -> list[str]:
        """Return the flags of a delegate and its options."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassicBackend(_BenchmarkModel):
    """The classic ``benchmark_model``: XNNPACK, the classic GPU delegate, NNAPI."""

    name = "classic"
    delegates = ("cpu", "gpu", "nnapi")
    _fp16_flag = "--gpu_precision_loss_allowed"

    def _read_text(self, log: str) -> parse.Parsed:
        return parse.read_classic(log)

    def _delegate(self, request: RunRequest) -> list[str]:
        words = {
            "cpu": ["--use_xnnpack=true"],
            "gpu": ["--use_gpu=true"],
            "nnapi": ["--use_nnapi=true"],
        }[request.delegate]
        if request.delegate == "gpu" and request.fp16 is not None:
            words.append(f"{self._fp16_flag}={str(request.fp16).lower()}")
        if request.profile_ops:
            words.append("--enable_op_profiling=true")
        return words


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiteRtBackend(_BenchmarkModel):
    """LiteRT's ``benchmark_model``: compiled models, XNNPACK and ML Drift.

    Args:
        accelerator: The GPU accelerator's library, where the program does not hold it.
    """

    accelerator: pathlib.Path | None = None
    name = "litert"
    _fp16_flag = "--allow_fp16"

    def _read_text(self, log: str) -> parse.Parsed:
        return parse.read_litert(log)

    def files(self, request: RunRequest) -> Sequence[PushFile]:
        """Return the program, the model, and the accelerator for the GPU."""
        files = list(super().files(request))
        if self.accelerator is not None and request.delegate == "gpu":
            files.append(PushFile(source=self.accelerator, name=self.accelerator.name))
        return files

    def env(self, request: RunRequest, at: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002 -- the interface's
        """Return where the accelerator is."""
        return {"LD_LIBRARY_PATH": at["folder"]}

    def _delegate(self, request: RunRequest) -> list[str]:
        gpu = request.delegate == "gpu"
        words = [f"--use_gpu={str(gpu).lower()}", f"--use_cpu={str(not gpu).lower()}"]
        if gpu and request.fp16 is not None:
            words.append(f"{self._fp16_flag}={str(request.fp16).lower()}")
        if request.profile_ops:
            words.append("--use_profiler=true")
        return words


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiteRtScriptBackend(ProgramBackend):
    """``litert-benchmark``, which comes with the Python package: this computer only.

    Args:
        python: The interpreter that has the package.
    """

    python: str = sys.executable
    name = "litert-benchmark"

    def files(self, request: RunRequest) -> Sequence[PushFile]:
        """Return the model."""
        return (PushFile(source=request.model, name=model_name(request.model)),)

    def argv(self, request: RunRequest, at: Mapping[str, str]) -> list[str]:
        """Return the command."""
        words = [
            self.python,
            "-m",
            "ai_edge_litert.tools.benchmark_litert_model",
            f"--model={at[model_name(request.model)]}",
            f"--num_threads={request.num_threads}",
            f"--num_runs={request.min_runs}",
            f"--warmup_runs={request.warmup_runs}",
            f"--result_json={at['folder']}/{RESULT_JSON}",
        ]
        return [*words, "--use_gpu"] if request.delegate == "gpu" else words

    def results(self, request: RunRequest) -> Sequence[str]:  # noqa: ARG002 -- the interface's
        """Return the name of the JSON file."""
        return (RESULT_JSON,)

    def read(self, request: RunRequest, output: Output) -> Answer:
        """Return the JSON file's figures, or the text's."""
        content = output.files.get(RESULT_JSON)
        parsed = (
            parse.read_litert_json(content, log=output.log)
            if content
            else parse.read_litert(output.log)
        )
        gpu = request.delegate == "gpu"
        return Answer(
            parsed=parsed,
            argv=(),
            notes=(_QUEUED,) if gpu else (),
            fp16_applied=request.fp16 is None,
        )
