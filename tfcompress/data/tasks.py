"""What a model is for: the task of each output, its loss, its metric and its direction.

A data set knows the kind of its labels; `Task.for_model` completes that with what the
compiled model says (loss, metric, logits or probabilities), so that every stage trains
and judges by the same figures as the model's author did.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tfcompress import config
from tfcompress.data import targets

if TYPE_CHECKING:
    import keras

    from tfcompress.data.datasets import Dataset
    from tfcompress.data.evaluation import Evaluation

SINGLE = "output"  # the name of the only output

DEFAULT_METRICS = {
    "classification": "accuracy",
    "multilabel": "f1",
    "regression": "mae",
    "segmentation": "mean_iou",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputTask:
    """The task of one output.

    Attributes:
        kind: "classification", "multilabel", "regression" or "segmentation".
        num_classes: Classes (or labels) there are; None for regression.
        class_names: Their names; empty: numbers are used.
        metric: What it is judged by: a name of `measures`, or a Keras metric's.
        higher_is_better: Direction of the metric.
        from_logits: Whether the output is raw scores, before softmax or sigmoid.
        ignore_class: Class number that does not count (unlabelled pixels).
        one_hot: Whether the source's labels were one-hot, for losses that want them so.
        units: Width of the model's output; None: not known yet.
        loss_weight: Weight of this output's loss.
        stated: Whether the user chose the metric; then a compiled one does not count.
        compiled_loss: The model's own Keras loss or function, or a name; None: default.
        compiled_metric: The model's own Keras metric where it is none of ours.
    """

    kind: str
    num_classes: int | None = None
    class_names: tuple[str, ...] = ()
    metric: str = ""
    higher_is_better: bool = True
    from_logits: bool = False
    ignore_class: int | None = None
    one_hot: bool = False
    units: int | None = None
    loss_weight: float = 1.0
    stated: bool = False
    compiled_loss: Any = None
    compiled_metric: Any = None

    def __post_init__(self) -> None:
        """Check the kind and fill in its default metric."""
        config.require(
            self.kind in targets.KINDS,
            "task",
            self.kind,
            "one of " + ", ".join(targets.KINDS),
        )
        if not self.metric:
            object.__setattr__(self, "metric", DEFAULT_METRICS[self.kind])
            object.__setattr__(self, "higher_is_better", self.kind != "regression")

    def class_name(self, index: int) -> str:
        """Return the name of a class, or its number as text."""
        known = index < len(self.class_names)
        return self.class_names[index] if known else str(index)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values; losses and metrics by name."""
        content = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("stated", "compiled_loss", "compiled_metric")
        }
        content["class_names"] = list(self.class_names)
        content["loss"] = _name(self.compiled_loss)
        return content


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """The tasks of all outputs; what asks about one output is answered for `primary`.

    Attributes:
        outputs: Output name -> its task, in the order of the model's outputs.
        named: Whether labels come as a dict by output name (several outputs), or
            plainly (one output), or as a tuple.

    Example:
        >>> task = Task.single("classification", num_classes=10)
        >>> task.kind, task.metric, task.higher_is_better
        ('classification', 'accuracy', True)
    """

    outputs: Mapping[str, OutputTask]
    named: bool = True

    @classmethod
    def single(cls, kind: str, **settings: Any) -> Task:
        """Make the task of a model with one output; settings as in `OutputTask`."""
        return cls(outputs={SINGLE: OutputTask(kind=kind, **settings)})

    @classmethod
    def for_model(cls, model: keras.Model, dataset: Dataset) -> Task:
        """Complete the data set's task with what the model says.

        Loss, metric and direction come from the compiled model unless the data set's
        task states them (``--loss``, ``--metric``); logits or probabilities from the
        loss, else from the output's activation, else from a few outputs.

        Raises:
            DataError: If the model's outputs do not pair with the labels.
            ConfigError: If nobody knows the direction of a custom metric.
        """
        from tfcompress.data import model_tasks  # it builds Tasks, so it needs this

        return model_tasks.complete(model, dataset)

    @property
    def primary(self) -> OutputTask:
        """The output that decides: the first."""
        return next(iter(self.outputs.values()))

    @property
    def several(self) -> bool:
        """Whether there is more than one output."""
        return len(self.outputs) > 1

    @property
    def kind(self) -> str:
        """Kind of the primary output."""
        return self.primary.kind

    @property
    def metric(self) -> str:
        """Metric of the primary output."""
        return self.primary.metric

    @property
    def higher_is_better(self) -> bool:
        """Direction of that metric."""
        return self.primary.higher_is_better

    @property
    def from_logits(self) -> bool:
        """Whether the primary output is raw scores."""
        return self.primary.from_logits

    @property
    def num_classes(self) -> int | None:
        """Classes of the primary output."""
        return self.primary.num_classes

    def loss(self) -> Any:
        """Return the Keras loss of this data set's labels (nested like them)."""
        from tfcompress.data import objectives

        return self._nested({k: objectives.loss(o) for k, o in self.outputs.items()})

    def loss_weights(self) -> Any:
        """Return the weight of each output's loss, or None with one output."""
        weights = {name: output.loss_weight for name, output in self.outputs.items()}
        return self._nested(weights) if self.several else None

    def metrics(self) -> Any:
        """Return fresh Keras metrics to watch in training (nested like the labels)."""
        from tfcompress.data import objectives

        found = {name: objectives.metrics(o) for name, o in self.outputs.items()}
        return self._nested(found)

    def better(self, value: float, than: float) -> bool:
        """Tell whether a figure of this task's metric is better than another."""
        return value > than if self.higher_is_better else value < than

    def evaluate(
        self, predict: Callable[[Any], Any], batches: Iterable[Any]
    ) -> Evaluation:
        """Measure predictions over ``(x, y[, sample_weight])`` batches, streaming.

        Args:
            predict: NumPy batch (or dict or list of them) -> array, list or dict.
            batches: For instance ``dataset.test(256)``.

        Raises:
            DataError: If there is no example.
            ModelError: If a prediction is not finite.
        """
        from tfcompress.data import evaluation

        return evaluation.measure(self, predict, batches)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            "kind": self.kind,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "outputs": {name: out.to_dict() for name, out in self.outputs.items()},
        }

    def by_output(self, y: Any) -> dict[str, Any]:
        """Arrange labels or predictions (array, list, tuple or dict) by output name."""
        if not self.several and not isinstance(y, Mapping | list | tuple):
            return {next(iter(self.outputs)): y}
        if isinstance(y, Mapping):
            if not self.several and len(y) == 1:
                return dict(zip(self.outputs, y.values(), strict=True))
            return {name: y[name] for name in self.outputs}
        return dict(zip(self.outputs, y, strict=True))

    def _nested(self, by_name: dict[str, Any]) -> Any:
        if not self.several:
            return next(iter(by_name.values()))
        return by_name if self.named else list(by_name.values())


def _name(source: Any) -> str | None:
    if source is None or isinstance(source, str):
        return source
    return str(getattr(source, "name", None) or getattr(source, "__name__", source))
