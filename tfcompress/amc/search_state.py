"""Keep the state of a search on disk, so that it survives a kill -9.

One ``.npz`` file holds all of it after each episode: the arrays of agent and replay,
generators included, and one JSON text with the history, what is known of every judged
plan, and the best plan.  It replaces the one before in a single rename.

What only grows is encoded once, when it is added (`Journal`), so saving takes as long
after a thousand episodes as after ten, but for copying that text.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tfcompress import files

_LOG = logging.getLogger(__name__)

Values = Mapping[str, Any]
"""Arrays and numbers by name, as `DdpgAgent.state` returns them."""


class Journal:
    """JSON records that are only added to; each is encoded once.

    Example:
        >>> journal = Journal([{"episode": 0}])
        >>> journal.append({"episode": 1})
        >>> journal.text(), len(journal)
        ('[{"episode": 0},{"episode": 1}]', 2)
    """

    def __init__(self, records: Iterable[dict[str, Any]] = ()) -> None:
        self.records: list[dict[str, Any]] = []
        self._texts: list[str] = []
        for record in records:
            self.append(record)

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Go through the records in their order."""
        return iter(self.records)

    def append(self, record: dict[str, Any]) -> None:
        """Add a record."""
        self._texts.append(json.dumps(record, allow_nan=False))
        self.records.append(record)

    def text(self) -> str:
        """Return all records as one JSON array."""
        return "[" + ",".join(self._texts) + "]"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saved:
    """What was read back.

    Attributes:
        arrays: By part ("agent", "replay"), what was saved of it.
        records: By name, what the journals held.
    """

    arrays: dict[str, dict[str, Any]]
    records: dict[str, Any]


class StateFile:
    """The state file of one search in a directory.

    Args:
        directory: Where the file lies; None keeps nothing.
        identity: What the search is, as one text. A state with another identity is of
            no use to this search: it is left aside, and the log says so.
        name: Name of the file.
    """

    def __init__(
        self,
        directory: files.PathLike | None,
        *,
        identity: str,
        name: str = "search.npz",
    ) -> None:
        self.path = None if directory is None else pathlib.Path(directory) / name
        self._identity = identity

    def save(
        self, arrays: Mapping[str, Values], records: Mapping[str, Journal]
    ) -> None:
        """Write the state atomically."""
        if self.path is None:
            return
        flat = {
            f"{part}/{name}": np.asarray(value)
            for part, values in arrays.items()
            for name, value in values.items()
        }
        parts = {"identity": json.dumps(self._identity)}
        parts |= {name: journal.text() for name, journal in records.items()}
        text = ",".join(f"{json.dumps(name)}:{part}" for name, part in parts.items())
        record = np.frombuffer(f"{{{text}}}".encode(), np.uint8)
        with files.replacing(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, record=record, **flat)

    def load(self) -> Saved | None:
        """Return the state, or None if there is none that belongs to this search."""
        if self.path is None or not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                flat = {name: stored[name] for name in stored.files}
            records = dict(json.loads(bytes(flat.pop("record")).decode("utf-8")))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _LOG.warning("%s cannot be read (%s); starting over.", self.path, error)
            return None
        if records.pop("identity", None) != self._identity:
            _LOG.warning("%s is of another search; starting over.", self.path)
            return None
        arrays: dict[str, dict[str, Any]] = {}
        for name, value in flat.items():
            part, _, key = name.partition("/")
            arrays.setdefault(part, {})[key] = value
        return Saved(arrays=arrays, records=records)
