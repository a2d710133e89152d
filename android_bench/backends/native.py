"""Our own runner on a target: LiteRT's library on the CPU or the GPU, with outputs."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence

from android_bench import parse
from android_bench.backends.base import (
    Answer,
    Output,
    ProgramBackend,
    PushFile,
    RunRequest,
    last_words,
    model_name,
)
from android_bench.errors import RunnerError

RESULT = "runner.json"
_MAX_OUTPUTS = 8  # more are compared by none of our models


@dataclasses.dataclass(frozen=True, kw_only=True)
class NativeBackend(ProgramBackend):
    """The runner of `android_bench.native`.

    Args:
        runner: The program for the target, of `build_runner`.
        library: LiteRT's C library for the target, ``libLiteRt.so``.
        accelerator: The GPU accelerator's library; None: CPU only.
        version: Of the library, for the record.
        variables: Of the runner's environment, such as where a Vulkan driver is.
    """

    runner: pathlib.Path
    library: pathlib.Path
    accelerator: pathlib.Path | None = None
    version: str = ""
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    name = "native"
    writes_outputs = True

    def files(self, request: RunRequest) -> Sequence[PushFile]:
        """Return the runner, the libraries and the model."""
        files = [
            PushFile(source=self.runner, name="runner", executable=True),
            PushFile(source=self.library, name=self.library.name),
            PushFile(source=request.model, name=model_name(request.model)),
        ]
        if request.delegate == "gpu":
            if self.accelerator is None:
                raise RunnerError(
                    "The GPU needs its accelerator's library. Received: none for the "
                    "native runner. Name the file, such as "
                    "libLiteRtOpenClAccelerator.so, with `--accelerator`."
                )
            files.append(PushFile(source=self.accelerator, name=self.accelerator.name))
        return files

    def argv(self, request: RunRequest, at: Mapping[str, str]) -> list[str]:
        """Return the command."""
        words = [
            at["runner"],
            *("--library", at[self.library.name]),
            *("--model", at[model_name(request.model)]),
            *("--delegate", request.delegate),
            *("--threads", str(request.num_threads)),
            *("--warmup", str(request.warmup_runs)),
            *("--min-runs", str(request.min_runs)),
            *("--max-seconds", f"{request.max_seconds:g}"),
            *("--json", f"{at['folder']}/{RESULT}"),
        ]
        if self.version:
            words += ["--library-version", self.version]
        if request.delegate == "gpu" and self.accelerator is not None:
            words += ["--accelerator", at[self.accelerator.name]]
        if request.fp16:
            words.append("--fp16")
        if request.profile_ops:
            words.append("--profile")
        if request.write_outputs:
            words += ["--output-folder", at["folder"]]
        return words

    def env(self, request: RunRequest, at: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002 -- the interface's
        """Return where the libraries are."""
        return {"LD_LIBRARY_PATH": at["folder"], **self.variables}

    def results(self, request: RunRequest) -> Sequence[str]:
        """Return the names of the answer and the outputs."""
        outputs = [f"output_{index}.bin" for index in range(_MAX_OUTPUTS)]
        return (RESULT, *outputs) if request.write_outputs else (RESULT,)

    def read(self, request: RunRequest, output: Output) -> Answer:  # noqa: ARG002 -- the interface's
        """Return the answer's figures and the outputs."""
        if RESULT not in output.files:
            raise RunnerError(
                "The runner left no answer. Received: exit code 0 and no "
                f"{RESULT}. Measure again; if it repeats, report it."
            )
        outputs = {n: c for n, c in output.files.items() if n != RESULT}
        return Answer(
            parsed=parse.read_native(output.files[RESULT], log=output.log),
            argv=(),
            outputs=outputs,
        )

    def _check_end(self, request: RunRequest, output: Output) -> None:
        """Prefer the error that the answer names to what was printed."""
        if output.shell.exit_code != 0 and RESULT in output.files:
            error = _error(output.files[RESULT])
            if error:
                log = output.log.replace(f"runner: {error}\n", "")
                raise RunnerError(
                    f"The runner native failed. Received: {error} for "
                    f"{request.model.name} on {request.delegate}; the log ends: "
                    f"{last_words(log)}. Look at the file with `tfcompress inspect`."
                )
        super()._check_end(request, output)


def _error(content: bytes) -> str:
    try:
        answer = json.loads(content)
    except ValueError:
        return ""
    return str(answer.get("error") or "") if isinstance(answer, dict) else ""
