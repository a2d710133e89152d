"""Measure a .tflite file inside an Android app, on the CPU or GPU.

An app is not the shell: the same model has been seen to run at 6.0 ms from ``adb
shell`` and at 3.8 ms in an app.  What users get is the app's figure.

The host pushes the file, starts the app's activity with the options as texts, and
waits on the device for the record, which the app writes whole after every step: it
says which model was under way if native code has ended the process.  The app's answer
has the keys of the native runner's, so that `parse.read_native` reads both.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import secrets
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from android_bench import app_record
from android_bench.app_install import PACKAGE, ensure_installed
from android_bench.errors import RunnerError

if TYPE_CHECKING:
    from android_bench.transport import Transport

COMPONENT = f"{PACKAGE}/.BenchmarkActivity"
STORAGE = f"/sdcard/Android/data/{PACKAGE}/files"  # the app's external files folder
GRACE_S = 120.0  # to start, to load a large file, to finish the last run
DELEGATES = ("cpu", "gpu")

_GONE, _LATE = 3, 4
# Looks once a second: a look costs the device two short processes.  The record comes
# before the app's end, so it is looked at once more when the app is gone.
_WAIT = f"""\
seconds=0
while [ $seconds -le "$2" ]; do
  gone=; pidof {PACKAGE} > /dev/null || gone=1
  grep -q '"finished": true' "$1" 2> /dev/null && exit 0
  [ -n "$gone" ] && exit {_GONE}
  sleep 1
  seconds=$((seconds + 1))
done
exit {_LATE}
"""


class Request(Protocol):
    """What to measure, and how; `RunRequest` of the backends is one."""

    @property
    def model(self) -> pathlib.Path:
        """The .tflite file."""

    @property
    def delegate(self) -> str:
        """One of `DELEGATES`."""

    @property
    def num_threads(self) -> int:
        """Threads on the CPU."""

    @property
    def fp16(self) -> bool:
        """Whether the GPU may compute in 16-bit floats."""

    @property
    def warmup_runs(self) -> int:
        """Runs before the first one that counts."""

    @property
    def min_runs(self) -> int:
        """Runs that count, at least."""

    @property
    def max_seconds(self) -> float:
        """When to stop although the median still moves."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppAnswer:
    """What the app measured.

    Args:
        content: One run as JSON, for `parse.read_native`.
        about: The app's and the device's own words: version, SoC, thermal status.
        agreement: The GPU's output against the CPU's, as the app found it; None on
            the CPU.
        outputs: Files of the outputs, in the model's order, if they were asked for.
    """

    content: bytes
    about: Mapping[str, Any]
    agreement: Mapping[str, Any] | None
    outputs: tuple[pathlib.Path, ...] = ()


def run_app(
    transport: Transport,
    request: Request,
    *,
    apk: pathlib.Path | None = None,
    output_folder: pathlib.Path | None = None,
    storage: str = STORAGE,
    timeout_s: float | None = None,
) -> AppAnswer:
    """Measure a file in the app, which is installed first if needed.

    Nothing is left running: the app is stopped in the end, whatever happened.

    Args:
        transport: To the device.
        request: What to measure, and how.
        apk: The app's build; None: the one that is installed.
        output_folder: Where to put the model's outputs as raw tensors.
        storage: The app's external files folder on the device.
        timeout_s: How long the app may take; by default what the settings allow.

    Raises:
        RunnerError: If the app is missing, cannot start, crashes, hangs, or could not
            run the model.
        DeviceError: If the device is gone, full, or refuses the app.
        ParseError: If the record is torn.
    """
    if request.delegate not in DELEGATES:
        raise RunnerError(
            f"The app does not have this delegate. Received: delegate="
            f"{request.delegate!r}; it has {' and '.join(DELEGATES)}. Take another "
            "runner."
        )
    ensure_installed(transport, apk)
    run = _Run(transport, request, storage, keep_outputs=output_folder is not None)
    limit_s = timeout_s or GRACE_S + 3 * request.max_seconds
    try:
        run.start()
        record = run.wait(limit_s)
        outputs = run.pull_outputs(record, output_folder)
    finally:
        run.clean_up()
    run_record = {
        **record.run,
        "model": request.model.name,
    }  # not the name it had there
    return AppAnswer(
        content=json.dumps(run_record).encode(),
        about=record.about,
        agreement=record.run.get("agreement"),
        outputs=outputs,
    )


