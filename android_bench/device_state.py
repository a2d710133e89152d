"""Ask a target what it is and how it is: one script for all questions.

Everything is read, nothing is set: a phone in a user's hand is measured as it is.  What
a device does not say is None.
"""

from __future__ import annotations

import re

from android_bench.devices import Device, DeviceState
from android_bench.transport import Transport

_CPU = "/sys/devices/system/cpu"
_STATE = f"""
cat {_CPU}/cpu*/cpufreq/scaling_governor 2>/dev/null | sed 's/^/governor=/'
sed 's/^/loadavg=/' /proc/loadavg 2>/dev/null
dumpsys thermalservice 2>/dev/null | grep 'Thermal Status:' | head -n 1
dumpsys battery 2>/dev/null | grep -E '^ *(level|temperature|AC powered|USB powered|\
Wireless powered):'
true
"""
_CORES = f"""
for cpu in {_CPU}/cpu[0-9]*; do
  max=$(cat $cpu/cpufreq/cpuinfo_max_freq 2>/dev/null) && echo "${{cpu##*/cpu}}=$max"
done
command -v taskset >/dev/null && echo taskset
true
"""
_TIMEOUT_S = 30.0


def describe(transport: Transport) -> Device:
    """Return what the target is."""
    if transport.serial == "local":
        return Device.host()
    prop = transport.getprop
    soc = " ".join(filter(None, (prop("ro.soc.manufacturer"), prop("ro.soc.model"))))
    platform = prop("ro.board.platform") or prop("ro.hardware")
    level = prop("ro.build.version.sdk")
    cores = transport.shell(["nproc"], timeout_s=_TIMEOUT_S).stdout.strip()
    version = prop("ro.build.version.release")
    return Device(
        name=prop("ro.product.model") or "unknown device",
        cpu=soc or platform or "unknown",
        cores=int(cores) if cores.isdigit() else 1,
        system=f"Android {version}" if version else "unknown",
        serial=transport.serial,
        manufacturer=prop("ro.product.manufacturer") or None,
        soc=soc or platform or None,
        abi=prop("ro.product.cpu.abi") or None,
        android_version=version or None,
        api_level=int(level) if level.isdigit() else None,
    )


def state(transport: Transport) -> DeviceState:
    """Return how warm and how free the target is."""
    done = transport.shell(["sh", "-c", _STATE], timeout_s=_TIMEOUT_S)
    return parse_state(done.stdout)


def parse_state(text: str) -> DeviceState:
    r"""Read what the script printed.

    Example:
        >>> parse_state("governor=walt\nThermal Status: 2\nlevel: 80\n").thermal_name
        'moderate'
    """
    governors = dict.fromkeys(re.findall(r"^governor=(\S+)$", text, re.MULTILINE))
    tenths = _whole(r"^ *temperature: *(-?\d+)", text)
    load = re.search(r"^loadavg=([\d.]+) ", text, re.MULTILINE)
    powered = re.findall(r"powered: *(true|false)", text)
    return DeviceState(
        governor=",".join(governors) or None,
        thermal_status=_whole(r"Thermal Status: *(\d+)", text),
        battery_percent=_whole(r"^ *level: *(\d+)", text),
        battery_celsius=None if tenths is None else tenths / 10,
        charging="true" in powered if powered else None,
        load=float(load[1]) if load else None,
    )


def big_cores(transport: Transport) -> tuple[int, ...]:
    """Return the processors of the highest clock, if the rest are slower.

    Empty where all are equal, where the clocks are not to be read, or where there is
    no `taskset` to hold a program on them.
    """
    done = transport.shell(["sh", "-c", _CORES], timeout_s=_TIMEOUT_S)
    return parse_cores(done.stdout)


def parse_cores(text: str) -> tuple[int, ...]:
    r"""Read what the script printed.

    Example:
        >>> parse_cores("0=1800000\n1=1800000\n2=2400000\n3=2400000\ntaskset\n")
        (2, 3)
    """
    clocks = {int(a): int(b) for a, b in re.findall(r"^(\d+)=(\d+)$", text, re.M)}
    if "taskset" not in text.split() or len(set(clocks.values())) < 2:
        return ()
    fastest = max(clocks.values())
    return tuple(sorted(core for core, clock in clocks.items() if clock == fastest))


def _whole(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return None if found is None else int(found[1])
