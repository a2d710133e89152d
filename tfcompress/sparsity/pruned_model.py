"""The model that `fit` prunes: a functional model with a `SparsityState` at its inputs.

It is an ordinary functional model to everything that reads, clones or trains one; the
class only puts the zeros' guards back after loading or cloning, tells them the
optimizer when it is compiled, and speaks up before a `fit` that cannot come out right.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from tfcompress import errors
from tfcompress.sparsity import selection
from tfcompress.sparsity.state import SparsityState
from tfcompress.training.following import follow_optimizer, watched_fit


@keras.saving.register_keras_serializable(package="tfcompress")
class PrunedModel(keras.Model):
    """Made by `tfcompress.sparsity.prune_low_magnitude`; compile and fit it as usual.

    Saved, it is a ``.keras`` file that goes on where it was; import
    `tfcompress.sparsity` before loading. `tfcompress.sparsity.strip` gives the plain
    model.
    """

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Build it again and hold its zeros."""
        model = super().from_config(config, custom_objects=custom_objects)
        attach(model)
        return model

    def compile(self, *arguments: Any, **settings: Any) -> None:
        """Compile as any model; its masks follow the optimizer."""
        attach(self)
        super().compile(*arguments, **settings)
        follow_optimizer(self)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as `get_compile_config` says."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> Any:
        """Return what `compile_from_config` needs."""
        return super().get_compile_config()

    def fit(self, *arguments: Any, **settings: Any) -> Any:
        """Fit as any model.

        A training that ends before its schedule gets a warning with the numbers: when
        it begins, if its length is known, and again if it ends otherwise than foreseen.
        With a `keras.callbacks.CallbackList` this fit is a part of a training that is
        led, and watched, elsewhere.

        Raises:
            ModelError: If other weights were loaded over the zeros, or the schedule
                was lost in saving.
        """
        return watched_fit(self, super().fit, *arguments, **settings)


def find_state(model: Any) -> SparsityState | None:
    """Return the pruning state of a model, or None."""
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, SparsityState):
            return layer
        found = find_state(layer)  # a model around a pruned one
        if found is not None:
            return found
    return None


def is_being_pruned(model: keras.Model) -> bool:
    """Return whether a model has masks: `strip` gives the plain model of it."""
    return find_state(model) is not None


def state_of(model: Any) -> SparsityState:
    """Return the pruning state of a model.

    Raises:
        ModelError: If it is not being pruned.
    """
    state = find_state(model)
    if state is None:
        raise errors.ModelError(
            f"This model is not being pruned. Received: "
            f"{getattr(model, 'name', type(model).__name__)!r}. Make it with "
            "`sparsity.prune_low_magnitude(model, schedule)`."
        )
    return state


def attach(model: keras.Model) -> None:
    """Find the pruned kernels in a model, and hold their zeros."""
    state = find_state(model)
    if state is not None:
        state.attach(selection.named_layers(model))


def total_steps(examples: int, batch_size: int, epochs: int) -> int:
    """Return the steps of a training.

    Example:
        >>> total_steps(1000, 128, 2)
        16
    """
    return math.ceil(examples / batch_size) * epochs