class _Run:
    """One start of the app, and its files on the device."""

    def __init__(
        self,
        transport: Transport,
        request: Request,
        storage: str,
        *,
        keep_outputs: bool,
    ) -> None:
        token = secrets.token_hex(6)  # never an old record
        self._transport, self._request = transport, request
        self._record = f"record-{token}.json"
        self._outputs = f"outputs-{token}" if keep_outputs else None
        self._storage = storage

    def start(self) -> None:
        """Push the model, wake the screen, start the activity."""
        transport = self._transport
        model = transport.push(self._request.model, _name(self._request.model))
        # An app may read what lies in the shell's folder, if everybody may.
        transport.shell(["chmod", "a+rX", transport.folder, model])
        transport.shell(["input", "keyevent", "KEYCODE_WAKEUP"])
        transport.shell(["wm", "dismiss-keyguard"])
        command = ["am", "start", "-S", "-W", "-n", COMPONENT]
        for key, value in self._options(model).items():
            command += ["--es", key, value]
        result = transport.shell(command)
        said = f"{result.stdout}\n{result.stderr}"
        if result.exit_code or "Error" in said:  # old devices end with 0 all the same
            reason = " ".join(said.split())[-300:]
            raise RunnerError(
                f"The app cannot be started. Received: {reason or 'no reason'} from "
                f"{transport.serial}. Unlock the screen; if it repeats, install the "
                "app again."
            )

    def wait(self, limit_s: float) -> app_record.AppRecord:
        """Wait for the record on the device, and read it."""
        where = f"{self._storage}/{self._record}"
        command = ["sh", "-c", _WAIT, "wait", where, str(int(limit_s))]
        ended = self._transport.shell(command, timeout_s=limit_s + 60.0)
        if ended.exit_code:
            reason = self._reason(ended.exit_code, limit_s)
            raise RunnerError(
                f"The app did not measure this file. Received: {self._request.model} "
                f"on the {self._request.delegate}: {reason}. Look at `adb logcat`, or "
                "take the native runner."
            )
        return app_record.read(self._pulled(where), model=self._request.model)

    def pull_outputs(
        self, record: app_record.AppRecord, folder: pathlib.Path | None
    ) -> tuple[pathlib.Path, ...]:
        """Copy the model's outputs here."""
        if folder is None:
            return ()
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for name in record.output_files:
            target = folder / name
            self._transport.pull(f"{self._storage}/{self._outputs}/{name}", target)
            files.append(target)
        return tuple(files)

    def clean_up(self) -> None:
        """Stop the app and delete what it wrote."""
        left = [f"{self._storage}/{self._record}"]
        left.append(f"{left[0]}.part")
        if self._outputs:
            left.append(f"{self._storage}/{self._outputs}")
        self._transport.shell(["am", "force-stop", PACKAGE])
        self._transport.shell(["rm", "-rf", *left])

    def _options(self, model: str) -> dict[str, str]:
        request = self._request
        options = {
            "models": model,
            "delegate": request.delegate,
            "threads": str(request.num_threads),
            "fp16": str(request.fp16).lower(),
            "warmup_runs": str(request.warmup_runs),
            "min_runs": str(request.min_runs),
            "max_seconds": str(request.max_seconds),
            "output": self._record,
        }
        return options | ({"output_folder": self._outputs} if self._outputs else {})

    def _reason(self, code: int, limit_s: float) -> str:
        if code == _LATE:
            return f"no record after {limit_s:g} s"
        if code != _GONE:
            return f"waiting for it ended with code {code}"
        log = self._transport.shell(["logcat", "-d", "-b", "crash", "-v", "raw"])
        return f"the app has ended{app_record.crash(log.stdout)}"

    def _pulled(self, remote: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            target = pathlib.Path(folder, "record.json")
            self._transport.pull(remote, target)
            return target.read_bytes()


def _name(model: pathlib.Path) -> str:
    """Return a name that no shell and no list of paths can misread."""
    try:
        content = model.read_bytes()
    except OSError as error:
        raise RunnerError(
            f"This file cannot be read. Received: {model} "
            f"({error.strerror or error}). Check the path."
        ) from error
    return f"{hashlib.sha256(content).hexdigest()[:16]}.tflite"
