"""Convert a Keras model to a .tflite file by a recipe, and check what came out.

The path, in order:

1. A mixed-precision model is replaced by its float32 twin.
2. The model is written as a SavedModel with named inputs and outputs and a batch of 1.
   (Never ``from_concrete_functions`` with a Keras 3 model: the file reads variables
   that nothing sets, without an error.)
3. TensorFlow's converter folds BatchNorm, fuses activations and quantizes.
4. The file gets the model's names and a note with recipe and versions (`metadata`).
5. The file is parsed, searched for float operators, and run once on an example against
   the Keras model: a file that answers something else is never handed out.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any, Literal

import keras

from tfcompress import errors, files
from tfcompress.tflite import (
    exporting,
    first_run,
    float32_clone,
    inspection,
    recipes,
    sparse_encoding,
    translation,
)
from tfcompress.tflite import metadata as notes
from tfcompress.tflite.calibration import Batches, CalibrationStream

_VERSIONED = ("tensorflow", "keras", "ai-edge-litert", "tfcompress")

Inputs = Literal["float", "int8"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion:
    """A converted file and what is known about it.

    Args:
        content: The file's bytes.
        path: Where it was written; None if it was not.
        recipe: How it is quantized.
        inspection: What is inside.
        sample_snr_db: Output against the Keras model's on one example, in dB.
        calibration_examples: How many examples set the ranges.
        seconds: How long the conversion took.
        sparse: What storing zeros as zeros is worth; None without ``sparse=True``.
    """

    content: bytes = dataclasses.field(repr=False)
    path: pathlib.Path | None
    recipe: str
    inspection: inspection.Inspection = dataclasses.field(repr=False)
    sample_snr_db: float
    calibration_examples: int
    seconds: float
    sparse: sparse_encoding.SparseEncoding | None = None

    @property
    def float_operators(self) -> tuple[str, ...]:
        """Operators that an integer recipe has left in floating point."""
        if self.recipe not in recipes.CALIBRATED:
            return ()
        return self.inspection.float_operators

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values, without the content."""
        found = self.inspection.to_dict()
        kept = ("size_bytes", "gzip_bytes", "macs", "inputs", "outputs", "metadata")
        return {
            "recipe": self.recipe,
            "path": str(self.path) if self.path else None,
            **{key: found[key] for key in kept},
            "operators": found["operator_counts"],
            "float_operators": list(self.float_operators),
            "sample_snr_db": self.sample_snr_db,
            "calibration_examples": self.calibration_examples,
            "seconds": self.seconds,
            "sparse": self.sparse.to_dict() if self.sparse else None,
        }


def convert(  # noqa: PLR0913 (one call for the whole stage)
    model: keras.Model,
    recipe: str | None = None,
    *,
    calibration: Batches | None = None,
    inputs: Inputs = "float",
    path: str | os.PathLike[str] | None = None,
    allow_float_ops: bool = False,
    metadata: Mapping[str, Any] | None = None,
    sparse: bool = False,
) -> Conversion:
    """Convert a Keras model to a .tflite file.

    Inputs and outputs keep the Keras model's names and order; the file takes one
    example at a time. The model is not changed.

    Args:
        model: A built functional or sequential model of fixed input shapes.
        recipe: One of `recipes.RECIPES`; ``float32`` if None.
        calibration: For ``int8`` and ``int16x8``: batches of preprocessed inputs, or a
            function that returns them. Streamed; a few hundred examples are enough.
        inputs: ``float``: the file takes and gives floats; ``int8``: it takes and gives
            the recipe's integers, with scale and zero point in the file.
        path: Where to write the file, atomically; not written if None.
        allow_float_ops: Accept operators that the integer recipe cannot express.
        metadata: Plain JSON values to keep in the file, such as ``labels`` and
            ``preprocessing``.
        sparse: Store the zeros of a pruned model as zeros; the file is smaller, not
            faster. It is compared with the dense one, and refused if it differs.

    Raises:
        ModelError: If it is no built Keras 3 model, or a weight is not finite.
        ConversionError: If the converter refuses, a float operator is left in an
            integer file, or the file does not answer like the model.
        DataError: If the calibration data are missing, empty or do not fit.
        ValueError: If the recipe is unknown or does not go with `inputs`.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> convert(model).recipe
        'float32'
    """
    started = time.perf_counter()
    recipe = recipes.check(recipe or "float32")
    _check_arguments(recipe, calibration, inputs)
    known = exporting.interface(model)
    calibration = sparse_encoding.repeatable(calibration) if sparse else calibration
    stream = CalibrationStream(calibration or (), known)
    twin = float32_clone.as_float32(model)
    raw = translation.translate(twin, known, recipe, stream, inputs=inputs)
    note = _note(recipe, inputs, stream.num_examples, metadata or {})
    content = notes.embed(raw, note, inputs=known.inputs, outputs=known.outputs)
    encoding = None
    if sparse:
        dense = content
        raw = translation.translate(
            twin, known, recipe, stream, inputs=inputs, sparse=True
        )
        content = notes.embed(raw, note, inputs=known.inputs, outputs=known.outputs)
        encoding = sparse_encoding.check(dense, content, example=stream.first)
    found = inspection.inspect(content)
    _refuse_float_operators(found, recipe, allow_float_ops=allow_float_ops)
    snr_db = first_run.compare(twin, content, known, recipe, stream.first)
    if path is not None:
        files.write_bytes(path, content)
    return Conversion(
        content=content,
        path=None if path is None else pathlib.Path(path),
        recipe=recipe,
        inspection=found,
        sample_snr_db=snr_db,
        calibration_examples=stream.num_examples,
        seconds=time.perf_counter() - started,
        sparse=encoding,
    )


def _check_arguments(recipe: str, calibration: Any, inputs: str) -> None:
    if inputs not in ("float", "int8"):
        raise ValueError(
            f"Unknown type of inputs. Received: inputs={inputs!r}; it must be 'float' "
            "or 'int8'."
        )
    if inputs == "int8" and recipe not in recipes.CALIBRATED:
        raise ValueError(
            f"Only an integer recipe has integer inputs. Received: inputs='int8' with "
            f"recipe={recipe!r}. Use recipe='int8', or inputs='float'."
        )
    if recipe in recipes.CALIBRATED and calibration is None:
        raise errors.DataError(
            f"The recipe {recipe!r} needs calibration data. Received: calibration=None."
            " Pass a few hundred training inputs, such as "
            "calibration=dataset.calibration(500), or `--data` on the command line."
        )


def _note(
    recipe: str, inputs: str, num_examples: int, extra: Mapping[str, Any]
) -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in _VERSIONED}
    own: dict[str, Any] = {"recipe": recipe, "inputs": inputs, "versions": versions}
    if num_examples:
        own["calibration_examples"] = num_examples
    return {**extra, **own}


def _refuse_float_operators(
    found: inspection.Inspection, recipe: str, *, allow_float_ops: bool
) -> None:
    left = found.float_operators
    if recipe not in recipes.CALIBRATED or allow_float_ops or not left:
        return
    listed = ", ".join(left[:10]) + (", ..." if len(left) > 10 else "")
    raise errors.ConversionError(
        f"{len(left)} operators stay in floating point under the recipe {recipe!r}. "
        f"Received: {listed}. Replace these layers, choose the recipe 'dynamic_int8' "
        "or 'float16', or accept them with allow_float_ops=True (`--allow-float-ops`)."
    )
