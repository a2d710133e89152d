"""Compare a data set with a model before any work is spent on it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress import errors
from tfcompress.data.datasets import Dataset

_RAW = 16.0  # values above it are raw pixels, not numbers scaled for a network


def check_fits(model: keras.Model, dataset: Dataset) -> None:
    """Refuse a data set whose inputs or labels the model cannot take.

    Raises:
        DataError: If number, rank or shape of the inputs, the number of classes, the
            labels or the range of values do not fit; or values are NaN.
    """
    _check_inputs(model, dataset)
    x, y, *_ = next(iter(dataset.train(64, shuffle=True, augment=False)))
    _check_values(x)
    _check_outputs(model, dataset)
    _check_range(model, dataset, x)


def _check_inputs(model: keras.Model, dataset: Dataset) -> None:
    wanted = [
        tuple(tensor.shape[1:]) for tensor in getattr(model, "inputs", None) or []
    ]
    given = list(dataset.input_shapes)
    if not wanted or (all(map(_fits, given, wanted)) and len(given) == len(wanted)):
        return
    raise errors.DataError(
        f"The data do not fit the model's input. Received: examples of shape "
        f"{_shapes(given)}; model {model.name!r} takes {_shapes(wanted)}. "
        f"{_shape_hint(given, wanted)}"
    )


def _fits(given: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(given) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(given, wanted, strict=True)
    )


def _shape_hint(given: list[Any], wanted: list[Any]) -> str:
    if len(given) != len(wanted):
        return "Give x as a dict or tuple with one array per input."
    a, b = given[0], wanted[0]
    if len(a) == len(b) == 3 and a[-1] != b[-1] and b[-1] in (1, 3):
        return f'Convert the channels with `--preprocess "channels={b[-1]}, ..."`.'
    if len(a) == len(b) == 3:
        return f"Resize the images with `--image-size {b[0]}x{b[1]}`."
    if len(a) == len(b) - 1:
        return "Add the missing axis: `x = x[..., None]`."
    return "Reshape the arrays to what the model takes."


def _check_values(x: Any) -> None:
    for tensor in tf.nest.flatten(x):
        if not np.isfinite(tensor.numpy()).all():
            raise errors.DataError(
                "The inputs hold NaN or infinities. Received: an array of shape "
                f"{tuple(tensor.shape)} with {int((~np.isfinite(tensor.numpy())).sum())} "
                "such values. Clean the data, or check `--preprocess`."
            )


def _check_outputs(model: keras.Model, dataset: Dataset) -> None:
    from tfcompress.data import model_tasks

    outputs = getattr(model, "outputs", None) or []
    names = list(getattr(model, "output_names", None) or [])
    if not outputs or not names:
        return
    task = model_tasks.paired(dataset.task, names)
    for tensor, (name, output) in zip(outputs, task.items(), strict=True):
        units, classes = tensor.shape[-1], output.num_classes
        if classes is None or units is None or units == classes:
            continue
        if units == 1 and classes == 2:  # one sigmoid unit
            continue
        if units > classes and not output.class_names and output.kind != "multilabel":
            continue  # these labels may just lack the last classes
        raise errors.DataError(
            f"The classes do not fit the model's output {name!r}. Received: labels of "
            f"{classes} classes; the output has {units} units. Use the data set the model "
            "was trained for, or replace its last layer."
        )


def _check_range(model: keras.Model, dataset: Dataset, x: Any) -> None:
    leaves = tf.nest.flatten(x)
    if dataset.preprocessing.stated or len(leaves) != 1 or len(leaves[0].shape) != 4:
        return
    low, high = float(tf.reduce_min(x)), float(tf.reduce_max(x))
    factor = rescaling(model)
    if factor is None and low >= 0 and high > _RAW:
        raise _wrong_range(
            low, high, "no layer of the model rescales them", "scale=1/255"
        )
    if factor is not None and factor <= 1 / 64 and low >= -1.5 and high <= 1.5:
        raise _wrong_range(
            low, high, f"the model rescales its input by {factor:.4g} itself", "none"
        )


def rescaling(model: keras.Model) -> float | None:
    """Return the factor by which a model's first layers rescale its input, if any."""
    for layer in list(getattr(model, "layers", []))[:4]:
        if isinstance(layer, keras.Model):
            return rescaling(layer)
        if isinstance(layer, keras.layers.Rescaling):
            return float(np.max(np.abs(np.asarray(layer.scale))))
        if isinstance(layer, keras.layers.Normalization):
            return 1.0
    return None


def _wrong_range(low: float, high: float, why: str, fix: str) -> errors.DataError:
    return errors.DataError(
        f"The values look wrong for this model. Received: inputs from {low:.3g} to "
        f"{high:.3g}, and {why}. Pass what the model was trained with, for instance "
        f"`--preprocess {fix}` (if these values are right, `--preprocess none`)."
    )


def _shapes(shapes: list[Any]) -> str:
    return ", ".join(str(shape) for shape in shapes)
