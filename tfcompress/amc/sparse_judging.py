"""Judge a model with zeros among its weights, after a regression and a short tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import graph
from tfcompress.amc.judging import Evaluate, judged
from tfcompress.amc.magnitudes import Key, Magnitudes, SparseLayer

Array = npt.NDArray[Any]
Tune = Callable[[keras.Model], object]


class Regress(Protocol):
    """Refits the weights that stay: masks to kernels, zero where masks are false."""

    def __call__(self, masks: Mapping[Key, Array]) -> Mapping[Key, Array]:
        """Return some or all of the kernels."""


class SparseJudge:
    """Calls `evaluate` on a model with so many zeros in each layer.

    Args:
        layer_graph: The traced model; it is not changed.
        layers: The layers that get zeros.
        evaluate: Returns the metric of the model that it is given.
        regress: Refits the weights that stay.
        tune: Trains the model briefly.
        higher_is_better: Direction of the metric; None: what `evaluate` has under this
            name, or true.
    """

    def __init__(
        self,
        layer_graph: graph.LayerGraph,
        layers: Sequence[SparseLayer],
        evaluate: Evaluate,
        *,
        regress: Regress | None,
        tune: Tune | None,
        higher_is_better: bool | None,
    ) -> None:
        self._graph, self._evaluate = layer_graph, evaluate
        self._regress, self._tune = regress, tune
        self._magnitudes = Magnitudes(layer_graph, layers)
        if higher_is_better is None:
            higher_is_better = bool(getattr(evaluate, "higher_is_better", True))
        self.higher_is_better = higher_is_better
        self._made: _SparseModel | None = None

    @property
    def model(self) -> keras.Model:
        """Return the model that is judged."""
        return self._sparse.model

    def __call__(self, removed: Sequence[int]) -> float:
        """Return the metric with so many zeros in each layer.

        Raises:
            ModelError: If `evaluate` fails or does not return a finite number.
        """
        self._prepare(self._sparse, removed)
        try:
            return judged(self._evaluate, self.model)
        finally:
            self._sparse.restore()

    def copy(self, removed: Sequence[int]) -> keras.Model:
        """Return a model of its own as it is judged."""
        sparse = _SparseModel(self._graph, self._magnitudes)
        self._prepare(sparse, removed)
        sparse.release()
        return sparse.model

    @property
    def _sparse(self) -> _SparseModel:
        if self._made is None:
            self._made = _SparseModel(self._graph, self._magnitudes)
        return self._made

    def _prepare(self, sparse: _SparseModel, removed: Sequence[int]) -> None:
        masks = self._magnitudes.masks(removed)
        kernels = self._magnitudes.masked(masks)
        if self._regress is not None:
            kernels |= self._regress(masks)
        sparse.assign(kernels)
        if self._tune is not None:
            sparse.tune(self._tune, masks)


class _SparseModel:
    """A copy of a model whose kernels are assigned, tuned, and put back."""

    def __init__(self, layer_graph: graph.LayerGraph, magnitudes: Magnitudes) -> None:
        self._candidate = graph.CandidateModel(layer_graph, fold_constants=False)
        self._full = graph.PruningPlan.full(layer_graph)
        self._magnitudes = magnitudes
        self._holds: dict[Key, _Hold] = {}
        self._before: list[Array] | None = None

    @property
    def model(self) -> keras.Model:
        return self._candidate.model

    def assign(self, kernels: Mapping[Key, Array]) -> None:
        self._candidate.assign(self._full, kernels)

    def tune(self, tune: Tune, masks: Mapping[Key, Array]) -> None:
        """Train for a moment, the zeros held by constraints that optimizers apply."""
        self._before = [variable.numpy() for variable in self.model.variables]
        for key, keep_mask in masks.items():
            if key not in self._holds:
                self._holds[key] = _Hold(keep_mask)
                self._variable(key).constraint = self._holds[key]
            self._holds[key].assign(keep_mask)
        tune(self.model)
        for key, hold in self._holds.items():
            variable = self._variable(key)
            variable.assign(hold(variable))

    def restore(self) -> None:
        """Take back what the tuning has changed."""
        if self._before is None:
            return
        for variable, value in zip(self.model.variables, self._before, strict=True):
            variable.assign(value)
        self._before = None

    def release(self) -> None:
        """Let go of the constraints, so that the model trains freely."""
        for key in self._holds:
            self._variable(key).constraint = None

    def _variable(self, key: Key) -> Any:
        layer = self.model.get_layer(key[0])
        return next(v for v in layer.variables if v.name == key[1])


class _Hold(keras.constraints.Constraint):
    """Keeps the zeros of one kernel, whatever a step of training does."""

    def __init__(self, keep_mask: Array) -> None:
        self._mask = keras.Variable(
            keep_mask.astype(np.float32), trainable=False, name="keep_mask"
        )

    def __call__(self, w: Any) -> Any:
        """Return the kernel with its zeros."""
        return keras.ops.multiply(w, keras.ops.cast(self._mask, w.dtype))

    def assign(self, keep_mask: Array) -> None:
        """Hold other zeros from now on; compiled steps follow."""
        self._mask.assign(keep_mask.astype(np.float32))
