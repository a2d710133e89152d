"""The precision of each layer: names, checks, and what a map of them costs.

=============  =======  ===========  =================================================
precision      weights  activations  use it
=============  =======  ===========  =================================================
``float32``    float32  float32      for the few layers that lose too much
``int16x8``    8 bits   16 bits      where activations lose too much
``int8``       8 bits   8 bits       as a rule
``int8_w4``    4 bits   8 bits       half the weight bytes of int8, where it holds
=============  =======  ===========  =================================================

A *precision map* is a plain mapping from a layer's name (as in
``tfcompress.graph.trace``: nested models inlined) to one of these; layers that it does
not name take the recipe's.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import keras

from tfcompress import config, errors, files
from tfcompress.graph.reading import read_model
from tfcompress.quantize.kernels import kernels_of, variables_of

PRECISIONS = ("float32", "int16x8", "int8", "int8_w4")

WEIGHT_BITS: Mapping[str, int] = MappingProxyType(
    {"float32": 0, "int16x8": 8, "int8": 8, "int8_w4": 4}
)
ACTIVATION_BITS: Mapping[str, int] = MappingProxyType(
    {"float32": 0, "int16x8": 16, "int8": 8, "int8_w4": 8}
)

IN_FILE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "int8": ("int8", "int8_w4", "float32"),
        "int8_w4": ("int8_w4", "int8", "float32"),
        "int16x8": ("int16x8", "float32"),
    }
)
"""What one file of a recipe can hold: 8- and 16-bit activations do not mix."""


def levels_above(recipe: str) -> tuple[str, ...]:
    """Return the precisions that layers of a file of this recipe can be raised to.

    Example:
        >>> levels_above("int8"), levels_above("int8_w4")
        (('float32',), ('int8', 'float32'))
    """
    return tuple(
        level
        for level in IN_FILE[recipe]
        if level != recipe and (recipe, level) != ("int8", "int8_w4")
    )


def check_precision(
    precision: Mapping[str, str], names: Iterable[str], *, recipe: str
) -> None:
    """Refuse a map that names an unknown layer or precision.

    Args:
        precision: Layer to precision.
        names: The layers that there are.
        recipe: The recipe of the file.

    Raises:
        ConfigError: If it does; the nearest name is suggested.

    Example:
        >>> check_precision({"covn": "int8"}, ["conv", "head"], recipe="int8")
        Traceback (most recent call last):
        tfcompress.errors.ConfigError: The precision map names a layer that the model \
does not have. Received: 'covn'. Did you mean 'conv'?
    """
    names = list(names)
    allowed = IN_FILE.get(recipe, ())
    if not allowed:
        raise errors.ConfigError(
            f"Only an integer recipe takes a precision per layer. Received: recipe="
            f"{recipe!r} with precision={dict(precision)!r}. Use one of "
            f"{', '.join(IN_FILE)}."
        )
    for layer, value in precision.items():
        if layer not in names:
            near = difflib.get_close_matches(layer, names, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else _listed(names)
            raise errors.ConfigError(
                "The precision map names a layer that the model does not have. "
                f"Received: {layer!r}. {hint}"
            )
        if value not in PRECISIONS:
            raise errors.ConfigError(
                f"Unknown precision. Received: {layer}={value!r}; it must be one of "
                f"{', '.join(PRECISIONS)}."
            )
        if value not in allowed:
            raise errors.ConfigError(
                f"A file of the recipe {recipe!r} cannot hold this precision. "
                f"Received: {layer}={value!r}. Use {', '.join(allowed)}, or another "
                "recipe for the whole file."
            )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"It has {shown}."


def quantized_layers(model: keras.Model) -> dict[str, int]:
    """Return each layer with quantized weights, and how many weights it has.

    Example:
        >>> x = inputs = keras.Input((4,))
        >>> x = keras.layers.ReLU()(keras.layers.Dense(3, name="hidden")(x))
        >>> quantized_layers(keras.Model(inputs, x))
        {'hidden': 12}
    """
    found: dict[str, int] = {}
    for call in read_model(model).calls:
        held = variables_of(call.layer)
        kernels = kernels_of(call.layer)
        if kernels:
            found[call.name] = sum(math.prod(held[k.name].shape) for k in kernels)
    return found


def complete(
    model: keras.Model, precision: Mapping[str, str], *, recipe: str
) -> dict[str, str]:
    """Return a checked map that names every layer with quantized weights.

    Raises:
        ConfigError: See `check_precision`.
    """
    names = [call.name for call in read_model(model).calls]
    check_precision(precision, names, recipe=recipe)
    whole = dict.fromkeys(quantized_layers(model), recipe)
    return {**whole, **precision}


def weight_bytes(
    layer_weights: Mapping[str, int], precision: Mapping[str, str], *, recipe: str
) -> int:
    """Return the bytes of the quantized layers' weights under a map.

    Example:
        >>> weight_bytes({"a": 100, "b": 10}, {"b": "float32"}, recipe="int8")
        140
    """
    bits = {**WEIGHT_BITS, "float32": 32}
    return sum(
        -(-count * bits[precision.get(layer, recipe)] // 8)
        for layer, count in layer_weights.items()
    )


def read_map(path: files.PathLike) -> dict[str, str]:
    """Read a precision map from a JSON file: a plain object, or `mixed`'s result.

    Raises:
        ConfigError: If it holds something else.
    """
    content = files.read_json(path)
    inner = content.get("precision", content) if isinstance(content, dict) else None
    config.require(
        isinstance(inner, dict)
        and all(isinstance(value, str) for value in inner.values()),
        "precision",
        str(path),
        'a JSON file like {"conv1": "float32"}',
    )
    return dict(inner or {})
