"""Where the model and the data of a run come from."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import keras

from tfcompress import data
from tfcompress.config import Config, require
from tfcompress.graph.loading import load_model


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSource(Config):
    """The trained model, or how to build and train one.

    Example:
        >>> ModelSource(path="model.keras", input_shape=(96, 96, 3)).to_dict()["path"]
        'model.keras'
        >>> ModelSource()
        Traceback (most recent call last):
        tfcompress.errors.ConfigError: A setting is out of its range. Received: \
model=None; it must be given by `path` or by `builder`.
    """

    path: str | None = None  # a .keras (or legacy .h5) file
    builder: str | None = None  # "package.module:function", Dataset -> built model
    train: Any = None  # a builder's TrainConfig settings
    imports: tuple[str, ...] = ()  # modules that register custom layers
    input_shape: Any = None  # without the batch; a mapping for several inputs
    allow_lambda: bool = False  # run the code of Lambda layers

    def __post_init__(self) -> None:
        """Check that there is exactly one way to the model."""
        one = (self.path is None) != (self.builder is None)
        given = self.path if self.builder is None else self.builder
        require(one, "model", given, "given by `path` or by `builder`")

    def load(self, path: str | os.PathLike[str]) -> keras.Model:
        """Load a model file of the run with the settings of this source."""
        return load_model(
            path,
            imports=self.imports,
            allow_lambda=self.allow_lambda,
            input_shape=self.input_shape,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSource(Config):
    """The data set of a run and what is learned from it.

    Example:
        >>> DataSource(source="fashion-mnist", limit=500).to_dict()["limit"]
        500
    """

    source: str  # a name, a path, or "package.module:function"
    image_size: Any = None  # height, width in pixels; None: as they are
    preprocess: Any = None  # "scale=1/255, mean=0.5", a table, or a function's name
    task: str | None = None  # classification, multilabel, regression, segmentation
    loss: str | None = None  # Keras loss; None: the compiled model's
    metric: str | None = None  # metric to report; None: the task's
    class_weights: Any = None  # "balanced", or weights by class number
    augment: str | None = None  # "flip,crop=4": changes of training images
    validation_fraction: float = 0.1  # of the training part, held out for decisions
    limit: int | None = None  # train and decide on so many examples only
    seed: int = 0  # of the split

    def __post_init__(self) -> None:
        """Check the ranges."""
        fraction = self.validation_fraction
        require(0 < fraction < 1, "validation_fraction", fraction, "in (0, 1)")
        require(self.limit is None or self.limit > 0, "limit", self.limit, "above 0")

    def load(self) -> data.Dataset:
        """Open the data set."""
        settings = self.to_dict()
        source = settings.pop("source")
        if isinstance(settings["image_size"], list):
            settings["image_size"] = tuple(settings["image_size"])
        return data.load(source, **settings)
