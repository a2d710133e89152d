"""ADB's messages and streams, as the device side sees them.

A message is six little-endian words (command, two arguments, length, checksum, the
command's complement) and a payload.  Both sides number their streams; each WRTE waits
for the other side's OKAY before the next one on that stream.
"""

from __future__ import annotations

import asyncio
import dataclasses
import struct

HEADER = struct.Struct("<6I")
VERSION = 0x01000001  # the first without checksums
MAX_PAYLOAD = 256 * 1024


@dataclasses.dataclass(frozen=True)
class Message:
    """One message; `command` is four letters."""

    command: str
    arg0: int
    arg1: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        word = int.from_bytes(self.command.encode(), "little")
        size, total = len(self.payload), sum(self.payload) & 0xFFFFFFFF
        magic = word ^ 0xFFFFFFFF
        head = HEADER.pack(word, self.arg0, self.arg1, size, total, magic)
        return head + self.payload


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Read one; raises `IncompleteReadError` at the end of the connection."""
    word, arg0, arg1, size, _, magic = HEADER.unpack(await reader.readexactly(24))
    if word ^ 0xFFFFFFFF != magic or size > MAX_PAYLOAD:
        raise ConnectionError("not an ADB message")
    command = word.to_bytes(4, "little").decode("ascii", "replace")
    return Message(command, arg0, arg1, await reader.readexactly(size))


class Stream:
    """One stream of a connection: bytes both ways, with the flow control of ADB."""

    def __init__(self, writer: asyncio.StreamWriter, local: int, remote: int) -> None:
        self.local, self.remote = local, remote
        self.closed = False
        self._writer = writer
        self._taken = asyncio.Event()  # the other side has taken the last WRTE
        self._arrived = asyncio.Event()
        self._buffer = bytearray()

    async def send(self, command: str, payload: bytes = b"") -> None:
        """Send one message of this stream."""
        message = Message(command, self.local, self.remote, payload)
        self._writer.write(message.encode())
        await self._writer.drain()

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait until the other side has taken them."""
        for start in range(0, len(data), MAX_PAYLOAD):
            if self.closed:
                raise ConnectionError("the stream is closed")
            self._taken.clear()
            await self.send("WRTE", data[start : start + MAX_PAYLOAD])
            await self._taken.wait()

    async def read(self) -> bytes:
        """Return what has arrived, b"" at the end."""
        while not self._buffer and not self.closed:
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def read_exactly(self, size: int) -> bytes:
        """Return so many bytes; raises ConnectionError at the end of the stream."""
        while len(self._buffer) < size:
            if self.closed:
                raise ConnectionError("the stream is closed")
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def close(self) -> None:
        """Close both directions."""
        if not self.closed:
            self.end()
            await self.send("CLSE")

    def taken(self) -> None:
        """Note the other side's OKAY."""
        self._taken.set()

    def feed(self, data: bytes) -> None:
        """Note bytes of the other side."""
        self._buffer += data
        self._arrived.set()

    def end(self) -> None:
        """Note the other side's end, or the connection's."""
        self.closed = True
        self._arrived.set()
        self._taken.set()
