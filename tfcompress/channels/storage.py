"""Decide how the features of each consumer are kept within a limit of memory.

The narrow consumers come first.  For n rows of p columns:

1. n <= p / 4: the rows, which are then smaller and quicker to solve;
2. else the Gram matrix (8 p² bytes) in memory, while there is room;
3. else the Gram matrix in a memory map, if there is a folder to spill to and it is no
   larger than the whole limit;
4. else as many of the rows as there is room for: a sample, named in the notes;
5. else nothing: the consumer stays masked, its constants folded.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import errors, files
from tfcompress.channels.consumers import Consumer
from tfcompress.channels.statistics import GramStatistics, RowStatistics, Statistics

Array = npt.NDArray[Any]

ROWS_SHARE = 0.25
"""Rows are kept as they are up to this share of the number of columns."""

FEWEST_ROWS = 32
"""A fit on fewer rows would say more of the rows than of the layer."""


@dataclasses.dataclass
class Store:
    """Hands out room for the features of one consumer after the other.

    Args:
        max_bytes: Memory to use.
        spill_dir: Folder for memory maps; None: no spilling.
        rng: Chooses rows where not all can be kept.
    """

    max_bytes: int
    spill_dir: files.PathLike | None
    rng: np.random.Generator
    used: int = 0
    spilled: int = 0
    notes: dict[str, str] = dataclasses.field(default_factory=dict)

    def room_for(self, consumer: Consumer, num_rows: int) -> Statistics | None:
        """Choose a form by the rules above; None under rule 5."""
        old = consumer.matrix(consumer.kernel)
        columns, blocks = consumer.columns, consumer.blocks
        fixed = 2 * old.nbytes
        gram_bytes = 8 * blocks * columns**2
        left = self.max_bytes - self.used - fixed
        if num_rows <= ROWS_SHARE * columns and 4 * blocks * num_rows * columns <= left:
            made: Statistics = self._rows(consumer, old, num_rows, num_rows)
        elif gram_bytes <= left:
            made = _gram(consumer, old, np.zeros((blocks, columns, columns)))
        elif self.spill_dir is not None and gram_bytes <= self.max_bytes:
            made = _gram(consumer, old, self._map((blocks, columns, columns)))
            self.spilled += gram_bytes
            self.notes[consumer.name] = (
                f"its Gram matrix of {gram_bytes / 2**20:.0f} MB is in a memory map"
            )
        else:
            fitting = min(max(left, 0) // (4 * blocks * columns), num_rows)
            if fitting < FEWEST_ROWS:
                self.notes[consumer.name] = (
                    f"left masked and folded: {columns} columns do not fit in "
                    "`max_memory_mb`"
                )
                return None
            made = self._rows(consumer, old, num_rows, fitting)
            self.notes[consumer.name] = (
                f"fitted on {fitting} of {num_rows} sampled rows: the Gram matrix of "
                f"{columns} columns does not fit in `max_memory_mb`"
            )
        self.used += made.nbytes + old.nbytes
        return made

    def _rows(
        self, consumer: Consumer, old: Array, given: int, kept: int
    ) -> RowStatistics:
        chosen = np.sort(self.rng.choice(given, kept, replace=False))
        return RowStatistics(old, centred=consumer.takes_intercept, chosen=chosen)

    def _map(self, shape: tuple[int, ...]) -> Array:
        """Map a file that the system deletes with the last reference to it."""
        folder = pathlib.Path(self.spill_dir or ".")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder, prefix=".gram-") as file:
                file.truncate(8 * math.prod(shape))
                return np.memmap(file, np.float64, "r+", shape=shape)
        except OSError as error:
            raise errors.OutputError(
                f"The features cannot be spilled. Received: spill_dir={str(folder)!r} "
                f"({error.strerror or error}). Free some space or choose another "
                "`spill_dir`."
            ) from error


def _gram(consumer: Consumer, old: Array, buffer: Array) -> GramStatistics:
    return GramStatistics(old, centred=consumer.takes_intercept, buffer=buffer)
