"""What is checked before a pruned model is fitted, and said before and after.

It goes for every `fit` that trains the kernels: that of the pruned model, of a model
around it (`tfcompress.distill.Distiller`) and of the training loop.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.sparsity import schedules

if TYPE_CHECKING:
    from tfcompress.sparsity.state import SparsityState

_LOG = logging.getLogger(__name__)
_VISIBLE = 0.005  # the least difference of two sparsities that their two digits show


class FitWatcher(keras.callbacks.Callback):
    """Warns of a fit that ends before the schedule does; the last of its callbacks.

    Args:
        state: Of the model that is being pruned.
        initial_epoch: The epoch at which the fit begins.
    """

    def __init__(self, state: SparsityState, initial_epoch: int) -> None:
        super().__init__()
        self._state, self._first = state, initial_epoch
        self._foreseen: tuple[int, float] | None = None

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Compare the numbers, if the length of an epoch is known."""
        steps = self.params.get("steps")
        if steps:
            epochs = self.params["epochs"] - self._first
            self._foreseen = warn_if_short(self._state, steps * epochs)

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it
        """Look at what the model holds now."""
        warn_if_unfinished(self._state, foreseen=self._foreseen)


def check_ready(state: SparsityState, model: keras.Model) -> None:
    """Refuse to train a model whose masks or schedule are or would be lost.

    Args:
        state: Of what is being pruned.
        model: That is fitted: the pruned one, or one around it.

    Raises:
        ModelError: With the numbers and what to do.
    """
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas > 1 and model.compiled and model.steps_per_execution > 1:
        raise errors.ModelError(
            "On several replicas masks are computed in steps of their own. Received: "
            f"steps_per_execution={model.steps_per_execution} with {replicas} "
            f"replicas and {model.name!r}. Compile it with steps_per_execution=1."
        )
    check_masks(state)
    lost = getattr(state.schedule, "lost", "")
    if lost:
        raise errors.ModelError(
            f"The schedule was not saved with the model. Received: {model.name!r}, "
            f"whose schedule was {lost!r}. Give it again: "
            "`sparsity.resume(model, schedule)`."
        )


def check_masks(state: SparsityState) -> None:
    """Refuse weights that are not zero where the masks say so.

    Raises:
        ModelError: With the first such layer.
    """
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
