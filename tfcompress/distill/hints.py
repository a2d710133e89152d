"""Which inner features of the student should look like which of the teacher."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from tfcompress import errors
from tfcompress.config import Config, require
from tfcompress.distill.losses import FeatureLoss


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hint(Config):
    """A pair of layers whose outputs are compared.

    Example:
        >>> Hint(student="conv1", teacher="conv3").weight
        1.0
    """

    student: str  # name of a layer of the student
    teacher: str  # name of a layer of the teacher
    weight: float = 1.0  # of its loss
    attention: bool = False  # compare attention maps; widths may differ freely

    def __post_init__(self) -> None:
        """Check the weight."""
        require(self.weight > 0, "weight", self.weight, "above 0")


def as_hint(hint: Any) -> Hint:
    """Return a `Hint` from one, from a dict, or from a pair of names."""
    if isinstance(hint, Hint):
        return hint
    if isinstance(hint, dict):
        return Hint.from_dict(hint)
    student, teacher = hint
    return Hint(student=student, teacher=teacher)


class Hints(keras.layers.Layer):
    """The weighted feature losses of some hints, with the adapters they need.

    Where the widths differ, the student's feature goes through a 1x1 convolution that
    learns with the student and is thrown away with it.

    Args:
        hints: The pairs.
        shapes: Per hint the shapes of the student's and of the teacher's feature.
        seed: Of the adapters' first weights.

    Raises:
        ModelError: If two features cannot be compared.
    """

    def __init__(
        self, hints: Sequence[Hint], shapes: Sequence[tuple[Any, Any]], *, seed: int = 0
    ) -> None:
        super().__init__(name="hints")
        self.hints = list(hints)
        self.losses_of_hints = [FeatureLoss(attention=hint.attention) for hint in hints]
        self.adapters = []
        for index, (hint, (ours, theirs)) in enumerate(zip(hints, shapes, strict=True)):
            _check_shapes(hint, ours, theirs)
            if hint.attention or ours[-1] == theirs[-1]:
                self.adapters.append(keras.layers.Identity())
                continue
            start = keras.initializers.GlorotUniform(seed=seed + index)
            adapter = keras.layers.Dense(theirs[-1], kernel_initializer=start)
            adapter.build(ours)
            self.adapters.append(adapter)
        self.built = True

    def call(self, student: Sequence[Any], teacher: Sequence[Any]) -> Any:
        """Return the sum of the weighted losses of the features."""
        total = 0.0
        parts = zip(self.hints, self.losses_of_hints, self.adapters, strict=True)
        for (hint, loss, adapter), ours, theirs in zip(
            parts, student, teacher, strict=True
        ):
            total += hint.weight * loss(theirs, adapter(ours))
        return total


def _check_shapes(hint: Hint, ours: Any, theirs: Any) -> None:
    if tuple(ours[1:-1]) != tuple(theirs[1:-1]):
        raise errors.ModelError(
            "These features differ in more than their width. Received: "
            f"{hint.student!r} {tuple(ours)} of the student, {hint.teacher!r} "
            f"{tuple(theirs)} of the teacher. Choose layers of the same resolution."
        )
