"""Quantization-aware training end to end: make the model, set its ranges, train it."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from tfcompress import data, files
from tfcompress.graph.identities import identity
from tfcompress.quantize.activation_ranges import range_layers
from tfcompress.quantize.aware import quantize_aware
from tfcompress.quantize.calibrating import calibrate
from tfcompress.quantize.freezing import FreezeBatchNorm, FreezeRanges
from tfcompress.quantize.reports import QuantizeReport
from tfcompress.quantize.settings import QuantizeConfig
from tfcompress.training import Progress, TrainResult, train


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantizeResult:
    """A trained quantization-aware model and how it came about.

    Attributes:
        model: What to convert: `tfcompress.tflite.convert` needs nothing else. With
            `adapt`, what that made.
        report: What is quantized, and what is not and why.
        training: History, epochs and time.
    """

    model: keras.Model
    report: QuantizeReport
    training: TrainResult


def train_quantized(  # noqa: PLR0913 - as `train`, plus the recipe in `config`
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: QuantizeConfig,
    task: data.Task | None = None,
    adapt: Callable[[keras.Model], keras.Model] | None = None,
    wrap: Callable[[keras.Model], keras.Model] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    state_dir: files.PathLike | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> QuantizeResult:
    """Train a copy of `model` for an integer recipe.

    Args:
        model: A trained model; it is not changed.
        dataset: Its training part sets the ranges and is learned, its validation part
            decides.
        config: The settings.
        task: As in `tfcompress.training.train`.
        adapt: Makes the model that is trained out of the quantization-aware one, such
            as `tfcompress.sparsity.keep_zeros` for a model that was pruned.
        wrap: Makes the model that is fitted, such as a distiller, out of the one that
            is trained.
        callbacks: As in `tfcompress.training.train`.
        state_dir: Where to keep the state; the same call after a kill goes on.
        progress: As in `tfcompress.training.train`.

    Raises:
        ModelError: If the model cannot be read, or is quantized already.
        ConfigError: If a layer that is named does not exist.
        DataError: If the data do not fit the model; before any training.
        TrainingError: If a loss or weight is no longer finite.
    """
    data.check_fits(model, dataset)
    task = task or data.Task.for_model(model, dataset)
    qat_model, report = quantize_aware(model, **config.arguments())
    qat_model = adapt(qat_model) if adapt else qat_model
    _set_ranges(qat_model, dataset, config, state_dir)
    steps = math.ceil(dataset.sizes["train"] / config.batch_size) * config.epochs
    norm_step, range_step = config.freeze_steps(total=steps)
    result = train(
        qat_model,
        dataset,
        config=config,
        task=task,
        callbacks=[FreezeBatchNorm(norm_step), FreezeRanges(range_step), *callbacks],
        state_dir=state_dir,
        progress=progress,
        wrap=wrap and (lambda _: wrap(qat_model)),  # which makes its own fast twin
    )
    return QuantizeResult(model=qat_model, report=report, training=result)


def _set_ranges(
    model: keras.Model,
    dataset: data.Dataset,
    config: QuantizeConfig,
    state_dir: files.PathLike | None,
) -> None:
    """Set the ranges from data, or as a killed call before this one had set them.

    The state of a training belongs to exact first weights, and a sum of floats may
    come out differently another time.
    """
    layers = range_layers(model)
    path = None if state_dir is None else pathlib.Path(state_dir) / "ranges.json"
    named = identity(model, config.to_dict(), str(dataset.fingerprint))
    stored = files.read_json(path) if path is not None and path.exists() else {}
    if stored.get("identity") == named:
        for layer, values in zip(layers, stored["ranges"], strict=True):
            layer.ranges.assign(values)
        return
    calibrate(model, _inputs(dataset, config))
    if path is not None:
        ranges = [layer.ranges.numpy().tolist() for layer in layers]
        files.write_json(path, {"identity": named, "ranges": ranges})


def _inputs(dataset: data.Dataset, config: QuantizeConfig) -> Iterator[Any]:
    """Yield the inputs of the first training batches."""
    stream = dataset.train(config.batch_size, seed=config.seed, epoch=0)
    for batch in stream.take(config.calibration_batches):
        yield batch[0] if isinstance(batch, tuple) else batch
