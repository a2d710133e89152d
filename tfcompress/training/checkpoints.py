"""Keep the state of a training on disk, so that it survives a kill -9.

One ``.npz`` file holds all of it after each epoch: every variable of the model (dropout
seeds too), of the optimizer, the best weights so far, and a JSON record (history,
epoch, state of callbacks).  It replaces the one before in a single rename.
"""

from __future__ import annotations

import json
import logging
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress import files

_LOG = logging.getLogger(__name__)
_NAME = "training.npz"


class Checkpoint:
    """The state file of one training in a directory.

    Args:
        directory: Where the file lies.
        identity: What the training is, as one text. A state with another identity is
            of no use to this training: it is left aside, and the log says so.
    """

    def __init__(self, directory: files.PathLike, *, identity: str) -> None:
        self.path = pathlib.Path(directory) / _NAME
        self._identity = identity

    def save(
        self,
        variables: Mapping[str, Sequence[keras.Variable]],
        *,
        best: Sequence[np.ndarray],
        record: Mapping[str, Any],
    ) -> None:
        """Write the state atomically.

        Args:
            variables: Variables by part, e.g. ``{"model": [...], "optimizer": [...]}``.
            best: The weights to go back to at the end; may be empty.
            record: Anything JSON can hold; NaN allowed.
        """
        arrays = {"best": best} | {
            part: [np.asarray(variable.value) for variable in held]
            for part, held in variables.items()
        }
        flat = {
            f"{part}/{index}": value
            for part, values in arrays.items()
            for index, value in enumerate(values)
        }
        text = json.dumps({"identity": self._identity, **record})
        flat["record"] = np.frombuffer(text.encode("utf-8"), np.uint8)
        with files.replacing(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **flat)

    def load(
        self, variables: Mapping[str, Sequence[keras.Variable]]
    ) -> tuple[dict[str, Any], list[np.ndarray]] | None:
        """Restore `variables`; return the record and the best weights.

        Returns:
            ``None`` if there is no state, or none that belongs to this training.
        """
        if not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                flat = {name: stored[name] for name in stored.files}
            record = json.loads(bytes(flat.pop("record")).decode("utf-8"))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            _LOG.warning("%s cannot be read (%s); starting over.", self.path, error)
            return None
        parts = {part: _part(flat, part) for part in [*variables, "best"]}
        if record["identity"] != self._identity or not _fits(parts, variables):
            _LOG.warning("%s is of another training; starting over.", self.path)
            return None
        for part, held in variables.items():
            for variable, value in zip(held, parts[part], strict=True):
                variable.assign(value)
        return record, parts["best"]


def _part(flat: Mapping[str, np.ndarray], part: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{part}/") for name in flat)
    return [flat[f"{part}/{index}"] for index in range(count)]


def _fits(
    parts: Mapping[str, Sequence[np.ndarray]],
    variables: Mapping[str, Sequence[keras.Variable]],
) -> bool:
    return all(
        [value.shape for value in parts[part]] == [tuple(v.shape) for v in held]
        for part, held in variables.items()
    )
