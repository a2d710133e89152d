"""Stage ``convert``: a Keras model to a .tflite file."""

from __future__ import annotations

from typing import Any

from tfcompress import tflite
from tfcompress.pipeline.settings import ConvertConfig
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Convert by the recipe; preprocessing and class names go into the file."""
    config: ConvertConfig = context.config
    path = context.path(".tflite")
    conversion = tflite.convert(
        context.load("model"),
        config.recipe,
        calibration=_calibration(context),
        inputs=config.inputs,
        path=path,
        allow_float_ops=config.allow_float_ops,
        metadata=_metadata(context),
        sparse=config.sparse,
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
