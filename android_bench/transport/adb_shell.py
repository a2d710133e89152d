"""`AdbShell`: shell text on one device, with its exit code, and never left running."""

from __future__ import annotations

import pathlib
import secrets

from android_bench.errors import DeviceError, RunnerError
from android_bench.transport import adb_client, remote_script
from android_bench.transport.processes import Outcome, Running
from android_bench.transport.protocol import ShellResult

CLEAN_UP_S = 5.0  # on a device that may be gone
_BYTES_PER_S = 1_000_000  # the slowest connection that is waited for


class AdbShell:
    """Runs shell text and copies files on one device.

    Args:
        client: The adb program.
        serial: The device.
        folder: Where the text runs; made when it is missing.
        patience_s: How long adb may take for what is not a program's run.
    """

    def __init__(
        self,
        client: adb_client.AdbClient,
        serial: str,
        *,
        folder: str,
        patience_s: float,
    ) -> None:
        self.serial = serial
        self._client = client
        self._folder = folder
        self._patience_s = patience_s
        self._running = Running()

    def run(
        self, script: str, *, doing: str = "", timeout_s: float | None = None
    ) -> ShellResult:
        """Run shell text in the folder; see `remote_script`.

        Raises:
            DeviceError: If the device is gone.
            RunnerError: If the text did not reach its end; it is killed.
        """
        token = f"tfc{secrets.token_hex(8)}"
        text = remote_script.wrap(script, token=token, folder=self._folder)
        process = self._client.start("shell", text, serial=self.serial)
        done = None
        try:
            with self._running.tracked(process):
                ended = process.wait(timeout_s or self._patience_s)
            done = remote_script.unwrap(ended.stdout, token)
        finally:
            if done is None:
                self._sweep(remote_script.process_id(process.stdout, token))
        if done is None:
            raise self._unfinished(ended, token, doing)
        stderr = ended.stderr.decode("utf-8", "replace")
        return ShellResult(exit_code=done[0], stdout=done[1], stderr=stderr)

    def checked(self, script: str, *, doing: str) -> None:
        """Run shell text that has to succeed.

        Raises:
            DeviceError: If its exit code is not 0, with what it printed.
        """
        result = self.run(script, doing=doing)
        if result.exit_code:
            reason = adb_client.last_line(result.stderr) or f"code {result.exit_code}"
            raise adb_client.complaint(reason, self.serial, doing=doing)

    def transfer(self, verb: str, source: str, target: str, *, size_bytes: int) -> None:
        """Push or pull a file.

        Raises:
            DeviceError: If the device is gone, full or does not answer.
            RunnerError: If it was cancelled.
        """
        timeout_s = self._patience_s + size_bytes / _BYTES_PER_S
        process = self._client.start(verb, source, target, serial=self.serial)
        with self._running.tracked(process):
            ended = process.wait(timeout_s)
        doing = f"{verb}ing {pathlib.PurePath(source).name}"
        if ended.stopped == "cancelled":
            raise RunnerError(
                f"A copy was cancelled. Received: {self.serial} ({doing}). Start it "
                "again."
            )
        if ended.exit_code or ended.stopped:
            raise self._failure(ended, doing)

    def cancel(self) -> None:
        """Kill what is running here and on the device; from any thread."""
        self._running.stop_all("cancelled")

    def _unfinished(
        self, ended: Outcome, token: str, doing: str
    ) -> DeviceError | RunnerError:
        """Return what it means that a script did not reach its end."""
        started = remote_script.process_id(ended.stdout, token) is not None
        cancelled = ended.stopped == "cancelled"
        if not cancelled and not (started and (ended.stopped or self._ready())):
            return self._failure(ended, doing)
        why = ended.stopped or "killed on the device, perhaps for its memory"
        return RunnerError(
            f"A program was stopped. Received: {self.serial} ({why}, while "
            f"{doing or 'asking the device'}). Try it with a smaller model or a longer "
            "time."
        )

    def _failure(self, ended: Outcome, doing: str) -> DeviceError:
        """Return why adb failed: the device's state if it is lost, else adb's words."""
        if ended.stopped or self._ready():
            return adb_client.explain(ended, self.serial, doing=doing)
        lost = adb_client.reason(self._state())
        return adb_client.complaint(f"lost: {lost}", self.serial, doing=doing)

    def _ready(self) -> bool:
        return self._state().stdout.strip() == adb_client.READY.encode()

    def _state(self) -> Outcome:
        return self._client.call("get-state", serial=self.serial, timeout_s=CLEAN_UP_S)

    def _sweep(self, pid: int | None) -> None:
        """Kill what a script left; where the device is gone, its own watcher does."""
        if pid is not None:
            text = remote_script.kill_group(pid)
            self._client.call("shell", text, serial=self.serial, timeout_s=CLEAN_UP_S)
