"""What is connected, in words: model, Android, chip and ABI of each device on adb."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from typing import Any

from android_bench.errors import BenchmarkError
from android_bench.transport.adb_client import READY, AdbDevice, complaint, list_devices
from android_bench.transport.adb_transport import AdbTransport

_PROPERTIES = (
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.build.version.release",
    "ro.soc.manufacturer",
    "ro.soc.model",
    "ro.board.platform",
    "ro.hardware",
    "ro.product.cpu.abi",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceSummary:
    """A connected device; what it does not say is empty.

    Args:
        serial: What `AdbTransport` takes.
        model: Manufacturer and model.
        android: Version, such as ``14``.
        soc: The chip.
        abi: Of its programs, such as ``arm64-v8a``.
        state: ``device`` when it obeys, ``emulated`` for an emulator that does; else
            as adb says.
        problem: Why it cannot be used and what to do, empty if it can.
    """

    serial: str
    model: str
    android: str
    soc: str
    abi: str
    state: str
    problem: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return dataclasses.asdict(self)


def describe_devices(
    *, adb: str = "adb", server_port: int | None = None
) -> list[DeviceSummary]:
    """Return every device on adb, also those that do not obey yet, by serial.

    They are asked at once, so that a slow one costs its own time only.

    Raises:
        NoDeviceError: If adb is not installed.
        DeviceError: If its server does not start.
    """
    devices = list_devices(adb=adb, server_port=server_port)

    def describe(device: AdbDevice) -> DeviceSummary:
        if device.state != READY:
            said = complaint(f"state {device.state}", device.serial)
            return _unknown(device, device.state, str(said))
        try:
            return _describe(
                AdbTransport(device.serial, adb=adb, server_port=server_port)
            )
        except BenchmarkError as error:  # it went away meanwhile
            return _unknown(device, "lost", str(error))

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return sorted(pool.map(describe, devices), key=lambda found: found.serial)


def _describe(transport: AdbTransport) -> DeviceSummary:
    values = transport.getprops(_PROPERTIES)
    model, maker = values["ro.product.model"], values["ro.product.manufacturer"]
    chip = (
        values["ro.soc.model"] or values["ro.board.platform"] or values["ro.hardware"]
    )
    return DeviceSummary(
        serial=transport.serial,
        model=_named(maker, model),
        android=values["ro.build.version.release"],
        soc=_named(values["ro.soc.manufacturer"], chip),
        abi=values["ro.product.cpu.abi"],
        state=transport.where,
        problem="",
    )


def _unknown(device: AdbDevice, state: str, problem: str) -> DeviceSummary:
    return DeviceSummary(
        serial=device.serial,
        model=device.model,
        android="",
        soc="",
        abi="",
        state=state,
        problem=problem,
    )


def _named(maker: str, name: str) -> str:
    """Return both, the maker's name once.

    Example:
        >>> _named("Google", "Pixel 7"), _named("Google", "Google TPU"), _named("", "x")
        ('Google Pixel 7', 'Google TPU', 'x')
    """
    if name.lower().startswith(maker.lower()):
        return name
    return f"{maker} {name}".strip()
