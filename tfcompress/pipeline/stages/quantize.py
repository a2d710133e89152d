"""Stage ``quantize``: train with an integer recipe's rounding in the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfcompress import distill, quantize
from tfcompress.pipeline.settings import QuantizeStageConfig
from tfcompress.pipeline.stages.context import Outcome, StageContext


def run(context: StageContext) -> Outcome:
    """Train a quantization-aware copy, on a teacher's answers too if there is one."""
    config: QuantizeStageConfig = context.config
    result = quantize.train_quantized(
        context.load("model"),
        context.dataset,
        config=config.quantizing(),
        task=context.task,
        wrap=_distiller(context),
        state_dir=context.state_dir,
        progress=context.progress,
    )
    return Outcome(
        model=result.model,
        history=result.training.history,
        details={"quantization": result.report.to_dict()},
    )


def _distiller(context: StageContext) -> Callable[[Any], Any] | None:
    config: QuantizeStageConfig = context.config
    if "teacher" not in context.inputs:
        return None
    teacher = context.load("teacher")
    return lambda student: distill.Distiller(
        student, teacher, temperature=config.temperature, alpha=config.alpha
    )
