"""What can be done to a model between training and conversion, without training.

In this order, each on a new model:

1. `equalize`: cross-layer equalisation (`tfcompress.quantize.equalize`).
2. `correct_bias`: empirical bias correction (`tfcompress.quantize.correct_biases`).
3. `precision`: some layers in another precision (`mixed_precision`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from tfcompress import errors, quantize
from tfcompress.graph.reading import read_model
from tfcompress.tflite import exporting, mixed_precision, translation
from tfcompress.tflite.calibration import Batches, CalibrationStream

RECIPES = ("int8", "int16x8")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PostTraining:
    """The options of `tfcompress.tflite.convert` that need no training.

    Attributes:
        equalize: Equalise the ranges of neighbouring layers' channels first.
        correct_bias: Take the mean error of the rounded weights out of the biases.
        precision: Layers that are quantized otherwise than by the recipe.
        per_channel: One weight scale per output channel; else one per tensor.
        sparse: Leave zeros out of the file; goes with all weights but those of 4 bits.
    """

    equalize: bool = False
    correct_bias: bool = False
    precision: Mapping[str, str] = dataclasses.field(default_factory=dict)
    per_channel: bool = True
    sparse: bool = False

    def check(
        self,
        model: keras.Model,
        recipe: str,
        calibration: Batches | None,
        *,
        trained: bool = False,
    ) -> None:
        """Refuse options that do not go with the recipe, the model or the data.

        Raises:
            ConfigError: If the recipe is none of integers, the map does not fit, the
                model has trained scales, which leave nothing to improve, or zeros are
                to be left out of a file of several precisions or of 4-bit weights.
            DataError: If the data can be read only once, and are needed twice.
        """
        given = [
            name
            for name, wanted in (
                ("equalize", self.equalize),
                ("correct_bias", self.correct_bias),
                ("precision", self.precision),
                ("per_channel=False", not self.per_channel),
            )
            if wanted
        ]
        if self.sparse and (self.precision or not self.per_channel):
            raise errors.ConfigError(
                "Sparse tensors go with one precision for all layers only. Received: "
                f"sparse=True with {given[-1]}. Leave one of them out."
            )
        if self.sparse and trained and 4 in quantize.weight_bits_of(model):
            # Said before the converter sees it: it would end the process.
            raise errors.ConfigError(
                "Weights of 4 bits cannot be stored sparsely. Received: sparse=True "
                f"with {model.name!r}, which has such. Leave it out: the zeros "
                "still compress in a download; or train for 'int8'."
            )
        if given and trained:
            raise errors.ConfigError(
                "A quantization-aware model is converted as it was trained. Received: "
                f"{given[0]} with {model.name!r}. Leave it out, or convert the model "
                "from before `quantize_aware`."
            )
        if given and recipe not in RECIPES:
            raise errors.ConfigError(
                f"Only an integer recipe can be improved so. Received: {given[0]} with "
                f"recipe={recipe!r}. Use recipe='int8', or leave it out."
            )
        if self.precision:
            names = [call.name for call in read_model(model).calls]
            quantize.check_precision(self.precision, names, recipe=recipe)
        if self.correct_bias and isinstance(calibration, Iterator):
            raise errors.DataError(
                "Bias correction and calibration each read the data once. Received: "
                f"calibration={type(calibration).__name__}, which can be read only "
                "once. Pass a list of batches, a data set, or a function that returns "
                "them anew."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Translated:
    """A file, and what was done for it.

    Attributes:
        content: The file's bytes.
        improvements: What each option did, as JSON values; empty without options.
        kept_float: Indices of the operators in float because a layer was named.
    """

    content: bytes = dataclasses.field(repr=False)
    improvements: dict[str, Any]
    kept_float: tuple[int, ...] = ()


def translate(
    model: keras.Model,
    known: exporting.Interface,
    recipe: str,
    stream: CalibrationStream,
    *,
    inputs: str,
    options: PostTraining,
) -> Translated:
    """Return the converter's file for a float32 model, improved by the options.

    Raises:
        ConversionError: If the converter refuses the model, or a layer cannot be had in
            its precision.
        DataError: If the calibration stream found something wrong.
    """
    improvements: dict[str, Any] = {}
    if options.equalize:
        model, equalized = quantize.equalize(model)
        improvements["equalization"] = equalized.to_dict()
    if options.correct_bias:
        model, corrected = quantize.correct_biases(
            model,
            stream.whole_batches(),
            precision=_known(options.precision, model),
            recipe=recipe,
            per_channel=options.per_channel,
        )
        improvements["bias_correction"] = corrected.to_dict()
    if not (options.precision or not options.per_channel):
        content = translation.translate(
            model, known, recipe, stream, inputs=inputs, sparse=options.sparse
        )
        return Translated(content=content, improvements=improvements)
    made = mixed_precision.translate(
        model,
        known,
        recipe,
        stream,
        inputs=inputs,
        precision=options.precision,
        per_channel=options.per_channel,
    )
    improvements["precision"] = dict(options.precision)
    return Translated(
        content=made.content, improvements=improvements, kept_float=made.kept_float
    )


def _known(precision: Mapping[str, str], model: keras.Model) -> dict[str, str]:
    """Leave out the BatchNorms that folding has removed."""
    names = {call.name for call in read_model(model).calls}
    return {name: value for name, value in precision.items() if name in names}
