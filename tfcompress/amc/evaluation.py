"""The task's metric on a held-out part of the training set: what a reward is made of.

Evaluating the examples is the physical limit of an episode, so everything around it is
done once: the examples are preprocessed once and kept as tensors (streamed where they
would take too much memory), and the forward pass is compiled once per model, together
with the counting where the metric is plain accuracy, on a twin whose batch
normalizations run in one kernel (0.8 of the time, ResNet-20 and MobileNet).  A search
assigns weights in place, so nothing is traced again; where the graph allows, it has
plans judged at their own width (`elastic`).

::

    accuracy = sum of w over examples with argmax f(x) = y  /  sum of w

Not kept: rejecting a plan on a part of the images.  Replayed on recorded answers
(`benchmarks/amc_rejection.py`), it saves 43 % of the images on plans drawn at random,
which only the warm-up judges, and nothing on plans near the best; and the rewards of
rejected plans become less exact.

Source: He et al., "AMC", ECCV 2018, section 4: 3,000 to 5,000 held-out images of the
training set decide, without fine-tuning.  Never the test set.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfcompress import data, errors, training
from tfcompress.amc.settings import DEFAULT_EXAMPLES
from tfcompress.data import sampling
from tfcompress.training import views

SPLIT = "validation"  # the part of the training set that decides
MODELS = 4  # compiled forward passes that are kept

Evaluate = Callable[[keras.Model], float]


class HeldOut:
    """Judges models on held-out examples; call it with a model.

    Args:
        dataset: Its validation part is held out of the training set.
        task: What models are judged by.
        num_examples: How many examples, every class in proportion. At the default,
            fewer do as well, and `notes` says so.
        batch_size: Examples at a time; from 125 to 1,500 all take the same time
            (ResNet-20, within 3 %), so memory decides.
        max_memory_mb: Examples that need more are preprocessed anew for each model.
        seed: Of the choice of examples.

    Attributes:
        takes_functions: It judges any function of a batch that has a model's `name` and
            `outputs`, such as an `ElasticForward`.
        num_examples: How many examples decide.
        higher_is_better: Direction of the metric.
        notes: What a report should say about the choice.

    Raises:
        DataError: If there are fewer examples than asked for, or labels do not fit.

    Example:
        >>> x, y = np.eye(2, dtype="float32")[[0, 1] * 20], np.array([0, 1] * 20)
        >>> dataset = data.Dataset.from_arrays((x, y), validation=(x, y))
        >>> held_out = HeldOut(dataset, dataset.task)
        >>> held_out.num_examples
        40
        >>> image = keras.Input((2,))
        >>> held_out(keras.Model(image, image))
        1.0
    """

    takes_functions = True

    def __init__(
        self,
        dataset: data.Dataset,
        task: data.Task,
        *,
        num_examples: int = DEFAULT_EXAMPLES,
        batch_size: int = 256,
        max_memory_mb: float = 1024,
        seed: int = 0,
    ) -> None:
        part = dataset.splits[SPLIT]
        self.notes = _check_size(dataset, part.size, num_examples)
        self.num_examples = min(num_examples, part.size)
        self.higher_is_better = task.higher_is_better
        self._task = task
        chosen = sampling.stratified_sample(
            part.labels, part.size, self.num_examples, seed=seed
        )
        held = dataclasses.replace(
            dataset, splits={**dataset.splits, SPLIT: part.take(np.sort(chosen))}
        )
        stream = held.batches(SPLIT, _even(self.num_examples, batch_size))
        self._counts = _is_plain_accuracy(task, stream.element_spec[1])
        if self._counts:
            stream = stream.map(_weighted(task.primary.ignore_class))
        self._spec = stream.element_spec
        self._batches = _kept(stream, int(max_memory_mb * 2**20))
        self._compiled: collections.OrderedDict[int, tuple[keras.Model, Any]] = (
            collections.OrderedDict()
        )

    @property
    def in_memory(self) -> bool:
        """Whether the examples are kept as tensors."""
        return isinstance(self._batches, list)

    def __call__(self, model: keras.Model) -> float:
        """Return the metric of `model`, with the weights that it has now.

        Raises:
            DataError: If the labels do not fit the model's output.
            ModelError: If a prediction or the metric is not finite.
        """
        forward = self._forward(model)
        if not self._counts:
            return _finite(self._task.evaluate(forward, self._batches))
        counts = [forward(*batch) for batch in self._batches]
        right, weight, bad = np.sum(counts, axis=0)
        _check_counts(model, weight, bad)
        return float(right / weight)

    def _forward(self, model: keras.Model) -> Any:
        """Return the compiled pass of this very model; the oldest ones are dropped."""
        if id(model) not in self._compiled:
            _check_labels(model, self._task, self._spec[1])
            fast = _fast(model)
            made = self._compile(fast) if self._counts else data.predictor(fast)
            self._compiled[id(model)] = (model, made)  # held: an id may be used again
            if len(self._compiled) > MODELS:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(id(model))
        return self._compiled[id(model)][1]

    def _compile(self, model: keras.Model) -> Any:
        """Compile prediction and counting into one function, of any batch size."""
        logits = self._task.primary.from_logits
        threshold = 0.0 if logits else 0.5

        def count(x: Any, y: Any, weight: Any) -> Any:
            x = list(x) if isinstance(x, tuple) else x
            scores = tf.nest.flatten(model(x, training=False))[0]
            if scores.shape[-1] == 1:
                chosen = tf.cast(scores[..., 0] > threshold, y.dtype)
            else:
                chosen = tf.argmax(scores, axis=-1, output_type=y.dtype)
            right = tf.cast(tf.equal(tf.reshape(chosen, [-1]), y), tf.float64)
            bad = tf.math.count_nonzero(~tf.math.is_finite(scores), dtype=tf.float64)
            return tf.stack(
                [tf.tensordot(right, weight, 1), tf.reduce_sum(weight), bad]
            )

        made = tf.function(count, input_signature=self._spec, jit_compile=False)
        # TensorFlow counts tracings by source line: one per model is meant.
        made._omit_frequent_tracing_warning = True  # noqa: SLF001 - no public name
        return made


def _fast(model: keras.Model) -> keras.Model:
    """Return the twin that predicts faster with the same weights, if there is one."""
    if isinstance(model, keras.Model) and views.has_graph(model) and model.built:
        return training.accelerate(model, compiled=False)
    return model


def _check_size(dataset: data.Dataset, available: int, wanted: int) -> tuple[str, ...]:
    """Refuse a held-out part that is too small, unless nobody asked for more.

    Raises:
        DataError: If it is.
    """
    if available >= wanted:
        return ()
    if wanted == DEFAULT_EXAMPLES and available:
        return (f"{available} held-out examples decide, all that there are",)
    raise errors.DataError(
        "The data set is smaller than the evaluation asks for. Received: "
        f"evaluation_examples={wanted}; {dataset.name!r} holds out {available} of its "
        f"{available + dataset.sizes['train']} training examples. Lower "
        "`evaluation_examples`, or hold out more with `validation_fraction`."
    )


def _is_plain_accuracy(task: data.Task, labels: Any) -> bool:
    """Return whether one class number per example is all that is counted."""
    output = task.primary
    shapes = [tuple(spec.shape[1:]) for spec in tf.nest.flatten(labels)]
    return (
        not task.several
        and shapes in ([()], [(1,)])
        and output.kind == "classification"
        and output.metric == "accuracy"
        and output.compiled_metric is None
    )


def _even(count: int, batch_size: int) -> int:
    """Return the batch size at most `batch_size` whose last batch is nearly full.

    Example:
        >>> _even(3000, 256)
        250
    """
    return math.ceil(count / math.ceil(count / batch_size))


def _weighted(ignore_class: int | None) -> Callable[..., Any]:
    """Return a map that gives each example its weight: 0 for the ignored class."""

    def weigh(x: Any, y: Any, *rest: Any) -> Any:
        labels = tf.reshape(tf.nest.flatten(y)[0], [-1])
        given = tf.reshape(rest[0], [-1]) if rest else tf.ones_like(labels)
        weight = tf.cast(given, tf.float64)
        if ignore_class is not None:
            weight *= tf.cast(labels != ignore_class, tf.float64)
        return x, labels, weight

    return weigh


def _kept(stream: tf.data.Dataset, limit: int) -> list[Any] | tf.data.Dataset:
    """Return the batches as tensors, or the stream if they exceed `limit` bytes."""
    kept, size = [], 0
    for batch in stream:
        size += sum(t.dtype.size * math.prod(t.shape) for t in tf.nest.flatten(batch))
        if size > limit:
            return stream
        kept.append(batch)
    return kept


def _check_labels(model: keras.Model, task: data.Task, spec: Any) -> None:
    """Refuse labels of another form than the output's, before anything is compiled.

    Raises:
        DataError: If a class label is more, or less, than one number per prediction.
    """
    outputs: Iterable[Any] = getattr(model, "outputs", None) or []
    labels = task.by_output(spec)
    for (name, output), tensor in zip(task.outputs.items(), outputs, strict=False):
        wanted, given = tuple(tensor.shape[1:-1]), tuple(labels[name].shape[1:])
        if output.kind != "classification" or None in (*wanted, *given):
            continue
        if math.prod(given) != math.prod(wanted):
            raise errors.DataError(
                f"The labels do not have the form of the model's output {name!r}. "
                f"Received: labels of shape {given} per example; it takes one class "
                f"number for each of {wanted or 1}. Give y as class numbers."
            )


def _finite(evaluation: data.Evaluation) -> float:
    if not math.isfinite(evaluation.value):
        raise errors.ModelError(
            f"The metric of the held-out examples is no number. Received: "
            f"{evaluation.metric}={evaluation.value}. Choose another metric, or look "
            "for NaN in the labels."
        )
    return evaluation.value


def _check_counts(model: keras.Model, weight: float, bad: float) -> None:
    if bad:
        raise errors.ModelError(
            f"The model's predictions are not finite. Received: {int(bad)} values of "
            f"{model.name!r} are NaN or infinite. Look for NaN in its weights."
        )
    if not weight > 0:
        raise errors.DataError(
            "Nothing counts among the held-out examples. Received: weights that add "
            f"up to {weight:g}. Give some of them a weight above 0."
        )
