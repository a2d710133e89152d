"""Distil a student from a teacher, end to end."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from tfcompress import data, errors, files
from tfcompress.config import require
from tfcompress.distill import soft_targets
from tfcompress.distill.distiller import Distiller
from tfcompress.training import Progress, TrainConfig, TrainResult, train
from tfcompress.training.preparation import precision

_KINDS = {
    "classification": "softmax",
    "segmentation": "softmax",
    "multilabel": "sigmoid",
    "regression": "linear",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistillConfig(TrainConfig):
    """How a student is distilled: the settings of a training, and these.

    Example:
        >>> DistillConfig(epochs=5).temperature
        4.0
    """

    temperature: float = 4.0  # Hinton et al. 2015 use 2 to 20
    alpha: float = 0.9  # weight of the soft loss; the task's loss gets the rest
    soft_targets: Literal["auto", "cached", "live"] = "auto"  # auto: cached if possible
    hints: tuple[Any, ...] = ()  # (student layer, teacher layer) or Hint

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require(self.temperature > 0, "temperature", self.temperature, "above 0")
        require(0 <= self.alpha <= 1, "alpha", self.alpha, "in [0, 1]")
        choices = ("auto", "cached", "live")
        expected = "one of " + ", ".join(map(repr, choices))
        require(
            self.soft_targets in choices, "soft_targets", self.soft_targets, expected
        )


def distill(  # noqa: PLR0913 - as `train`, plus the teacher and its store
    student: keras.Model,
    teacher: keras.Model,
    dataset: data.Dataset,
    *,
    config: DistillConfig,
    task: data.Task | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    state_dir: files.PathLike | None = None,
    cache_dir: files.PathLike | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train `student` in place to give what `teacher` gives.

    Without random augmentation (and without hints) the teacher runs once over the
    training part, and its outputs are looked up by example afterwards; otherwise it
    runs in every step.

    Args:
        student: A built functional or Sequential model.
        teacher: Likewise, with the same outputs; it is not changed.
        dataset: A `tfcompress.data.Dataset`.
        config: The settings.
        task: As in `tfcompress.training.train`.
        callbacks: As in `tfcompress.training.train`.
        state_dir: Where to keep the state; the same call after a kill goes on.
        cache_dir: Where to keep the soft targets; by default ``soft_targets`` in
            `state_dir`, or a temporary directory.
        progress: As in `tfcompress.training.train`.

    Raises:
        ModelError: If student and teacher do not fit each other.
        DataError: If the teacher cannot be cached because examples change.
    """
    task = task or data.Task.for_model(student, dataset)
    with contextlib.ExitStack() as stack:
        source: Any = teacher
        examples: Any = dataset
        if _caches(config, dataset):
            place = stack.enter_context(_place(cache_dir, state_dir))
            source = soft_targets.cache_soft_targets(teacher, dataset, path=place)
            examples = _WithTargets(dataset, source)
        stack.enter_context(_clear_errors())
        return train(
            student,
            examples,
            config=config,
            task=task,
            callbacks=callbacks,
            state_dir=state_dir,
            progress=progress,
            wrap=lambda _: _distiller(student, source, config, task),
        )


def wrapper(
    teacher: keras.Model, *, config: DistillConfig, task: data.Task
) -> Callable[[keras.Model], Distiller]:
    """Return what makes a distiller of a student, for `wrap` of a training.

    The teacher runs in every step. Other methods that train (pruning, quantization)
    distil by it without knowing this package.

    Args:
        teacher: A built functional or Sequential model with the student's outputs.
        config: Temperature, alpha and hints; the rest is the training's.
        task: What is learned.
    """
    return lambda student: _distiller(student, teacher, config, task)


def _distiller(
    student: keras.Model, source: Any, config: DistillConfig, task: data.Task
) -> Distiller:
    pairs = zip(task.outputs.values(), student.outputs, strict=True)
    return Distiller(
        student,
        source,
        temperature=config.temperature,
        alpha=config.alpha,
        hints=config.hints,
        kinds=[_kind(output.kind, tensor.shape[-1]) for output, tensor in pairs],
        precision=precision(config),
        seed=config.seed,
    )


def _kind(kind: str, units: int) -> str:
    """Return what the logits mean; two classes may share one sigmoid unit."""
    return "sigmoid" if _KINDS[kind] == "softmax" and units == 1 else _KINDS[kind]


def _caches(config: DistillConfig, dataset: data.Dataset) -> bool:
    if config.soft_targets == "cached" and dataset.augmentation is not None:
        raise errors.ConfigError(
            "Random augmentation leaves nothing to cache. Received: soft_targets="
            f"'cached' and a data set with augmentation ({dataset.name!r}). "
            "Use soft_targets='live'."
        )
    if config.soft_targets == "auto":
        return dataset.augmentation is None and not config.hints
    return config.soft_targets == "cached"


@contextlib.contextmanager
def _place(
    cache_dir: files.PathLike | None, state_dir: files.PathLike | None
) -> Iterator[pathlib.Path]:
    if cache_dir is not None:
        yield pathlib.Path(cache_dir)
    elif state_dir is not None:
        yield pathlib.Path(state_dir) / "soft_targets"
    else:
        with tempfile.TemporaryDirectory(prefix="soft-targets-") as folder:
            yield pathlib.Path(folder)


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn the error of a pipeline into the toolkit's own, without the stack in it."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        text = str(error)
        if soft_targets.UNKNOWN not in text:
            raise
        begin = text.index(soft_targets.UNKNOWN)
        sentence = text[begin:].split("\n", 1)[0]
        raise errors.DataError(sentence) from error


class _WithTargets:
    """A data set whose training batches carry the teacher's logits."""

    def __init__(self, dataset: Any, targets: soft_targets.SoftTargets) -> None:
        self._dataset, self._targets = dataset, targets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def train(self, batch_size: int, **settings: Any) -> tf.data.Dataset:
        """Stream one epoch of ``(x, (y, logits)[, sample_weight])``."""
        return self._targets.attach(self._dataset.train(batch_size, **settings))
