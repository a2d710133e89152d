"""Judge a model on a stream of batches: one `Evaluation` record, memory flat."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress import config, errors
from tfcompress.data import keras_metrics, measures
from tfcompress.data.datasets import Dataset
from tfcompress.data.tasks import OutputTask, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a model is on one part of a data set.

    Attributes:
        metric: Name of the metric that decides.
        value: Its value; with several outputs of one metric their mean, otherwise the
            first output's.
        higher_is_better: Its direction.
        num_examples: How many examples were seen.
        per_class: Recall by class name, or None where there are no classes.
        worst_class: Name and recall of the class with the lowest recall.
        details: Further figures: mean recall, IoU by class, r2, ...
        outputs: With several outputs, the record of each.
    """

    metric: str
    value: float
    higher_is_better: bool
    num_examples: int
    per_class: dict[str, float] | None = None
    worst_class: tuple[str, float] | None = None
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    outputs: dict[str, Evaluation] = dataclasses.field(default_factory=dict)

    def drop_from(self, before: Evaluation) -> float:
        """Return how much worse this is than `before`; negative: it is better."""
        difference = before.value - self.value
        return difference if self.higher_is_better else -difference

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        content = dataclasses.asdict(self)
        content["worst_class"] = list(self.worst_class) if self.worst_class else None
        content["outputs"] = {k: v.to_dict() for k, v in self.outputs.items()}
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Evaluation:
        """Read what `to_dict` wrote."""
        values = dict(content)
        if values.get("worst_class"):
            values["worst_class"] = tuple(values["worst_class"])
        outputs = values.get("outputs") or {}
        values["outputs"] = {k: cls.from_dict(v) for k, v in outputs.items()}
        return cls(**values)


def evaluate_model(
    model: keras.Model,
    dataset: Dataset,
    *,
    split: str = "test",
    task: Task | None = None,
    batch_size: int = 256,
) -> Evaluation:
    """Evaluate a Keras model on a part of a data set.

    Args:
        model: Any Keras model.
        dataset: Where the examples come from.
        split: "test", "validation" (every decision uses this one) or "train".
        task: What to judge by; default: ``Task.for_model(model, dataset)``.
        batch_size: Examples at a time; changes speed and memory only.
    """
    config.require(
        split in dataset.sizes, "split", split, "one of " + ", ".join(dataset.sizes)
    )
    task = task or Task.for_model(model, dataset)
    return task.evaluate(predictor(model), dataset.batches(split, batch_size))


def predictor(model: keras.Model) -> Callable[[Any], Any]:
    """Compile the forward pass once; the result maps NumPy batches to NumPy outputs.

    ``model.predict`` sets up a data pipeline at each call, 78 ms for one row of a
    ResNet-20; keep this function and call it as often as needed.
    """
    forward = tf.function(
        lambda x: model(x, training=False), reduce_retracing=True, jit_compile=False
    )
    # TensorFlow counts tracings by source line: one per model is meant, not a mistake.
    forward._omit_frequent_tracing_warning = True  # noqa: SLF001 - has no public name

    def predict(x: Any) -> Any:
        tensors = tf.nest.map_structure(tf.convert_to_tensor, x)
        return tf.nest.map_structure(lambda output: output.numpy(), forward(tensors))

    return predict


def measure(
    task: Task, predict: Callable[[Any], Any], batches: Iterable[Any]
) -> Evaluation:
    """Stream batches through `predict` into the counters of each output."""
    return measure_each(task, lambda x: [("", predict(x))], batches)[""]


def measure_each(
    task: Task,
    predict: Callable[[Any], Iterable[tuple[str, Any]]],
    batches: Iterable[Any],
) -> dict[str, Evaluation]:
    """Judge several models, or states of one, in a single pass over the batches.

    Args:
        task: What to judge by.
        predict: NumPy batch -> pairs of a name and its predictions, read one by one.
        batches: Of ``(x, y)`` or ``(x, y, sample_weight)``.

    Returns:
        The figures by name.

    Raises:
        DataError: If there is no example.
        ModelError: If a prediction is not finite.
    """
    counters: dict[str, dict[str, Any]] = {}
    seen = 0
    for batch in batches:
        x, y, *rest = tf.nest.map_structure(np.asarray, tuple(batch))
        truths = task.by_output(y)
        weights = _weights(task, rest)
        for who, predicted in predict(list(x) if isinstance(x, tuple) else x):
            predictions = task.by_output(predicted)
            if who not in counters:
                counters[who] = {n: _counter(o) for n, o in task.outputs.items()}
            for name, counter in counters[who].items():
                prediction = np.asarray(predictions[name], dtype=np.float32)
                measures.check_finite(prediction, name)
                counter.update(truths[name], prediction, weights[name])
        seen += len(tf.nest.flatten(y)[0])
    if not seen:
        raise errors.DataError(
            "There is nothing to evaluate on. Received: 0 examples. Give the data set "
            "a part with examples."
        )
    return {
        who: _summary(task, {k: c.figures() for k, c in found.items()}, seen)
        for who, found in counters.items()
    }


def _counter(output: OutputTask) -> measures.Counter:
    if output.compiled_metric is not None:
        return keras_metrics.KerasCounter(output)
    return measures.COUNTERS[output.kind](output)


def _weights(task: Task, rest: list[Any]) -> dict[str, Any]:
    """Give each output its sample weights: its own, or the one array for all."""
    if not rest:
        return dict.fromkeys(task.outputs)
    if isinstance(rest[0], np.ndarray):
        return dict.fromkeys(task.outputs, rest[0])
    return task.by_output(rest[0])


def _summary(
    task: Task, figures: Mapping[str, measures.Figures], seen: int
) -> Evaluation:
    each = {
        name: _one(task.outputs[name], figures[name], seen) for name in task.outputs
    }
    first = next(iter(each.values()))
    if not task.several:
        return first
    same = len({evaluation.metric for evaluation in each.values()}) == 1
    value = float(np.mean([e.value for e in each.values()])) if same else first.value
    return dataclasses.replace(first, value=value, outputs=each)


def _one(output: OutputTask, figures: measures.Figures, seen: int) -> Evaluation:
    recalls = figures.recalls or {}
    worst = min(recalls.items(), key=lambda item: item[1], default=None)
    return Evaluation(
        metric=output.metric,
        value=figures.value,
        higher_is_better=output.higher_is_better,
        num_examples=seen,
        per_class=figures.recalls,
        worst_class=worst,
        details=figures.details,
    )
