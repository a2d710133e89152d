"""Keep the outputs of one pass over the data for the next pass, on disk.

Parity compares two models on a whole evaluation set.  The set is streamed once per
model; the first model's outputs wait in a temporary file, so memory stays flat however
large the set or the outputs (a mask per image) are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

Array = np.ndarray[Any, Any]


class OutputSpool:
    """A queue of output batches in a temporary file that nobody else sees.

    Example:
        >>> with OutputSpool() as spool:
        ...     spool.put([np.arange(3)])
        ...     spool.rewind()
        ...     spool.get()
        [array([0, 1, 2])]
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._lengths: list[int] = []
        self._next = 0

    def __enter__(self) -> Self:
        """Use it in a with statement: the file goes away at its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._file.close()

    def put(self, outputs: Sequence[Array]) -> None:
        """Append one batch: an array per output."""
        self._lengths.append(len(outputs))
        for output in outputs:
            np.save(self._file, output, allow_pickle=False)

    def rewind(self) -> None:
        """Start to read from the first batch."""
        self._file.seek(0)
        self._next = 0

    def get(self) -> list[Array]:
        """Return the next batch."""
        count = self._lengths[self._next]
        self._next += 1
        return [np.load(self._file, allow_pickle=False) for _ in range(count)]
