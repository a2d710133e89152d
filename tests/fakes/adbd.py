"""A device for the real adb client: it speaks the ADB protocol and really executes.

It is bound to 127.0.0.1, and is connected to through an adb server of its own port.
/data/local/tmp is a temporary folder, getprop answers from a dictionary, and `Faults`
says what shall go wrong.  What it measures is this computer: it says that it is an
emulator, so that no record of it can pass for a phone's.

Source: "ADB protocol" and "SYNC.TXT" in Android's adb sources; the messages of faults
are those of its daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import threading
from collections.abc import Mapping

from tests.fakes.adb_faults import Faults
from tests.fakes.adb_packets import MAX_PAYLOAD, VERSION, Message, Stream, read_message
from tests.fakes.adb_server import AdbServer
from tests.fakes.adb_shell import ShellService
from tests.fakes.adb_sync import SyncService
from tests.fakes.adb_system import System, android_shell

_FEATURES = "shell_v2,cmd,stat_v2,fixed_push_mkdir,sendrecv_v2"
_AUTH_TOKEN, _AUTH_KEY = 1, 3


class FakeDevice:
    """A device on adb while the ``with`` block runs.

    Args:
        folder: Where its files are.
        serial: The serial number that it says it has; adb lists `serial`.
        props: Properties beside the usual ones, or instead of them.
        tools: Further programs, as shell text by name.
        faults: What shall go wrong.
        server: The adb server to connect through; None starts one.
        features: What it says it can do.
        shell: Path of its shell.
        port: Where it listens, such as that of a device that went away; 0 for any.

    Attributes:
        serial: What adb lists it as, ``127.0.0.1:PORT``.
        server_port: The port of its adb server.
        storage: The folder that is its /data/local/tmp.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        serial: str = "FAKE0001",
        props: Mapping[str, str] | None = None,
        tools: Mapping[str, str] | None = None,
        faults: Faults | None = None,
        server: AdbServer | None = None,
        features: str = _FEATURES,
        shell: str | None = None,
        port: int = 0,
    ) -> None:
        self.faults = faults or Faults()
        self.props = {
            "ro.serialno": serial,
            "ro.product.manufacturer": "Nobody",
            "ro.product.model": "Test Device",
            "ro.product.cpu.abi": "x86_64",
            "ro.product.cpu.abilist": "x86_64",
            "ro.build.version.release": "14",
            "ro.build.version.sdk": "34",
            "ro.soc.manufacturer": "Nobody",
            "ro.soc.model": "T1000",
            "ro.boot.qemu": "1",
            **(props or {}),
        }
        self._system = System(folder, self.props, tools or {}, self.faults.missing)
        self.storage = self._system.storage
        self._features = features
        self._shell = shell or android_shell()
        self._port = port
        self._own_server = AdbServer() if server is None else None
        self.server = server or self._own_server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()

    def __enter__(self) -> FakeDevice:
        self._thread.start()
        self._listener = self._do(
            asyncio.start_server(self._serve, "127.0.0.1", self._port)
        )
        port = self._listener.sockets[0].getsockname()[1]
        self.serial = f"127.0.0.1:{port}"
        if self._own_server:
            self._own_server.__enter__()
        self.server_port = self.server.port
        self.server.adb("connect", self.serial)
        state = "unauthorized" if self.faults.unauthorised else "device"
        self.server.wait_for(self.serial, state)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.adb("disconnect", self.serial)
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._own_server:
            self._own_server.__exit__()

    def vanish(self) -> None:
        """Drop the connection for good, as a pulled cable does; from any thread."""
        self._loop.call_soon_threadsafe(self._vanish)

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _vanish(self) -> None:
        self._listener.close()
        for writer in list(self._connections):
            writer.transport.abort()

    async def _end(self) -> None:
        self._vanish()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection until it ends."""
        streams: dict[int, Stream] = {}
        self._connections.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await self._answer(await read_message(reader), writer, streams)
        finally:
            self._connections.discard(writer)
            for stream in streams.values():
                stream.end()
            writer.transport.abort()

    async def _answer(
        self,
        message: Message,
        writer: asyncio.StreamWriter,
        streams: dict[int, Stream],
    ) -> None:
        if message.command == "AUTH" and message.arg0 == _AUTH_KEY:
            return  # nobody touches the dialog
        if message.command in ("CNXN", "AUTH"):
            writer.write(self._greeting().encode())
        elif message.command == "OPEN":
            stream = Stream(writer, max(streams, default=0) + 1, message.arg0)
            streams[stream.local] = stream
            service = message.payload.rstrip(b"\0").decode()
            task = asyncio.create_task(self._open(stream, service, streams))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif message.arg1 in streams:
            stream = streams[message.arg1]
            if message.command == "WRTE":
                stream.feed(message.payload)
                await stream.send("OKAY")
            elif message.command == "OKAY":
                stream.taken()
            elif message.command == "CLSE":
                stream.end()

    def _greeting(self) -> Message:
        if self.faults.unauthorised:
            return Message("AUTH", _AUTH_TOKEN, 0, bytes(20))
        model = self.props["ro.product.model"]
        banner = (
            f"device::ro.product.name=test;ro.product.model={model};"
            f"ro.product.device=test;features={self._features}"
        )
        return Message("CNXN", VERSION, MAX_PAYLOAD, banner.encode())

    async def _open(
        self, stream: Stream, service: str, streams: dict[int, Stream]
    ) -> None:
        """Serve one stream: ``shell:``, ``shell,v2,raw:``, ``exec:`` or ``sync:``."""
        kind, _, argument = service.partition(":")
        name, *options = kind.split(",")
        try:
            if name not in ("shell", "exec", "sync"):
                return
            await stream.send("OKAY")
            if self.faults.silent:
                await asyncio.Event().wait()
            elif name == "sync":
                await SyncService(
                    stream, self._system.locate, self.faults, self._vanish
                ).serve()
            else:
                command = self._system.command(argument)
                await ShellService(
                    stream, self._shell, self._system.env, self.faults, self._vanish
                ).serve(command, framed="v2" in options)
        except (ConnectionError, OSError):
            pass  # the other side has gone
        finally:
            with contextlib.suppress(ConnectionError):
                await stream.close()
            streams.pop(stream.local, None)
