"""Draw on stderr what a run does: stages, and a bar with the time left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tfcompress.cli.wording import number, outcome
from tfcompress.pipeline import Observer

_WIDTH = 10  # of a stage's name


class TimeLeft(TimeRemainingColumn):
    """The time left as the work itself reckons it, else from the bar's speed."""

    def render(self, task: Task) -> Text:
        """Show hours, minutes and seconds."""
        seconds = task.fields.get("seconds_left")
        if seconds is None:
            return super().render(task)
        left = str(dt.timedelta(seconds=round(seconds)))
        return Text(left, style="progress.remaining")


class Display(Observer):
    """Draws a line for each finished stage and a bar for the running one."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            TimeLeft(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,  # a log wants lines, no bars
        )
        self._task: TaskID | None = None
        self._place = ""

    def __enter__(self) -> Self:
        """Draw nothing yet: what is refused at once needs no bar."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing, so that an error stands on its own line."""
        self._bars.stop()

    def stage_started(self, name: str, kind: str, *, index: int, total: int) -> None:
        """Begin the bar of a stage; it has no end until a training reports."""
        self._bars.start()
        self._end_bar()
        self._place = f"{index + 1}/{total}"
        label = name if name == kind else f"{name} ({kind})"
        self._task = self._bars.add_task(
            f"{self._place} {label:<{_WIDTH}}", total=None, status=""
        )

    def progress(self, name: str, progress: Any) -> None:  # noqa: ARG002 -- Observer's
        """Move the bar to where the training is."""
        if self._task is None:
            return
        self._bars.update(
            self._task,
            total=1.0,
            completed=progress.fraction,
            status=status(progress),
            seconds_left=getattr(progress, "eta_seconds", None),
        )

    def stage_finished(self, name: str, record: Mapping[str, Any]) -> None:
        """Print the stage's line."""
        seconds = record.get("seconds") or 0.0
        self._line(name, f"{seconds:6.1f} s  {outcome(record)}")

    def stage_skipped(self, name: str, record: Mapping[str, Any]) -> None:
        """Print that the earlier result holds."""
        self._line(name, f"  as before  {outcome(record)}")

    def _line(self, name: str, text: str) -> None:
        self._end_bar()
        self._console.print(
            f"{self._place} {name:<{_WIDTH}} {text}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def _end_bar(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


def status(progress: Any) -> str:
    """Say how far a training or a search is.

    Example:
        >>> import types
        >>> search = types.SimpleNamespace(
        ...     episode=12, episodes=400, best_reward=-0.0812, cost={"macs": 5.48e6}
        ... )
        >>> status(search)
        'plan 12/400, best -0.0812, 5.48M macs'
    """
    if hasattr(progress, "what"):  # a study of the layers
        return str(progress.text)
    if hasattr(progress, "method"):  # a baseline beside a search
        place = f"{progress.method} {progress.evaluation}/{progress.evaluations}"
        best = progress.best_reward
        return place if best is None else f"{place}, best {best:.4f}"
    if hasattr(progress, "episode"):
        place = f"plan {progress.episode}/{progress.episodes}"
        name, value = next(iter(progress.cost.items()))
        return f"{place}, best {progress.best_reward:.4f}, {number(value)} {name}"
    place = f"epoch {progress.epoch + 1}/{progress.epochs}"
    loss = progress.logs.get("loss")
    return place if loss is None else f"{place}, loss {loss:.3f}"
