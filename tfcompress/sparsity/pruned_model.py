"""The model that `fit` prunes: a functional model with a `SparsityState` at its inputs.

It is an ordinary functional model to everything that reads, clones or trains one; the
class only puts the zeros' guards back after loading or cloning, tells them the
optimizer when it is compiled, and speaks up before a `fit` that cannot come out right.
"""

from __future__ import annotations

import inspect
import logging
import math
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.sparsity import schedules, selection
from tfcompress.sparsity.state import SparsityState
from tfcompress.training.following import follow_optimizer

_LOG = logging.getLogger(__name__)
_VISIBLE = 0.005  # the least difference of two sparsities that their two digits show


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
        check_ready(self)
        call = inspect.signature(super().fit).bind(*arguments, **settings)
        callbacks = call.arguments.get("callbacks")
        if isinstance(callbacks, keras.callbacks.CallbackList):
            return super().fit(*arguments, **settings)
        foresight = _Foresight(int(call.arguments.get("initial_epoch", 0)))
        given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
        call.arguments["callbacks"] = [*filter(None, given), foresight]
        history = super().fit(*call.args, **call.kwargs)
        # Not in a callback: one after it could still put earlier weights back.
        warn_if_unfinished(state_of(self), foreseen=foresight.end)
        return history


class _Foresight(keras.callbacks.Callback):
    """Warns before a fit that is shorter than what is left of the schedule.

    Attributes:
        end: The step and sparsity that it has warned of, if it has.
    """

    def __init__(self, initial_epoch: int) -> None:
        super().__init__()
        self._first = initial_epoch
        self.end: tuple[int, float] | None = None

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Compare the numbers, if the length of an epoch is known."""
        steps = self.params.get("steps")
        if steps:
            epochs = self.params["epochs"] - self._first
            self.end = warn_if_short(state_of(self.model), steps * epochs)


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


def check_ready(model: keras.Model) -> None:
    """Refuse to train a model whose masks or schedule are or would be lost.

    Raises:
        ModelError: With the numbers and what to do.
    """
    state = state_of(model)
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas > 1 and model.compiled and model.steps_per_execution > 1:
        raise errors.ModelError(
            "On several replicas masks are computed in steps of their own. Received: "
            f"steps_per_execution={model.steps_per_execution} with {replicas} "
            f"replicas and {model.name!r}. Compile it with steps_per_execution=1."
        )
    check_masks(model)
    lost = getattr(state.schedule, "lost", "")
    if lost:
        raise errors.ModelError(
            f"The schedule was not saved with the model. Received: {model.name!r}, "
            f"whose schedule was {lost!r}. Give it again: "
            "`sparsity.resume(model, schedule)`."
        )


def check_masks(model: keras.Model) -> None:
    """Refuse weights that are not zero where the masks say so.

    Raises:
        ModelError: With the first such layer.
    """
    state = state_of(model)
    for kernel, variable, mask in zip(
        state.kernels, state.variables_pruned, state.masks, strict=True
    ):
        masked = ~mask.numpy()
        alive = int(np.count_nonzero(variable.numpy()[masked]))
        if alive:
            raise errors.ModelError(
                "The zeros are gone: other weights were loaded over them. Received: "
                f"{alive} of {int(masked.sum())} masked weights of {kernel.layer!r} "
                "are not zero. Set them to zero again with "
                "`sparsity.apply_masks(model)`, or start anew from these weights with "
                "`prune_low_magnitude(sparsity.strip(model, check=False), schedule)`."
            )


def warn_if_short(state: SparsityState, steps: int) -> tuple[int, float] | None:
    """Warn if so many more steps do not reach the end of the schedule.

    Returns:
        The step and the sparsity at which they end, if it has warned.
    """
    last = schedules.last_step(state.schedule)
    end = int(state.step.numpy()) + steps
    if last is None or end > last:
        return None
    reached = float(state.schedule(max(0, end - 1))[1])
    _warn_short(end, last, reached, schedules.final_sparsity(state.schedule))
    return end, reached


def warn_if_unfinished(
    state: SparsityState, *, foreseen: tuple[int, float] | None = None
) -> None:
    """Warn if the training that is over has not reached the end of the schedule.

    What counts is what the model holds now: a callback may have stopped the training,
    or put earlier weights back, and masks and step with them.

    Args:
        state: Of the model.
        foreseen: A step and a sparsity of which `warn_if_short` has warned.
    """
    last = schedules.last_step(state.schedule)
    if last is None:
        return
    step, reached = int(state.step.numpy()), state.sparsity
    if foreseen and step == foreseen[0] and abs(reached - foreseen[1]) < _VISIBLE:
        return
    final = schedules.final_sparsity(state.schedule)
    wanted = None if final is None else state.sparsity_at(final)
    if step <= last:
        _warn_short(step, last, reached, wanted)
    elif wanted is not None and wanted - reached > _VISIBLE:
        _LOG.warning(
            "The schedule is over, but its sparsity is not reached: after step %d, the "
            "last masks were due at step %d; the sparsity is %.2f of %.2f. Give it "
            "another schedule, `sparsity.resume(model, schedule)`, and train on.",
            step, last, reached, wanted,
        )  # fmt: skip


def _warn_short(step: int, last: int, reached: float, wanted: float | None) -> None:
    goal = "" if wanted is None else f" of {wanted:.2f}"
    _LOG.warning(
        "The training ends before the schedule: after step %d, the last masks are due "
        "at step %d; a sparsity of %.2f%s is reached. Train for %d more steps, or "
        "choose an earlier `end_step`.",
        step, last, reached, goal, last + 1 - step,
    )  # fmt: skip


def total_steps(examples: int, batch_size: int, epochs: int) -> int:
    """Return the steps of a training.

    Example:
        >>> total_steps(1000, 128, 2)
        16
    """
    return math.ceil(examples / batch_size) * epochs
