"""Read label arrays: which task they pose, and one form for each task.

Rules, tried in this order unless the kind is given:

1. one-hot rows (two columns or more)                      -> classification
2. other rows of zeros and ones                            -> multilabel
3. integers ``[n]`` or ``[n, 1]``                          -> classification
4. integers ``[n, height, width]``, one channel allowed    -> segmentation
5. anything else                                           -> regression

Classes become integers, whatever form they came in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import config, errors

KINDS = ("classification", "multilabel", "regression", "segmentation")


def kind_of(y: npt.NDArray[Any]) -> str:
    """Tell which task these labels pose.

    Example:
        >>> kind_of(np.array([2, 0, 1])), kind_of(np.array([0.5, 1.5]))
        ('classification', 'regression')
        >>> kind_of(np.array([[1, 1, 0], [0, 0, 0]]))
        'multilabel'
    """
    integers = np.issubdtype(y.dtype, np.integer) or y.dtype == bool
    if y.ndim == 2 and y.shape[1] > 1:
        if is_one_hot(y):
            return "classification"
        if np.isin(y, (0, 1)).all():
            return "multilabel"
    if integers and (y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)):
        return "classification"
    if integers and (y.ndim == 3 or (y.ndim == 4 and y.shape[-1] == 1)):
        return "segmentation"
    return "regression"


def is_one_hot(y: npt.NDArray[Any]) -> bool:
    """Tell whether each row is 1 in one place and 0 elsewhere."""
    return bool(
        y.ndim >= 2
        and y.shape[-1] > 1
        and np.isin(y, (0, 1)).all()
        and (y.sum(axis=-1) == 1).all()
    )


def standardise(y: npt.NDArray[Any], kind: str, *, name: str) -> npt.NDArray[Any]:
    """Bring labels to the one form of their kind.

    Returns:
        classification: int64 ``[n]``; segmentation: the smallest given integers
        ``[n, height, width]``; multilabel and regression: float32.

    Raises:
        DataError: If the labels do not fit the kind.
    """
    config.require(kind in KINDS, "task", kind, "one of " + ", ".join(KINDS))
    if kind == "regression":
        return y.astype(np.float32, copy=False)
    if kind == "multilabel":
        if y.ndim != 2 or not np.isin(y, (0, 1)).all():
            raise _misfit(y, kind, name, "0 and 1 of shape [examples, labels]")
        return y.astype(np.float32, copy=False)
    rank = 1 if kind == "classification" else 3
    if y.ndim == rank + 1 and y.shape[-1] == 1:
        y = y[..., 0]
    elif y.ndim == rank + 1 and is_one_hot(y):
        y = y.argmax(axis=-1)
    if y.ndim != rank or not _whole(y) or (y.size and y.min() < 0):
        shape = "[examples]" if rank == 1 else "[examples, height, width]"
        raise _misfit(
            y, kind, name, f"class numbers from 0 of shape {shape}, or one-hot rows"
        )
    return y.astype(np.int64) if rank == 1 else _small(y)


def stratum(y: npt.NDArray[Any], kind: str) -> npt.NDArray[np.int64] | None:
    """Return the class that each example is stratified by, or None.

    A multi-label example counts for the rarest of its labels (-1: it has none).
    """
    if kind == "classification":
        return y.astype(np.int64)
    if kind == "multilabel":
        rarity = np.where(y > 0, y.sum(axis=0), np.inf)
        return np.where(y.any(axis=1), rarity.argmin(axis=1), -1).astype(np.int64)
    return None


def _whole(y: npt.NDArray[Any]) -> bool:
    return bool(np.isfinite(y).all() and (y == np.round(y)).all())


def _small(y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return y if np.issubdtype(y.dtype, np.integer) else y.astype(np.int32)


def _misfit(
    y: npt.NDArray[Any], kind: str, name: str, expected: str
) -> errors.DataError:
    return errors.DataError(
        f"The labels do not fit the task {kind!r}. Received: {name} of shape "
        f"{y.shape}, {y.dtype}; expected {expected}. Correct the labels or choose "
        "another `--task`."
    )
