"""What ran the file, and the state that it was in."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from typing import Self

# Android's PowerManager.THERMAL_STATUS_*: from 2 on, clocks are lowered noticeably.
THERMAL_NAMES = (
    "none",
    "light",
    "moderate",
    "severe",
    "critical",
    "emergency",
    "shutdown",
)
THROTTLING_STATUS = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
    """What ran the file.

    Args:
        name: A phone's model, or ``host``.
        cpu: Name of the processor, as the system gives it.
        cores: Logical processors.
        system: Operating system and version.
        serial: A phone's serial number; None on the host.
        manufacturer: Who made the phone.
        soc: Its chip, such as ``Tensor G3``.
        abi: Of its programs, such as ``arm64-v8a``.
        android_version: Such as ``14``.
        api_level: Such as 34.
        gpu: Name of the graphics driver or adapter, where it is known.
    """

    name: str
    cpu: str
    cores: int
    system: str
    serial: str | None = None
    manufacturer: str | None = None
    soc: str | None = None
    abi: str | None = None
    android_version: str | None = None
    api_level: int | None = None
    gpu: str | None = None

    @classmethod
    def host(cls) -> Self:
        """Describe this computer."""
        return cls(
            name="host",
            cpu=_cpu_name(),
            cores=os.cpu_count() or 1,
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            abi=platform.machine() or None,
        )

    def anonymous(self) -> Self:
        """Return it with a fingerprint for the serial, so that it may be published.

        Two records of one phone still have the same value.
        """
        if self.serial is None or self.serial.startswith("sha256:"):
            return self
        digest = hashlib.sha256(self.serial.encode("utf-8")).hexdigest()
        return dataclasses.replace(self, serial=f"sha256:{digest[:12]}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceState:
    """How warm and how free a device is; None where it does not say.

    Args:
        governor: Of the processors' clocks, such as ``schedutil``; several with commas.
        thermal_status: Android's, 0 (none) to 6 (shutdown).
        battery_percent: Charge.
        battery_celsius: Temperature of the battery.
        charging: Whether it is on power.
        load: Processes that wanted to run, over the last minute.
    """

    governor: str | None = None
    thermal_status: int | None = None
    battery_percent: int | None = None
    battery_celsius: float | None = None
    charging: bool | None = None
    load: float | None = None

    @property
    def thermal_name(self) -> str:
        """Android's word for the thermal status, such as ``moderate``."""
        status = self.thermal_status
        if status is None or not 0 <= status < len(THERMAL_NAMES):
            return "unknown"
        return THERMAL_NAMES[status]

    @property
    def throttling(self) -> bool:
        """Whether Android says that it has lowered the clocks."""
        return self.thermal_status is not None and (
            self.thermal_status >= THROTTLING_STATUS
        )


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith(("model name", "Hardware")):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not a Linux system
    return platform.processor() or platform.machine()
