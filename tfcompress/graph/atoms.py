"""Name every channel of every layer, and say which of them stand or fall together.

An *atom* is one output channel of one layer. A tensor carries the atoms of its channel
axis as an integer array: a concatenation appends two arrays, a ``Flatten`` tiles one, a
depthwise convolution passes its input's array on, a residual ``Add`` ties two arrays
element by element. Atoms that are tied, directly or through others, form a class; a
class is kept or removed as a whole, and one pinned atom pins its class.

Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, section 3.2.
Here the unit is the single channel instead of the layer, which makes concatenation,
flattening and grouped convolution plain index arithmetic.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Channels:
    """The channel axis of one tensor.

    Attributes:
        axis: Position of the channel axis; the batch axis is 0.
        atoms: The atom at each position of that axis.
    """

    axis: int
    atoms: IntArray


@dataclasses.dataclass(frozen=True, slots=True)
class AtomClasses:
    """The atoms after all ties and pins are known.

    Attributes:
        root: For each atom, the smallest atom of its class.
        owner: For each atom, the number of the call that made it.
        reason: For each pinned class, by its root, why it is pinned.
    """

    root: IntArray
    owner: IntArray
    reason: dict[int, str]


class AtomTable:
    """Collects atoms, ties and pins while a graph is traced."""

    def __init__(self) -> None:
        self._size = 0
        self._owners: list[IntArray] = []
        self._ties: list[tuple[IntArray, IntArray]] = []
        self._pins: list[tuple[IntArray, str]] = []

    def new(self, count: int, *, owner: int) -> IntArray:
        """Make `count` atoms that belong to call number `owner`."""
        atoms = np.arange(self._size, self._size + count)
        self._size += count
        self._owners.append(np.full(count, owner))
        return atoms

    def tie(self, left: IntArray, right: IntArray) -> None:
        """Bind the two arrays element by element; they must be equally long."""
        if left is not right:
            self._ties.append((left, right))

    def pin(self, atoms: IntArray, reason: str, *, foremost: bool = False) -> None:
        """Fix the atoms; the first reason given to a class is the one reported.

        Args:
            atoms: What to fix.
            reason: Why.
            foremost: Report this reason before those given earlier.
        """
        if atoms.size:
            self._pins.insert(0 if foremost else len(self._pins), (atoms, reason))

    def resolve(self) -> AtomClasses:
        """Find the classes: connected components by label propagation.

        Example:
            >>> table = AtomTable()
            >>> a, b = table.new(2, owner=0), table.new(2, owner=1)
            >>> table.tie(a, b)
            >>> table.resolve().root.tolist()
            [0, 1, 0, 1]
        """
        root: IntArray = np.arange(self._size)
        if self._ties:
            left = np.concatenate([tie[0] for tie in self._ties])
            right = np.concatenate([tie[1] for tie in self._ties])
            root = _propagate(root, left, right)
        owner = np.concatenate(self._owners) if self._owners else root
        reason: dict[int, str] = {}
        for atoms, why in self._pins:
            for label in np.unique(root[atoms]).tolist():
                reason.setdefault(label, why)
        return AtomClasses(root, owner, reason)


def _propagate(root: IntArray, left: IntArray, right: IntArray) -> IntArray:
    """Lower both ends of every tie to the smaller label until nothing changes."""
    while True:
        before = root.copy()
        smaller = np.minimum(root[left], root[right])
        # The labels' own labels are lowered too, so that long chains close quickly.
        for ends in (left, right):
            np.minimum.at(root, root[ends], smaller)
            np.minimum.at(root, ends, smaller)
        while not np.array_equal(root, root[root]):
            root = root[root]
        if np.array_equal(root, before):
            return root


def label_array(channels: Channels, shape: tuple[Any, ...]) -> IntArray:
    """Spread the atoms over a whole tensor of the given shape, batch axis 1.

    What a reshape or a transpose does to the channels is what it does to this array.
    """
    dims = (1, *shape[1:])
    view = [1] * len(dims)
    view[channels.axis] = -1
    return np.broadcast_to(channels.atoms.reshape(view), dims)


def read_channels(labels: IntArray) -> Channels | None:
    """Find the axis that alone decides the atom, the last one first.

    Returns:
        The channels, or None if the atoms vary along more than one axis.
    """
    for axis in range(labels.ndim - 1, 0, -1):
        index = [0] * labels.ndim
        line = labels[tuple(slice(None) if i == axis else 0 for i in range(len(index)))]
        view = [1] * labels.ndim
        view[axis] = -1
        if np.array_equal(labels, np.broadcast_to(line.reshape(view), labels.shape)):
            return Channels(axis, np.ascontiguousarray(line))
    return None
