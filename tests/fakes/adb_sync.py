"""The sync service of a device: STAT, LIST, SEND and RECV, first and second version."""

from __future__ import annotations

import asyncio
import io
import os
import pathlib
import stat
import struct
from collections.abc import Callable

from tests.fakes.adb_faults import Faults
from tests.fakes.adb_packets import Stream

CHUNK = 64 * 1024
_STAT2 = struct.Struct("<4sIQQIIIIQqqq")


class SyncService:
    """Answers the requests of one stream until it ends.

    Args:
        stream: The stream.
        locate: Maps a path of the device to a file here.
        faults: What shall go wrong.
        vanish: Drops the connection for good.
    """

    def __init__(
        self,
        stream: Stream,
        locate: Callable[[str], pathlib.Path],
        faults: Faults,
        vanish: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._locate = locate
        self._faults = faults
        self._vanish = vanish

    async def serve(self) -> None:
        """Answer until QUIT."""
        answers = {
            "STAT": self._stat1,
            "STA2": self._stat2,
            "LST2": self._stat2,
            "LIST": self._list,
            "SEND": self._send1,
            "SND2": self._send2,
            "RECV": self._receive,
            "RCV2": self._receive,
        }
        while True:
            verb, path = await self._request()
            if verb == "QUIT":
                return
            if verb not in answers:
                await self._fail(f"unknown command {verb}")
                return
            await answers[verb](verb, path)

    async def _request(self) -> tuple[str, str]:
        head = await self._stream.read_exactly(8)
        name = await self._stream.read_exactly(int.from_bytes(head[4:], "little"))
        return head[:4].decode("ascii", "replace"), name.decode()

    async def _fail(self, reason: str) -> None:
        text = reason.encode()
        await self._stream.write(b"FAIL" + struct.pack("<I", len(text)) + text)

    async def _stat1(self, verb: str, path: str) -> None:
        try:
            found = self._locate(path).lstat()
            values = (found.st_mode, found.st_size & 0xFFFFFFFF, int(found.st_mtime))
        except OSError:
            values = (0, 0, 0)
        await self._stream.write(verb.encode() + struct.pack("<III", *values))

    async def _stat2(self, verb: str, path: str) -> None:
        file = self._locate(path)
        values = [0] * 11
        try:
            s = file.stat() if verb == "STA2" else file.lstat()
        except OSError as error:
            values[0] = error.errno or 2
        else:
            times = [int(s.st_atime), int(s.st_mtime), int(s.st_ctime)]
            values[1:3] = [s.st_dev, s.st_ino]
            values[3:8] = [s.st_mode, s.st_nlink, s.st_uid, s.st_gid, s.st_size]
            values[8:11] = times
        await self._stream.write(_STAT2.pack(verb.encode(), *values))

    async def _list(self, _: str, path: str) -> None:
        folder = self._locate(path)
        for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
            s, name = entry.lstat(), entry.name.encode()
            head = struct.pack(
                "<4sIIII", b"DENT", s.st_mode, s.st_size, int(s.st_mtime), len(name)
            )
            await self._stream.write(head + name)
        await self._stream.write(b"DONE" + bytes(16))

    async def _send1(self, _: str, request: str) -> None:
        path, _, mode = request.rpartition(",")
        await self._store(path, int(mode))

    async def _send2(self, _: str, path: str) -> None:
        head = await self._stream.read_exactly(12)
        _, mode, flags = struct.unpack("<4sII", head)
        if flags:
            await self._fail("compression is not supported")
            return
        await self._store(path, mode)

    async def _store(self, path: str, mode: int) -> None:
        """Write the DATA that follows; like adbd, without a temporary name."""
        if self._faults.silent_in_push:
            await asyncio.Event().wait()
        file, written, problem = self._locate(path), 0, ""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            target = file.open("wb")
        except OSError as error:
            problem = f"couldn't create file: {os.strerror(error.errno or 5)}"
            target = io.BytesIO()  # what follows is read all the same
        with target:
            while True:
                head = await self._stream.read_exactly(8)
                number = int.from_bytes(head[4:], "little")
                if head[:4] == b"DONE":
                    break
                data = await self._stream.read_exactly(number)
                written += len(data)
                if (
                    self._faults.vanish_in_push
                    and written > self._faults.vanish_in_push
                ):
                    self._vanish()
                if self._faults.space_bytes is not None and (
                    written > self._faults.space_bytes
                ):
                    problem = problem or "write failed: No space left on device"
                if not problem:
                    target.write(self._faults.damaged(data))
        if problem:
            file.unlink(missing_ok=True)  # as adbd does
            await self._fail(problem)
            return
        file.chmod(stat.S_IMODE(mode))
        os.utime(file, (number, number))
        await self._stream.write(b"OKAY" + bytes(4))

    async def _receive(self, verb: str, path: str) -> None:
        if verb == "RCV2":
            await self._stream.read_exactly(8)  # its name again, and flags
        try:
            source = self._locate(path).open("rb")
        except OSError as error:
            await self._fail(f"open failed: {os.strerror(error.errno or 5)}")
            return
        sent = 0
        with source:
            while data := source.read(CHUNK):
                await self._stream.write(b"DATA" + struct.pack("<I", len(data)) + data)
                sent += len(data)
                if self._faults.vanish_in_pull and sent >= self._faults.vanish_in_pull:
                    self._vanish()
        await self._stream.write(b"DONE" + bytes(4))
