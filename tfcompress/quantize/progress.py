"""How far a study of the layers is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerProgress:
    """How far a study of the layers is.

    Attributes:
        what: What is being done, such as ``sensitivity``.
        done: Steps done.
        total: All steps.
        note: What the last step found, in a few words.

    Example:
        >>> LayerProgress(what="sensitivity", done=3, total=4).fraction
        0.75
    """

    what: str
    done: int
    total: int
    note: str = ""

    @property
    def fraction(self) -> float:
        """The part that is done."""
        return self.done / self.total if self.total else 1.0

    @property
    def text(self) -> str:
        """The place in words."""
        place = f"{self.what} {self.done}/{self.total}"
        return f"{place}, {self.note}" if self.note else place


Report = Callable[[LayerProgress], None]
