"""Set the ranges of a quantization-aware model from data, without training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from tfcompress import errors
from tfcompress.quantize.activation_ranges import FakeQuantize, range_layers


def calibrate(model: keras.Model, batches: Iterable[Any]) -> int:
    """Set each range to the mean of the batches' extremes.

    That is where the moving average of a training would begin to settle.  Batch
    statistics and weights stay as they are.

    Args:
        model: What `quantize_aware` made; its ranges are set anew.
        batches: Inputs as the model takes them: arrays, or tuples or dicts of them for
            several inputs. Batches of 100 and more are better than single examples.

    Returns:
        How many batches were seen.

    Raises:
        ModelError: If it is no quantization-aware model.
        DataError: If there are no batches.
    """
    layers = range_layers(model)
    if not layers:
        raise errors.ModelError(
            "The model has no ranges to set. Received: "
            f"{model.name!r}. Make it with `quantize.quantize_aware(model)`."
        )
    with model.distribute_strategy.scope():
        count = _watch(model, layers, batches)
    if not count:
        raise errors.DataError(
            "There is nothing to calibrate with. Received: 0 batches. Pass a few "
            "hundred training inputs, such as `dataset.calibration(500)`."
        )
    return count


def _watch(
    model: keras.Model, layers: Sequence[FakeQuantize], batches: Iterable[Any]
) -> int:
    for layer in layers:
        layer.ranges.assign(keras.ops.zeros_like(layer.ranges))
    count = 0
    try:
        for batch in batches:
            count += 1
            for layer in layers:
                layer.calibration_rate = 1.0 / count
            model(batch, training=False)
    finally:
        for layer in layers:
            layer.calibration_rate = None
    return count
