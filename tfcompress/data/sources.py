"""Find a data set by what a person writes after ``--data``.

==========================  ======================================================
``fashion-mnist``           the full set (cache, Debian's package, else a download)
``fashion-mnist-small``     the part that is shipped with this package
``path.npz``                arrays x_train, y_train, x_test, y_test, ...
``path/of/folder``          an image folder
``package.module:function`` what your function returns
==========================  ======================================================
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tfcompress import errors
from tfcompress.data import (
    fashion_mnist,
    functions,
    image_folder,
    metric_names,
    npz,
)
from tfcompress.data import preprocessing as preprocessings
from tfcompress.data.augmentation import Augmentation
from tfcompress.data.datasets import Dataset
from tfcompress.data.preprocessing import Preprocessing

NAMED: Mapping[str, Callable[..., Dataset]] = {
    "fashion-mnist": fashion_mnist.full,
    "fashion-mnist-small": fashion_mnist.small,
}


def load(  # noqa: PLR0913 - one argument per command-line option
    spec: str | Dataset,
    *,
    image_size: int | Sequence[int] | None = None,
    preprocess: str | Mapping[str, Any] | Preprocessing | None = None,
    task: str | None = None,
    loss: str | None = None,
    metric: str | None = None,
    class_weights: Mapping[int, float] | str | None = None,
    augment: str | Augmentation | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    limit: int | None = None,
) -> Dataset:
    """Load a data set.

    Args:
        spec: See the table above; a `Dataset` passes through with the settings applied.
        image_size: Height and width in pixels that images are brought to.
        preprocess: "scale=1/255", "mean=0.5, std=0.25", "none", "module:function".
        task: "classification", "multilabel", "regression" or "segmentation"; None: told
            by the labels.
        loss: A Keras loss by name; None: the compiled model's.
        metric: "accuracy", "mae", "iou:max", ...; None: the compiled model's.
        class_weights: "balanced" or weights by class number.
        augment: "flip", "crop=4", "flip,crop=4": changes of training images.
        validation_fraction: Share of the training part that is held out, if the source
            has no validation part.
        seed: Seed of the held-out part.
        limit: At most so many examples to train on, and to decide by, for a quick try.

    Raises:
        DataError: If the source is missing, empty, broken or inconsistent.
        ConfigError: If a setting cannot be read.
    """
    if isinstance(spec, Dataset):
        _check_kind(spec, task)
        dataset = spec
    else:
        dataset = _source(str(spec))(
            task=task,
            class_weights=class_weights,
            validation_fraction=validation_fraction,
            seed=seed,
        )
    chosen = preprocessings.resolve(
        preprocess, image_size, default=dataset.preprocessing
    )
    if isinstance(augment, str):
        augment = Augmentation.parse(augment)
    dataset = dataclasses.replace(
        dataset,
        preprocessing=chosen,
        augmentation=augment or dataset.augmentation,
        task=metric_names.with_options(dataset.task, loss=loss, metric=metric),
    )
    _check_images(dataset)
    return dataset.limited(limit, seed=seed)


def sized_for(dataset: Dataset, model: keras.Model) -> Dataset:
    """Bring the images of a folder to the size of a model's input, unless stated.

    Args:
        dataset: For instance an image folder that was loaded without a size; arrays
            have a size of their own, and another one is an error, not a reason to
            resize.
        model: A model with one input, ``[batch, height, width, channels]``.

    Returns:
        The data set with `image_size` and `channels` set where they were missing and
        the model fixes them; any other data set unchanged.
    """
    inputs = getattr(model, "inputs", None) or []
    shape = tuple(inputs[0].shape[1:]) if len(inputs) == 1 else ()
    files = isinstance(dataset.splits["train"], image_folder.ImageSplit)
    if len(shape) != 3 or not files:
        return dataset
    preprocessing = dataset.preprocessing
    if preprocessing.image_size is None and None not in shape[:2]:
        preprocessing = dataclasses.replace(preprocessing, image_size=shape[:2])
    if preprocessing.channels is None and shape[2] in (1, 3):
        preprocessing = dataclasses.replace(preprocessing, channels=shape[2])
    return dataclasses.replace(dataset, preprocessing=preprocessing)


def _source(spec: str) -> Callable[..., Dataset]:
    """Return the function that loads this source."""
    path = pathlib.Path(spec).expanduser()
    if spec in NAMED:
        return NAMED[spec]
    if path.suffix == ".npz":
        return functools.partial(npz.load, path)
    if path.is_dir():
        return functools.partial(image_folder.load, path)
    if ":" in spec and not path.exists():
        return functools.partial(functions.load, spec)
    near = difflib.get_close_matches(spec, NAMED, n=1)
    raise errors.DataError(
        f"There is no such data set. Received: --data {spec!r}. Use "
        f"{', '.join(NAMED)}, a .npz file, an image folder, or package.module:function."
        + (f" Did you mean {near[0]!r}?" if near else "")
    )


def _check_kind(dataset: Dataset, task: str | None) -> None:
    if task not in (None, dataset.task.kind):
        raise errors.DataError(
            f"The data set has a task of its own. Received: task={task!r} for "
            f"{dataset.name!r}, whose task is {dataset.task.kind!r}. Leave it out."
        )


def _check_images(dataset: Dataset) -> None:
    """Refuse image settings for what is not an image."""
    wanted = dataset.preprocessing.image_size or dataset.preprocessing.channels
    if not wanted or dataset.pictures:
        return
    shapes = ", ".join(str(shape) for shape in dataset.input_shapes)
    raise errors.DataError(
        "Only images can be resized or converted. Received: an image size or channels "
        f"for examples of shape {shapes}; expected [height, width, channels]. Leave "
        "the setting out, or add the channel axis: `x = x[..., None]`."
    )
