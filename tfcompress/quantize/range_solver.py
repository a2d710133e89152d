"""Find the factors of cross-layer equalisation by visiting groups until nothing moves.

A group is what has the same makers and the same readers.  Each visit multiplies the
factor of channel ``i`` by ``sqrt(r1_i / r2_i)``, where ``r1`` and ``r2`` are the
largest weights that make and that read it under the factors so far.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.quantize.kernels import array_of, variables_of
from tfcompress.quantize.scalable import ScalableChannels, ScaledWeight, free_roots

Array = npt.NDArray[np.float64]

MAX_SWEEPS = 100
CONVERGED = 1e-4  # largest relative change of a factor in the last sweep
MAX_FACTOR = 1e4
DEAD = 1e-6  # of the largest range: such a channel is left alone


@dataclasses.dataclass(frozen=True, kw_only=True)
class EqualizedGroup:
    """Channels that got factors together.

    Attributes:
        makers: The layers that make them.
        readers: The layers that read them.
        channels: How many.
        largest_factor: The largest factor or inverse factor.
    """

    makers: tuple[str, ...]
    readers: tuple[str, ...]
    channels: int
    largest_factor: float


class Solver:
    """Finds the factors; holds each kernel's magnitudes, window reduced away.

    Args:
        channels: The channels, and the weights around them.
        layers: The model's layers by name; `assign` changes their weights.
    """

    def __init__(self, channels: ScalableChannels, layers: dict[str, Any]) -> None:
        self._channels = channels
        self._layers = layers
        self._root = channels.classes.root
        self.factor: Array = np.ones(self._root.size)
        kernels = [w for w in channels.weights if w.is_kernel]
        self._kernels = [(w, self._magnitude(w)) for w in kernels]
        self._groups = self._find_groups()

    def solve(self) -> int:
        """Visit all groups until no factor moves; return the number of sweeps."""
        for sweep in range(1, MAX_SWEEPS + 1):
            moved = max((self._update(group) for group in self._groups), default=0.0)
            if moved < CONVERGED:
                return sweep
        return MAX_SWEEPS

    def assign(self) -> None:
        """Put the factors into the weights."""
        for weight in self._channels.weights:
            variable = variables_of(self._layers[weight.layer])[weight.name]
            value = array_of(variable).astype(np.float64)
            variable.assign(value * self._multiplier(weight, value.shape))

    def spreads(self) -> dict[str, float]:
        """Return each kernel's largest channel range over the median one."""
        found: dict[str, float] = {}
        for weight, magnitude in self._kernels:
            scaled = magnitude * self._scale(weight)
            axes = tuple(i for i, n in enumerate(weight.makes.shape) if n == 1)
            ranges = scaled.max(axis=axes)
            used = ranges[ranges > 0]
            spread = float(used.max() / np.median(used)) if used.size else 1.0
            found[weight.layer] = max(spread, found.get(weight.layer, 0.0))
        return found

    def report(self) -> list[EqualizedGroup]:
        """Return what each group got."""
        made = []
        for roots, makers, readers in self._groups:
            used = self.factor[roots]
            made.append(
                EqualizedGroup(
                    makers=_names(makers),
                    readers=_names(readers),
                    channels=len(roots),
                    largest_factor=float(np.max(np.maximum(used, 1 / used))),
                )
            )
        return made

    def _magnitude(self, weight: ScaledWeight) -> Array:
        value = np.abs(array_of(variables_of(self._layers[weight.layer])[weight.name]))
        shape = np.broadcast_shapes(
            weight.makes.shape, () if weight.reads is None else weight.reads.shape
        )
        axes = tuple(i for i, n in enumerate(shape) if n == 1)
        return np.asarray(value.max(axis=axes, keepdims=True), np.float64)

    def _find_groups(self) -> list[tuple[Any, list[int], list[int]]]:
        """Sort the free classes by the kernels that make and that read them."""
        around: dict[int, tuple[list[int], list[int]]] = {}
        for number, (weight, _) in enumerate(self._kernels):
            for root in free_roots(self._channels, weight.makes.ravel()):
                around.setdefault(root, ([], []))[0].append(number)
            reads = np.zeros(0, int) if weight.reads is None else weight.reads.ravel()
            for root in free_roots(self._channels, reads):
                around.setdefault(root, ([], []))[1].append(number)
        groups: dict[tuple[Any, Any], list[int]] = {}
        for root, (makers, readers) in around.items():
            if makers and readers:
                groups.setdefault((tuple(makers), tuple(readers)), []).append(root)
        return [
            (np.array(roots), *map(self._weights, key)) for key, roots in groups.items()
        ]

    def _weights(self, numbers: tuple[int, ...]) -> Any:
        return [self._kernels[number] for number in numbers]

    def _update(self, group: tuple[Any, Any, Any]) -> float:
        roots, makers, readers = group
        made = self._ranges(roots, makers, "makes")
        read = self._ranges(roots, readers, "reads")
        alive = (made > DEAD * made.max()) & (read > DEAD * read.max())
        step = np.sqrt(np.where(alive, made, 1.0) / np.where(alive, read, 1.0))
        old = self.factor[roots]
        new = np.clip(old * step, 1 / MAX_FACTOR, MAX_FACTOR)
        self.factor[roots] = new
        return float(np.abs(np.log(new / old)).max())

    def _ranges(self, roots: Any, kernels: Any, side: str) -> Array:
        """Return for each class the largest weight on one side."""
        largest: Array = np.zeros(self._root.size)
        for weight, magnitude in kernels:
            scaled = magnitude * self._scale(weight)
            atoms = getattr(weight, side)
            axes = tuple(i for i, n in enumerate(atoms.shape) if n == 1)
            reduced = scaled.max(axis=axes, keepdims=True)
            np.maximum.at(largest, self._root[atoms].ravel(), reduced.ravel())
        found: Array = largest[roots]
        return found

    def _scale(self, weight: ScaledWeight) -> Array:
        scale: Array = 1.0 / self.factor[self._root[weight.makes]]
        if weight.reads is not None:
            scale = scale * self.factor[self._root[weight.reads]]
        return scale

    def _multiplier(self, weight: ScaledWeight, shape: tuple[int, ...]) -> Array:
        scale = self._scale(weight)
        return scale if weight.is_kernel else scale.reshape(shape)


def _names(kernels: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(weight.layer for weight, _ in kernels))
