"""One same-shape model that stands for one candidate plan after another.

A search judges thousands of plans.  Building each pruned model costs more than judging
it, so the candidates share a model that is built and compiled once: `assign` switches
the removed channels off where they are consumed, as `masking` does, by writing only the
weights that differ from the last candidate's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress.graph import folding
from tfcompress.graph.atoms import IntArray
from tfcompress.graph.channel_rules import weights_of
from tfcompress.graph.plans import PruningPlan
from tfcompress.graph.rebuilding import rebuild
from tfcompress.graph.surgery import bias_edits, copy_weights
from tfcompress.graph.tracing import BoolArray, LayerGraph, as_graph

Key = tuple[str, str]
"""Name of a layer and short name of one of its weights."""

Weights = Mapping[Key, npt.NDArray[Any]]
"""Full-size values of some weights, such as a least-squares repair."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Consumer:
    """A kernel that reads channels which plans may remove."""

    key: Key
    atoms: tuple[tuple[int, IntArray], ...]  # axis of the kernel, channels on it

    def mask(self, kept: BoolArray) -> bytes:
        """Return what decides the kernel's value: which inputs are kept."""
        return b"".join(kept[atoms].tobytes() for _, atoms in self.atoms)

    def zeroed(self, value: npt.NDArray[Any], kept: BoolArray) -> npt.NDArray[Any]:
        """Return the kernel with zeros at its removed inputs."""
        for axis, atoms in self.atoms:
            view = [1] * value.ndim
            view[axis] = -1
            value = np.where(kept[atoms].reshape(view), value, 0)
        return value


class CandidateModel:
    """A same-shape copy of a model that computes what any plan's pruned model does.

    Args:
        model: The model, or its graph; it is not changed.
        fold_constants: Put the constants of removed channels in their place, as
            `prune_model` does. The copy then has a bias, at first zero, wherever
            folding may need one.

    Attributes:
        model: The copy, always the same object: what was compiled from it stays valid.
        layers: Its layers, by their names in the flattened model.

    Raises:
        ModelError: If the model cannot be traced.

    Example:
        >>> x = inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(3, name="hidden")(x)
        >>> candidate = CandidateModel(keras.Model(inputs, keras.layers.Dense(1)(x)))
        >>> plan = PruningPlan.of(candidate.graph, {"hidden": [0, 2]})
        >>> candidate.assign(plan)
        >>> candidate.model.layers[-1].kernel.numpy().ravel().round(3)[1]
        np.float32(0.0)
    """

    model: keras.Model

    def __init__(
        self, model: keras.Model | LayerGraph, *, fold_constants: bool = True
    ) -> None:
        self.graph = as_graph(model).refreshed()
        self._folds = fold_constants
        nothing = np.zeros(self.graph.classes.root.size, bool)
        edits = bias_edits(self.graph, nothing) if fold_constants else {}
        self.model, self.layers, _ = rebuild(self.graph.model, self.graph.flat, edits)
        for name, layer in self.layers.items():
            copy_weights(self.graph, name, layer, kept=None, shifted={})
        self._variables = {
            (name, variable.name): variable
            for name, layer in self.layers.items()
            if layer is not self.graph.layers[name]
            for variable in getattr(layer, "variables", ())
        }
        self._consumers = tuple(self._find_consumers())
        # What each weight holds now; one that is not here holds the original's value.
        self._state: dict[Key, object] = {}

    def assign(self, plan: PruningPlan, repaired: Weights | None = None) -> None:
        """Make the model compute what `plan` leaves.

        Args:
            plan: What to keep.
            repaired: Weights to use as they are, zero at removed inputs. Where it holds
                a consumer's kernel, nothing is folded into that consumer.

        Raises:
            PlanError: If the plan is for another model.
            KeyError: If `repaired` names a weight that the model has not.
        """
        plan.validate(self.graph)
        repaired = repaired or {}
        kept = self.graph.kept_atoms(plan)
        wanted: dict[Key, object] = dict(self._masks(kept, repaired))
        folds = self._shifts(kept, {layer for layer, _ in repaired})
        wanted.update({key: state for key, (state, _) in folds.items()})
        wanted.update(repaired)
        consumers = {consumer.key: consumer for consumer in self._consumers}
        for key in {**self._state, **wanted}:
            state = wanted.get(key)
            if _same(state, self._state.get(key)):
                continue
            if key in repaired:
                value = repaired[key]
            elif key in folds:
                value = self._shifted(key, folds[key][1], kept)
            elif state is not None:
                value = consumers[key].zeroed(self._original(key), kept)
            else:
                value = self._original(key)
            self._variables[key].assign(value)
        self._state = wanted

    def _find_consumers(self) -> list[_Consumer]:
        found = []
        for layer, weights in self.graph.weight_axes.items():
            for variable, axes in weights.items():
                read = tuple(
                    (i, axis.atoms)
                    for i, axis in enumerate(axes)
                    if axis is not None and axis.role == "consumes"
                )
                if read and (layer, variable) in self._variables:
                    found.append(_Consumer((layer, variable), read))
        return found

    def _masks(self, kept: BoolArray, repaired: Weights) -> dict[Key, bytes]:
        """Return the state of each kernel that loses inputs."""
        return {
            consumer.key: consumer.mask(kept)
            for consumer in self._consumers
            if consumer.key not in repaired
            and not all(kept[atoms].all() for _, atoms in consumer.atoms)
        }

    def _shifts(
        self, kept: BoolArray, skipped: set[str]
    ) -> dict[Key, tuple[bytes, folding.FoldTarget]]:
        """Return the state of each weight that takes up constants, and its source."""
        found: dict[Key, tuple[bytes, folding.FoldTarget]] = {}
        for target in self.graph.fold_targets.values() if self._folds else ():
            if target.layer in skipped or not np.any(target.removed(kept)):
                continue
            state = kept[target.atoms].tobytes()
            for key, _ in target.places():
                if key in self._variables:
                    found[key] = (state, target)
        return found

    def _shifted(
        self, key: Key, target: folding.FoldTarget, kept: BoolArray
    ) -> npt.NDArray[Any]:
        weights = weights_of(self.graph.layers[target.layer])
        shift = target.fold.shift(weights, target.removed(kept))
        return np.asarray(self._original(key) + dict(target.places())[key] * shift)

    def _original(self, key: Key) -> npt.NDArray[Any]:
        """Return the original's value; a bias that it does not have is zero."""
        layer, name = key
        weights = weights_of(self.graph.layers[layer])
        if name in weights:
            return np.asarray(weights[name])
        return np.zeros(self._variables[key].shape, np.float32)


def _same(one: object, other: object) -> bool:
    """Return whether a weight needs no writing: equal masks, or the same array."""
    if isinstance(one, bytes) and isinstance(other, bytes):
        return one == other
    return one is other
