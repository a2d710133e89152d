"""Losses of knowledge distillation: pure functions, and Keras losses around them.

With logits z and temperature T::

    q_i    = exp(z_i / T) / sum_j exp(z_j / T)
    soft   = T^2 * KL(q_teacher || q_student)          classes exclude each other
    soft   = T^2 * mean over labels of KL(Bernoulli)   labels do not
    soft   = mean of (y_student - y_teacher)^2         numbers
    loss   = (1 - alpha) * hard + alpha * soft

The factor T^2 keeps the gradient's size independent of T: for large T the gradient of
the KL with respect to a logit shrinks as 1 / T^2.

Source: G. Hinton, O. Vinyals and J. Dean, "Distilling the knowledge in a neural
network", 2015, section 2.  Features: A. Romero et al., "FitNets", ICLR 2015, equation
3; S. Zagoruyko and N. Komodakis, "Paying more attention to attention", ICLR 2017,
equation 2 (we average over the batch).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Tensor = Any  # a NumPy array or a backend tensor
_SLACK = 1e-2  # by which probabilities in half precision, or quantized, miss their sum


def soft_cross_entropy(
    teacher_logits: Tensor, student_logits: Tensor, *, temperature: float = 4.0
) -> Tensor:
    """Return T² times the KL divergence of softened class probabilities.

    It is the soft cross-entropy less the teacher's own entropy, which is constant: the
    gradient is the same, and a perfect student gets 0.

    Args:
        teacher_logits: ``[..., classes]``.
        student_logits: ``[..., classes]``.
        temperature: Above 0.

    Returns:
        One number per example (or per pixel), ``[...]``.

    Example:
        >>> teacher, student = [[2.0, -1.0, 0.5]], [[0.3, 0.1, -0.7]]
        >>> loss = soft_cross_entropy(teacher, student, temperature=2)
        >>> round(float(loss[0]), 4)
        0.5558
    """
    log_teacher = ops.log_softmax(_float(teacher_logits) / temperature, axis=-1)
    log_student = ops.log_softmax(_float(student_logits) / temperature, axis=-1)
    terms = ops.exp(log_teacher) * (log_teacher - log_student)
    return temperature**2 * ops.sum(terms, axis=-1)


def soft_binary_cross_entropy(
    teacher_logits: Tensor, student_logits: Tensor, *, temperature: float = 4.0
) -> Tensor:
    """Return T² times the mean KL divergence of softened label probabilities.

    Args:
        teacher_logits: ``[..., labels]``, before the sigmoid.
        student_logits: ``[..., labels]``.
        temperature: Above 0.

    Returns:
        One number per example, ``[...]``.

    Example:
        >>> loss = soft_binary_cross_entropy([[0.0]], [[2.0]], temperature=1)
        >>> round(float(loss[0]), 4)  # ln 0.5 - (ln s(2) + ln s(-2)) / 2
        0.4338
    """
    teacher = _float(teacher_logits) / temperature
    student = _float(student_logits) / temperature
    positive, negative = ops.sigmoid(teacher), ops.sigmoid(-teacher)
    terms = positive * (ops.log_sigmoid(teacher) - ops.log_sigmoid(student))
    terms += negative * (ops.log_sigmoid(-teacher) - ops.log_sigmoid(-student))
    return temperature**2 * ops.mean(terms, axis=-1)


def squared_difference(
    teacher: Tensor, student: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """Return the mean squared difference over the last axis.

    Args:
        teacher: ``[..., values]``.
        student: ``[..., values]``.
        temperature: Has no meaning here and is not used.

    Example:
        >>> float(squared_difference([[1.0, 3.0]], [[1.0, 1.0]])[0])
        2.0
    """
    del temperature
    return ops.mean(ops.square(_float(student) - _float(teacher)), axis=-1)


def distillation_loss(hard: Tensor, soft: Tensor, *, alpha: float) -> Tensor:
    """Return ``(1 - alpha) * hard + alpha * soft``.

    Example:
        >>> distillation_loss(1.0, 2.0, alpha=0.75)
        1.75
    """
    return (1.0 - alpha) * hard + alpha * soft


def counted_weights(labels: Tensor, ignored: int, weights: Tensor = None) -> Tensor:
    """Return weights that leave out what a task's `ignore_class` says not to learn.

    Args:
        labels: Class numbers ``[...]``, or ``[..., 1]``.
        ignored: The class that does not count, such as unlabelled pixels.
        weights: Sample weights, ``[batch]`` or ``[...]``; None: all 1.

    Returns:
        ``[...]``; their scale makes the mean over all elements one over the counted.

    Example:
        >>> counted_weights([[0, 255, 1, 255]], 255).numpy().tolist()
        [[2.0, 0.0, 2.0, 0.0]]
    """
    labels = ops.convert_to_tensor(labels)
    if len(labels.shape) > 1 and labels.shape[-1] == 1:
        labels = ops.squeeze(labels, -1)
    counted = _float(ops.not_equal(labels, ops.cast(ignored, labels.dtype)))
    total, number = ops.cast(ops.size(counted), "float32"), ops.sum(counted)
    counted = counted * total / ops.maximum(number, 1.0)
    if weights is None:
        return counted
    weights = _float(weights)
    missing = (1,) * (len(counted.shape) - len(weights.shape))
    return counted * ops.reshape(weights, (*ops.shape(weights), *missing))


def as_logits(probabilities: Tensor, kind: str) -> Tensor:
    """Return logits that softmax or sigmoid makes the probabilities of.

    Args:
        probabilities: ``[..., classes]``.
        kind: "softmax" or "sigmoid".

    Example:
        >>> logits = as_logits(ops.array([0.25, 0.75]), "softmax")
        >>> [round(float(p), 3) for p in ops.softmax(logits)]
        [0.25, 0.75]
    """
    least = keras.config.epsilon()
    inside = ops.clip(ops.cast(probabilities, "float32"), least, 1.0)
    if kind == "softmax":
        return ops.log(inside)
    return ops.log(inside) - ops.log(ops.clip(1.0 - inside, least, 1.0))


def logits_of(values: Tensor, kind: str) -> Tensor:
    """Return logits of a batch that holds either logits or probabilities.

    Args:
        values: ``[batch, ..., classes]``. Probabilities if each lies in [0, 1] and,
            for "softmax", those of each example add up to 1.
        kind: "softmax", "sigmoid", or "linear" for values that are neither.

    Example:
        >>> logits_of([[1.0, 0.0]], "softmax").numpy().round().tolist()
        [[0.0, -16.0]]
        >>> logits_of([[1.0, -0.5]], "softmax").numpy().tolist()
        [[1.0, -0.5]]
    """
    values = _float(values)
    if kind == "linear":
        return values
    found = ops.all(ops.logical_and(values >= -_SLACK, values <= 1 + _SLACK))
    if kind == "softmax":
        gaps = ops.abs(ops.sum(values, axis=-1) - 1)
        found = ops.logical_and(found, ops.all(gaps <= _SLACK))
    return ops.where(found, as_logits(values, kind), values)


def attention_map(features: Tensor) -> Tensor:
    """Return where features are active: mean squares over channels, of unit length.

    Args:
        features: ``[batch, ..., channels]``.

    Returns:
        ``[batch, positions]``.

    Example:
        >>> x = ops.reshape(ops.array([3.0, 0.0, 0.0, 4.0]), (1, 1, 2, 2))
        >>> [round(float(a), 4) for a in attention_map(x)[0]]  # 9 : 16
        [0.4903, 0.8716]
    """
    energy = ops.mean(ops.square(_float(features)), axis=-1)
    flat = ops.reshape(energy, (ops.shape(energy)[0], -1))
    length = ops.sqrt(ops.sum(ops.square(flat), axis=-1, keepdims=True))
    return flat / ops.maximum(length, keras.config.epsilon())


def attention_difference(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the squared distance of two attention maps, one number per example."""
    difference = attention_map(student) - attention_map(teacher)
    return ops.sum(ops.square(difference), axis=-1)


