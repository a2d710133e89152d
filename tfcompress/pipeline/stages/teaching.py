"""What puts the student of any training stage before a teacher, if one is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tfcompress import distill
from tfcompress.pipeline.stages.context import StageContext
from tfcompress.training import TrainConfig


def wrapper(context: StageContext) -> Callable[[Any], Any] | None:
    """Return the `wrap` of a training with the stage's teacher; None without one.

    Args:
        context: Of a stage whose settings are those of a training, with `temperature`
            and `alpha`.
    """
    if "teacher" not in context.inputs:
        return None
    names = [field.name for field in dataclasses.fields(TrainConfig)]
    settings = {n: getattr(context.config, n) for n in (*names, "temperature", "alpha")}
    return distill.wrapper(
        context.load("teacher"),
        config=distill.DistillConfig(**settings),
        task=context.task,
    )
