"""What a backend is: which files it needs, what it runs, how its output is read.

A backend that is a program on the target (`ProgramBackend`) only says these three
things, and `measure` does the rest.  One that drives something else, such as an app,
has a `measure` of its own.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import os
import pathlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from typing import Protocol

from android_bench.conditions import DELEGATES
from android_bench.errors import RunnerError
from android_bench.parsed import Parsed
from android_bench.transport import ShellResult, Transport

GRACE_S = 120.0  # to start, to load a large file, to compile for a GPU
_LIBRARIES = "LD_LIBRARY_PATH"
SIGNALLED = 128  # a shell's exit code of a program that a signal ended, less the signal


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRequest:
    """One call of a runner.

    Args:
        model: The file, here.
        delegate: ``cpu``, ``gpu`` or ``nnapi``.
        num_threads: Threads on the CPU.
        fp16: Whether a delegate may compute in float16; None: its default.
        warmup_runs: Runs before the first one that counts.
        min_runs: Runs that count, at least.
        max_seconds: When to stop although the median still moves.
        profile_ops: Whether to time the operators, too.
        write_outputs: Whether to bring back the outputs, where the runner can.
        cores: Processors to hold the runner on; none: wherever the system puts it.
    """

    model: pathlib.Path
    delegate: str = "cpu"
    num_threads: int = 1
    fp16: bool | None = None
    warmup_runs: int = 10
    min_runs: int = 50
    max_seconds: float = 10.0
    profile_ops: bool = False
    write_outputs: bool = False
    cores: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no backend knows."""
        if self.delegate not in DELEGATES:
            raise ValueError(
                f"Unknown delegate. Received: delegate={self.delegate!r}; it must be "
                f"one of {', '.join(DELEGATES)}."
            )

    @property
    def timeout_s(self) -> float:
        """Time after which the runner hangs."""
        return GRACE_S + 4 * self.max_seconds


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushFile:
    """A file that the target needs.

    Args:
        source: The file, here.
        name: Its name in the target's folder.
        executable: Whether it is a program.
    """

    source: pathlib.Path
    name: str
    executable: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """What a runner left: what it printed, and its files by name."""

    shell: ShellResult
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)

    @property
    def log(self) -> str:
        """Both streams, each ending in a whole line."""
        streams = (self.shell.stdout, self.shell.stderr)
        return "".join(
            text if text.endswith("\n") or not text else f"{text}\n" for text in streams
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What one call of a runner came to.

    Args:
        parsed: Its figures.
        argv: The command on the target.
        outputs: The model's outputs as raw bytes, by the names of their files.
        notes: Why a figure does not mean what it seems to; empty: it does.
        fp16_applied: Whether the runner took the precision that was asked for.
    """

    parsed: Parsed
    argv: tuple[str, ...]
    outputs: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fp16_applied: bool = True


class Backend(Protocol):
    """A way to measure a file on a target."""

    @property
    def name(self) -> str:
        """What the record calls it."""

    @property
    def delegates(self) -> Sequence[str]:
        """Delegates that it can ask for."""

    @property
    def writes_outputs(self) -> bool:
        """Whether its answers can hold the model's outputs."""

    def measure(self, transport: Transport, request: RunRequest) -> Answer:
        """Measure once.

        Raises:
            BenchmarkError: If the device, the runner or its output fails.
        """


class ProgramBackend(abc.ABC):
    """A backend that is a program which is pushed and run."""

    name = ""
    delegates: Sequence[str] = ("cpu", "gpu")
    writes_outputs = False

    @abc.abstractmethod
    def files(self, request: RunRequest) -> Sequence[PushFile]:
        """Return what the target needs, the model included."""

    @abc.abstractmethod
    def argv(self, request: RunRequest, at: Mapping[str, str]) -> list[str]:
        """Return the command; `at` has the paths there, by name, and ``folder``."""

    def env(self, request: RunRequest, at: Mapping[str, str]) -> dict[str, str]:  # noqa: ARG002 -- the interface's
        """Return variables of the command's environment."""
        return {}

    def results(self, request: RunRequest) -> Sequence[str]:  # noqa: ARG002 -- the interface's
        """Return the names of the files that the program may leave in the folder."""
        return ()

    @abc.abstractmethod
    def read(self, request: RunRequest, output: Output) -> Answer:
        """Return the figures; `argv` is filled in by `measure`."""

    def measure(self, transport: Transport, request: RunRequest) -> Answer:
        """Push, run, pull and read."""
        self._check(request)
        at = {"folder": transport.folder}
        for item in self.files(request):
            at[item.name] = transport.push(
                item.source, item.name, executable=item.executable
            )
        for name in self.results(request):
            transport.remove(f"{transport.folder}/{name}")  # of the run before
        argv = [*pinned(request.cores), *self.argv(request, at)]
        env = self.env(request, at)
        if transport.serial == "local" and _LIBRARIES in env:
            here = os.environ.get(_LIBRARIES)  # a driver's folder, for instance
            env[_LIBRARIES] = os.pathsep.join(filter(None, (env[_LIBRARIES], here)))
        done = transport.shell(argv, env=env, timeout_s=request.timeout_s)
        output = Output(shell=done, files=self._pulled(transport, request))
        self._check_end(request, output)
        return dataclasses.replace(self.read(request, output), argv=tuple(argv))

    def _check(self, request: RunRequest) -> None:
        if request.delegate not in self.delegates:
            raise RunnerError(
                f"This runner has no such delegate. Received: {request.delegate} for "
                f"{self.name}, which has {', '.join(self.delegates)}. Choose another "
                "runner or delegate."
            )

    def _pulled(self, transport: Transport, request: RunRequest) -> dict[str, bytes]:
        found = {}
        with tempfile.TemporaryDirectory() as folder:
            for name in self.results(request):
                target = pathlib.Path(folder, "result")
                try:
                    transport.pull(f"{transport.folder}/{name}", target)
                except RunnerError:
                    continue  # it was not written; `read` knows what that means
                found[name] = target.read_bytes()
        return found

    def _check_end(self, request: RunRequest, output: Output) -> None:
        code = output.shell.exit_code
        if code == 0:
            return
        crash = f", signal {code - SIGNALLED}" if code > SIGNALLED else ""
        raise RunnerError(
            f"The runner {self.name} failed. Received: exit code {code}{crash} for "
            f"{request.model.name} on {request.delegate}; it says: "
            f"{last_words(output.log)}. Try another runner, or look at the file with "
            "`tfcompress inspect`."
        )


def pinned(cores: Sequence[int]) -> list[str]:
    """Return the words that hold a program on processors, for any `taskset`.

    Example:
        >>> pinned([4, 5])
        ['taskset', '30']
    """
    if not cores:
        return []
    return ["taskset", f"{sum(1 << core for core in set(cores)):x}"]


def last_words(log: str) -> str:
    """Return the line of a log that most likely says why it ended."""
    lines = [" ".join(line.split()) for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"(?i)error|failed|cannot", line)]
    return (telling or lines or ["nothing"])[-1][:300]


def model_name(path: pathlib.Path) -> str:
    """Return a model's name for the target, for which a shell needs no quotes.

    Two files of one name in two folders have different ones.

    Example:
        >>> model_name(pathlib.Path("my net (1).tflite"))[8:]
        '-my_net__1_.tflite'
    """
    digest = hashlib.sha256(str(path.absolute()).encode("utf-8")).hexdigest()[:8]
    return f"{digest}-{re.sub(r'[^A-Za-z0-9._-]', '_', path.name)}"