def feature_difference(teacher: Tensor, student: Tensor) -> Tensor:
    """Return the mean squared difference of two features, one number per example."""
    squares = ops.square(_float(student) - _float(teacher))
    return ops.mean(squares, axis=list(range(1, len(squares.shape))))


# What an output's logits mean, and so which divergence compares two of them.
DIVERGENCES: dict[str, Callable[..., Tensor]] = {
    "softmax": soft_cross_entropy,
    "sigmoid": soft_binary_cross_entropy,
    "linear": squared_difference,
}


@keras.saving.register_keras_serializable(package="tfcompress")
class SoftTargetLoss(keras.losses.Loss):
    """The divergence of a student's logits from a teacher's, as a Keras loss.

    ``y_true`` are the teacher's logits, ``y_pred`` the student's.

    Args:
        kind: "softmax", "sigmoid" or "linear": what turns the logits into the output.
        temperature: Above 0; without effect for "linear".
        **settings: ``reduction``, ``name`` and ``dtype`` of `keras.losses.Loss`.

    Example:
        >>> loss = SoftTargetLoss("softmax", temperature=2.0)
        >>> round(float(loss([[2.0, -1, 0.5]], [[0.3, 0.1, -0.7]])), 4)
        0.5558
    """

    def __init__(
        self, kind: str = "softmax", temperature: float = 4.0, **settings: Any
    ) -> None:
        super().__init__(**{"name": "soft_target_loss", **settings})
        if kind not in DIVERGENCES:
            raise ValueError(
                f"There is no such kind of output. Received: kind={kind!r}. Use one of "
                f"{', '.join(map(repr, DIVERGENCES))}."
            )
        if not temperature > 0:
            raise ValueError(
                "The temperature must be above 0. Received: "
                f"temperature={temperature}. Usual values are 2 to 10."
            )
        self.kind, self.temperature = kind, float(temperature)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the divergence of each example (or pixel)."""
        divergence = DIVERGENCES[self.kind]
        return divergence(y_true, y_pred, temperature=self.temperature)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        own = {"kind": self.kind, "temperature": self.temperature}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="tfcompress")
class FeatureLoss(keras.losses.Loss):
    """The difference of two features, as a Keras loss.

    Args:
        attention: Compare where the features are active, instead of their values.
        **settings: ``reduction``, ``name`` and ``dtype`` of `keras.losses.Loss`.
    """

    def __init__(self, *, attention: bool = False, **settings: Any) -> None:
        super().__init__(**{"name": "feature_loss", **settings})
        self.attention = attention

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the difference of each example; `y_true` is the teacher's feature."""
        compare = attention_difference if self.attention else feature_difference
        return compare(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "attention": self.attention}


def _float(values: Tensor) -> Tensor:
    return ops.cast(ops.convert_to_tensor(values), "float32")
