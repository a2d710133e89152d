"""Child processes that never outlive their wait: time limit, cancel, bounded output.

Each runs in a process group of its own, which is killed whatever way the wait ends:
at its end (what it left in the background), at its limit, when cancelled from another
thread, or at an exception such as Ctrl-C.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

MAX_OUTPUT_BYTES = 32 * 1024 * 1024
_CHUNK = 64 * 1024
_DRAIN_S = 2.0  # to read what a killed process had written


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a process ended; `stopped` says why this side ended it, if it did."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    stopped: str = ""


class Process:
    """A started program; `wait` ends it one way or the other.

    Args:
        argv: The program and its arguments.
        env: Its environment; None for this process's own.
        cwd: Where it runs.
        keep_stdin: Hold its standard input open until its end, instead of giving it
            an empty one.

    Raises:
        OSError: If it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: pathlib.Path | str | None = None,
        keep_stdin: bool = False,
    ) -> None:
        self._popen = subprocess.Popen(
            list(argv),
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE if keep_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._stopped = ""
        self._stdout, self._stderr = bytearray(), bytearray()
        self._readers = [
            self._reader(self._popen.stdout, self._stdout),
            self._reader(self._popen.stderr, self._stderr),
        ]

    @property
    def stdout(self) -> bytes:
        """What it has written so far."""
        return bytes(self._stdout)

    def wait(self, timeout_s: float) -> Outcome:
        """Wait for the end of the process and of its output."""
        deadline = time.monotonic() + timeout_s
        try:
            self._join(deadline)
            try:
                self._popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.stop(f"no end after {timeout_s:g} s")
        finally:
            self._kill_group()
            self._popen.wait()
            self._join(time.monotonic() + _DRAIN_S)
            self._close()
        return Outcome(
            exit_code=self._popen.returncode,
            stdout=bytes(self._stdout),
            stderr=bytes(self._stderr),
            stopped=self._stopped,
        )

    def stop(self, why: str) -> None:
        """Kill the process and its group; `wait` returns soon after."""
        if self._popen.returncode is None:
            self._stopped = self._stopped or why
            self._kill_group()

    def _reader(self, stream: IO[bytes] | None, kept: bytearray) -> threading.Thread:
        assert stream is not None  # noqa: S101 -- for mypy: both are pipes
        thread = threading.Thread(target=self._read, args=(stream, kept), daemon=True)
        thread.start()
        return thread

    def _read(self, stream: IO[bytes], kept: bytearray) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed by `_close`
            while chunk := os.read(stream.fileno(), _CHUNK):
                kept += chunk
                if len(kept) > MAX_OUTPUT_BYTES:
                    self.stop(f"more than {MAX_OUTPUT_BYTES >> 20} MB of output")
                    return

    def _join(self, deadline: float) -> None:
        for thread in self._readers:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _close(self) -> None:
        """Close our ends, unless a reader still blocks in one: it is a daemon."""
        blocked = any(thread.is_alive() for thread in self._readers)
        streams = [self._popen.stdin]
        if not blocked:
            streams += [self._popen.stdout, self._popen.stderr]
        for stream in streams:
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)


class Running:
    """The processes that a transport has started and not yet seen end."""

    def __init__(self) -> None:
        self._processes: set[Process] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def tracked(self, process: Process) -> Iterator[Process]:
        """Let `stop_all` reach the process while the block runs."""
        with self._lock:
            self._processes.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._processes.discard(process)

    def stop_all(self, why: str) -> None:
        """Kill them all; callable from any thread."""
        with self._lock:
            processes = list(self._processes)
        for process in processes:
            process.stop(why)
