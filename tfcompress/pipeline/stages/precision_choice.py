"""Choose a precision for each layer by what the converted file loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tfcompress import channels, quantize, tflite
from tfcompress.pipeline.stages.context import StageContext

_IN_FILE = {"int8_w4": "int8"}  # the file's recipe, where it is another


def choose(
    context: StageContext,
    model: keras.Model,
    *,
    recipe: str,
    limits: Mapping[str, float | None],
    calibration_examples: int,
    improved: Mapping[str, Any] | None = None,
    **settings: Any,
) -> quantize.MixedPrecision:
    """Return the map whose file, converted and run on held-out data, meets the limits.

    Args:
        context: The stage.
        model: The model that is converted.
        recipe: The precision of the layers that are not raised.
        limits: `max_drop` and `size_bytes`, either may be missing.
        calibration_examples: Training examples that set the ranges.
        improved: Options of the conversion, such as `equalize`.
        **settings: Of `tfcompress.quantize.mixed`.

    Raises:
        BudgetError: If no choice meets the limits.
    """

    def judge(precision: Mapping[str, str]) -> float:
        made = tflite.convert(
            model,
            _IN_FILE.get(recipe, recipe),
            calibration=context.dataset.calibration(calibration_examples),
            precision=precision,
            **(improved or {}),
        )
        checked = tflite.check_parity(
            model, made, data=context.dataset, split="validation", task=context.task
        )
        return checked.tflite.value

    size = limits.get("size_bytes")
    return quantize.mixed(
        model,
        context.dataset,
        max_drop=limits.get("max_drop"),
        budget=None if size is None else channels.Budget(size_bytes=size),
        recipe=recipe,
        judge=judge,
        task=context.task,
        calibration_examples=calibration_examples,
        progress=context.progress,
        **settings,
    )
