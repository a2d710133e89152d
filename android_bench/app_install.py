"""Put the benchmark app on a device, unless this very build is there already."""

from __future__ import annotations

import hashlib
import pathlib
from typing import TYPE_CHECKING

from android_bench.errors import DeviceError, RunnerError

if TYPE_CHECKING:
    from android_bench.transport import ShellResult, Transport

PACKAGE = "org.tfcompress.benchmark"

_INSTALL_S = 300.0  # the device compiles and checks it
_BUILD = "gradle :app:assembleRelease in android_bench/app (docs/android_app.md)"
_HINTS = {
    "UPDATE_INCOMPATIBLE": f"Another key signed the old one: adb uninstall {PACKAGE}.",
    "INSUFFICIENT_STORAGE": "Make space on the device.",
    "NO_MATCHING_ABIS": "The app has arm64-v8a and x86_64; this device has neither.",
    "OLDER_SDK": "The app needs Android 8 (API 26).",
    "USER_RESTRICTED": "Allow installing over USB in the developer options.",
    "VERIFICATION_FAILURE": "Allow installing over USB in the developer options.",
}


def ensure_installed(transport: Transport, apk: pathlib.Path | None = None) -> bool:
    """Install the app if it is missing, or is another build than `apk`.

    Args:
        transport: To the device.
        apk: The build to have there; None: whichever is installed.

    Returns:
        Whether it was installed now.

    Raises:
        RunnerError: If there is no app and no `apk`, or `apk` cannot be read.
        DeviceError: If the device refuses it.
    """
    installed = _installed_sha256(transport)
    if apk is None:
        if installed is None:
            raise RunnerError(
                f"The benchmark app is not on this device. Received: {PACKAGE} is not "
                f"among the packages of {transport.serial}. Build it with {_BUILD} and "
                "pass its .apk file."
            )
        return False
    if _sha256(apk) == installed:
        return False
    remote = transport.push(apk, "tfcompress-benchmark.apk")
    try:
        result = transport.shell(
            ["pm", "install", "-r", "-t", remote], timeout_s=_INSTALL_S
        )
    finally:
        transport.remove(remote)
    if result.exit_code or "Success" not in result.stdout:
        raise _refused(transport, apk, result)
    return True


def _installed_sha256(transport: Transport) -> str | None:
    """Return the installed build's fingerprint, None if there is none.

    An app whose file the shell may not read has the fingerprint ``unknown``.
    """
    found = transport.shell(["pm", "path", PACKAGE])
    paths = [
        line.removeprefix("package:")
        for line in found.stdout.split()
        if line.startswith("package:")
    ]
    if found.exit_code or not paths:
        return None
    hashed = transport.shell(["sha256sum", paths[0]])
    words = hashed.stdout.split()
    return words[0] if not hashed.exit_code and words else "unknown"


def _sha256(apk: pathlib.Path) -> str:
    try:
        return hashlib.sha256(apk.read_bytes()).hexdigest()
    except OSError as error:
        raise RunnerError(
            f"The app's file cannot be read. Received: {apk} "
            f"({error.strerror or error}). Build it with {_BUILD}."
        ) from error


def _refused(
    transport: Transport, apk: pathlib.Path, result: ShellResult
) -> DeviceError:
    said = " ".join(f"{result.stdout} {result.stderr}".split())[-300:]
    hint = next(
        (text for word, text in _HINTS.items() if word in said),
        f"Try: adb -s {transport.serial} install -r -t {apk}",
    )
    return DeviceError(
        f"The device does not install the app. Received: {said or 'no reason'} from "
        f"{transport.serial} for {apk}. {hint}"
    )
