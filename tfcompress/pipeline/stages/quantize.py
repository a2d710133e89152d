"""Stage ``quantize``: train with an integer recipe's rounding in the model.

With `max_drop`, first a file is made without training and judged on held-out data; if
it loses no more than that, the model goes on as it is.  The zeros of a pruned model
stay.
"""

from __future__ import annotations

from typing import Any

import keras

from tfcompress import quantize, tflite
from tfcompress.pipeline.settings import QuantizeStageConfig
from tfcompress.pipeline.stages import teaching, zeros
from tfcompress.pipeline.stages.context import Outcome, StageContext

CALIBRATION_EXAMPLES = 500


def run(context: StageContext) -> Outcome:
    """Train a quantization-aware copy, on a teacher's answers too if there is one."""
    config: QuantizeStageConfig = context.config
    model = context.load("model")
    untrained: dict[str, Any] = {}
    if config.max_drop is not None:
        drop = _drop_without_training(context, model)
        untrained = {"drop_without_training": drop, "max_drop": config.max_drop}
        if drop <= config.max_drop:
            details = {"quantization": {"trained": False, **untrained}}
            return Outcome(model=model, details=details)
    result = quantize.train_quantized(
        model,
        context.dataset,
        config=config.quantizing(),
        task=context.task,
        adapt=zeros.held,
        wrap=teaching.wrapper(context),
        state_dir=context.state_dir,
        progress=context.progress,
    )
    report = {**result.report.to_dict(), "zeros_kept": zeros.zeros_of(model)}
    return Outcome(
        model=zeros.released(result.model),
        history=result.training.history,
        details={"quantization": {"trained": True, **untrained, **report}},
    )


def _drop_without_training(context: StageContext, model: keras.Model) -> float:
    """Return what a calibrated file loses on the held-out part."""
    config: QuantizeStageConfig = context.config
    made = tflite.convert(
        model,
        config.recipe,
        calibration=context.dataset.calibration(CALIBRATION_EXAMPLES),
        allow_float_ops=True,
    )
    checked = tflite.check_parity(
        model, made, data=context.dataset, split="validation", task=context.task
    )
    return checked.tflite.drop_from(checked.keras)
