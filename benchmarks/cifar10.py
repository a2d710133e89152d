"""CIFAR-10 (JPEG re-encoded): a lossy copy of CIFAR-10, for accuracy comparisons.

The images went through JPEG, so figures do not compare with the literature; always name
the set in full.  Its files are not part of the project: name their folder by
``--cifar10 FOLDER`` or the environment variable ``TFCOMPRESS_CIFAR10``.  A file
``cifar10_jpeg_{train,test}.npz`` holds ``jpeg`` (all files, concatenated), ``offsets``
(n + 1), ``labels`` and ``classes``.
"""

from __future__ import annotations

import io
import itertools
import os
import pathlib
from concurrent import futures
from typing import Any

import numpy as np
from PIL import Image

from tfcompress import data, errors

NAME = "CIFAR-10 (JPEG re-encoded)"
VARIABLE = "TFCOMPRESS_CIFAR10"


def load(folder: str | os.PathLike[str] | None = None) -> data.Dataset:
    """Load the set: 45,000 images to train on, 5,000 held out, 10,000 to test on.

    Args:
        folder: Where the two files lie; None: what ``TFCOMPRESS_CIFAR10`` says.

    Raises:
        DataError: If the folder is not given or holds no such files.
    """
    folder = folder or os.environ.get(VARIABLE)
    if not folder or not pathlib.Path(folder, "cifar10_jpeg_train.npz").exists():
        raise errors.DataError(
            f"{NAME} is not here. Received: folder={folder!r}. Name the folder of "
            f"cifar10_jpeg_train.npz with `--cifar10 FOLDER` or {VARIABLE}."
        )
    parts = {
        part: read(pathlib.Path(folder, f"cifar10_jpeg_{part}.npz")) for part in PARTS
    }
    x, y, classes = parts["train"]
    pixels = x.reshape(-1, 3) / 255.0
    return data.Dataset.from_arrays(
        train=(x, y),
        test=parts["test"][:2],
        name=NAME,
        task="classification",
        class_names=classes,
        preprocessing=data.Preprocessing(
            scale=1 / 255,
            mean=tuple(pixels.mean(axis=0).round(4).tolist()),
            std=tuple(pixels.std(axis=0).round(4).tolist()),
        ),
        augmentation=data.Augmentation(flip=True, crop=4),
    )


PARTS = ("train", "test")


def read(path: pathlib.Path) -> tuple[Any, Any, tuple[str, ...]]:
    """Decode one file into images, labels and class names."""
    with np.load(path) as stored:
        raw, offsets = stored["jpeg"].tobytes(), stored["offsets"]
        labels, classes = stored["labels"], stored["classes"]
    files = [raw[a:b] for a, b in itertools.pairwise(offsets)]
    with futures.ThreadPoolExecutor(2) as pool:
        images = np.stack(list(pool.map(_decode, files, chunksize=1000)))
    return images, labels.astype(np.int64), tuple(str(name) for name in classes)


def _decode(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
