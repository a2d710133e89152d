"""Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28 x 28, ten classes.

``fashion-mnist`` is the full set: Keras' cache, then Debian's package, then Keras'
download; every file is checked against its SHA-256.  ``fashion-mnist-small`` is a part
of it that is shipped with this package (the first 1,800 training and 500 test images of
each class), for demos and tests without a network.

Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms", 2017, https://arxiv.org/abs/1708.07747.  MIT licence,
(c) 2017 Zalando SE: see ``embedded/LICENSE-fashion-mnist``.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import lzma
import os
import pathlib
import zlib
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.data.datasets import Dataset
from tfcompress.data.preprocessing import Preprocessing

Array = npt.NDArray[np.uint8]

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DEFAULT = Preprocessing(scale=1 / 255)  # the range that most Keras examples train with

_DEBIAN = pathlib.Path("/usr/share/datasets/fashion-mnist")
_PACKED = "fashion-mnist-small.xz"
_PER_CLASS = {"train": 1800, "test": 500}
# Of the files inside the .gz, because distributions compress them anew.
_SHA256 = {
    "train-images-idx3-ubyte":
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte":
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte":
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte":
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}  # fmt: skip
_HEADER_BYTES = {"images": 16, "labels": 8}  # of the IDX format


def full(**settings: Any) -> Dataset:
    """Return all 70,000 images.

    Raises:
        DataError: If no copy is found and none can be downloaded, or a file is damaged.
    """
    arrays = _unpack(_folder())
    return _dataset("fashion-mnist", arrays, **settings)


def small(**settings: Any) -> Dataset:
    """Return the embedded part: 18,000 training and 5,000 test images, balanced."""
    packed = importlib.resources.files("tfcompress.data") / "embedded" / _PACKED
    content = np.frombuffer(lzma.decompress(packed.read_bytes()), np.uint8)
    arrays, start = {}, 0
    for part, count in _PER_CLASS.items():
        pixels = len(CLASS_NAMES) * count * 28 * 28
        by_class = content[start : start + pixels].reshape(-1, count, 28, 28)
        # Stored class by class, which packs better; read out one of each class in turn.
        images = by_class.swapaxes(0, 1).reshape(-1, 28, 28)
        arrays[part] = (images, np.tile(np.arange(len(CLASS_NAMES)), count))
        start += pixels
    return _dataset("fashion-mnist-small", arrays, **settings)


def pack() -> bytes:
    """Make the embedded file from the full set; a test compares the two."""
    chosen = []
    for part, (images, labels) in _unpack(_folder()).items():
        chosen += [
            images[labels == index][: _PER_CLASS[part]].tobytes()
            for index in range(len(CLASS_NAMES))
        ]
    # Plain LZMA beats delta and PNG-like predictors here: the background is all zero.
    return lzma.compress(b"".join(chosen), preset=9 | lzma.PRESET_EXTREME)


def _dataset(name: str, arrays: dict[str, Any], **settings: Any) -> Dataset:
    parts = {
        part: (images[..., None], labels) for part, (images, labels) in arrays.items()
    }
    chosen = {"preprocessing": DEFAULT, "class_names": CLASS_NAMES, **settings}
    return Dataset.from_arrays(parts["train"], test=parts["test"], name=name, **chosen)


def _folder() -> pathlib.Path:
    """Return the folder of the four files; download them if there is none."""
    cache = _cache()
    for folder in (cache, _DEBIAN):
        if all((folder / f"{name}.gz").exists() for name in _SHA256):
            return folder
    try:
        keras.datasets.fashion_mnist.load_data()
    except (
        Exception
    ) as error:  # urllib, ssl, OS: whatever stands between us and the net
        raise errors.DataError(
            "Fashion-MNIST is not on this machine and cannot be downloaded. Received: "
            f"nothing in {cache} or {_DEBIAN} ({error}). Use the embedded part with "
            "`--data fashion-mnist-small`, or `apt install dataset-fashion-mnist`."
        ) from error
    return cache


def _cache() -> pathlib.Path:
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    return pathlib.Path(home) / "datasets" / "fashion-mnist"


def _unpack(folder: pathlib.Path) -> dict[str, tuple[Array, Array]]:
    content = {name: _verified(folder / f"{name}.gz") for name in _SHA256}
    return {
        part: (
            content[f"{prefix}-images-idx3-ubyte"].reshape(-1, 28, 28),
            content[f"{prefix}-labels-idx1-ubyte"],
        )
        for part, prefix in (("train", "train"), ("test", "t10k"))
    }


def _verified(path: pathlib.Path) -> Array:
    """Unpack one file and compare it with its checksum."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256[path.stem]:
        raise _damaged(path, f"SHA-256 {found}, expected {_SHA256[path.stem]}")
    header = _HEADER_BYTES["images" if "images" in path.name else "labels"]
    return np.frombuffer(content, np.uint8, offset=header)


def _damaged(path: pathlib.Path, reason: str) -> errors.DataError:
    return errors.DataError(
        f"A Fashion-MNIST file is damaged. Received: {path} ({reason}). Delete it and "
        "try again, or use `--data fashion-mnist-small`."
    )
