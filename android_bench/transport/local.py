"""`LocalTransport`: programs on this computer, through the interface of a device."""

from __future__ import annotations

import errno
import os
import pathlib
import platform
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence

from android_bench.errors import DeviceError, RunnerError, StoppedError
from android_bench.transport.file_identity import FileIdentity
from android_bench.transport.processes import Process, Running
from android_bench.transport.protocol import (
    ShellResult,
    check_inside,
    check_name,
    command_line,
)


class LocalTransport:
    r"""Runs programs here, in a folder of their own.

    Args:
        folder: The working folder; None makes a temporary one, which goes with this
            object.

    Example:
        >>> here = LocalTransport()
        >>> here.shell(["echo", "hello"]).stdout
        'hello\n'
    """

    serial = "local"
    where = "host"

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is None:
            folder = tempfile.mkdtemp(prefix="android_bench-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._path = pathlib.Path(folder).resolve()
        self._path.mkdir(parents=True, exist_ok=True)
        self._running = Running()

    @property
    def folder(self) -> str:
        """The working folder, as an absolute path."""
        return str(self._path)

    def push(self, source: pathlib.Path, name: str, *, executable: bool = False) -> str:
        """Copy a file into the folder, unless an equal one is there; return its path.

        Raises:
            DeviceError: If it cannot be written, as on a full disk.
            BenchmarkError: If the source cannot be read.
        """
        target = self._path / check_name(name)
        wanted = FileIdentity.of(source)
        try:
            if not target.is_file() or FileIdentity.of(target) != wanted:
                target.parent.mkdir(parents=True, exist_ok=True)
                _replace(source, target)
            target.chmod(0o755 if executable else 0o644)
        except OSError as error:
            raise DeviceError(
                f"A file cannot be written. Received: {target} "
                f"({error.strerror or error}). Free some space or name another folder."
            ) from error
        return str(target)

    def pull(self, remote: str, target: pathlib.Path) -> None:
        """Copy a file out of the folder; `target` is the old file or the new one.

        Raises:
            RunnerError: If there is no such file.
        """
        try:
            _replace(self._path / remote, target)
        except OSError as error:
            raise RunnerError(
                "A result cannot be copied. Received: "
                f"{remote} ({error.strerror or error}). Look at what the program "
                "printed: it may not have written it."
            ) from error

    def shell(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> ShellResult:
        """Run a program in the folder, and wait for its end.

        A program that a signal ended has exit code 128 + signal, as in a shell; one
        that is not there has 127.

        Raises:
            DeviceError: If this computer cannot execute such a file.
            StoppedError: If it does not end in time, or is cancelled; it is killed,
                with everything that it started.
        """
        command_line(argv, env)  # checks both
        try:
            process = Process(argv, env={**os.environ, **(env or {})}, cwd=self._path)
        except OSError as error:
            return _not_started(argv[0], error)
        with self._running.tracked(process):
            ended = process.wait(timeout_s)
        if ended.stopped:
            raise StoppedError(
                f"A program was stopped. Received: {argv[0]} on this computer "
                f"({ended.stopped}). Try it with a smaller model or a longer time.",
                why=ended.stopped,
            )
        code = ended.exit_code
        return ShellResult(
            exit_code=128 - code if code < 0 else code,
            stdout=ended.stdout.decode("utf-8", "replace"),
            stderr=ended.stderr.decode("utf-8", "replace"),
        )

    def getprop(self, name: str) -> str:  # noqa: ARG002 -- the interface's
        """Return an empty string: this is not Android."""
        return ""

    def remove(self, remote: str) -> None:
        """Delete a file or folder inside the working folder."""
        path = pathlib.Path(check_inside(remote, self.folder))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def cancel(self) -> None:
        """Kill what is running; may be called from another thread."""
        self._running.stop_all("cancelled")


def _replace(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy under a temporary name beside the target, then rename."""
    handle, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        shutil.copyfile(source, part)
        pathlib.Path(part).replace(target)
    except BaseException:
        pathlib.Path(part).unlink(missing_ok=True)
        raise


def _not_started(program: str, error: OSError) -> ShellResult:
    if error.errno == errno.ENOEXEC:
        raise DeviceError(
            f"This computer cannot execute this program. Received: {program} "
            f"({error.strerror}) on {platform.machine()}. Use one built for it."
        ) from error
    reason = f"{program}: {error.strerror or error}\n"
    code = 127 if error.errno == errno.ENOENT else 126
    return ShellResult(exit_code=code, stdout="", stderr=reason)
