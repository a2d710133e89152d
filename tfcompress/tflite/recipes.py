"""The quantization recipes by name, and what each means for the converter.

================  ===============  =====================  =========================
recipe            weights          activations            use it
================  ===============  =====================  =========================
``float32``       float32          float32                as the reference
``float16``       float16          float32 (fp16 on GPU)  half the size, for the GPU
``dynamic_int8``  int8/channel     float32                a quarter of the size, no
                                                          calibration; slow on CPUs
``int8``          int8/channel     int8                   small and fast everywhere
``int16x8``       int8/channel     int16                  when int8 loses too much;
                                                          slow reference kernels
``int8_w4``       int4/channel     int8                   half the size of int8; for
                                                          models trained for it only
================  ===============  =====================  =========================
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RECIPES = ("float32", "float16", "dynamic_int8", "int8", "int16x8")

TRAINED = ("int8_w4",)
"""Recipes that only a quantization-aware model can have."""

CALIBRATED = ("int8", "int16x8")
"""Recipes whose activations are integers, so that they need calibration data."""

INTEGER = (*CALIBRATED, *TRAINED)
"""Recipes whose files are to hold integers alone."""

ACTIVATION_TYPES: Mapping[str, str] = MappingProxyType(
    {"int8": "int8", "int8_w4": "int8", "int16x8": "int16"}
)


def check(recipe: str) -> str:
    """Return `recipe`, or refuse a name that is none.

    Raises:
        ValueError: If it is no recipe's name.

    Example:
        >>> check("int8")
        'int8'
    """
    if recipe in TRAINED:
        raise ValueError(
            f"This recipe has to be trained for. Received: recipe={recipe!r} with a "
            "float model. Train `quantize.quantize_aware(model, recipe)` and convert "
            "that."
        )
    if recipe not in RECIPES:
        raise ValueError(
            f"Unknown recipe. Received: recipe={recipe!r}; it must be one of "
            f"{', '.join(RECIPES)}."
        )
    return recipe
