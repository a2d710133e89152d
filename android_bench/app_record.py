"""The record that the app writes: its shape, and what went wrong in its words."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from android_bench.errors import ParseError, RunnerError

SCHEMA = 1
RUNNER = "tfcompress-app"

_CRASH = re.compile(r"Abort message|signal \d+ \(|^\S*(?:Exception|Error)\b")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AppRecord:
    """A finished record of one run.

    Args:
        run: The run, with the keys of the native runner's answer.
        about: App, runtime and device.
    """

    run: Mapping[str, Any]
    about: Mapping[str, Any]

    @property
    def output_files(self) -> tuple[str, ...]:
        """Names of the files with the model's outputs."""
        names = (str(item.get("file") or "") for item in self.run.get("outputs") or ())
        return tuple(name for name in names if re.fullmatch(r"output_\d+\.bin", name))


def read(content: bytes, *, model: pathlib.Path) -> AppRecord:
    """Read a record of one run.

    Args:
        content: The file.
        model: What was measured, for messages.

    Raises:
        RunnerError: If the app says that it could not measure.
        ParseError: If the record is torn, or is not the app's.
    """
    record = _object(content)
    runs = record.get("runs") or []
    errors = [record.get("error"), *(run.get("error") for run in runs)]
    said = next((error for error in errors if error), None)
    if said:
        raise RunnerError(
            f"The app could not measure this file. Received: {model} ({said}) "
            "Look at it with `tfcompress inspect`, or take another delegate."
        )
    if len(runs) != 1 or record.get("finished") is not True:
        raise _torn(f"{len(runs)} runs, finished={record.get('finished')!r}")
    about = {
        key: value for key, value in record.items() if key not in ("runs", "running")
    }
    return AppRecord(run=runs[0], about=about)


def crash(log: str) -> str:
    r"""Return the first telling line of Android's crash log, in brackets.

    Example:
        >>> crash("Process: org.x\nsignal 11 (SIGSEGV), code 1\nbacktrace:")
        ' (signal 11 (SIGSEGV), code 1)'
        >>> crash("")
        ''
    """
    for line in log.splitlines():
        if _CRASH.search(line):
            return f" ({' '.join(line.split())[:200]})"
    return ""


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        record = json.loads(content)
    except ValueError as error:
        raise _torn(f"{len(content)} bytes, {error}") from error
    fits = (
        isinstance(record, Mapping)
        and record.get("schema") == SCHEMA
        and record.get("runner") == RUNNER
        and all(isinstance(run, Mapping) for run in record.get("runs") or [])
    )
    if not fits:
        raise _torn(repr(record)[:80])
    return dict(record)


def _torn(received: str) -> ParseError:
    return ParseError(
        f"The app's record cannot be read. Received: {received}; expected a finished "
        f"record of schema {SCHEMA} with one run. Install the app of this version, and "
        "measure again."
    )
