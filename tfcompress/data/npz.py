"""Read a ``.npz`` file of arrays.

Keys: ``x_train``, ``y_train``, ``x_test``, ``y_test``; optional ``x_validation``,
``y_validation`` (or ``_val``), sample weights ``w_train``, ``w_validation``,
``w_test``, and ``class_names``.  Several inputs or outputs have a name behind a slash:
``x_train/left``, ``y_train/age``.
"""

from __future__ import annotations

import pathlib
import zipfile
from typing import Any

import numpy as np

from tfcompress import errors
from tfcompress.data.datasets import Dataset


def load(path: pathlib.Path, **settings: Any) -> Dataset:
    """Load the arrays of a file.

    Raises:
        DataError: If the file is missing, is not a .npz, or lacks an array.
    """
    arrays = _read(path)
    names = tuple(str(name) for name in arrays.pop("class_names", ()))
    parts = {
        part: _part(arrays, part, path) for part in ("train", "validation", "test")
    }
    train = parts.pop("train")
    if train is None:
        raise _missing("x_train and y_train", arrays, path)
    if parts["test"] is None:
        raise _missing("x_test and y_test", arrays, path)
    chosen = {"class_names": names, **settings}
    return Dataset.from_arrays(train, name=path.stem, **parts, **chosen)


def _read(path: pathlib.Path) -> dict[str, Any]:
    """Read every array; nothing pickled is ever loaded."""
    try:
        with np.load(path, allow_pickle=False) as content:
            return {key: content[key] for key in content.files}
    except FileNotFoundError as error:
        raise errors.DataError(
            f"There is no such file. Received: {path}. Check the path."
        ) from error
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise errors.DataError(
            f"This file cannot be read as arrays. Received: {path} ({error}). Write it "
            "with np.savez(path, x_train=..., y_train=..., x_test=..., y_test=...), "
            "plain numbers only."
        ) from error


def _part(
    arrays: dict[str, Any], part: str, path: pathlib.Path
) -> tuple[Any, ...] | None:
    names = ("validation", "val") if part == "validation" else (part,)
    for name in names:
        x, y, weight = (_member(arrays, f"{letter}_{name}") for letter in "xyw")
        if x is None and y is None:
            continue
        if x is None or y is None:
            raise _missing(f"{'x' if x is None else 'y'}_{name}", arrays, path)
        return (x, y) if weight is None else (x, y, weight)
    return None


def _member(arrays: dict[str, Any], key: str) -> Any:
    """Return one array, or a dict of those with a name behind a slash."""
    if key in arrays:
        return arrays[key]
    named = {
        found.removeprefix(f"{key}/"): array
        for found, array in arrays.items()
        if found.startswith(f"{key}/")
    }
    return named or None


def _missing(what: str, arrays: dict[str, Any], path: pathlib.Path) -> errors.DataError:
    return errors.DataError(
        f"The file lacks {what}. Received: {path} with "
        f"{', '.join(sorted(arrays)) or 'no arrays'}. Save it with np.savez(path, "
        "x_train=..., y_train=..., x_test=..., y_test=...)."
    )
