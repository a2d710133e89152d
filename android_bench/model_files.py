"""Read a .tflite file, and refuse what is none before anything is started."""

from __future__ import annotations

import pathlib

from android_bench.errors import BenchmarkError


def read_model(path: pathlib.Path) -> bytes:
    """Return a .tflite file's content.

    Raises:
        BenchmarkError: If it is missing or of another kind.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BenchmarkError(
            f"This file cannot be read. Received: {path} ({error.strerror or error}). "
            "Check the path."
        ) from error
    if content[4:8] != b"TFL3":
        raise BenchmarkError(
            f"This is not a .tflite file. Received: {path} ({len(content)} bytes) with "
            f"identifier {content[4:8]!r}, expected b'TFL3'. Convert the model first."
        )
    return content
