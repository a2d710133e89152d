"""Compare a data set with a model before any work is spent on it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress import errors, graph
from tfcompress.data import model_tasks
from tfcompress.data.datasets import Dataset
from tfcompress.data.tasks import OutputTask

_RAW = 16.0  # values above it are raw pixels, not numbers scaled for a network
_SCALED = 1.5  # values within it are scaled already
_FIRST_LAYERS = 4  # where a model rescales its input, if it does

Shape = tuple[int | None, ...]


def check_fits(model: keras.Model, dataset: Dataset) -> None:
    """Refuse a data set whose inputs or labels the model cannot take.

    Raises:
        DataError: If number, rank or shape of the inputs, the number of classes, the
            labels or the range of values do not fit; or values are NaN.
    """
    _check_inputs(model, dataset)
    x, y, *_ = next(iter(dataset.train(64, augment=False)))
    _check_values(x)
    _check_outputs(model, dataset, y)
    _check_range(model, dataset, x)


def rescaling(model: keras.Model) -> float | None:
    """Return the factor by which a model's first layers rescale its input, if any."""
    for layer in list(getattr(model, "layers", []))[:_FIRST_LAYERS]:
        if isinstance(layer, keras.layers.Rescaling):
            return float(np.max(np.abs(np.asarray(layer.scale))))
        if isinstance(layer, keras.layers.Normalization):
            return 1.0
        if isinstance(layer, keras.Model):
            return rescaling(layer)
    return None


def _check_inputs(model: keras.Model, dataset: Dataset) -> None:
    wanted = [tuple(t.shape[1:]) for t in getattr(model, "inputs", None) or []]
    given = _given_shapes(model, dataset)
    if not wanted or (len(given) == len(wanted) and all(map(_fits, given, wanted))):
        return
    raise errors.DataError(
        f"The data do not fit the model's input. Received: examples of shape "
        f"{_shapes(given)}; model {model.name!r} takes {_shapes(wanted)}. "
        f"{_shape_hint(given, wanted)}"
    )


def _given_shapes(model: keras.Model, dataset: Dataset) -> list[Shape]:
    """Return the shapes of the inputs, those given by name in the model's order."""
    spec = dataset.test(1).element_spec[0]
    names = [tensor.name for tensor in getattr(model, "inputs", None) or []]
    if isinstance(spec, dict) and set(spec) == set(names):
        return [tuple(spec[name].shape[1:]) for name in names]
    return list(dataset.input_shapes)


def _fits(given: Shape, wanted: Shape) -> bool:
    return len(given) == len(wanted) and all(
        None in pair or pair[0] == pair[1] for pair in zip(given, wanted, strict=True)
    )


def _shape_hint(given: list[Shape], wanted: list[Shape]) -> str:
    if len(given) != len(wanted):
        return "Give x as a dict or tuple with one array per input."
    a, b = given[0], wanted[0]
    if len(a) == len(b) == 3 and a[-1] != b[-1] and b[-1] in (1, 3):
        return f'Convert the channels with `--preprocess "channels={b[-1]}, ..."`.'
    if len(a) == len(b) == 3 and a[-1] == b[-1]:
        return f"Resize the images with `--image-size {b[0]},{b[1]}`."
    if (*a, 1) == b:
        return "Add the missing axis: `x = x[..., None]`."
    return "Reshape the arrays to what the model takes."


def _check_values(x: Any) -> None:
    for tensor in tf.nest.flatten(x):
        bad = int((~np.isfinite(tensor.numpy())).sum())
        if bad:
            raise errors.DataError(
                "The inputs hold NaN or infinities after preprocessing. Received: a "
                f"batch of shape {tuple(tensor.shape)} with {bad} such values. Check "
                "`--preprocess`."
            )


def _check_outputs(model: keras.Model, dataset: Dataset, y: Any) -> None:
    outputs = getattr(model, "outputs", None) or []
    names = graph.output_names(model) or list(dataset.task.outputs)
    if not outputs or len(names) != len(outputs):
        return
    tasks = model_tasks.paired(dataset.task, names)
    labels = dataset.task.by_output(y)
    order = list(labels) if set(labels) != set(names) else names
    for tensor, name, key in zip(outputs, names, order, strict=True):
        _check_classes(tensor, name, tasks[name])
        _check_label_shape(tensor, name, tasks[name], labels[key])


def _check_classes(tensor: Any, name: str, output: OutputTask) -> None:
    units, classes = tensor.shape[-1], output.num_classes
    if classes is None or units in (None, classes):
        return
    if units == 1 and classes == 2 and output.kind != "multilabel":  # one sigmoid
        return
    # Labels without names may just lack the last classes.
    if units > classes and not output.class_names and output.kind != "multilabel":
        return
    raise errors.DataError(
        f"The classes do not fit the model's output {name!r}. Received: labels of "
        f"{classes} classes; the output has {units} units. Use the data set the model "
        "was trained for, or replace its last layer."
    )


def _check_label_shape(tensor: Any, name: str, output: OutputTask, y: Any) -> None:
    """Compare label shapes with the output's, where a label is more than a class."""
    if output.kind in ("classification", "multilabel"):
        return
    wanted = tuple(tensor.shape[1:])
    wanted = wanted[:-1] if output.kind == "segmentation" else wanted
    given = tuple(y.shape[1:])
    if _fits(given, wanted) or (output.kind == "regression" and (*given, 1) == wanted):
        return
    raise errors.DataError(
        f"The labels do not fit the model's output {name!r}. Received: labels of shape "
        f"{given}; the output's is {wanted}. Resize or reshape the labels."
    )


def _check_range(model: keras.Model, dataset: Dataset, x: Any) -> None:
    leaves = tf.nest.flatten(x)
    if dataset.preprocessing.stated or len(leaves) != 1 or leaves[0].shape.rank != 4:
        return
    low, high = float(leaves[0].numpy().min()), float(leaves[0].numpy().max())
    factor = rescaling(model)
    if factor is None and low >= 0 and high > _RAW:
        why, fix = "no layer of the model rescales them", "scale=1/255"
    elif factor is not None and factor <= 1 / 64 and max(-low, high) <= _SCALED:
        why, fix = f"the model multiplies its input by {factor:.4g} itself", "none"
    else:
        return
    raise errors.DataError(
        f"The values look wrong for this model. Received: inputs from {low:.3g} to "
        f"{high:.3g}, and {why}. Pass what the model was trained with, for instance "
        f"`--preprocess {fix}` (if the raw values are right: `--preprocess none`)."
    )


def _shapes(shapes: list[Shape]) -> str:
    return ", ".join(str(shape) for shape in shapes)
