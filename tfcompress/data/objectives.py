"""Keras losses and metrics of a task, taking the labels as a data set yields them.

A data set yields class numbers.  A compiled ``CategoricalCrossentropy`` becomes its
sparse twin; any other loss that wants one-hot rows (label smoothing, focal) is wrapped
and keeps its settings, so nobody has to encode labels twice.  Plain Keras objects are
preferred: a model compiled with them loads where tfcompress is not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tfcompress.data.tasks import OutputTask


@keras.saving.register_keras_serializable(package="tfcompress")
class OneHotLoss(keras.losses.Loss):
    """A loss on class numbers that hands one-hot rows to another loss.

    Example:
        >>> loss = OneHotLoss(keras.losses.CategoricalCrossentropy(), num_classes=2)
        >>> round(float(loss([0], [[0.5, 0.5]])), 4)
        0.6931
    """

    def __init__(self, loss: Any, num_classes: int, **settings: Any) -> None:
        super().__init__(**{"name": _name(loss), **settings})
        self.loss = loss
        self.num_classes = num_classes

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Encode, then ask the inner loss for the loss of each example."""
        y_pred = keras.ops.convert_to_tensor(y_pred)
        labels = keras.ops.cast(y_true, "int32")
        encoded = keras.ops.one_hot(labels, self.num_classes, dtype=y_pred.dtype)
        inner = self.loss
        return (inner.call if isinstance(inner, keras.losses.Loss) else inner)(
            encoded, y_pred
        )

    def get_config(self) -> dict[str, Any]:
        """Return the settings for saving."""
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
            "num_classes": self.num_classes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OneHotLoss:
        """Rebuild it from its settings."""
        inner = keras.saving.deserialize_keras_object(config["loss"])
        return cls(**{**config, "loss": inner})


class FunctionLoss(keras.losses.Loss):
    """A user's loss function of (y_true, y_pred) as a `keras.losses.Loss`."""

    def __init__(self, function: Callable[[Any, Any], Any], **settings: Any) -> None:
        super().__init__(**{"name": _name(function), **settings})
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example."""
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_true = keras.ops.expand_dims(y_true, -1)
        return self.function(y_true, y_pred)


def loss(output: OutputTask) -> keras.losses.Loss:
    """Return the compiled model's loss, fitted to class numbers, or the default."""
    if output.compiled_loss is None:
        return _default(output)
    chosen = _as_object(keras.losses.get(output.compiled_loss))
    if not _wants_one_hot(chosen, output):
        return chosen
    if type(chosen) is keras.losses.CategoricalCrossentropy:
        config = chosen.get_config()
        if not config["label_smoothing"] and config["axis"] == -1:
            return keras.losses.SparseCategoricalCrossentropy(
                from_logits=config["from_logits"],
                ignore_class=output.ignore_class,
                reduction=config["reduction"],
            )
    return OneHotLoss(chosen, output.num_classes or 2, reduction=chosen.reduction)


def metrics(output: OutputTask) -> list[keras.metrics.Metric]:
    """Return fresh Keras metrics to watch while training."""
    if output.kind == "regression":
        return [keras.metrics.MeanAbsoluteError(name="mae")]
    if output.kind == "multilabel" or output.units == 1:
        threshold = 0.0 if output.from_logits else 0.5
        return [keras.metrics.BinaryAccuracy(threshold=threshold, name="accuracy")]
    if output.kind == "classification":
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    return [
        keras.metrics.MeanIoU(
            num_classes=output.num_classes,
            ignore_class=output.ignore_class,
            sparse_y_pred=False,
            name="mean_iou",
        )
    ]


def _default(output: OutputTask) -> keras.losses.Loss:
    if output.kind == "regression":
        return keras.losses.MeanSquaredError()
    if output.kind == "multilabel" or output.units == 1:
        return keras.losses.BinaryCrossentropy(from_logits=output.from_logits)
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=output.from_logits, ignore_class=output.ignore_class
    )


def _as_object(chosen: Any) -> keras.losses.Loss:
    """Turn Keras' loss functions into their classes, a user's into `FunctionLoss`."""
    if isinstance(chosen, keras.losses.Loss):
        return chosen
    camel = "".join(part.capitalize() for part in _name(chosen).split("_"))
    known = getattr(keras.losses, camel, None)
    if known is not None and chosen is getattr(keras.losses, _name(chosen), None):
        return known()
    return FunctionLoss(chosen)


def _wants_one_hot(chosen: keras.losses.Loss, output: OutputTask) -> bool:
    """Tell whether a loss takes rows with a column per class, not class numbers."""
    if output.kind not in ("classification", "segmentation") or output.units == 1:
        return False
    name = (type(chosen).__name__ + chosen.name).lower()
    return "sparse" not in name and (output.one_hot or "categorical" in name)


def _name(source: Any) -> str:
    return str(getattr(source, "name", None) or getattr(source, "__name__", "loss"))
