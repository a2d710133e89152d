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
from collections.abc import Callable, Mapping
from typing import Any

from tfcompress import errors
from tfcompress.data import fashion_mnist, model_tasks
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
    image_size: int | tuple[int, int] | None = None,
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
        limit: At most so many examples in each part, for a quick try.

    Raises:
        DataError: If the source is missing, empty, broken or inconsistent.
        ConfigError: If a setting cannot be read.
    """
    dataset = spec if isinstance(spec, Dataset) else None
    if dataset is None:
        settings = {"validation_fraction": validation_fraction, "seed": seed}
        dataset = _source(str(spec))(task=task, class_weights=class_weights, **settings)
    chosen = preprocessings.resolve(
        preprocess, image_size, default=dataset.preprocessing
    )
    dataset = dataclasses.replace(
        dataset,
        preprocessing=chosen,
        augmentation=Augmentation.parse(augment)
        if isinstance(augment, str)
        else augment or dataset.augmentation,
        task=model_tasks.with_options(dataset.task, loss=loss, metric=metric),
    )
    return dataset.limited(limit, seed=seed)


def _source(spec: str) -> Callable[..., Dataset]:
    if spec in NAMED:
        return NAMED[spec]
    raise errors.DataError(
        f"There is no such data set. Received: --data {spec!r}. Use "
        f"{', '.join(NAMED)}, a .npz file, an image folder, or package.module:function."
    )
