"""A Keras model as a function with named inputs and outputs and a fixed batch.

The signature is called ``serving_default``, its names are the Keras model's, and its
batch is 1: with a fixed batch, Flatten and Reshape need no shape arithmetic at run
time, which phones' accelerators refuse.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfcompress import errors
from tfcompress.graph import model_checks, output_names

SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class Interface:
    """Names, shapes (without the batch) and types of a model's inputs and outputs."""

    inputs: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    outputs: tuple[str, ...]


def interface(model: keras.Model) -> Interface:
    """Return a model's interface, refusing what cannot be converted.

    Raises:
        ModelError: If it is no built Keras 3 model, or a weight is not finite.
        ConversionError: If the model has no fixed inputs.
    """
    model_checks.check_model(model)
    if not getattr(model, "inputs", None):
        raise errors.ConversionError(
            f"This model has no fixed inputs to convert. Received: {model.name} "
            f"({type(model).__name__}). Build it as a functional model: "
            "keras.Model(inputs, model(inputs)) with inputs = keras.Input(shape)."
        )
    names = _unique([_input_name(tensor) for tensor in model.inputs])
    shapes = {n: tuple(t.shape[1:]) for n, t in zip(names, model.inputs, strict=True)}
    for name, shape in shapes.items():
        if None in shape:
            raise errors.ConversionError(
                f"The input {name!r} has no fixed size. Received: {model.name} with "
                f"shape {shape}. Give it one with --input-shape, or rebuild the model "
                "with keras.Input of a fixed shape."
            )
    dtypes = {
        n: keras.backend.standardize_dtype(t.dtype)
        for n, t in zip(names, model.inputs, strict=True)
    }
    return Interface(tuple(names), shapes, dtypes, tuple(_output_names(model)))


def write_saved_model(
    model: keras.Model,
    known: Interface,
    folder: pathlib.Path,
    *,
    batch_size: int | None,  # None: any
) -> None:
    """Write `model` as a SavedModel whose one signature has the interface's names."""
    specs = [
        tf.TensorSpec((batch_size, *known.shapes[n]), known.dtypes[n], name=n)
        for n in known.inputs
    ]

    def serve(*tensors: Any) -> dict[str, Any]:
        outputs = call(model, list(tensors), training=False)
        return dict(zip(known.outputs, outputs, strict=True))

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(SIGNATURE, serve, input_signature=specs)
    archive.write_out(str(folder), verbose=False)


def call(model: keras.Model, inputs: Sequence[Any], *, training: bool) -> list[Any]:
    """Call a model of any input and output structure with and for flat lists.

    Args:
        model: A functional or sequential model.
        inputs: In the order of ``model.inputs``.
        training: As in Keras.

    Returns:
        The outputs in the order of `Interface.outputs`.
    """
    structured = keras.tree.pack_sequence_as(_structure(model), list(inputs))
    return list(keras.tree.flatten(model(structured, training=training)))


def _structure(model: keras.Model) -> Any:
    return getattr(model, "_inputs_struct", model.inputs[0])  # a Sequential has one


def _input_name(tensor: Any) -> str:
    """Return the name given to ``keras.Input``, that of its layer if none was."""
    history = getattr(tensor, "_keras_history", None)
    return str(history.operation.name if history else tensor.name)


def _output_names(model: keras.Model) -> list[str]:
    names = output_names(model) or ["output"]
    if len(names) != len(model.outputs):
        names = [f"output_{i}" for i in range(len(model.outputs))]
    return _unique(names)


def _unique(names: list[str]) -> list[str]:
    """Number the repetitions: a shared layer may give two outputs.

    Example:
        >>> _unique(["a", "b", "a"])
        ['a', 'b', 'a_1']
    """
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        times = seen.get(name, 0)
        seen[name] = times + 1
        unique.append(f"{name}_{times}" if times else name)
    return unique
