"""What a transport can do, and what a command on it came to."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Protocol

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NAME = re.compile(
    r"[A-Za-z0-9_+@%=,-][A-Za-z0-9._+@%=,-]*(/[A-Za-z0-9_+@%=,-]"
    r"[A-Za-z0-9._+@%=,-]*)*\Z"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShellResult:
    """How a command ended: a code other than 0 is the caller's to judge."""

    exit_code: int
    stdout: str
    stderr: str


class Transport(Protocol):
    """A place to run programs: `AdbTransport`, `LocalTransport`, or a test's own."""

    @property
    def serial(self) -> str:
        """The device's serial, ``local`` for this computer."""

    @property
    def where(self) -> str:
        """What a figure measured here is: ``device``, ``emulated`` or ``host``."""

    @property
    def folder(self) -> str:
        """The working folder there, without a slash at its end."""

    def push(self, source: pathlib.Path, name: str, *, executable: bool = False) -> str:
        """Copy a file into the folder, unless an equal one is there; return its path.

        Equal is equal in size and SHA-256.  The copy is checked, and appears under its
        name only when it is whole.

        Raises:
            DeviceError: If the device is gone or has no space.
        """

    def pull(self, remote: str, target: pathlib.Path) -> None:
        """Copy a file here; `target` is the old file or the whole new one.

        Raises:
            DeviceError: If the device is gone.
            RunnerError: If there is no such file.
        """

    def shell(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> ShellResult:
        """Run a program in the folder, and wait for its end.

        Raises:
            DeviceError: If the device is gone, or cannot execute such a file.
            RunnerError: If it does not end in time, or is cancelled; it is killed.
        """

    def getprop(self, name: str) -> str:
        """Return a property of Android, an empty string where it has no value."""

    def remove(self, remote: str) -> None:
        """Delete a file or folder inside the working folder."""

    def cancel(self) -> None:
        """Kill what is running; may be called from another thread."""


def command_line(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    r"""Return a command for a POSIX shell, quoted, with variables before it.

    Example:
        >>> command_line(["echo", "it's"], {"LD_LIBRARY_PATH": "/a b"})
        'LD_LIBRARY_PATH=\'/a b\' echo \'it\'"\'"\'s\''
    """
    if not argv:
        raise ValueError("There is no program to run. Received: argv=[]. Name one.")
    words = []
    for name, value in (env or {}).items():
        if not _VARIABLE.match(name):
            raise ValueError(
                f"This is not a name of an environment variable. Received: {name!r}; "
                "expected letters, digits and underscores."
            )
        words.append(f"{name}={shlex.quote(value)}")
    return " ".join([*words, *map(shlex.quote, argv)])


def check_name(name: str) -> str:
    """Return the name of a file to push, if a shell needs no quotes for it.

    Example:
        >>> check_name("inputs/0.bin")
        'inputs/0.bin'
    """
    if not _NAME.match(name):
        raise ValueError(
            f"A file cannot be pushed under this name. Received: name={name!r}; "
            "expected letters, digits and ._+@%=,- and perhaps a folder, inside the "
            "working folder. Choose another one."
        )
    return name


def check_inside(remote: str, folder: str) -> str:
    """Return the path, if it lies inside the working folder.

    Example:
        >>> check_inside("/tmp/work/a.json", "/tmp/work")
        '/tmp/work/a.json'
    """
    path = pathlib.PurePosixPath(remote)
    inside = pathlib.PurePosixPath(folder) in path.parents
    if not inside or ".." in path.parts:
        raise ValueError(
            f"Only what is in the working folder is removed. Received: {remote!r}, "
            f"expected a path below {folder!r}."
        )
    return remote
