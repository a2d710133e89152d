"""Fetch an official ``benchmark_model`` from its public place, after consent.

The file is somebody else's program, so its place is shown before and its SHA-256 after;
``sha256`` pins it.  It appears under its name only when it is whole, beside a JSON file
that says where it came from.  `urllib` honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import hashlib
import http.client
import json
import os
import pathlib
import re
import tempfile
import urllib.error
import urllib.request
from typing import IO, Any

from android_bench.errors import DownloadError

LITERT_BASE = "https://storage.googleapis.com/litert/binaries"
CLASSIC_BASE = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/"
    "lite/tools/nightly"
)
RUNNERS = ("classic", "litert")
_PLATFORMS = {
    "android-arm64": ("android_aarch64", "android_arm64"),
    "linux-x86_64": ("linux_x86-64", "linux_x86_64"),
    "linux-arm64": ("linux_aarch64", "linux_arm64"),
}
PLATFORMS = tuple(_PLATFORMS)
_CHUNK = 1 << 20
_LARGEST = 512 << 20  # such a program has about 10 MB: more is something else
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fetched:
    """A runner that was fetched.

    Args:
        path: The program.
        url: Where it came from.
        sha256: Its fingerprint.
        size_bytes: Its size.
        pinned: Whether the fingerprint was the one that was asked for.
        fetched: ISO time in UTC.
    """

    path: pathlib.Path
    url: str
    sha256: str
    size_bytes: int
    pinned: bool
    fetched: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**dataclasses.asdict(self), "path": str(self.path)}


def runner_url(
    runner: str, platform: str, *, version: str = "latest", base: str | None = None
) -> str:
    """Return where an official program lies.

    Example:
        >>> runner_url("litert", "android-arm64").rpartition("/binaries/")[2]
        'latest/android_arm64/benchmark_model'
    """
    if runner not in RUNNERS or platform not in _PLATFORMS:
        raise ValueError(
            f"There is no such official program. Received: {runner} for {platform}; "
            f"expected one of {', '.join(RUNNERS)} for one of {', '.join(PLATFORMS)}."
        )
    classic, litert = _PLATFORMS[platform]
    if runner == "classic":
        root = (base or CLASSIC_BASE).rstrip("/")
        return f"{root}/{version}/{classic}_benchmark_model"
    return f"{(base or LITERT_BASE).rstrip('/')}/{version}/{litert}/benchmark_model"


def default_path(runner: str, platform: str) -> pathlib.Path:
    """Return where a fetched program is kept, and looked for."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "tfcompress" / "runners" / f"{runner}-{platform}-benchmark_model"


def fetch(
    url: str, target: pathlib.Path, *, sha256: str | None = None, timeout_s: float = 60
) -> Fetched:
    """Download a program.

    Args:
        url: Where it lies.
        target: Where it goes; replaced only by a whole file.
        sha256: What it has to be; None: whatever comes.
        timeout_s: Of a silent connection.

    Raises:
        DownloadError: If there is no way there, the file is cut, or it is another one.
        ValueError: If the fingerprint is not one.
    """
    if sha256 is not None and not _DIGEST.fullmatch(sha256.lower()):
        raise ValueError(
            f"This is no SHA-256. Received: sha256={sha256!r}; expected 64 hexadecimal "
            "digits."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    part = pathlib.Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            size, digest = _download(url, stream, timeout_s)
        _check(url, digest, sha256)
        part.chmod(0o755)
        found = Fetched(
            path=target,
            url=url,
            sha256=digest,
            size_bytes=size,
            pinned=sha256 is not None,
            fetched=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        )
        part.replace(target)
        _note(found)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
    return found


def _download(url: str, stream: IO[bytes], timeout_s: float) -> tuple[int, str]:
    """Copy what lies there; return its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    try:
        opener = urllib.request.build_opener()  # reads the proxies of this moment
        with opener.open(url, timeout=timeout_s) as answer:
            announced = answer.headers.get("Content-Length")
            while chunk := answer.read(_CHUNK):
                stream.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if size > _LARGEST:
                    raise _failed(url, f"more than {_LARGEST} bytes", "Check the URL.")
    except urllib.error.HTTPError as error:
        raise _failed(
            url, f"{error.code} {error.reason}", "Check the version and the platform."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _failed(
            url,
            f"{type(error).__name__}: {reason}",
            "Check the connection, and HTTPS_PROXY behind a proxy; offline, copy the "
            "program here and name it with `--runner-file`.",
        ) from error
    if size == 0 or (announced is not None and int(announced) != size):
        raise _failed(url, f"{size} of {announced} bytes", "Try again.")
    return size, digest.hexdigest()


def _check(url: str, digest: str, sha256: str | None) -> None:
    if sha256 is not None and digest != sha256.lower():
        raise _failed(
            url,
            f"the SHA-256 {digest}, expected {sha256.lower()}",
            "It is another version, or was changed on its way; nothing was kept.",
        )


def _note(found: Fetched) -> None:
    """Write beside the program where it came from."""
    path = found.path.with_name(f"{found.path.name}.json")
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(found.to_dict(), indent=2) + "\n", "utf-8")
    part.replace(path)


def _failed(url: str, received: str, todo: str) -> DownloadError:
    return DownloadError(
        f"The program cannot be fetched from {url}. Received: {received}. {todo}"
    )
