"""Zeros among single weights: which weights of each layer go first, and the masks.

A layer's kernels are one list of weights; those of the smallest magnitude go first, and
of equal ones the first in the list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress import errors, graph
from tfcompress.config import check_known, require

Array = npt.NDArray[Any]
Key = tuple[str, str]

DENSE_LAYERS = (keras.layers.Dense, keras.layers.EinsumDense)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseLayer:
    """One layer whose kernels get zeros.

    Attributes:
        layer: Its name.
        variables: Short names of its kernels.
        size: Number of their weights.
        most: How many of them may become zero.
    """

    layer: str
    variables: tuple[str, ...]
    size: int
    most: int


def find_sparse_layers(
    layer_graph: graph.LayerGraph,
    *,
    max_sparsity: float = 0.8,
    max_dense_sparsity: float = 0.98,
    exclude: Iterable[str] = (),
) -> tuple[SparseLayer, ...]:
    """List the layers with kernels, in topological order.

    Args:
        layer_graph: The traced model.
        max_sparsity: Largest fraction of zeros in a convolution, in [0, 1).
        max_dense_sparsity: Likewise in a Dense layer.
        exclude: Names of layers to leave as they are.

    Raises:
        ConfigError: If a fraction is out of range or a name in `exclude` is unknown.
        ModelError: If fewer than two layers have kernels.
    """
    for name, value in [
        ("max_sparsity", max_sparsity),
        ("max_dense_sparsity", max_dense_sparsity),
    ]:
        require(0 <= value < 1, name, value, "in [0, 1)")
    excluded = set(exclude)
    for name in excluded:
        check_known(name, layer_graph.layers, owner=f"model {layer_graph.name!r}")
    kernels: dict[str, dict[str, int]] = {}
    for call, effect in zip(layer_graph.nodes, layer_graph.effects, strict=True):
        shapes = {v.name: v.shape for v in getattr(call.layer, "variables", ())}
        for variable in effect.positions:
            if call.name not in excluded and len(shapes.get(variable, ())) > 1:
                found = kernels.setdefault(call.name, {})
                found[variable] = int(np.prod(shapes[variable]))
    layers = []
    for name, sizes in kernels.items():
        is_dense = isinstance(layer_graph.layers[name], DENSE_LAYERS)
        size = sum(sizes.values())
        most = int((max_dense_sparsity if is_dense else max_sparsity) * size + 1e-9)
        layers.append(
            SparseLayer(layer=name, variables=tuple(sizes), size=size, most=most)
        )
    if len(layers) < 2:
        raise errors.ModelError(
            "A search needs at least two layers with kernels to decide about. "
            f"Received: model {layer_graph.name!r} with "
            f"{', '.join(kernels) or 'none'}. Exclude fewer layers; the sparsity of a "
            "single one needs no search."
        )
    return tuple(layers)


class Magnitudes:
    """The kernels of a model with any number of zeros.

    Args:
        layer_graph: The traced model.
        layers: The layers that get zeros.
    """

    def __init__(
        self, layer_graph: graph.LayerGraph, layers: Sequence[SparseLayer]
    ) -> None:
        self._layers = tuple(layers)
        self._kernels = {
            entry.layer: _kernels(layer_graph, entry) for entry in self._layers
        }
        self._order = {name: _rising(found) for name, found in self._kernels.items()}

    def original(self, key: Key) -> Array:
        """Return a kernel without zeros."""
        return self._kernels[key[0]][key[1]]

    def masks(self, removed: Sequence[int]) -> dict[Key, Array]:
        """Return which weights stay, for so many zeros in each layer.

        Example:
            >>> x = keras.Input((2,))
            >>> model = keras.Model(x, keras.layers.Dense(2, name="d")(x))
            >>> model.layers[-1].kernel.assign([[0.5, -0.1], [0.2, 3.0]])
            <...>
            >>> entry = SparseLayer(layer="d", variables=("kernel",), size=4, most=3)
            >>> Magnitudes(graph.trace(model), [entry]).masks([2])["d", "kernel"]
            array([[ True, False],
                   [False,  True]])
        """
        found: dict[Key, Array] = {}
        for entry, count in zip(self._layers, removed, strict=True):
            keep_mask = np.ones(entry.size, bool)
            keep_mask[self._order[entry.layer][:count]] = False
            start = 0
            for variable, kernel in self._kernels[entry.layer].items():
                part = keep_mask[start : start + kernel.size]
                found[entry.layer, variable] = part.reshape(kernel.shape)
                start += kernel.size
        return found

    def masked(self, masks: Mapping[Key, Array]) -> dict[Key, Array]:
        """Return the kernels with their zeros."""
        return {
            key: np.where(keep_mask, self.original(key), 0).astype(np.float32)
            for key, keep_mask in masks.items()
        }


def _kernels(layer_graph: graph.LayerGraph, entry: SparseLayer) -> dict[str, Array]:
    values = {v.name: v for v in layer_graph.layers[entry.layer].variables}
    return {name: np.asarray(values[name].numpy()) for name in entry.variables}


def _rising(kernels: Mapping[str, Array]) -> Array:
    flat = np.concatenate([np.abs(kernel).ravel() for kernel in kernels.values()])
    return np.argsort(flat, kind="stable").astype(np.int32)
