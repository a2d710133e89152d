"""A Keras model that trains a student to give what its teacher gives.

::

    x -+- student --- logits, features ---+-- hard loss with y        (1 - alpha)
       |                                  +-- soft loss               alpha
       +- teacher, or the store of what   |
          it said about x -- logits ------+-- feature losses          per hint
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfcompress import errors, files
from tfcompress.data import model_tasks
from tfcompress.distill import hints as feature_hints
from tfcompress.distill import losses
from tfcompress.distill.logits import Head, activate, head
from tfcompress.distill.soft_targets import SoftTargets
from tfcompress.graph.identities import identity
from tfcompress.training import accelerate, following, updates, views

_LINEAR_LOSSES = ("mean_squared", "mean_absolute", "huber", "log_cosh", "mse", "mae")


@keras.saving.register_keras_serializable(package="tfcompress")
class Distiller(keras.Model):
    """Trains `student` by the outputs of `teacher`; compile and fit it as usual.

    ``compile`` takes the loss and metrics of the task. After ``fit`` the trained
    student is `student`, the plain model it was made of; ``predict`` and ``evaluate``
    are the student's.

    Args:
        student: A built functional or Sequential model; it is trained in place.
        teacher: A built functional or Sequential model, which is left as it is. Or
            `SoftTargets`: then fit on ``targets.attach(batches)``.
        temperature: Softens both outputs; 2 to 10 is usual.
        alpha: Weight of the soft loss in [0, 1]; the task's loss gets the rest.
        hints: Pairs ``(student layer, teacher layer)`` or `Hint` records, whose
            outputs are compared as well; they need a teacher model.
        kinds: Per output what turns logits into it: "softmax", "sigmoid" or "linear"
            (regression). By default by its last activation, and for an output that
            shows none by the compiled loss, whose ``from_logits`` then tells logits
            from probabilities. A teacher that shows none is told by its values.
        seed: Of the first weights of feature adapters.
        precision: Dtype policy the student is trained in, as in
            `tfcompress.training.accelerate`.
        **settings: ``name`` and others of `keras.Model`.

    Raises:
        ModelError: If student and teacher do not fit each other.

    Example:
        >>> student = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> teacher = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> distiller = Distiller(student, teacher, temperature=2.0, alpha=0.9)
        >>> crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        >>> distiller.compile("sgd", crossentropy)
        >>> _ = distiller.fit(ops.ones((8, 4)), ops.zeros(8), verbose=0)
        >>> distiller.student is student
        True
    """

    def __init__(  # noqa: PLR0913 - the knobs of the method
        self,
        student: keras.Model,
        teacher: keras.Model | SoftTargets,
        *,
        temperature: float = 4.0,
        alpha: float = 0.9,
        hints: Sequence[Any] = (),
        kinds: Sequence[str] | None = None,
        seed: int = 0,
        precision: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**{"name": f"distil_{student.name}", **settings})
        _check_settings(temperature, alpha)
        pairs = [feature_hints.as_hint(hint) for hint in hints]
        ours = head(student, features=[hint.student for hint in pairs])
        theirs = _teacher_head(teacher, pairs)
        _check_fit(student, ours, teacher, theirs)
        self.network = accelerate(ours.network, precision=precision)
        self.temperature, self.alpha, self.seed = float(temperature), float(alpha), seed
        self.distillation_loss = keras.metrics.Mean(name="distillation_loss")
        self._activations, self._names = ours.activations, ours.names
        said = theirs.activations if theirs else teacher.outputs
        self._teacher_shown = tuple(activation != "unknown" for activation in said)
        self._stated = tuple(kinds) if kinds else None
        self._precision = precision
        self._weights_of_outputs: list[float] = [1.0] * len(ours.names)
        fast = accelerate(theirs.network) if theirs else None
        self._untracked = _Untracked(student, teacher, fast)
        count = len(ours.names)
        self.hints = None
        if theirs and pairs:
            shapes = [tensor.shape for tensor in ours.network.outputs[count:]]
            wanted = [tensor.shape for tensor in theirs.network.outputs[count:]]
            both = list(zip(shapes, wanted, strict=True))
            self.hints = feature_hints.Hints(pairs, both, seed=seed)
        self.built = True

    @property
    def output_names(self) -> list[str]:
        """Names of the student's outputs, which losses and metrics may go by."""
        return list(self._names)

    @property
    def student(self) -> keras.Model:
        """The plain model that is being trained."""
        return self._untracked.student

    @property
    def teacher(self) -> keras.Model | SoftTargets:
        """What it learns from."""
        return self._untracked.teacher

    @property
    def fingerprint(self) -> str:
        """A name of what it is trained by besides the student and the data."""
        settings = {
            name: value
            for name, value in self.get_config().items()
            if name not in ("name", "student", "teacher")
        }
        teacher = self.teacher
        if self._is_cached():
            return files.fingerprint(teacher.fingerprint, repr(settings))
        return identity(teacher, settings)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        *arguments: Any,
        **settings: Any,
    ) -> None:
        """Compile as any model, with the loss and metrics of the task."""
        super().compile(optimizer, loss, loss_weights, *arguments, **settings)
        updates.fuse(self.optimizer)
        following.follow_optimizer(self)
        count = range(len(self._names))
        weights = [_part(loss_weights, index, self._names) for index in count]
        self._weights_of_outputs = [1.0 if w is None else float(w) for w in weights]
        self._soft_losses = [
            losses.SoftTargetLoss(kind, self.temperature) for kind in self._kinds()
        ]

    def fit(self, *arguments: Any, **settings: Any) -> Any:
        """Fit as any model, watched by the layers of the student."""
        return following.watched_fit(self, super().fit, *arguments, **settings)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> Any:
        """Return what `compile_from_config` needs."""
        return super().get_compile_config()

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Return the predictions; while training, logits and features too."""
        found = _as_list(self.network(inputs, training=training))
        count = len(self._names)
        pairs = zip(found[:count], self._activations, strict=True)
        outputs = [activate(logits, activation) for logits, activation in pairs]
        # Asked anew: as an attribute Keras would wrap it, and losses miss a plain dict.
        structure = views.graph_of(self.student).output
        predictions = keras.tree.pack_sequence_as(structure, outputs)
        if not training:
            return predictions
        return {
            "predictions": predictions,
            "logits": found[:count],
            "features": found[count:],
        }

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: Any = True,  # noqa: FBT002 - Keras passes it
    ) -> Any:
        """Return the loss: hard and soft while training, else the task's."""
        if not training:
            y, _ = _split(y)
            return super().compute_loss(x, y, y_pred, sample_weight, training=False)
        y, targets, features = self._targets(x, y)
        hard: Any = 0.0
        if self._compile_loss is not None and self.alpha < 1:
            hard = self._compile_loss(y, y_pred["predictions"], sample_weight)
        soft = self._soft(targets, y_pred["logits"], y, sample_weight)
        self.distillation_loss.update_state(soft)
        total = losses.distillation_loss(hard, soft, alpha=self.alpha)
        if self.hints is not None:
            total += self.hints(y_pred["features"], features)
        return total + sum(self.losses)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, float]:
        """Update the metrics with the student's predictions."""
        training = isinstance(y_pred, dict) and "features" in y_pred
        y_pred = y_pred["predictions"] if training else y_pred
        y, _ = _split(y)
        logs: dict[str, float] = super().compute_metrics(x, y, y_pred, sample_weight)
        if not training:
            logs.pop(self.distillation_loss.name)  # nothing was distilled
        return logs

    def save_own_variables(self, store: Any) -> None:
        """Save the teacher's weights with the distiller."""
        for index, variable in enumerate(self._teacher_weights()):
            store[f"teacher_{index}"] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Load the teacher's weights."""
        for index, variable in enumerate(self._teacher_weights()):
            variable.assign(store[f"teacher_{index}"])

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        teacher = self.teacher
        if isinstance(teacher, SoftTargets):
            described: Any = {"soft_targets": str(teacher.path)}
        else:
            described = keras.saving.serialize_keras_object(teacher)
        return {
            "name": self.name,
            "student": keras.saving.serialize_keras_object(self.student),
            "teacher": described,
            "temperature": self.temperature,
            "alpha": self.alpha,
            "hints": [hint.to_dict() for hint in self.hints.hints]
            if self.hints
            else [],
            "kinds": list(self._stated) if self._stated else None,
            "seed": self.seed,
            "precision": self._precision,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> Distiller:
        """Build it again, with new weights."""
        config, load = dict(config), keras.saving.deserialize_keras_object
        student = load(config.pop("student"), custom_objects=custom_objects)
        teacher = config.pop("teacher")
        if "soft_targets" in teacher:
            return cls(student, SoftTargets(teacher["soft_targets"]), **config)
        return cls(student, load(teacher, custom_objects=custom_objects), **config)

    def _is_cached(self) -> bool:
        return isinstance(self.teacher, SoftTargets)

    def _targets(self, x: Any, y: Any) -> tuple[Any, list[Any], list[Any]]:
        """Return labels, the teacher's logits, and its features."""
        if self._is_cached():
            return *_split(y), []
        found = _as_list(self._untracked.network(x, training=False))
        found = [ops.stop_gradient(tensor) for tensor in found]
        count = len(self._names)
        return y, found[:count], found[count:]

    def _soft(self, targets: Any, logits: Any, y: Any, sample_weight: Any) -> Any:
        total = 0.0
        for index, (loss, weight) in enumerate(
            zip(self._soft_losses, self._weights_of_outputs, strict=True)
        ):
            weights = _part(sample_weight, index, self._names)
            ignored = getattr(
                _part(self.loss, index, self._names), "ignore_class", None
            )
            if ignored is not None:
                labels = _part(y, index, self._names)
                weights = losses.counted_weights(labels, ignored, weights)
            said, ours = targets[index], self._logits(index, logits[index])
            if not self._teacher_shown[index]:
                said = losses.logits_of(said, loss.kind)
            values = loss(said, ours, sample_weight=weights)
            total += weight * values
        return total

    def _logits(self, index: int, values: Any) -> Any:
        """Return the student's logits of what its network gives for an output.

        Where the graph does not show what that is, the compiled loss says it.
        """
        kind = self._soft_losses[index].kind
        if self._activations[index] != "unknown" or kind == "linear":
            return values
        logits = model_tasks.takes_logits(_part(self.loss, index, self._names))
        if logits is None:
            return losses.logits_of(values, kind)
        return values if logits else losses.as_logits(values, kind)

    def _kinds(self) -> list[str]:
        if self._stated:
            return list(self._stated)
        return [
            activation
            if activation not in ("linear", "unknown")
            else self._kind_by_loss(index)
            for index, activation in enumerate(self._activations)
        ]

    def _kind_by_loss(self, index: int) -> str:
        """Tell logits from numbers by the compiled loss."""
        loss = _part(self.loss, index, self._names)
        name = getattr(loss, "name", None) or getattr(loss, "__name__", loss)
        text = str(name).lower()
        if any(part in text for part in _LINEAR_LOSSES):
            return "linear"
        if "binary" in text:
            return "sigmoid"
        if "crossentropy" in text:
            return "softmax"
        raise errors.ModelError(
            f"Nothing says what the output {self._names[index]!r} is. Received: a "
            f"linear output and loss={loss!r}. Say it: "
            f'`Distiller(..., kinds=["softmax"])`, or "sigmoid" or "linear".'
        )

    def _teacher_weights(self) -> list[Any]:
        return [] if self._is_cached() else list(self._untracked.teacher.weights)


class _Untracked:
    """Keeps models from Keras, which would train and save them with the distiller."""

    def __init__(self, student: Any, teacher: Any, network: Any) -> None:
        self.student, self.teacher, self.network = student, teacher, network


def _teacher_head(teacher: Any, pairs: Sequence[feature_hints.Hint]) -> Head | None:
    if not isinstance(teacher, SoftTargets):
        return head(teacher, features=[hint.teacher for hint in pairs])
    if pairs:
        raise errors.ModelError(
            "Soft targets hold no features. Received: SoftTargets with hints. Pass the "
            "teacher itself."
        )
    return None


def _check_settings(temperature: float, alpha: float) -> None:
    if not temperature > 0 or not 0 <= alpha <= 1:
        raise ValueError(
            "A setting of the distiller is out of its range. Received: "
            f"temperature={temperature}, alpha={alpha}. The temperature must be above "
            "0, alpha in [0, 1]."
        )


def _check_fit(student: Any, ours: Head, teacher: Any, theirs: Head | None) -> None:
    """Refuse a teacher of another task."""
    count = len(ours.names)
    shapes = [tuple(tensor.shape[1:]) for tensor in ours.network.outputs[:count]]
    if theirs is None:
        found, name = teacher.shapes, str(teacher.path)
    else:
        found = [
            tuple(t.shape[1:]) for t in theirs.network.outputs[: len(theirs.names)]
        ]
        name = teacher.name
    if shapes != found:
        raise errors.ModelError(
            "Student and teacher have different outputs. Received: "
            f"{student.name!r} with {shapes}, {name!r} with {found}. Both must solve "
            "the same task."
        )


def _split(y: Any) -> tuple[Any, list[Any]]:
    """Return labels and soft targets of what `SoftTargets.attach` made of labels."""
    if isinstance(y, dict) and "soft_targets" in y:
        return y["labels"], list(y["soft_targets"])
    return y, []


def _part(values: Any, index: int, names: Sequence[str]) -> Any:
    """Return what belongs to one output of labels, sample weights or losses."""
    if isinstance(values, dict):
        return values.get(names[index])
    if isinstance(values, list | tuple):
        return values[index]
    return values


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]
