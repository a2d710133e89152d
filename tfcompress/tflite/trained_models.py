"""Convert quantization-aware models: their scales are trained, no data is needed.

`tfcompress.quantize` writes such a model anew with the operators and constant ranges
that the converter reads scales from; here is what else is special about it.
"""

from __future__ import annotations

import keras

from tfcompress import errors, quantize
from tfcompress.tflite import (
    exporting,
    float_regions,
    int16_repairs,
    post_training,
    recipes,
    translation,
)


def choose_recipe(model: keras.Model, recipe: str | None) -> str:
    """Return the recipe to convert by: for a trained model its own.

    Raises:
        ConversionError: If another one is asked for.
        ValueError: If there is no such recipe, or it is one that must be trained for.
    """
    if not is_trained(model):
        return recipes.check(recipe or "float32")
    own = quantize.recipe_of(model)
    if recipe not in (None, own):
        raise errors.ConversionError(
            f"The model was trained for another recipe. Received: recipe={recipe!r} "
            f"with {model.name!r}, trained for {own!r}. Leave the recipe away, or "
            "convert the model from before `quantize_aware`."
        )
    return own


def is_trained(model: keras.Model) -> bool:
    """Return whether a model brings its scales along."""
    return isinstance(model, keras.Model) and quantize.is_quantized(model)


def translate(
    twin: keras.Model,
    known: exporting.Interface,
    recipe: str,
    *,
    inputs: str,
    sparse: bool = False,
) -> post_training.Translated:
    """Return the converter's file for a model with constant ranges in it.

    Args:
        twin: What `tfcompress.quantize.to_convertible` returns.
        known: The interface of the trained model.
        recipe: What it was trained for.
        inputs: Type at the file's inputs and outputs, "float" or "int8".
        sparse: Leave zeros out of the file.

    Raises:
        ConversionError: If the converter refuses the model.
    """
    content = translation.translate(
        twin, known, recipe, None, inputs=inputs, sparse=sparse
    )
    if recipe == "int16x8":
        content = int16_repairs.repair(content)
    content, kept = float_regions.finish(content)
    return post_training.Translated(content=content, improvements={}, kept_float=kept)
