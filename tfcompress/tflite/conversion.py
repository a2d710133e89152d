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
import functools
import importlib.metadata
import os
import pathlib
import time
from collections.abc import Mapping
from typing import Any, Literal

import keras

from tfcompress import errors, files, quantize, sparsity
from tfcompress.tflite import (
    exporting,
    first_run,
    float32_clone,
    inspection,
    post_training,
    recipes,
    sparse_encoding,
    trained_models,
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
        improvements: What the options that need no training did, by option.
        kept_float: Indices of operators in float because `precision` says so.
        sparse: What storing zeros as zeros is worth; None without ``sparse=True``.
    """

    content: bytes = dataclasses.field(repr=False)
    path: pathlib.Path | None
    recipe: str
    inspection: inspection.Inspection = dataclasses.field(repr=False)
    sample_snr_db: float
    calibration_examples: int
    seconds: float
    improvements: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kept_float: tuple[int, ...] = ()
    sparse: sparse_encoding.SparseEncoding | None = None

    @property
    def float_operators(self) -> tuple[str, ...]:
        """Operators that an integer recipe has left in floating point."""
        if self.recipe not in recipes.INTEGER:
            return ()
        return _not_wanted(self.inspection, self.kept_float)

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
            "improvements": dict(self.improvements),
            "kept_float": list(self.kept_float),
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
    equalize: bool = False,
    correct_bias: bool = False,
    precision: Mapping[str, str] | None = None,
    per_channel: bool = True,
    sparse: bool = False,
) -> Conversion:
    """Convert a Keras model to a .tflite file.

    Inputs and outputs keep the Keras model's names and order; the file takes one
    example at a time. The model is not changed.

    Args:
        model: A built functional or sequential model of fixed input shapes; one that is
            being pruned is stripped first.
        recipe: One of `recipes.RECIPES`; ``float32`` if None. A quantization-aware
            model (`tfcompress.quantize`) is converted by its own.
        calibration: For ``int8`` and ``int16x8``: batches of preprocessed inputs, or a
            function that returns them. Streamed; a few hundred examples are enough.
            A quantization-aware model needs none.
        inputs: ``float``: the file takes and gives floats; ``int8``: it takes and gives
            the recipe's integers, with scale and zero point in the file.
        path: Where to write the file, atomically; not written if None.
        allow_float_ops: Accept operators that the integer recipe cannot express.
        metadata: Plain JSON values to keep in the file, such as ``labels`` and
            ``preprocessing``.
        equalize: For integer recipes: cross-layer equalisation first.
        correct_bias: For integer recipes: bias correction, by the calibration data,
            which are then read twice.
        precision: For integer recipes: a precision for some layers, such as
            ``{"conv1": "float32"}``; see `tfcompress.quantize.mixed`.
        per_channel: For integer recipes: False for one weight scale per tensor.
        sparse: Store the zeros of a pruned model as zeros; the file is smaller, not
            faster. It is compared with the dense one, and refused if it differs.

    Raises:
        ModelError: If it is no built Keras 3 model, a weight is not finite, or other
            weights were loaded over the zeros of a model that is being pruned.
        ConversionError: If the converter refuses, a float operator is left in an
            integer file, or the file does not answer like the model.
        DataError: If the calibration data are missing, empty or do not fit.
        ConfigError: If an option does not go with the recipe, or `precision` names an
            unknown layer or precision.
        ValueError: If the recipe is unknown or does not go with `inputs`.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> convert(model).recipe
        'float32'
    """
    started = time.perf_counter()
    model = sparsity.strip(model) if sparsity.is_being_pruned(model) else model
    recipe = trained_models.choose_recipe(model, recipe)
    trained = trained_models.is_trained(model)
    _check_arguments(recipe, calibration, inputs, trained=trained)
    known = exporting.interface(model)
    options = post_training.PostTraining(
        equalize=equalize,
        correct_bias=correct_bias,
        precision=precision or {},
        per_channel=per_channel,
        sparse=sparse,
    )
    options.check(model, recipe, calibration, trained=trained)
    calibration = sparse_encoding.repeatable(calibration) if sparse else calibration
    stream = CalibrationStream(calibration or (), known)
    twin = float32_clone.as_float32(model)
    twin = quantize.to_convertible(twin) if trained else twin

    def translated(wanted: post_training.PostTraining) -> post_training.Translated:
        if trained:
            return trained_models.translate(
                twin, known, recipe, inputs=inputs, sparse=wanted.sparse
            )
        return post_training.translate(
            twin, known, recipe, stream, inputs=inputs, options=wanted
        )

    embed = functools.partial(notes.embed, inputs=known.inputs, outputs=known.outputs)
    made = translated(dataclasses.replace(options, sparse=False))
    note = _note(recipe, inputs, stream.num_examples, metadata or {})
    content, encoding = embed(made.content, note), None
    if sparse:
        dense, made = content, translated(options)
        content = embed(made.content, note)
        encoding = sparse_encoding.check(dense, content, example=stream.first)
    found = inspection.inspect(content)
    left = _not_wanted(found, made.kept_float)
    _refuse_float_operators(left, recipe, allow_float_ops=allow_float_ops)
    snr_db = first_run.compare(
        twin, content, known, recipe, stream.first, trained=trained
    )
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
        improvements=made.improvements,
        kept_float=made.kept_float,
        sparse=encoding,
    )


def _check_arguments(
    recipe: str, calibration: Any, inputs: str, *, trained: bool
) -> None:
    if inputs not in ("float", "int8"):
        raise ValueError(
            f"Unknown type of inputs. Received: inputs={inputs!r}; it must be 'float' "
            "or 'int8'."
        )
    if inputs == "int8" and recipe not in recipes.INTEGER:
        raise ValueError(
            f"Only an integer recipe has integer inputs. Received: inputs='int8' with "
            f"recipe={recipe!r}. Use recipe='int8', or inputs='float'."
        )
    if recipe in recipes.CALIBRATED and calibration is None and not trained:
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


def _not_wanted(found: inspection.Inspection, kept: tuple[int, ...]) -> tuple[str, ...]:
    """Return the operators in float that no layer was kept in float for."""
    borders = ("QUANTIZE", "DEQUANTIZE") if kept else ()
    return tuple(
        f"{operator.name} ({operator.output})"
        for operator in found.operators
        if operator.float_tensors
        and operator.index not in kept
        and operator.name not in borders
    )


def _refuse_float_operators(
    left: tuple[str, ...], recipe: str, *, allow_float_ops: bool
) -> None:
    if recipe not in recipes.INTEGER or allow_float_ops or not left:
        return
    listed = ", ".join(left[:10]) + (", ..." if len(left) > 10 else "")
    raise errors.ConversionError(
        f"{len(left)} operators stay in floating point under the recipe {recipe!r}. "
        f"Received: {listed}. Replace these layers, choose the recipe 'dynamic_int8' "
        "or 'float16', or accept them with allow_float_ops=True (`--allow-float-ops`)."
    )
