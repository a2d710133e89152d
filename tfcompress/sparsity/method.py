"""Magnitude pruning end to end: prune while training, then the plain sparse model.

Source: M. Zhu and S. Gupta, "To prune, or not to prune: exploring the efficacy of
pruning for model compression", 2017.  Where we differ: the last part of the training
runs at the final sparsity, so that the weights that are left settle; the schedule is
given as fractions of the training.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tfcompress import data, errors, files, training
from tfcompress.sparsity.pruned_model import total_steps
from tfcompress.sparsity.pruning import prune_low_magnitude, strip
from tfcompress.sparsity.reporting import SparsityReport, report
from tfcompress.sparsity.settings import SparsifyConfig
from tfcompress.sparsity.summary import PruningSummary


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifyResult:
    """A sparse model and how it came about.

    Attributes:
        model: The plain model of the same shape, zeros inside.
        report: What was pruned, how far, and what was not and why.
        history: One number per epoch: loss, metrics, ``sparsity``.
        records: One dict per epoch: the sparsity of each kernel.
        schedule: The schedule in training steps.
        seconds: Wall-clock time.
    """

    model: keras.Model
    report: SparsityReport
    history: dict[str, list[float]]
    records: list[dict[str, Any]]
    schedule: dict[str, Any]
    seconds: float


def sparsify(  # noqa: PLR0913 - as `train`, one obvious call
    model: keras.Model,
    dataset: data.Dataset,
    *,
    config: SparsifyConfig | None = None,
    layers: Mapping[str, float] | None = None,
    task: data.Task | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    state_dir: files.PathLike | None = None,
    progress: Callable[[training.Progress], None] | None = None,
    wrap: Callable[[keras.Model], keras.Model] | None = None,
) -> SparsifyResult:
    """Set most weights of a model to zero while it is trained.

    Args:
        model: A built functional or Sequential model, trained or not; not changed.
        dataset: Its training part is learned, its validation part watches; the test
            part is not touched.
        config: The settings; by default 80 % of each pruned kernel go in 10 epochs.
        layers: Final sparsities by layer, such as `AmcResult.sparsities`; by default
            what `config.plan` holds, else `config.sparsity` for all.
        task: Loss and metric; by default the compiled model's, else the data set's.
        callbacks: As in `tfcompress.training.train`.
        state_dir: Where to keep the state; the same call after a kill goes on there and
            ends with the same weights.
        progress: Called after every training step.
        wrap: Makes the model that is fitted out of the one that is pruned, such as
            ``lambda student: distill.Distiller(student, teacher)``.

    Raises:
        ConfigError: If a layer is unknown or a sparsity outside [0, 1).
        ModelError: If there is nothing to prune.
        DataError: If the data do not fit the model, or the plan cannot be read.
        TrainingError: If loss or weights are no longer finite.

    """
    started = time.perf_counter()
    config = config or SparsifyConfig()
    data.check_fits(model, dataset)
    task = task or data.Task.for_model(model, dataset)
    steps = total_steps(dataset.sizes["train"], config.batch_size, config.epochs)
    chosen = layers if layers is not None else read_layers(config)
    highest = max(chosen.values()) if isinstance(chosen, Mapping) and chosen else None
    schedule = config.schedule_for(steps=max(1, steps), sparsity=highest)
    pruned = prune_low_magnitude(model, schedule, layers=chosen, pattern=config.pattern)
    summary = PruningSummary()
    result = training.train(
        pruned,
        dataset,
        config=config.training(),
        task=task,
        callbacks=[summary, *callbacks],
        state_dir=state_dir,
        progress=progress,
        wrap=None if wrap is None else lambda _: wrap(pruned),
    )
    shares = [record["sparsity"] for record in summary.records]
    return SparsifyResult(
        model=strip(pruned),
        report=report(pruned),
        history={**result.history, summary.log_name: shares},
        records=summary.records,
        schedule=schedule.to_dict(),
        seconds=time.perf_counter() - started,
    )


def read_layers(config: SparsifyConfig) -> Any:
    """Return the layers that the settings name: sparsities, names, or None for all.

    Raises:
        DataError: If the plan holds no sparsities.
    """
    if config.plan is None:
        return config.layers or None
    content = files.read_json(config.plan)
    found = content.get("sparsities")
    if not isinstance(found, dict) or not found:
        raise errors.DataError(
            f"This plan has no sparsities by layer. Received: {config.plan} with "
            f"{sorted(content)}. Write one with `tfcompress amc --granularity weights`."
        )
    return found
