"""Stage ``convert``: a Keras model to a .tflite file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from tfcompress import quantize, tflite
from tfcompress.config import require
from tfcompress.pipeline.settings import ConvertConfig
from tfcompress.pipeline.stages import precision_choice
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Convert by the recipe; preprocessing and class names go into the file."""
    config: ConvertConfig = context.config
    path = context.path(".tflite")
    model = context.load("model")
    trained = quantize.is_quantized(model)  # it brings its recipe and its scales
    if config.recipe is None and not trained:
        expected = "float unless the recipe is int8 or int16x8"
        require(config.inputs == "float", "inputs", config.inputs, expected)
    precision, chosen = _precision(context, model)
    conversion = tflite.convert(
        model,
        config.recipe,
        calibration=None if trained else _calibration(context),
        inputs=config.inputs,
        path=path,
        allow_float_ops=config.allow_float_ops,
        metadata=_metadata(context),
        precision=precision,
        **_improved(config),
        sparse=config.sparse,
    )
    gpu = tflite.gpu_compatibility(path).to_dict()
    details = {
        **({} if chosen is None else {"mixed": chosen.to_dict()}),
        "conversion": conversion.to_dict(),
        "inspection": {**tflite.inspect(path).to_dict(), "gpu": gpu},
    }
    return Outcome(file=path, details=details)


def _improved(config: ConvertConfig) -> dict[str, Any]:
    names = ("equalize", "correct_bias", "per_channel")
    return {name: getattr(config, name) for name in names}


def _precision(
    context: StageContext, model: keras.Model
) -> tuple[Mapping[str, str], quantize.MixedPrecision | None]:
    """Return the precision map: the given one, or one that `max_drop` asks for."""
    config: ConvertConfig = context.config
    if config.max_drop is not None and config.recipe is not None:  # it needs one
        chosen = precision_choice.choose(
            context,
            model,
            recipe=config.recipe,
            limits={"max_drop": config.max_drop},
            calibration_examples=config.calibration_examples,
            improved=_improved(config),
        )
        return chosen, chosen
    if isinstance(config.precision, str):
        return quantize.read_map(config.precision), None
    return config.precision or {}, None


def _calibration(context: StageContext) -> Any:
    config: ConvertConfig = context.config
    if not config.needs_calibration:
        return None
    return context.dataset.calibration(config.calibration_examples)


def _metadata(context: StageContext) -> dict[str, Any]:
    if not context.has_data:
        return {}
    dataset = context.dataset
    return {
        "labels": list(dataset.class_names or ()),
        "preprocessing": dataset.preprocessing.to_dict(),
    }
