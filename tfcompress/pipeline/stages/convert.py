"""Stage ``convert``: a Keras model to a .tflite file."""

from __future__ import annotations

from typing import Any

from tfcompress import quantize, tflite
from tfcompress.pipeline.settings import ConvertConfig
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Convert by the recipe; preprocessing and class names go into the file."""
    config: ConvertConfig = context.config
    path = context.path(".tflite")
    model = context.load("model")
    trained = quantize.is_quantized(model)  # it brings its recipe and its scales
    conversion = tflite.convert(
        model,
        None if trained and config.recipe == "float32" else config.recipe,
        calibration=None if trained else _calibration(context),
        inputs=config.inputs,
        path=path,
        allow_float_ops=config.allow_float_ops,
        metadata=_metadata(context),
    )
    details = {
        "conversion": conversion.to_dict(),
        "inspection": tflite.inspect(path).to_dict(),
    }
    return Outcome(file=path, details=details)


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
