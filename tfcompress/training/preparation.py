"""What happens to a model before the first step of its training."""

from __future__ import annotations

import logging
import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress import errors
from tfcompress.training import views
from tfcompress.training.acceleration import accelerate
from tfcompress.training.settings import TrainConfig

_LOG = logging.getLogger(__name__)


def check(model: keras.Model) -> None:
    """Refuse a model that cannot be trained, before the work.

    Raises:
        ModelError: If it is not built, or not of the active strategy.
        TrainingError: If a weight is not finite.
    """
    if not model.built:
        raise errors.ModelError(
            f"This model is not built. Received: {model.name!r}. Give it an input "
            "shape first: `model.build((None, height, width, channels))`."
        )
    strategy = tf.distribute.get_strategy()
    if tf.distribute.has_strategy() and not all(
        strategy.extended.variable_created_in_scope(weight.value)
        for weight in model.weights
    ):
        raise errors.ModelError(
            "The model was not made under the active strategy. Received: "
            f"{model.name!r} and {type(strategy).__name__}. "
            "Build or load it inside `with strategy.scope():`."
        )
    check_weights(model, "before training")


def check_weights(model: keras.Model, when: str) -> None:
    """Refuse weights that are not finite.

    Raises:
        TrainingError: With the name of the first such weight.
    """
    for variable in model.weights:
        if not bool(keras.ops.all(keras.ops.isfinite(variable))):
            raise errors.TrainingError(
                f"A weight is not finite {when}. Received: {variable.path} with NaN or "
                "infinity. Lower `learning_rate`, or start from a sound model."
            )


def steps_per_epoch(dataset: Any, config: TrainConfig) -> int:
    """Return the batches of an epoch, the last one perhaps smaller.

    Raises:
        TrainingError: If there are no training examples.
    """
    steps = math.ceil(int(dataset.sizes["train"]) / config.batch_size)
    if steps == 0:
        raise errors.TrainingError(
            "There is nothing to train on. Received: a data set with 0 training "
            f"examples ({getattr(dataset, 'name', 'unnamed')!r}). Check its path."
        )
    return steps


def precision(config: TrainConfig) -> str | None:
    """Return the dtype policy: half precision where it pays, on a GPU only."""
    if config.mixed_precision == "auto":
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        return "mixed_float16" if has_gpu else None
    return (
        None if config.mixed_precision == "off" else f"mixed_{config.mixed_precision}"
    )


def twin_of(model: keras.Model, config: TrainConfig) -> keras.Model:
    """Return what is trained for `model`: its fused twin, if it can have one."""
    if config.accelerate and views.has_graph(model):
        return accelerate(model, precision=precision(config))
    if config.accelerate:
        _LOG.warning("%s has no graph: trained as it is, not faster.", model.name)
    return model


def seed_generators(model: keras.Model, seed: int) -> None:
    """Start every random layer from `seed`, so that two runs draw alike."""
    layers = model._flatten_layers()  # noqa: SLF001 - no public walk over nested layers
    generators = [g for layer in layers for g in layer._seed_generators]  # noqa: SLF001
    unique = {id(generator): generator for generator in generators}
    for index, generator in enumerate(unique.values()):
        state = np.random.SeedSequence([seed, index]).generate_state(2)
        generator.state.assign(state.astype(generator.state.dtype))
