"""Keras losses and metrics of a task, taking the labels as a data set yields them.

A data set yields class numbers.  A loss that wants one-hot rows (the compiled model's
``CategoricalCrossentropy`` with label smoothing, say) is wrapped, so that it keeps its
settings and nobody has to encode labels twice.
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
        labels = keras.ops.cast(y_true, "int32")
        encoded = keras.ops.one_hot(labels, self.num_classes, dtype=y_pred.dtype)
        return _function(self.loss)(encoded, y_pred)

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
    """A loss function of (y_true, y_pred) as a `keras.losses.Loss`."""

    def __init__(self, function: Callable[[Any, Any], Any], **settings: Any) -> None:
        super().__init__(**{"name": _name(function), **settings})
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example."""
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_true = keras.ops.expand_dims(y_true, -1)
        return self.function(y_true, y_pred)


def loss(output: OutputTask) -> keras.losses.Loss:
    """Return the compiled model's loss, fitted to class numbers, or the task's default."""
    if output.compiled_loss is None:
        return _default_loss(output)
    chosen = keras.losses.get(output.compiled_loss)
    if _wants_one_hot(chosen, output):
        reduction = getattr(chosen, "reduction", "sum_over_batch_size")
        return OneHotLoss(chosen, output.num_classes or 2, reduction=reduction)
    return chosen if isinstance(chosen, keras.losses.Loss) else FunctionLoss(chosen)


def metrics(output: OutputTask) -> list[keras.metrics.Metric]:
    """Return fresh Keras metrics to watch while training."""
    if output.kind == "regression":
        return [keras.metrics.MeanAbsoluteError(name="mae")]
    threshold = 0.0 if output.from_logits else 0.5
    if output.kind == "multilabel" or output.num_classes == 1:
        return [keras.metrics.BinaryAccuracy(threshold=threshold, name="accuracy")]
    if output.kind == "segmentation":
        return [
            keras.metrics.MeanMetricWrapper(_pixel_accuracy(output), name="accuracy")
        ]
    return [keras.metrics.MeanMetricWrapper(_class_accuracy(output), name="accuracy")]


def _class_accuracy(output: OutputTask) -> Callable[[Any, Any], Any]:
    threshold = 0.0 if output.from_logits else 0.5

    def accuracy(y_true: Any, y_pred: Any) -> Any:
        if y_pred.shape[-1] == 1:  # two classes from one sigmoid unit
            chosen = keras.ops.cast(y_pred[..., 0] > threshold, "int32")
        else:
            chosen = keras.ops.argmax(y_pred, axis=-1)
        labels = keras.ops.reshape(y_true, keras.ops.shape(chosen))
        return keras.ops.cast(
            keras.ops.cast(labels, "int32") == keras.ops.cast(chosen, "int32"),
            "float32",
        )

    return accuracy


def _pixel_accuracy(output: OutputTask) -> Callable[[Any, Any], Any]:
    accuracy = _class_accuracy(output)

    def pixel_accuracy(y_true: Any, y_pred: Any) -> Any:
        right = accuracy(y_true, y_pred)
        if output.ignore_class is None:
            return keras.ops.mean(right, axis=(1, 2))
        counted = keras.ops.cast(
            keras.ops.not_equal(
                keras.ops.cast(y_true, "int32"), int(output.ignore_class)
            ),
            "float32",
        )
        pixels = keras.ops.maximum(keras.ops.sum(counted, axis=(1, 2)), 1.0)
        return keras.ops.sum(right * counted, axis=(1, 2)) / pixels

    return pixel_accuracy


def _default_loss(output: OutputTask) -> keras.losses.Loss:
    if output.kind == "regression":
        return keras.losses.MeanSquaredError()
    if output.kind == "multilabel":
        return keras.losses.BinaryCrossentropy(from_logits=output.from_logits)
    return ClassCrossentropy(
        from_logits=output.from_logits, ignore_class=output.ignore_class
    )


@keras.saving.register_keras_serializable(package="tfcompress")
class ClassCrossentropy(keras.losses.Loss):
    """Cross-entropy on class numbers: sparse, or binary where the output has one unit."""

    def __init__(
        self,
        *,
        from_logits: bool = False,
        ignore_class: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**{"name": "crossentropy", **settings})
        self.from_logits = from_logits
        self.ignore_class = ignore_class

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example or pixel."""
        if y_pred.shape[-1] > 1:
            return keras.losses.sparse_categorical_crossentropy(
                y_true,
                y_pred,
                from_logits=self.from_logits,
                ignore_class=self.ignore_class,
            )
        labels = keras.ops.reshape(
            keras.ops.cast(y_true, y_pred.dtype), keras.ops.shape(y_pred)
        )
        return keras.losses.binary_crossentropy(
            labels, y_pred, from_logits=self.from_logits
        )

    def get_config(self) -> dict[str, Any]:
        """Return the settings for saving."""
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
        }


def _wants_one_hot(chosen: Any, output: OutputTask) -> bool:
    if output.kind not in ("classification", "segmentation"):
        return False
    name = _name(chosen).lower()
    return "sparse" not in name and (output.one_hot or "categorical" in name)


def _function(chosen: Any) -> Callable[[Any, Any], Any]:
    return chosen.call if isinstance(chosen, keras.losses.Loss) else chosen


def _name(source: Any) -> str:
    return str(getattr(source, "name", None) or getattr(source, "__name__", "loss"))
