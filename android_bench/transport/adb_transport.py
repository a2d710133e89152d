"""`AdbTransport`: programs on an Android device, through the adb program.

Nothing half done is left behind: a file appears under its name when it is whole and
checked, a command that is not waited for any more is killed on the device, and every
failure is one `DeviceError` or `RunnerError`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import secrets
import shlex
import tempfile
from collections.abc import Mapping, Sequence

from android_bench.errors import DeviceError, RunnerError
from android_bench.transport import adb_client
from android_bench.transport.adb_shell import CLEAN_UP_S, AdbShell
from android_bench.transport.file_identity import FileIdentity
from android_bench.transport.protocol import (
    ShellResult,
    check_inside,
    check_name,
    command_line,
)

DEVICE_FOLDER = "/data/local/tmp/tfcompress"  # a device's shell may write and run there

_OTHER_ABI = re.compile(  # of the shell, of the loader
    r"Exec format error|not executable: (32|64)-bit|bad ELF magic"
    r"|is (32|64)-bit instead of"
)
_EMULATED = ("ro.kernel.qemu", "ro.boot.qemu")


class AdbTransport:
    """Runs programs on one device.

    Args:
        serial: As `list_devices` gives it; None for the only one that is connected.
            ``host:port`` is connected to first where it is not listed.
        adb: Name or path of the adb program.
        server_port: Port of the adb server; None for adb's own choice.
        folder: The working folder on the device.
        patience_s: How long adb may take for what is not a program's run.

    Raises:
        DeviceError: If adb is not installed, or the device is not there or not ready.
    """

    def __init__(
        self,
        serial: str | None = None,
        *,
        adb: str = "adb",
        server_port: int | None = None,
        folder: str = DEVICE_FOLDER,
        patience_s: float = adb_client.PATIENCE_S,
    ) -> None:
        client = adb_client.AdbClient(adb=adb, server_port=server_port)
        self._folder = folder.rstrip("/")
        self._shell = AdbShell(
            client,
            _connected(client, serial),
            folder=self._folder,
            patience_s=patience_s,
        )

    @property
    def serial(self) -> str:
        """The device's name on adb."""
        return self._shell.serial

    @property
    def folder(self) -> str:
        """The working folder on the device, without a slash at its end."""
        return self._folder

    @functools.cached_property
    def where(self) -> str:
        """``device``, or ``emulated`` where Android says that it is an emulator."""
        flags = self.getprops(_EMULATED).values()
        emulated = "1" in flags or self.serial.startswith("emulator-")
        return "emulated" if emulated else "device"

    def push(self, source: pathlib.Path, name: str, *, executable: bool = False) -> str:
        """Copy a file into the folder, unless an equal one is there; return its path.

        Raises:
            DeviceError: If the device is gone or full, or the copy is not equal.
            BenchmarkError: If the source cannot be read.
        """
        remote = f"{self.folder}/{check_name(name)}"
        quoted, mode = shlex.quote(remote), 755 if executable else 644
        wanted = FileIdentity.of(source)
        found = self._shell.run(
            f"rm -f {quoted}.part-*; [ -f {quoted} ] && chmod {mode} {quoted} && "
            f"{_identify(quoted)}"
        )
        if self._equal(found, remote, wanted):
            return remote
        part = f"{remote}.part-{secrets.token_hex(4)}"
        try:
            self._upload(source, part, wanted)
            script = f"chmod {mode} {shlex.quote(part)} && mv -f {shlex.quote(part)} "
            self._shell.checked(f"{script} {quoted}", doing=f"writing {remote}")
        except BaseException:
            self._forget(part)
            raise
        return remote

    def pull(self, remote: str, target: pathlib.Path) -> None:
        """Copy a file here; `target` is the old file or the whole new one.

        Raises:
            DeviceError: If the device is gone.
            RunnerError: If there is no such file.
        """
        quoted = shlex.quote(remote)
        size = self._shell.run(f"[ -f {quoted} ] && wc -c < {quoted}").stdout.strip()
        if not size.isdigit():
            raise RunnerError(
                f"This file is not on the device. Received: {remote} on {self.serial}. "
                "Look at what the program printed: it may not have written it."
            )
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        part = pathlib.Path(name)
        try:
            self._shell.transfer("pull", remote, name, size_bytes=int(size))
            part.chmod(0o644)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def shell(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> ShellResult:
        """Run a program in the folder on the device, and wait for its end.

        Raises:
            DeviceError: If the device is gone, or the file is for another ABI.
            RunnerError: If it does not end in time, or is cancelled, or was killed on
                the device; nothing of it goes on there.
        """
        result = self._shell.run(
            command_line(argv, env), doing=f"running {argv[0]}", timeout_s=timeout_s
        )
        if result.exit_code and _OTHER_ABI.search(result.stderr):
            raise DeviceError(
                f"The device cannot execute this program. Received: {argv[0]} on "
                f"{self.serial}, whose ABI is {self.getprop('ro.product.cpu.abi')!r}. "
                "Push one that is built for it."
            )
        return result

    def getprop(self, name: str) -> str:
        """Return a property of Android, an empty string where it has no value."""
        return self.getprops([name])[name]

    def getprops(self, names: Sequence[str]) -> dict[str, str]:
        """Return several properties, in one call of adb."""
        words = " ".join(map(shlex.quote, names))
        script = f'for name in {words}; do echo "$(getprop $name 2>/dev/null)"; done'
        values = iter(self._shell.run(script).stdout.split("\n"))
        return {name: next(values, "").strip() for name in names}

    def remove(self, remote: str) -> None:
        """Delete a file or folder inside the working folder."""
        quoted = shlex.quote(check_inside(remote, self.folder))
        self._shell.checked(f"rm -rf {quoted}", doing=f"removing {remote}")

    def cancel(self) -> None:
        """Kill what is running here and on the device; from any thread."""
        self._shell.cancel()

    def _upload(self, source: pathlib.Path, part: str, wanted: FileIdentity) -> None:
        """Push to a temporary name, and read back what arrived."""
        self._shell.transfer("push", str(source), part, size_bytes=wanted.size_bytes)
        found = self._shell.run(_identify(shlex.quote(part)))
        if not self._equal(found, part, wanted):
            raise DeviceError(
                f"A pushed file is not what was sent. Received: {source} on "
                f"{self.serial}, with another size or SHA-256. Check the cable and the "
                "device's storage, and try again."
            )

    def _forget(self, part: str) -> None:
        with contextlib.suppress(DeviceError, RunnerError):
            self._shell.run(f"rm -f {shlex.quote(part)}", timeout_s=CLEAN_UP_S)

    def _equal(self, found: ShellResult, remote: str, wanted: FileIdentity) -> bool:
        """Compare with what `_identify` printed, or with the bytes, read back."""
        identity = FileIdentity.printed(found.stdout)
        if identity is None or identity.size_bytes != wanted.size_bytes:
            return False
        if identity.sha256 is not None:
            return identity == wanted
        with tempfile.TemporaryDirectory() as folder:  # a device without sha256sum
            copy = pathlib.Path(folder, "copy")
            self.pull(remote, copy)
            return FileIdentity.of(copy) == wanted


def _connected(client: adb_client.AdbClient, serial: str | None) -> str:
    devices = client.devices()
    listed = any(device.serial == serial for device in devices)
    if serial is not None and not listed and re.search(r":\d+\Z", serial):
        client.call("connect", serial)
        devices = client.devices()
    return adb_client.choose(devices, serial).serial


def _identify(quoted: str) -> str:
    return f"wc -c < {quoted} && {{ sha256sum {quoted} 2>/dev/null; true; }}"
