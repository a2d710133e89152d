"""The shell services of a device: they really run the command, in a session of its own.

As adbd does, a lost connection sends a hang-up to the shell alone and closes its
standard input; what the shell has started is not killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
from collections.abc import Callable, Mapping

from tests.fakes.adb_faults import Faults
from tests.fakes.adb_packets import Stream

_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = 0, 1, 2, 3, 4


class ShellService:
    """One command of one stream.

    Args:
        stream: The stream.
        shell: Path of the shell.
        env: Its whole environment.
        faults: What shall go wrong.
        vanish: Drops the connection for good.
    """

    def __init__(
        self,
        stream: Stream,
        shell: str,
        env: Mapping[str, str],
        faults: Faults,
        vanish: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._shell = shell
        self._env = dict(env)
        self._faults = faults
        self._vanish = vanish
        self._writing = asyncio.Lock()

    async def serve(self, command: str, *, framed: bool) -> None:
        """Run the command; `framed` is shell_v2: exit code, and stderr apart."""
        if self._faults.garbage:
            await self._stream.write(self._faults.garbage)
            return
        process = await asyncio.create_subprocess_exec(
            self._shell,
            "-c",
            command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if framed else asyncio.subprocess.STDOUT,
            env=self._env,
            start_new_session=True,
        )
        feeding = asyncio.create_task(self._feed(process, framed=framed))
        copies = [self._copy(process.stdout, _STDOUT, framed=framed)]
        if framed:
            copies.append(self._copy(process.stderr, _STDERR, framed=framed))
        try:
            await asyncio.gather(*copies)
            code = await process.wait()
            if framed:
                await self._frame(
                    _EXIT, bytes([code % 256 if code >= 0 else 128 - code])
                )
        finally:
            feeding.cancel()
            self._hang_up(process)
            process._transport.close()  # asyncio would do it after the loop's end

    async def _feed(self, process: asyncio.subprocess.Process, *, framed: bool) -> None:
        """Pass on the other side's input; at its end, close the command's."""
        stdin = process.stdin
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            while True:
                if not framed:
                    data = await self._stream.read()
                    if not data:
                        break
                    stdin.write(data)
                    continue
                kind, size = struct.unpack("<BI", await self._stream.read_exactly(5))
                data = await self._stream.read_exactly(size)
                if kind == _STDIN:
                    stdin.write(data)
                elif kind == _CLOSE_STDIN:
                    stdin.close()
        self._hang_up(process)

    async def _copy(
        self, source: asyncio.StreamReader, kind: int, *, framed: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(16 * 1024):
                if framed:
                    await self._frame(kind, data)
                else:
                    await self._stream.write(data)
                wanted = self._faults.vanish_on_output
                if wanted and wanted in data:
                    self._vanish()

    async def _frame(self, kind: int, data: bytes) -> None:
        async with self._writing:
            await self._stream.write(struct.pack("<BI", kind, len(data)) + data)

    def _hang_up(self, process: asyncio.subprocess.Process) -> None:
        process.stdin.close()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGHUP)
