"""The layer that holds masks and step counter, and computes the masks on schedule.

It stands behind a model's inputs and passes them on.  In training it looks, before any
kernel is read, whether the schedule wants new masks at this step::

    step t:  [masks, zeros, slots <- |w|, s(t)]  only if due, one tf.cond for all
             t <- t + 1
             forward, backward, optimizer step, w <- where(mask, w, 0)

Its variables are part of the model, so masks and step are saved, resumed and shared by
twins like any weight.  A step is a call in training: nothing in the graph tells which
optimizer, if any, belongs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfcompress.sparsity import fit_watcher, patterns, schedules
from tfcompress.sparsity.holding import Hold, slots
from tfcompress.sparsity.layouts import Layout
from tfcompress.sparsity.selection import Kernel, owner_of, variable_of
from tfcompress.training.replicas import is_one_of_several, own_copies


@keras.saving.register_keras_serializable(package="tfcompress")
class SparsityState(keras.layers.Layer):
    """Masks of the kernels of a model, and when they are computed anew.

    Made by `tfcompress.sparsity.prune_low_magnitude`, not by hand.

    Args:
        kernels: What is pruned, as `Kernel` or its dict.
        schedule: A `Schedule`, or what `schedules.serialize` made of one.
        pattern: As `patterns.parse` reads it.
        skipped: Why the other layers are not pruned.
        sequential: Whether the plain model is a Sequential one.
        **settings: As for `keras.layers.Layer`.
    """

    def __init__(
        self,
        kernels: Sequence[Any],
        *,
        schedule: Any,
        pattern: str = "unstructured",
        skipped: Mapping[str, str] | None = None,
        sequential: bool = False,
        **settings: Any,
    ) -> None:
        # Inputs pass as they are, and kernels are read as they are, in any precision.
        super().__init__(**{**settings, "autocast": False})
        described = [Kernel.from_dict(k) if isinstance(k, dict) else k for k in kernels]
        if isinstance(schedule, dict):
            schedule = schedules.deserialize(schedule)
        self._own = _Untracked(tuple(described), schedule, patterns.parse(pattern))
        self.skipped, self.sequential = dict(skipped or {}), sequential

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """What is pruned."""
        return self._own.kernels

    @property
    def schedule(self) -> Any:
        """When masks are computed, and how sparse."""
        return self._own.schedule

    @schedule.setter
    def schedule(self, schedule: Any) -> None:
        self._own.schedule = schedule

    @property
    def pattern(self) -> patterns.Pattern:
        """Which weights go."""
        return self._own.pattern

    @property
    def sparsity(self) -> float:
        """The fraction of zeros among all weights of `variables_pruned`."""
        alive = sum(np.count_nonzero(v.numpy()) for v in self.variables_pruned)
        return 1 - int(alive) / sum(kernel.size for kernel in self.kernels)

    @property
    def variables_pruned(self) -> list[Any]:
        """The variables that belong to `kernels`; empty if they are not known yet."""
        return self._own.variables

    @property
    def compute_dtype(self) -> Any:
        """Full precision: nothing is computed with the inputs."""
        return self.variable_dtype

    def build(self, *_: Any, **__: Any) -> None:
        """Make the step counter and a mask for each kernel."""
        state = {"trainable": False, "aggregation": "only_first_replica"}
        with own_copies():
            self.step = self.add_weight(
                name="step", shape=(), dtype="int64", initializer="zeros", **state
            )
            self.masks = [
                self.add_weight(
                    name=f"keep_mask_{number}",
                    shape=kernel.shape,
                    dtype="bool",
                    initializer="ones",
                    **state,
                )
                for number, kernel in enumerate(self.kernels)
            ]
        self.built = True

    def attach(self, layers: Mapping[str, Any]) -> None:
        """Find the kernels among the layers of a model and hold their zeros."""
        found = [variable_of(layers[k.layer], k) for k in self.kernels]
        if [id(v) for v in found] == [id(v) for v in self._own.variables]:
            return
        self._own.variables = found
        self._own.layouts = [
            Layout.of(owner_of(layers[k.layer], k), k.shape) for k in self.kernels
        ]
        for variable, mask in zip(found, self.masks, strict=True):
            before = variable.constraint
            before = before.before if isinstance(before, Hold) else before
            variable.constraint = Hold(mask, before, self._own.optimizers)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Pass the inputs on; in training, compute masks that are due."""
        if training and self._own.variables:
            with tf.control_dependencies(inputs):  # no batch, no step
                self._advance()
        return inputs

    def watch_fit(
        self, model: keras.Model, initial_epoch: int
    ) -> keras.callbacks.Callback:
        """Return what watches a fit of `model`, which is the pruned one or holds it.

        Raises:
            ModelError: If masks or schedule are or would be lost.
        """
        fit_watcher.check_ready(self, model)
        return fit_watcher.FitWatcher(self, initial_epoch)

    def _advance(self) -> None:
        if not isinstance(self.schedule, schedules.FixedMasks):
            turn, sparsity = self.schedule(self.step.value)
            ops.cond(turn, lambda: self.update(sparsity), lambda: None)
        self.step.assign_add(1)

    def compute_output_spec(self, inputs: Any, training: Any = None) -> Any:  # noqa: ARG002 - Keras passes it
        """Return the inputs' own shapes."""
        return [keras.KerasTensor(x.shape, x.dtype, name=x.name) for x in inputs]

    def update(self, sparsity: Any) -> None:
        """Compute all masks for a sparsity, and set what they mask to zero."""
        for number in range(len(self.kernels)):
            self._update_one(number, self._keep_mask(number, sparsity))

    def sparsity_at(self, sparsity: float) -> float:
        """Return the fraction of zeros that masks for a sparsity would leave now."""
        kept = sum(
            np.count_nonzero(self._keep_mask(number, sparsity))
            for number in range(len(self.kernels))
        )
        return 1 - int(kept) / sum(kernel.size for kernel in self.kernels)

    def _keep_mask(self, number: int, sparsity: Any) -> Any:
        kernel, variable = self.kernels[number], self._own.variables[number]
        whole = schedules.final_sparsity(self.schedule)
        scale = kernel.sparsity / whole if kernel.sparsity and whole else 1.0
        goal = ops.convert_to_tensor(sparsity, "float64") * scale
        layout = self._own.layouts[number]
        keep = self.pattern.keep_mask(layout.view(variable.value), goal)
        return layout.undo(keep, variable.shape)

    def _update_one(self, number: int, keep: Any) -> None:
        variable = self._own.variables[number]
        self.masks[number].assign(keep)
        if is_one_of_several():
            return  # which cannot meet to set weights here; the constraint does, after
        held = [variable]
        for reference in self._own.optimizers:
            optimizer = reference()
            held += [] if optimizer is None else slots(optimizer, variable)
        for kept in held:
            value = kept.value
            kept.assign(ops.where(keep, value, ops.zeros((), value.dtype)))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as JSON values."""
        return {
            **super().get_config(),
            "kernels": [kernel.to_dict() for kernel in self.kernels],
            "schedule": schedules.serialize(self.schedule),
            "pattern": str(self.pattern),
            "skipped": self.skipped,
            "sequential": self.sequential,
        }


class _Untracked:
    """What Keras must not take for the layer's own: kernels belong to their layers.

    Twins of the layer share this object, so what one finds the others know.
    """

    def __init__(
        self, kernels: tuple[Kernel, ...], schedule: Any, pattern: patterns.Pattern
    ) -> None:
        self.kernels, self.schedule, self.pattern = kernels, schedule, pattern
        self.variables: list[Any] = []
        self.layouts: list[Layout] = []
        self.optimizers: list[Any] = []  # weak references
