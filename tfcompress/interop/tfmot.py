"""Run TensorFlow Model Optimization on a Keras 3 model, and bring the weights back.

::

    Keras 3 model -- to_keras2 --> tf_keras model -- TFMOT's wrappers --> trained
         copy     <-- weights by name, wrappers off --------------------------+
                                                     int8 .tflite <-----------+

TFMOT works on Keras 2 models alone.  It is imported inside these calls, in a way that
leaves the process as it was (`legacy`).

Source: TensorFlow Model Optimization 0.8.1, ``quantization.keras`` and
``sparsity.keras``.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import keras

from tfcompress import data, errors, files
from tfcompress.graph import model_checks
from tfcompress.interop import (
    annotating,
    exporting,
    keras2,
    layers_out,
    legacy,
    legacy_conversion,
    legacy_training,
    wrappers,
)
from tfcompress.training import TrainConfig

Fit = Callable[[Any], Any]
PathLike = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TfmotResult:
    """What TFMOT has made of a model.

    Attributes:
        model: A copy of the Keras 3 model with the trained weights, no wrappers.
        legacy_model: The ``tf_keras`` model with TFMOT's wrappers, trained.
        outside: Layers that TFMOT did not take, and why.
        history: Per name one number per epoch; empty if the caller trained.
        seconds: Wall-clock time of the training.
        content: The int8 .tflite file; None for pruning.
        path: Where the file was written; None if it was not.
    """

    model: keras.Model
    legacy_model: Any = dataclasses.field(repr=False)
    outside: Mapping[str, str]
    history: Mapping[str, list[float]]
    seconds: float
    content: bytes | None = dataclasses.field(default=None, repr=False)
    path: pathlib.Path | None = None


def tfmot_quantize(  # noqa: PLR0913 - one call for the whole path
    model: keras.Model,
    dataset_or_fit: data.Dataset | Fit,
    *,
    config: TrainConfig | None = None,
    task: data.Task | None = None,
    skip_unsupported: bool = False,
    path: PathLike | None = None,
    on_epoch: legacy_training.OnEpoch | None = None,
) -> TfmotResult:
    """Train `model` with TFMOT's quantization-aware training, and convert it.

    Use `quantize.quantize_aware` for a Keras 3 model of your own; this is for results
    that must be TFMOT's.

    Args:
        model: A built functional or sequential Keras 3 model; it is not changed.
        dataset_or_fit: A data set, trained on as `training.train` would; or a function
            that compiles and fits the ``tf_keras`` model that it is given.
        config: The settings for a data set; default: those of `TrainConfig`.
        task: Loss and metric; default: as in `training.train`.
        skip_unsupported: Leave layers that TFMOT refuses (Rescaling, say) outside, in
            float; they are listed in the result. Otherwise they are an error.
        path: Where to write the int8 .tflite file, atomically; not written if None.
        on_epoch: Called after each epoch with its number and figures.

    Returns:
        The result; its `content` is the int8 .tflite file.

    Raises:
        ModelError: If a layer has no Keras 2 counterpart or TFMOT refuses it.
        TrainingError: If there is nothing to train on, or the loss is not finite.
        ConversionError: If the converter refuses.
        ValueError: If `config` or `task` is given together with a function.
        TypeError: If it is neither a data set nor a function.
    """
    _check_arguments(dataset_or_fit, config, task)
    model_checks.check_model(model)
    twin = exporting.export_model(model, {}, in_parts=True)
    left_out = annotating.outside(twin)
    if not skip_unsupported:
        annotating.refuse(left_out)
    quantized = annotating.quantize(twin, left_out)
    train = _trainer(model, dataset_or_fit, config, task, on_epoch)
    history, seconds = train(quantized, ())
    content = legacy_conversion.to_int8(quantized, outputs=twin.output_names)
    if path is not None:
        files.write_bytes(path, content)
    return TfmotResult(
        model=_brought_back(model, quantized),
        legacy_model=quantized,
        outside=left_out,
        history=history,
        seconds=seconds,
        content=content,
        path=None if path is None else pathlib.Path(path),
    )


def tfmot_prune(  # noqa: PLR0913 - one call for the whole path
    model: keras.Model,
    dataset_or_fit: data.Dataset | Fit,
    *,
    schedule: Any,
    layers: Collection[str] | None = None,
    config: TrainConfig | None = None,
    task: data.Task | None = None,
    on_epoch: legacy_training.OnEpoch | None = None,
    **settings: Any,
) -> TfmotResult:
    """Train `model` under TFMOT's magnitude pruning.

    Use `sparsity.prune_low_magnitude` for a Keras 3 model of your own; this is for
    results that must be TFMOT's.

    Args:
        model: A built functional or sequential Keras 3 model; it is not changed.
        dataset_or_fit: As in `tfmot_quantize`. A function must fit with the callback
            ``tfmot.sparsity.keras.UpdatePruningStep()``.
        schedule: TFMOT's schedule object, or a function that makes it of the module:
            ``lambda tfmot: tfmot.sparsity.keras.PolynomialDecay(0.0, 0.8, 0, 1000)``.
        layers: Names of the layers to prune; None: all that TFMOT can.
        config: As in `tfmot_quantize`.
        task: As in `tfmot_quantize`.
        on_epoch: As in `tfmot_quantize`.
        **settings: Of TFMOT's ``prune_low_magnitude``: ``block_size``,
            ``block_pooling_type``, ``sparsity_m_by_n``.

    Returns:
        The result; pruned weights of its `model` are exactly 0.

    Raises:
        ModelError: If a layer has no Keras 2 counterpart, or TFMOT refuses.
        TrainingError: As in `tfmot_quantize`.
        ValueError: As in `tfmot_quantize`.
        TypeError: As in `tfmot_quantize`; or if it is no schedule of TFMOT.
    """
    _check_arguments(dataset_or_fit, config, task)
    twin = keras2.to_keras2(model)
    tfmot = legacy.tfmot()
    known = _schedule(schedule, tfmot)
    pruned = _wrapped(twin, layers, {"pruning_schedule": known, **settings})
    train = _trainer(model, dataset_or_fit, config, task, on_epoch)
    history, seconds = train(pruned, (tfmot.sparsity.keras.UpdatePruningStep(),))
    taken = {x.layer.name for x in pruned.layers if type(x).__name__ in wrappers.ALL}
    outside = {
        layer.name: "not pruned"
        for layer in twin.layers
        if layer.name not in taken and layer.weights
    }
    return TfmotResult(
        model=_brought_back(model, pruned),
        legacy_model=pruned,
        outside=outside,
        history=history,
        seconds=seconds,
    )


def _check_arguments(dataset_or_fit: Any, config: Any, task: Any) -> None:
    if isinstance(dataset_or_fit, data.Dataset):
        return
    if not callable(dataset_or_fit):
        raise TypeError(
            "This is nothing to train with. Received: dataset_or_fit="
            f"{type(dataset_or_fit).__name__}; it must be a tfcompress.data.Dataset or "
            "a function that fits the model it is given."
        )
    if config is not None or task is not None:
        raise ValueError(
            "A function trains by its own settings. Received: "
            f"{'config' if config is not None else 'task'} together with a function. "
            "Pass a data set, or leave config and task out."
        )


def _trainer(
    model: keras.Model, source: Any, config: Any, task: Any, on_epoch: Any
) -> Callable[[Any, Sequence[Any]], tuple[dict[str, list[float]], float]]:
    """Return a function that trains a wrapped model; it returns history and seconds."""

    def train(
        wrapped: Any, callbacks: Sequence[Any]
    ) -> tuple[dict[str, list[float]], float]:
        started = time.perf_counter()
        history: dict[str, list[float]] = {}
        with legacy.untouched():
            if isinstance(source, data.Dataset):
                history = legacy_training.fit(
                    wrapped,
                    source,
                    config=config or TrainConfig(),
                    task=task or data.Task.for_model(model, source),
                    callbacks=callbacks,
                    on_epoch=on_epoch,
                )
            else:
                source(wrapped)
        return history, time.perf_counter() - started

    return train


def _brought_back(model: keras.Model, wrapped: Any) -> keras.Model:
    """Return a copy of the Keras 3 model with the weights of the wrapped one."""
    bare = [wrappers.bare(layer) for layer in wrapped.layers]
    by_name = {b.layer.name: b for b in bare if b.layer is not None}
    for name, pointwise in list(by_name.items()):
        part = by_name.get(layers_out.PART.format(name))
        if part is not None:
            weights = [("pointwise_kernel", pointwise.named()["kernel"])]
            weights += [pair for pair in pointwise.weights if pair[0].endswith("bias")]
            by_name[name] = wrappers.Bare(part.layer, (*part.weights, *weights))
    copy = exporting.copied(model)
    exporting.carry_back(copy, by_name)
    return copy


def _schedule(schedule: Any, tfmot: Any) -> Any:
    base = tfmot.sparsity.keras.PruningSchedule
    found = schedule
    if not isinstance(schedule, base) and callable(schedule):
        found = schedule(tfmot)
    if not isinstance(found, base):
        raise TypeError(
            f"This is no schedule of TFMOT. Received: schedule={found!r}. Pass "
            "`lambda tfmot: tfmot.sparsity.keras.PolynomialDecay(0.0, 0.8, 0, 1000)`."
        )
    return found


def _wrapped(twin: Any, layers: Collection[str] | None, settings: Any) -> Any:
    prune = legacy.tfmot().sparsity.keras.prune_low_magnitude
    names = {layer.name for layer in twin.layers}
    unknown = sorted(set(layers or ()) - names)
    if unknown:
        raise errors.ModelError(
            "A layer to prune is not in the model. Received: layers with "
            f"{unknown[0]!r}; the model has {', '.join(sorted(names)[:20])}."
        )

    def wrap(layer: Any) -> Any:
        return prune(layer, **settings) if layer.name in (layers or ()) else layer

    with legacy.untouched():
        try:
            if layers is None:
                return prune(twin, **settings)
            made = legacy.tf_keras().models.clone_model(twin, clone_function=wrap)
        except (ValueError, RuntimeError, TypeError) as error:
            raise errors.ModelError(
                "TFMOT refuses to prune this model. Received: "
                f"{twin.name!r} ({' '.join(str(error).split())[:300]}). Name the "
                "layers that it can prune with `layers=[...]`."
            ) from error
    return made
