"""From a recipe, skipped layers and a precision map to the recipe of every layer."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from tfcompress import errors
from tfcompress.graph.reading import FlatModel
from tfcompress.quantize.recipes import RECIPES, Recipe, find


def layer_recipes(
    flat: FlatModel,
    whole: Recipe,
    *,
    skip: Iterable[str],
    precision: Mapping[str, str],
) -> dict[str, Recipe]:
    """Return the recipe of each layer.

    Args:
        flat: The model.
        whole: The recipe of layers that nothing else is said of.
        skip: Layers to leave in float.
        precision: Recipes of single layers.

    Raises:
        ConfigError: If there is no such layer, or one's activations do not have the
            bits of the others'.
        ValueError: If a recipe is unknown.
    """
    names = {call.name for call in flat.calls}
    recipes = dict.fromkeys((call.name for call in flat.calls), whole)
    for name, recipe in precision.items():
        _require_layer(name, names, "precision")
        recipes[name] = find(recipe)
        _require_same_bits(name, recipes[name], whole)
    for name in [skip] if isinstance(skip, str) else skip:
        _require_layer(name, names, "skip")
        recipes[name] = RECIPES["float32"]
    return recipes


def _require_layer(name: str, names: Iterable[str], argument: str) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}?" if near else "`model.summary()` lists them."
    raise errors.ConfigError(
        f"The model has no such layer. Received: {argument} with {name!r}. {hint}"
    )


def _require_same_bits(name: str, recipe: Recipe, whole: Recipe) -> None:
    if recipe.is_float or recipe.activation_bits == whole.activation_bits:
        return
    raise errors.ConfigError(
        "TFLite's converter does not mix 8-bit and 16-bit activations in a trained "
        f"model. Received: {name!r} as {recipe.name!r} in a model that is "
        f"{whole.name!r}. Leave the layer in 'float32', or quantize the whole model "
        f"as {recipe.name!r}."
    )
