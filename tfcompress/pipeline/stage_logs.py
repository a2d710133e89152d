"""Each stage's log: what the toolkit says while it works, one line with its time."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Iterator
from typing import Any

_LOGGERS = ("tfcompress", "android_bench")


class _QuietHandler(logging.FileHandler):
    """A file handler that stops nothing: what matters is written with checks."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or give up on it where the disk is full or refuses."""
        with contextlib.suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's
        """Print no traceback for a line that cannot be written."""

    def close(self) -> None:
        """Close the file, although the last lines may not fit any more."""
        with contextlib.suppress(OSError):
            super().close()


def progress_line(done: Any) -> str | None:
    """Return the line of a finished epoch or plan; ``None`` in the middle of an epoch.

    Example:
        >>> import types
        >>> logs = {"reward": -0.125, "macs": 5_480_000.0}
        >>> progress_line(types.SimpleNamespace(episode=3, episodes=400, logs=logs))
        'episode 3/400: reward -0.1250, macs 5,480,000'
    """
    if hasattr(done, "what"):
        return str(done.text)
    if hasattr(done, "method"):
        best = "none fits" if done.best_reward is None else f"{done.best_reward:.4f}"
        return f"{done.method} {done.evaluation}/{done.evaluations}: best {best}"
    figures = ", ".join(f"{key} {_figure(value)}" for key, value in done.logs.items())
    if hasattr(done, "episode"):
        return f"episode {done.episode}/{done.episodes}: {figures}"
    if done.step != done.steps:
        return None
    return f"epoch {done.epoch + 1}/{done.epochs}: {figures}"


def _figure(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"


@contextlib.contextmanager
def stage_log(path: pathlib.Path) -> Iterator[None]:
    """Append what the toolkit logs to `path` while the context is open."""
    handler = _QuietHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
        handler.close()
