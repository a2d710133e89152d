"""Keep what a pass has finished on disk, so that a killed run goes on behind it.

A phase of a pass (training under the penalty, retraining) leaves one ``.npz`` file: the
weights of its model in their order, and a JSON record.  The model itself is built again
by the code that built it before.
"""

from __future__ import annotations

import json
import logging
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import files

_LOG = logging.getLogger(__name__)


class PassState:
    """The folder of one pass.

    Args:
        directory: The folder; None keeps nothing.
        identity: What the run is, as one text; a phase of another run is ignored.
    """

    def __init__(self, directory: pathlib.Path | None, *, identity: str) -> None:
        self.directory = directory
        self._identity = identity

    def training_dir(self, phase: str) -> pathlib.Path | None:
        """Return where the training of a phase keeps its own state."""
        return None if self.directory is None else self.directory / phase

    def save(self, phase: str, model: keras.Model, record: Mapping[str, Any]) -> None:
        """Write a finished phase atomically."""
        if self.directory is None:
            return
        weights = {
            f"weight/{index}": np.asarray(variable.value)
            for index, variable in enumerate(model.weights)
        }
        text = json.dumps({"identity": self._identity, **record})
        stored = np.frombuffer(text.encode("utf-8"), np.uint8)
        with files.replacing(self._path(phase)) as path, path.open("wb") as stream:
            np.savez(stream, allow_pickle=False, record=stored, **weights)

    def load(self, phase: str, model: keras.Model) -> dict[str, Any] | None:
        """Give `model` the weights of a finished phase; return its record.

        Returns:
            ``None`` if the phase is not finished, or was one of another run.
        """
        if self.directory is None or not self._path(phase).exists():
            return None
        path = self._path(phase)
        try:
            with np.load(path, allow_pickle=False) as stored:
                record = json.loads(bytes(stored["record"]).decode("utf-8"))
                count = sum(name.startswith("weight/") for name in stored.files)
                weights = [stored[f"weight/{index}"] for index in range(count)]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            _LOG.warning("%s cannot be read (%s); doing this phase again.", path, error)
            return None
        shapes = [tuple(variable.shape) for variable in model.weights]
        same_shapes = [weight.shape for weight in weights] == shapes
        if record.pop("identity", None) != self._identity or not same_shapes:
            _LOG.warning("%s is of another run; doing this phase again.", path)
            return None
        for variable, weight in zip(model.weights, weights, strict=True):
            variable.assign(weight)
        return dict(record)

    def _path(self, phase: str) -> pathlib.Path:
        assert self.directory is not None  # noqa: S101 - the callers return before
        return self.directory / f"{phase}.npz"
