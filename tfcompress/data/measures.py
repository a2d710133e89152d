"""Metrics as streaming NumPy counters: update batch by batch, then ask for the figures.

They see predictions as arrays, so a Keras model, a ``.tflite`` file and a phone are
judged by the same code.

* classes:  a confusion matrix, rows = truth; recall_c = M[c, c] / sum of row c,
            IoU_c = M[c, c] / (row c + column c - M[c, c])
* labels:   true and false positives and negatives per label, threshold 0.5 (logits: 0)
* numbers:  sums of errors; rmse = sqrt(mse), r2 = 1 - squared error / variance of y
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tfcompress import errors
from tfcompress.data.tasks import OutputTask

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What a counter found.

    Attributes:
        value: The output's metric.
        recalls: Recall of each class that has examples; None: there are no classes.
        details: Every other metric of the counter, by name.
    """

    value: float
    recalls: dict[str, float] | None
    details: dict[str, Any]


class Counter(Protocol):
    """Collects batches of one output."""

    def update(self, y: Array, prediction: Array, weight: Array | None) -> None:
        """Count one batch."""
        ...

    def figures(self) -> Figures:
        """Return what was found so far."""
        ...


class ClassCounter:
    """Counts classes, of whole examples or of pixels."""

    def __init__(self, output: OutputTask) -> None:
        self._output = output
        self._confusion: Array = np.zeros((0, 0))
        self._top5 = 0.0

    def update(self, y: Array, prediction: Array, weight: Array | None) -> None:
        """Count one batch into the confusion matrix."""
        labels = y.astype(np.int64).reshape(prediction.shape[:-1])
        chosen = self._chosen(prediction)
        weights = _broadcast(weight, labels.shape)
        classes = max(2, prediction.shape[-1], self._output.num_classes or 0)
        counted = labels != (-1 if (i := self._output.ignore_class) is None else i)
        pairs = labels[counted] * classes + chosen[counted]
        found = np.bincount(pairs, weights[counted], minlength=classes**2)
        self._confusion = self._confusion_of(classes) + found.reshape(classes, classes)
        if self._output.metric == "top5_accuracy":
            best = np.argsort(prediction, axis=-1)[..., -5:]
            hits = (best == labels[..., None]).any(axis=-1)
            self._top5 += float((weights * hits)[counted].sum())

    def figures(self) -> Figures:
        """Return accuracy, recalls, F1 and IoU."""
        matrix = self._confusion
        _check_counted(matrix.sum())
        right, truth, claimed = (
            matrix.diagonal(),
            matrix.sum(axis=1),
            matrix.sum(axis=0),
        )
        present = truth > 0
        recall = _ratio(right, truth)
        iou = _ratio(right, truth + claimed - right)
        found = {
            "accuracy": float(right.sum() / matrix.sum()),
            "mean_recall": float(recall[present].mean()),
            "f1": float(_ratio(2 * right, truth + claimed)[present].mean()),
            "mean_iou": float(iou[(truth + claimed) > 0].mean()),
            "top5_accuracy": float(self._top5 / matrix.sum()),
        }
        name = self._output.class_name
        details: dict[str, Any] = {"mean_recall": found["mean_recall"]}
        if self._output.kind == "segmentation":
            details["accuracy"] = found["accuracy"]
            details["iou"] = {
                name(i): float(v) for i, v in enumerate(iou) if present[i]
            }
        return Figures(
            value=found[self._output.metric],
            recalls={name(i): float(v) for i, v in enumerate(recall) if present[i]},
            details=details,
        )

    def _chosen(self, prediction: Array) -> Array:
        if prediction.shape[-1] > 1:
            return np.asarray(prediction.argmax(axis=-1))
        return np.asarray(prediction[..., 0] > _threshold(self._output), np.int64)

    def _confusion_of(self, classes: int) -> Array:
        return self._confusion if self._confusion.size else np.zeros((classes, classes))


