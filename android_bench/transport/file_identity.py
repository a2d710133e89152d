"""Whether two files are the same: size and SHA-256."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import re
from typing import Self

from android_bench.errors import BenchmarkError

_PRINTED = re.compile(r"\s*(\d+)\s+\\?([0-9a-f]{64})\b")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileIdentity:
    """Size in bytes and SHA-256 in hexadecimal, None where only the size is known."""

    size_bytes: int
    sha256: str | None

    @classmethod
    def of(cls, path: pathlib.Path) -> Self:
        """Read a file of this computer.

        Raises:
            BenchmarkError: If it cannot be read.
        """
        try:
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                return cls(size_bytes=file.tell(), sha256=sha256)
        except OSError as error:
            raise BenchmarkError(
                "A file to copy cannot be read. Received: "
                f"{path} ({error.strerror or error}). Check the path."
            ) from error

    @classmethod
    def printed(cls, text: str) -> Self | None:
        r"""Read what ``wc -c`` and then ``sha256sum`` printed; None for no size.

        Example:
            >>> FileIdentity.printed("12\n")
            FileIdentity(size_bytes=12, sha256=None)
        """
        both = _PRINTED.match(text)
        if both:
            return cls(size_bytes=int(both[1]), sha256=both[2])
        words = text.split()
        if words and words[0].isdigit():
            return cls(size_bytes=int(words[0]), sha256=None)
        return None
