"""Send what native code prints to the log instead of the terminal.

TensorFlow's converter prints to file descriptors 1 and 2 from C++, past ``sys.stdout``;
a command that answers with JSON on stdout cannot have that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

_LOCK = threading.Lock()  # descriptors belong to the whole process


@contextlib.contextmanager
def logged(logger: logging.Logger, level: int = logging.DEBUG) -> Iterator[None]:
    """Capture file descriptors 1 and 2 for a while and log their lines afterwards.

    Python's own ``print`` is caught as well. Whole process: other threads' output of
    that moment goes to the log too.

    Args:
        logger: Where the lines go.
        level: Their level.
    """
    with _LOCK, tempfile.TemporaryFile() as sink:
        _flush()
        saved = [os.dup(1), os.dup(2)]
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            _flush()
            for descriptor, copy in enumerate(saved, start=1):
                os.dup2(copy, descriptor)
                os.close(copy)
            sink.seek(0)
            for line in sink.read().decode("utf-8", "replace").splitlines():
                if line.strip():
                    logger.log(level, "%s", line.rstrip())


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.flush()  # closed or missing streams have nothing to keep
