"""Who watches a run: the command line draws it, a test listens, nobody by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Observer:
    """Told what a run does; this one does nothing with it."""

    def stage_started(self, name: str, kind: str, *, index: int, total: int) -> None:
        """Hear that a stage begins, the `index`-th of `total`, from 0."""

    def stage_skipped(self, name: str, record: Mapping[str, Any]) -> None:
        """Hear that a stage's result from an earlier run still holds."""

    def stage_finished(self, name: str, record: Mapping[str, Any]) -> None:
        """Hear that a stage is done."""

    def progress(self, name: str, progress: Any) -> None:
        """Hear how far the training in a stage is (`tfcompress.training.Progress`).

        A search tells how many plans it has tried (`tfcompress.amc.AmcProgress`), a
        baseline likewise (`tfcompress.amc.CompareProgress`).
        """
