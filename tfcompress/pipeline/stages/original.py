"""Stage ``original``: what the input model is and can do, to compare with at the end.

A model that the run builds is trained here; a model from a file is only loaded.
"""

from __future__ import annotations

from typing import Any

import keras

from tfcompress import data, errors, tflite
from tfcompress.data import naming
from tfcompress.graph.model_checks import check_model
from tfcompress.pipeline.stages.context import Outcome, StageContext
from tfcompress.training import TrainConfig, train


def run(context: StageContext) -> Outcome:
    """Load or train the original, and write its plain float32 .tflite file."""
    if context.model.builder:
        model, outcome = _trained(context)
    else:
        model = context.load("model")
        outcome = Outcome(model=model)
    outcome.details["float32"] = _float_file(context, model)
    return outcome


def _trained(context: StageContext) -> tuple[keras.Model, Outcome]:
    settings = {"seed": context.config.seed, **(context.model.train or {})}
    config = TrainConfig.from_dict(settings)
    keras.utils.set_random_seed(config.seed)  # the builder draws the first weights
    model = _built(context)
    check_model(model)
    data.check_fits(model, context.dataset)
    task = data.Task.for_model(model, context.dataset)
    result = train(
        model,
        context.dataset,
        config=config,
        task=task,
        state_dir=context.state_dir / "original",
        progress=context.progress,
    )
    details = {"training": {**config.to_dict(), "seconds": result.seconds}}
    return model, Outcome(model=model, history=result.history, details=details)


def _built(context: StageContext) -> Any:
    """Call the user's builder; what goes wrong in it is told with its name."""
    name = str(context.model.builder)
    try:
        return naming.find(name)(context.dataset)
    except errors.TfCompressError:
        raise
    except Exception as error:
        raise errors.ModelError(
            f"The model's builder failed. Received: {name} raised "
            f"{type(error).__name__}: {error}. It gets the Dataset and returns a built "
            "keras.Model; `--debug` shows where it failed."
        ) from error


def _float_file(context: StageContext, model: keras.Model) -> dict[str, object]:
    """Convert without quantization: what the smaller file is compared with."""
    try:
        conversion = tflite.convert(model, "float32", path=context.path(".tflite"))
    except errors.ConversionError as error:
        return {"error": str(error)}  # the convert stage may still manage another way
    return conversion.to_dict()
