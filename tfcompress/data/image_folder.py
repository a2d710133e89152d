"""Stream labelled images from folders; never more than a few batches in memory.

::

    root/train/cat/*.jpg  root/train/dog/*.jpg        root/cat/*.jpg
    root/val/cat/...      (or validation/, valid/)    root/dog/*.jpg
    root/test/cat/...

With class folders only, a test and a validation part are held out.  With ``train/`` and
``val/`` but no ``test/``, ``val/`` is the test part (as for ImageNet) and a validation
part is held out of the training part, because the figures that are reported must not
come from images that decided something.

Files that are no image, or are cut off, are left out and named in the notes; more than
a tenth of them is an error.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfcompress import errors, files
from tfcompress.data import assembly, images, sampling
from tfcompress.data.datasets import Dataset
from tfcompress.data.preprocessing import Preprocessing
from tfcompress.data.splits import Shapes
from tfcompress.data.tasks import Task

_log = logging.getLogger(__name__)

_VALIDATION = ("validation", "val", "valid")
_MOST_BROKEN = 0.1  # share of unreadable files above which the folder is refused
_THREADS = min(8, os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageSplit:
    """Images in files, decoded when a batch needs them.

    Attributes:
        paths: The files.
        labels: Class of each.
        image_shape: Height and width if all files agree, else (None, None).
        numbers: Fingerprint of each file: its size and time of change.
    """

    paths: npt.NDArray[Any]
    labels: sampling.Indices
    image_shape: tuple[int | None, int | None]
    numbers: npt.NDArray[np.int64]

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.paths)

    @property
    def raw_shapes(self) -> Shapes:
        """Shape of one image."""
        return ((*self.image_shape, 3),)

    def batches(
        self, order: sampling.Indices, batch_size: int, preprocessing: Preprocessing
    ) -> tf.data.Dataset:
        """Decode and resize images in parallel, in the given order."""
        self._check_size(preprocessing)
        paths, labels = tf.constant(self.paths.tolist()), tf.constant(self.labels)

        def read(index: tf.Tensor) -> Any:
            image = tf.numpy_function(_decode, [paths[index]], tf.uint8)
            image = tf.ensure_shape(image, (*self.image_shape, 3))
            return index, (preprocessing.resize(image), labels[index])

        stream = tf.data.Dataset.from_tensor_slices(order)
        return stream.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size)

    def take(self, rows: sampling.Indices) -> ImageSplit:
        """Return the part made of these images."""
        return dataclasses.replace(
            self,
            paths=self.paths[rows],
            labels=self.labels[rows],
            numbers=self.numbers[rows],
        )

    def fingerprint(self) -> str:
        """Hash names, labels, sizes and times of change; the pixels are not read."""
        names = ["/".join(pathlib.Path(path).parts[-3:]) for path in self.paths]
        return files.fingerprint(*names, self.labels.tobytes(), self.numbers.tobytes())

    def _check_size(self, preprocessing: Preprocessing) -> None:
        if preprocessing.image_size is None and None in self.image_shape:
            raise errors.DataError(
                "The images have different sizes. Received: no image size. Choose one, "
                "such as `--image-size 224`."
            )


def load(root: pathlib.Path, *, task: str | None = None, **settings: Any) -> Dataset:
    """Find the images of a folder and their classes; settings as in `from_arrays`.

    Raises:
        DataError: If there is no image, a class has none, the parts disagree on the
            classes, or too many files are broken.
    """
    if task not in (None, "classification"):
        raise errors.DataError(
            f"Folders hold classes. Received: --task {task}. Give labels of another "
            "kind in a .npz file or with package.module:function."
        )
    folders = _parts(root)
    names = _class_names(folders["train"])
    broken: list[str] = []
    found = {part: _split(folder, names, broken) for part, folder in folders.items()}
    _check_classes(folders["train"], names, found["train"], broken)
    return assembly.assemble(
        found,
        Task.single("classification", num_classes=len(names), class_names=names),
        name=root.resolve().name,
        notes=_report(broken, sum(split.size for split in found.values())),
        **settings,
    )


def _decode(path: bytes) -> npt.NDArray[np.uint8]:
    return images.decode(os.fsdecode(path))


def _parts(root: pathlib.Path) -> Mapping[str, pathlib.Path]:
    """Find the folder of each part; without ``train/`` the root is for training."""
    if not root.is_dir():
        raise errors.DataError(
            f"There is no such folder. Received: {root}. Check the path."
        )
    if not (root / "train").is_dir():
        return {"train": root}
    found = {"train": root / "train"}
    validation = next((root / n for n in _VALIDATION if (root / n).is_dir()), None)
    test = root / "test" if (root / "test").is_dir() else None
    if test is None:
        test, validation = validation, None
    if validation is not None:
        found["validation"] = validation
    if test is not None:
        found["test"] = test
    return found


def _class_names(folder: pathlib.Path) -> tuple[str, ...]:
    names = tuple(sorted(p.name for p in folder.iterdir() if _visible_folder(p)))
    if len(names) < 2:
        raise errors.DataError(
            f"The folder does not hold one folder per class. Received: {folder} with "
            f"{len(names)} folders. Arrange it as {folder.name}/<class>/<image>."
        )
    return names


def _split(
    folder: pathlib.Path, names: tuple[str, ...], broken: list[str]
) -> ImageSplit:
    """List the readable images of one part, sorted by class and name."""
    extra = {p.name for p in folder.iterdir() if _visible_folder(p)} - set(names)
    if extra:
        raise errors.DataError(
            f"A part has classes that the training part lacks. Received: {folder} with "
            f"{', '.join(sorted(extra))}. Use the same class folders in each part."
        )
    listed = [
        (path, label)
        for label, name in enumerate(names)
        for path in _images(folder / name)
    ]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        checked = list(pool.map(lambda item: images.inspect(item[0]), listed))
    sizes, good = set(), []
    for (path, label), result in zip(listed, checked, strict=True):
        if isinstance(result, str):
            broken.append(f"{path}: {result}")
        else:
            sizes.add(result)
            good.append((path, label))
    if not good:
        raise errors.DataError(
            f"There is no readable image. Received: {folder}{_first(broken)}. Add "
            f"images of a known type ({', '.join(sorted(images.SUFFIXES))})."
        )
    return ImageSplit(
        paths=np.array([str(path) for path, _ in good]),
        labels=np.array([label for _, label in good], np.int64),
        image_shape=sizes.pop() if len(sizes) == 1 else (None, None),
        numbers=np.array([_numbers(path) for path, _ in good], np.int64),
    )


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in images.SUFFIXES and not path.name.startswith(".")
    )


def _visible_folder(path: pathlib.Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _numbers(path: pathlib.Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _check_classes(
    folder: pathlib.Path, names: tuple[str, ...], train: ImageSplit, broken: list[str]
) -> None:
    present = set(train.labels.tolist())
    empty = [name for i, name in enumerate(names) if i not in present]
    if empty:
        raise errors.DataError(
            f"Classes have no images. Received: {folder} with nothing readable in "
            f"{', '.join(empty)}{_first(broken)}. Add images of a known type "
            f"({', '.join(sorted(images.SUFFIXES))}) or remove the folders."
        )


def _report(broken: list[str], good: int) -> tuple[str, ...]:
    """Log what was left out, or refuse a folder that is mostly broken."""
    if len(broken) > _MOST_BROKEN * (good + len(broken)):
        raise errors.DataError(
            f"Too many images cannot be read. Received: {len(broken)} of "
            f"{good + len(broken)}{_first(broken)}. Replace them by good copies."
        )
    notes = tuple(f"left out {reason}" for reason in broken)
    for note in notes:
        _log.warning(note)
    return notes


def _first(broken: list[str]) -> str:
    shown = "; ".join(broken[:3])
    return f" ({shown}{'; ...' if len(broken) > 3 else ''})" if broken else ""
