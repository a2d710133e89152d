"""From what a user asks for to targets: which devices, which runner, which files."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import pathlib
import platform
import shutil
from collections.abc import Sequence

from android_bench import fetch_runner
from android_bench.backends.app import AppBackend
from android_bench.backends.base import Backend
from android_bench.backends.benchmark_model import (
    ClassicBackend,
    LiteRtBackend,
    LiteRtScriptBackend,
)
from android_bench.backends.host_python import HostPythonBackend
from android_bench.backends.native import NativeBackend
from android_bench.errors import DeviceError, NoDeviceError, RunnerError
from android_bench.native import build_runner
from android_bench.session import Target
from android_bench.transport import (
    AdbDevice,
    AdbTransport,
    LocalTransport,
    Transport,
    list_devices,
)

AUTO, HOST, ALL = "auto", "host", "all"
RUNNERS = ("auto", "native", "classic", "litert", "litert-benchmark", "app")
_ACCELERATORS = ("libLiteRtWebGpuAccelerator.so", "libLiteRtGpuAccelerator.so")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """What a user asked for.

    Args:
        devices: ``auto``, ``host``, ``all``, or serial numbers.
        runner: One of `RUNNERS`.
        delegates: What will be asked of the runner.
        runner_file: The runner's program for the target; None: built, or fetched
            before.
        library: LiteRT's C library for the target; None: this computer's.
        accelerator: The GPU accelerator's library for the target.
        apk: The app's build.
        adb: The adb program.
        server_port: Of adb's server; None: its default.
    """

    devices: tuple[str, ...] = (AUTO,)
    runner: str = "auto"
    delegates: tuple[str, ...] = ("cpu",)
    runner_file: pathlib.Path | None = None
    library: pathlib.Path | None = None
    accelerator: pathlib.Path | None = None
    apk: pathlib.Path | None = None
    adb: str = "adb"
    server_port: int | None = None


def targets(choice: Choice) -> tuple[list[Target], str]:
    """Return what to measure on, and a note where it was chosen for the user.

    Raises:
        NoDeviceError: If a device is asked for and there is none.
        BenchmarkError: If a device or a runner cannot be used.
    """
    names, note = _names(choice)
    found = []
    for name in names:
        transport: Transport
        if name == HOST:
            transport = LocalTransport()
        else:
            transport = AdbTransport(
                name, adb=choice.adb, server_port=choice.server_port
            )
        found.append(Target(transport=transport, backend=backend(choice, transport)))
    return found, note


def backend(choice: Choice, transport: Transport) -> Backend:
    """Return the runner for a target.

    Raises:
        RunnerError: If it is not there for this target.
    """
    host = transport.serial == "local"
    runner = choice.runner if choice.runner != "auto" else _best(choice, transport)
    if runner == "app":
        return AppBackend(apk=choice.apk)
    if runner == "native":
        return _native(choice, transport)
    if runner in fetch_runner.RUNNERS:
        program = choice.runner_file or _fetched(runner, transport)
        if runner == "classic":
            return ClassicBackend(program=program)
        return LiteRtBackend(program=program, accelerator=choice.accelerator)
    if not host:
        raise RunnerError(
            f"This runner is for this computer alone. Received: {runner} for "
            f"{transport.serial}. Take `--runner native`, `classic` or `litert`."
        )
    return HostPythonBackend() if runner == "litert_python" else LiteRtScriptBackend()


def _names(choice: Choice) -> tuple[list[str], str]:
    """Return ``host`` or serial numbers, each once."""
    asked = tuple(dict.fromkeys(choice.devices))
    if asked == (HOST,):
        return [HOST], ""
    if asked == (AUTO,) and shutil.which(choice.adb) is None:
        return [HOST], "adb is not installed: this computer is measured, not a phone."
    attached = _attached(choice)
    if asked == (AUTO,):
        return _automatic(attached)
    if ALL in asked:
        ready = [device.serial for device in attached if device.state == "device"]
        if not ready:
            raise _no_device("all", attached)
        return ready, ""
    known = {device.serial for device in attached}
    for name in asked:
        if name not in (HOST, *known):
            raise _no_device(name, attached)
    return list(asked), ""


def _automatic(attached: Sequence[AdbDevice]) -> tuple[list[str], str]:
    ready = [device for device in attached if device.state == "device"]
    if not ready:
        return [HOST], "No device is attached: this computer is measured, not a phone."
    if len(ready) > 1:
        raise DeviceError(
            "Several devices are attached. Received: "
            f"{', '.join(device.serial for device in ready)}. Name one with `--device "
            "SERIAL`, or `--device all`."
        )
    return [ready[0].serial], f"Measuring on {ready[0].model or ready[0].serial}."


def _attached(choice: Choice) -> list[AdbDevice]:
    try:
        return list_devices(adb=choice.adb, server_port=choice.server_port)
    except DeviceError as error:
        if choice.devices == (AUTO,):
            return []
        raise NoDeviceError(str(error)) from error


def _no_device(name: str, attached: Sequence[AdbDevice]) -> NoDeviceError:
    found = ", ".join(f"{d.serial} ({d.state})" for d in attached) or "none"
    return NoDeviceError(
        f"There is no such device. Received: --device {name}, attached: {found}. "
        "Connect a phone with USB debugging on and look at `tfcompress devices`."
    )


def _best(choice: Choice, transport: Transport) -> str:
    """Return the runner to take where the user names none."""
    if transport.serial == "local":
        return "litert_python" if set(choice.delegates) == {"cpu"} else "native"
    if choice.library is not None:
        return "native"
    for runner in fetch_runner.RUNNERS:
        if fetch_runner.default_path(runner, _platform(transport)).exists():
            return runner
    raise RunnerError(
        f"There is no runner for this device yet. Received: {transport.serial} "
        f"({_platform(transport)}). Fetch one with `android_bench fetch-runner classic`"
        ", or name LiteRT's library for it with `--library` for our own runner."
    )


def _platform(transport: Transport) -> str:
    if transport.serial != "local":
        abi = transport.getprop("ro.product.cpu.abi")
        return "android-arm64" if abi == "arm64-v8a" else f"android-{abi or 'unknown'}"
    arm = platform.machine() in ("aarch64", "arm64")
    return "linux-arm64" if arm else "linux-x86_64"


def _fetched(runner: str, transport: Transport) -> pathlib.Path:
    """Return the program that `fetch-runner` has left in the cache."""
    name = _platform(transport)
    path = fetch_runner.default_path(runner, name)
    if not path.exists():
        raise RunnerError(
            f"The runner {runner} is not here. Received: no {path}. Fetch it with "
            f"`android_bench fetch-runner {runner} --platform {name}`, or name the "
            "program with `--runner-file`."
        )
    return path


def _native(choice: Choice, transport: Transport) -> NativeBackend:
    host = transport.serial == "local"
    if not host and choice.library is None:
        raise RunnerError(
            "The native runner needs LiteRT's library for the device. Received: none "
            f"for {transport.serial}. Take libLiteRt.so for arm64-v8a out of the "
            "com.google.ai.edge.litert:litert AAR and name it with `--library`."
        )
    target = "host" if host else transport.getprop("ro.product.cpu.abi")
    package = _package_folder()
    accelerator = choice.accelerator
    if accelerator is None and choice.library is None:
        found = (package / name for name in _ACCELERATORS)
        accelerator = next((path for path in found if path.exists()), None)
    version = importlib.metadata.version("ai-edge-litert")
    return NativeBackend(
        runner=choice.runner_file or _built(target),
        library=choice.library or package / "libLiteRt.so",
        accelerator=accelerator,
        version=f"ai-edge-litert {version}" if choice.library is None else "",
    )


def _built(target: str) -> pathlib.Path:
    try:
        return build_runner(target)
    except ValueError as error:
        raise RunnerError(
            f"The native runner is not built for this ABI. Received: {target!r}. Build "
            "android_bench/native for it and name the program with `--runner-file`."
        ) from error


def _package_folder() -> pathlib.Path:
    found = importlib.util.find_spec("ai_edge_litert")
    if found is None or not found.submodule_search_locations:
        raise RunnerError(
            "LiteRT's package is not installed. Received: no ai_edge_litert. Install "
            "it with `pip install ai-edge-litert`."
        )
    return pathlib.Path(next(iter(found.submodule_search_locations)))
