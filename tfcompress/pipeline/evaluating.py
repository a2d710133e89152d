"""Measure the models of a run with the one task that the original gave it."""

from __future__ import annotations

from typing import Any

import keras

from tfcompress import data, tflite
from tfcompress.pipeline.stages.context import Outcome, StageContext

BATCH_SIZE = 256  # examples; it changes no figure


def validation(context: StageContext, outcome: Outcome) -> dict[str, Any] | None:
    """Evaluate what a stage made on the held-out part of the training data.

    Returns:
        The evaluation as JSON values; ``None`` if the stage made no model, or no part
        is held out.
    """
    dataset = context.dataset
    if not dataset.sizes.get("validation"):
        return None
    if outcome.model is not None:
        return model_figures(context, outcome.model, "validation")
    if outcome.file is None:
        return None
    found = context.task.evaluate(
        tflite.Runner(outcome.file), dataset.validation(BATCH_SIZE)
    )
    result: dict[str, Any] = found.to_dict()
    return result


def model_figures(
    context: StageContext, model: keras.Model, split: str
) -> dict[str, Any] | None:
    """Evaluate a Keras model on one split; ``None`` if the split is empty."""
    dataset = context.dataset
    if not dataset.sizes.get(split):
        return None
    if context.original is None:  # this is the original
        task = data.Task.for_model(model, dataset)
    else:
        task = context.task
    result: dict[str, Any] = data.evaluate_model(
        model, dataset, split=split, task=task, batch_size=BATCH_SIZE
    ).to_dict()
    return result
