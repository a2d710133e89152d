"""Write files so that a killed process leaves the old one or the new one, never half.

Everything the toolkit writes goes to a temporary name beside its target, is flushed to
the disk, and is then renamed over it: on one file system a rename is atomic.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import filelock

from tfcompress import errors

PathLike = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(target: PathLike) -> Iterator[pathlib.Path]:
    """Yield a temporary path beside `target`; rename it over `target` on success.

    The temporary name keeps the suffix of `target`, because writers such as
    ``keras.Model.save`` choose the format by it.

    Args:
        target: The file to write. Missing parent folders are made.

    Raises:
        OutputError: If the file cannot be written (no permission, disk full); the
            old file, if there was one, is untouched.

    Example:
        >>> folder = tempfile.mkdtemp()
        >>> with replacing(folder + "/note.txt") as path:
        ...     _ = path.write_text("done")
        >>> pathlib.Path(folder, "note.txt").read_text()
        'done'
    """
    target = pathlib.Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent
        )
        os.close(handle)
    except OSError as error:
        raise _refused(target, error) from error
    temporary = pathlib.Path(name)
    try:
        yield temporary
        _flush_to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files
        temporary.replace(target)
    except OSError as error:
        raise _refused(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(target: PathLike, content: bytes) -> None:
    """Write `content` to `target` atomically."""
    with replacing(target) as path:
        path.write_bytes(content)


def write_text(target: PathLike, content: str) -> None:
    """Write `content` to `target` atomically, as UTF-8."""
    write_bytes(target, content.encode("utf-8"))


def write_json(target: PathLike, content: Mapping[str, Any]) -> None:
    """Write `content` to `target` atomically, as indented JSON.

    Raises:
        ValueError: If `content` holds NaN or an infinity, which JSON has no words for.
    """
    write_text(target, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: PathLike) -> dict[str, Any]:
    """Read a JSON object that the toolkit wrote.

    Raises:
        DataError: If the file is missing or is not a JSON object.
    """
    path = pathlib.Path(path)
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise errors.DataError(
            f"There is no such file. Received: {path}. Check the path."
        ) from error
    except (OSError, ValueError) as error:
        raise errors.DataError(
            f"This file cannot be read as JSON. Received: {path} ({error}). "
            "Write it again with the command that made it."
        ) from error
    if not isinstance(content, dict):
        raise errors.DataError(
            f"This file holds no JSON object. Received: {path} with a "
            f"{type(content).__name__}. Pass a record that tfcompress wrote."
        )
    return content


def refuse_existing(target: PathLike, *, force: bool) -> None:
    """Refuse to overwrite `target` unless `force` is set.

    Call it before the long work, not after.

    Raises:
        OutputError: If `target` exists and `force` is false.
    """
    if not force and pathlib.Path(target).exists():
        raise errors.OutputError(
            f"The output exists already. Received: {os.fspath(target)}. Choose another "
            "name, or overwrite it with `--force`."
        )


def refuse_same(target: PathLike, sources: Iterable[PathLike]) -> None:
    """Refuse to write over a file that is read, whatever `--force` says.

    Raises:
        OutputError: If `target` is one of `sources`.

    Example:
        >>> refuse_same("net.keras", ["./net.keras"])
        Traceback (most recent call last):
        tfcompress.errors.OutputError: The output would overwrite what it is made of. \
Received: net.keras. Choose another name.
    """
    if pathlib.Path(target).resolve() in {pathlib.Path(s).resolve() for s in sources}:
        raise errors.OutputError(
            "The output would overwrite what it is made of. Received: "
            f"{os.fspath(target)}. Choose another name."
        )


@contextlib.contextmanager
def lock(directory: PathLike) -> Iterator[None]:
    """Hold `directory` for this process; the system frees it even after a kill -9.

    Raises:
        LockedError: If another process holds it.
    """
    directory = pathlib.Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(directory / ".lock")
        held.acquire(timeout=0)
    except filelock.Timeout as error:
        raise errors.LockedError(
            f"Another process is working in this run directory. Received: {directory}. "
            "Wait until it ends, or choose another directory with `-o`."
        ) from error
    except OSError as error:
        raise _refused(directory, error) from error
    try:
        yield
    finally:
        held.release()


def fingerprint(*parts: bytes | str) -> str:
    """Return a short, stable name of some content: 16 hex digits of its SHA-256.

    Example:
        >>> fingerprint("conv1", "(3, 3, 3, 16)")
        '499266c2279bbffa'
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))  # so that "ab","c" != "a","bc"
        digest.update(data)
    return digest.hexdigest()[:16]


def _flush_to_disk(path: pathlib.Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _refused(target: pathlib.Path, error: OSError) -> errors.OutputError:
    return errors.OutputError(
        f"Writing was refused. Received: {target} ({error.strerror or error}). "
        "Free some space or choose a place you may write to with `-o`."
    )
