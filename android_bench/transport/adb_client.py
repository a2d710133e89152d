"""The adb program: how it is called, and what its complaints mean.

Why the program and not a library: whoever has a phone connected has it, it finds USB
and Wi-Fi devices and keeps the keys that phones trust, it is what a user tries by hand
when something fails, and libraries need its server anyway or take the USB device away
from it.  A call costs 10 to 30 ms, before or after a measurement, never inside one.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Sequence

from android_bench.errors import DeviceError
from android_bench.transport.processes import Outcome, Process

READY = "device"  # the state in which a device obeys
PATIENCE_S = 30.0  # with adb itself; its server starts in one or two seconds

_LISTED = re.compile(r"(\(no serial number\)|\S+)\s+(.+?)((?:\s+\w+:\S*)*)\s*\Z")

_GONE = (
    r"offline|not found|no devices|connecting|closed|protocol fault|reset|no response"
    r"|failed to (read|write)|EOF|[Bb]roken pipe|(unable|failed) to connect|refused"
)

# What adb prints (any version) or the state that it lists, what it means, what to do.
_COMPLAINTS = (
    (
        r"unauthori[sz]ed|authori[sz]ing|vendor keys",
        "The device does not trust this computer yet",
        "Unlock it and allow USB debugging in the dialog that it shows",
    ),
    (
        r"no permissions|insufficient permissions",
        "This user may not talk to the USB device",
        "Install Android's udev rules, or join the group plugdev and log in again",
    ),
    (
        r"more than one device",
        "Several devices are connected and none was named",
        "Name one: `tfcompress devices` lists them",
    ),
    (
        r"No space left on device|not enough space|ENOSPC",
        "The device has no space left",
        "Delete something on it and try again",
    ),
    (
        r"Read-only file system|Permission denied|Operation not permitted",
        "The device does not allow this",
        "Use a folder that its shell may write, such as /data/local/tmp",
    ),
    (
        r"cannot connect to daemon|failed to (start|check).*(daemon|server)",
        "The adb server cannot be reached",
        "Try `adb kill-server`, then `adb devices`",
    ),
    (
        _GONE,
        "The device is not connected, or went away",
        "Check the cable and that USB debugging is on, then `adb devices`",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdbDevice:
    """A line of ``adb devices``.

    Args:
        serial: What `AdbTransport` takes.
        state: ``device`` when it obeys; else ``unauthorized``, ``offline`` or the like.
        model: The phone's name, empty where adb does not know it.
    """

    serial: str
    state: str
    model: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdbClient:
    """Starts the adb program for one server.

    Args:
        adb: Name or path of the program.
        server_port: Port of the adb server; None for adb's own choice (5037, or
            ANDROID_ADB_SERVER_PORT).
    """

    adb: str = "adb"
    server_port: int | None = None

    def start(self, *words: str, serial: str | None = None) -> Process:
        """Start a command and hold its standard input open.

        Raises:
            DeviceError: If adb is not installed.
        """
        port = [] if self.server_port is None else ["-P", str(self.server_port)]
        device = [] if serial is None else ["-s", serial]
        try:
            return Process([self.adb, *port, *device, *words], keep_stdin=True)
        except OSError as error:
            found = shutil.which(self.adb)
            raise DeviceError(
                f"adb cannot be started. Received: adb={self.adb!r} "
                f"({'not found' if found is None else error.strerror}). Install "
                "Android's platform-tools (on Debian: `apt install adb`) and put it "
                "on PATH."
            ) from error

    def call(
        self, *words: str, serial: str | None = None, timeout_s: float = PATIENCE_S
    ) -> Outcome:
        """Run a command to its end, whatever that is."""
        return self.start(*words, serial=serial).wait(timeout_s)

    def devices(self) -> list[AdbDevice]:
        """Return what is connected, in any state.

        Raises:
            DeviceError: If adb or its server cannot be started.
        """
        self.call("start-server")  # apart, so that ending `devices` ends no server
        ended = self.call("devices", "-l")
        if ended.exit_code or ended.stopped:
            raise explain(ended, "no serial")
        return parse_devices(ended.stdout.decode("utf-8", "replace"))


def list_devices(
    *, adb: str = "adb", server_port: int | None = None
) -> list[AdbDevice]:
    """Return the devices on adb, also those that do not obey yet.

    Raises:
        DeviceError: If adb is not installed or its server does not start.
    """
    return AdbClient(adb=adb, server_port=server_port).devices()


def parse_devices(text: str) -> list[AdbDevice]:
    r"""Read the output of ``adb devices -l``.

    Example:
        >>> parse_devices("List of devices attached\n8A  device usb:1-1 model:Pixel_7")
        [AdbDevice(serial='8A', state='device', model='Pixel 7')]
    """
    devices = []
    for line in text.partition("List of devices attached")[2].splitlines():
        listed = _LISTED.match(line.strip())
        if listed:
            details = dict(word.split(":", 1) for word in listed[3].split())
            model = details.get("model", "").replace("_", " ")
            state = listed[2].partition(";")[0].strip()
            devices.append(AdbDevice(serial=listed[1], state=state, model=model))
    return devices


def explain(ended: Outcome, serial: str, *, doing: str = "") -> DeviceError:
    """Return the error that a failed call of adb stands for, in one line."""
    if ended.stopped:
        return DeviceError(
            f"The device does not answer. Received: {serial} ({ended.stopped}"
            f"{doing and f', while {doing}'}). Check the cable, or start it again."
        )
    return complaint(reason(ended), serial, doing=doing)


def reason(ended: Outcome) -> str:
    """Return the line in which a failed call of adb says why, as far as it does."""
    printed = (ended.stdout + b"\n" + ended.stderr).decode("utf-8", "replace")
    says = [line for line in printed.splitlines() if re.search(r"error|fail", line)]
    return last_line("\n".join(says) or printed) or f"exit code {ended.exit_code}"


def complaint(said: str, serial: str, *, doing: str = "") -> DeviceError:
    """Return the error for something that adb says of a device."""
    where = f"{serial} ({said}{doing and f', while {doing}'})"
    for pattern, what, action in _COMPLAINTS:
        if re.search(pattern, said):
            return DeviceError(f"{what}. Received: {where}. {action}.")
    return DeviceError(
        f"adb failed. Received: {where}. Try the same with `adb -s {serial}`."
    )


def last_line(text: str, *, limit: int = 300) -> str:
    """Return the last line that says something, without adb's own prefix."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    line = re.sub(r"^(adb: )?(error: )?", "", lines[-1])[:limit] if lines else ""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def choose(devices: Sequence[AdbDevice], serial: str | None) -> AdbDevice:
    """Return the named device, or the only one that obeys.

    Raises:
        DeviceError: If there is none, or several and no name, or it does not obey.
    """
    if serial is not None:
        found = [device for device in devices if device.serial == serial]
        if not found:
            others = ", ".join(device.serial for device in devices) or "none"
            raise DeviceError(
                f"This device is not connected. Received: serial={serial!r}; connected:"
                f" {others}. Check the cable and that USB debugging is on."
            )
    else:
        ready = [device for device in devices if device.state == READY]
        found = ready or list(devices)
        if not found:
            raise DeviceError(
                "No device is connected. Received: an empty list from `adb devices`. "
                "Connect a phone with USB debugging on, or start an emulator."
            )
        if len(ready) > 1:
            names = ", ".join(device.serial for device in ready)
            raise complaint("more than one device", names)
    if found[0].state != READY:
        raise complaint(f"state {found[0].state}", found[0].serial)
    return found[0]