class LabelCounter:
    """Counts labels that may hold together."""

    def __init__(self, output: OutputTask) -> None:
        self._output = output
        self._counts: Array = np.zeros((4, output.num_classes or 1))
        self._exact = self._total = 0.0

    def update(self, y: Array, prediction: Array, weight: Array | None) -> None:
        """Count true and false positives and negatives per label."""
        truth = y.reshape(prediction.shape) > 0.5
        claimed = prediction > _threshold(self._output)
        weights = _broadcast(weight, prediction.shape)
        cases = (truth & claimed, ~truth & claimed, truth & ~claimed, ~truth & ~claimed)
        axes = tuple(range(prediction.ndim - 1))
        self._counts = self._counts + np.stack(
            [(case * weights).sum(axis=axes) for case in cases]
        )
        each = _broadcast(weight, (len(y),))
        same = (truth == claimed).reshape(len(y), -1).all(axis=1)
        self._exact += float((each * same).sum())
        self._total += float(each.sum())

    def figures(self) -> Figures:
        """Return macro F1, accuracy of single labels, recalls, exact matches."""
        _check_counted(self._total)
        tp, fp, fn, tn = self._counts
        present = tp + fn > 0
        recall = _ratio(tp, tp + fn)
        f1 = _ratio(2 * tp, 2 * tp + fp + fn)
        found = {
            "f1": float(f1[present].mean()) if present.any() else 0.0,
            "accuracy": float((tp + tn).sum() / self._counts.sum()),
            "mean_recall": float(recall[present].mean()) if present.any() else 0.0,
            "exact_match": self._exact / self._total,
        }
        name = self._output.class_name
        return Figures(
            value=found[self._output.metric],
            recalls={name(i): float(v) for i, v in enumerate(recall) if present[i]},
            details={k: v for k, v in found.items() if k != self._output.metric},
        )


class ErrorCounter:
    """Adds up errors of numbers; each example counts once, whatever its shape."""

    def __init__(self, output: OutputTask) -> None:
        self._output = output
        self._weight = self._absolute = self._squared = 0.0
        self._sum = self._sum_of_squares = 0.0

    def update(self, y: Array, prediction: Array, weight: Array | None) -> None:
        """Add the errors of one batch."""
        truth = y.reshape(len(y), -1).astype(np.float64)
        error = prediction.reshape(truth.shape).astype(np.float64) - truth
        weights = _broadcast(weight, (len(y),))
        self._weight += float(weights.sum())
        self._absolute += float(weights @ np.abs(error).mean(axis=1))
        self._squared += float(weights @ (error**2).mean(axis=1))
        self._sum += float(weights @ truth.mean(axis=1))
        self._sum_of_squares += float(weights @ (truth**2).mean(axis=1))

    def figures(self) -> Figures:
        """Return mae, mse, rmse and r2."""
        _check_counted(self._weight)
        mse = self._squared / self._weight
        variance = self._sum_of_squares / self._weight - (self._sum / self._weight) ** 2
        found = {
            "mae": self._absolute / self._weight,
            "mse": mse,
            "rmse": math.sqrt(mse),
            "r2": 1 - mse / variance if variance > 0 else 0.0,
        }
        details = {k: v for k, v in found.items() if k != self._output.metric}
        return Figures(value=found[self._output.metric], recalls=None, details=details)


COUNTERS: Mapping[str, Callable[[OutputTask], Counter]] = {
    "classification": ClassCounter,
    "multilabel": LabelCounter,
    "regression": ErrorCounter,
    "segmentation": ClassCounter,
}

# Metric names of each kind, and whether more is better.
METRICS: Mapping[str, Mapping[str, bool]] = {
    "classification": {
        "accuracy": True,
        "mean_recall": True,
        "f1": True,
        "top5_accuracy": True,
    },
    "multilabel": {
        "f1": True,
        "accuracy": True,
        "mean_recall": True,
        "exact_match": True,
    },
    "regression": {"mae": False, "mse": False, "rmse": False, "r2": True},
    "segmentation": {"mean_iou": True, "accuracy": True, "mean_recall": True},
}


def check_finite(prediction: Array, name: str) -> None:
    """Refuse NaN and infinities, which would silently count as class 0.

    Raises:
        ModelError: If a prediction is not finite.
    """
    if not np.isfinite(prediction).all():
        bad = int((~np.isfinite(prediction)).sum())
        raise errors.ModelError(
            f"The model's predictions are not finite. Received: {bad} of "
            f"{prediction.size} values of output {name!r} are NaN or infinite. Look "
            "for NaN in its weights, or train it with a lower learning rate."
        )


def _check_counted(weight: float) -> None:
    if not weight > 0:
        raise errors.DataError(
            "Nothing counts in this part. Received: examples whose weights add up to "
            f"{weight:g}. Give some of them a weight, or a class that is not ignored."
        )


def _threshold(output: OutputTask) -> float:
    return 0.0 if output.from_logits else 0.5


def _broadcast(weight: Array | None, shape: tuple[int, ...]) -> Array:
    """Give every element of `shape` its weight; weights may be per example only."""
    if weight is None:
        return np.ones(shape)
    weight = np.asarray(weight, np.float64)
    weight = weight.reshape(weight.shape[:1]) if weight.size == len(weight) else weight
    missing = len(shape) - weight.ndim
    return np.broadcast_to(weight.reshape(weight.shape + (1,) * missing), shape)


def _ratio(part: Array, whole: Array) -> Array:
    found = np.zeros_like(part, dtype=np.float64)
    np.divide(part, whole, out=found, where=whole > 0)
    return found
