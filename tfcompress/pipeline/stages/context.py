"""What a stage is given, and what it gives back."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tfcompress import data, errors, files
from tfcompress.pipeline.sources import DataSource, ModelSource


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A file that a stage wrote and another one reads."""

    path: pathlib.Path
    fingerprint: str  # of the content, so that a copy is the same


@dataclasses.dataclass(kw_only=True)
class StageContext:
    """The inputs and surroundings of one stage.

    Attributes:
        name: The stage's name; its files carry it.
        directory: Where outputs go.
        config: The stage's settings.
        model: Where the run's model came from: how to load files, how to build one.
        inputs: Files to read, by role.
        original: The run's input model, which knows the task; ``None`` before it is
            there.
        data_source: Where the data comes from.
        open_data: Opens the data set.
        state_dir: Where a training keeps its state until the stage is done.
        progress: Told how far a training is.
        places: Where outputs go that do not lie in `directory`, by suffix.
    """

    name: str
    directory: pathlib.Path
    config: Any
    model: ModelSource
    inputs: Mapping[str, Artifact]
    original: pathlib.Path | None
    data_source: DataSource | None
    open_data: Callable[[], data.Dataset]
    state_dir: pathlib.Path
    progress: Callable[[Any], None] | None = None
    places: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)

    def load(self, role: str) -> keras.Model:
        """Load the Keras model of a role, and refuse data that do not fit it.

        Raises:
            DataError: If the run has data and `data.check_fits` refuses them.
        """
        model = self.model.load(self.inputs[role].path)
        if self.has_data:
            data.check_fits(model, self.dataset)
        return model

    def path(self, suffix: str) -> pathlib.Path:
        """Return the path of this stage's output."""
        return self.places.get(suffix, self.directory / f"{self.name}{suffix}")

    @property
    def has_data(self) -> bool:
        """Whether the run has a data set."""
        return self.data_source is not None

    @functools.cached_property
    def dataset(self) -> data.Dataset:
        """The data set of the run.

        Raises:
            DataError: If the run has none.
        """
        if self.data_source is None:
            raise errors.DataError(
                f"Stage {self.name!r} needs data. Received: none. Give `--data`, or "
                "[data] in the workflow."
            )
        return self.open_data()

    @functools.cached_property
    def task(self) -> Any:
        """What is learned, as the original model and the data say."""
        if self.original is None:
            raise errors.ModelError(
                f"Stage {self.name!r} has no original model. Received: none. Run the "
                "stage `original` first."
            )
        return data.Task.for_model(self.model.load(self.original), self.dataset)


@dataclasses.dataclass(kw_only=True)
class Outcome:
    """What a stage made.

    Attributes:
        model: The new Keras model; the runner saves it.
        file: A .tflite file, already written, by its path.
        channels: Channels per group before and after.
        surgery: The report of what was cut and folded.
        scales: Histograms of BatchNorm scales while training.
        history: Numbers per epoch.
        details: What only this kind of stage says.
        baseline: Details to add to the original's record, measured side by side.
        passed: False if a check failed; the run goes on and ends with exit code 3.
        verdict: Why it failed, in one line.
    """

    model: keras.Model | None = None
    file: pathlib.Path | None = None
    channels: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    surgery: dict[str, Any] | None = None
    scales: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    history: Mapping[str, list[float]] = dataclasses.field(default_factory=dict)
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    baseline: dict[str, Any] = dataclasses.field(default_factory=dict)
    passed: bool = True
    verdict: str = ""


def save_model(model: keras.Model, path: pathlib.Path) -> None:
    """Save a Keras model so that a kill leaves the old file or the new one."""
    with files.replacing(path) as temporary:
        model.save(temporary)
