"""Channel groups: which channels of which weights are kept or removed together.

The classes of atoms (see `atoms`) that are made by the same set of layers form one
*channel group*: channel ``i`` of the group is one class. A residual ``Add`` puts both
branches into one group; a concatenation leaves each branch its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tfcompress.graph.atoms import AtomClasses, IntArray
from tfcompress.graph.channel_rules import (
    CONSUMES,
    FOLLOWS,
    PRODUCES,
    SCALES,
    Effect,
)
from tfcompress.graph.reading import Call


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChannelSlice:
    """Where the channels of one group lie on one axis of one weight.

    Attributes:
        layer: Name of the layer.
        variable: Short name of the weight, such as ``"kernel"``.
        axis: The axis of the weight.
        channel: For each position of that axis, the number of the channel in the
            group, or -1 where the position belongs to another group.
    """

    layer: str
    variable: str
    axis: int
    channel: IntArray


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ChannelGroup:
    """Channels of one or more layers that can be removed, each only as a whole.

    Attributes:
        name: Name of its first layer, with ``#2`` … for further groups of that layer.
        size: Number of channels.
        layers: Names of the layers that make them, in topological order.
        producers: Output axes of the kernels that make them.
        scales: Scales of the BatchNorms that they run through.
        followers: Other weights with one entry per channel (biases, depthwise kernels).
        consumers: Input axes of the kernels that read them.
        roots: The class of each channel, for the graph's own use.
    """

    name: str
    size: int
    layers: tuple[str, ...]
    producers: tuple[ChannelSlice, ...]
    scales: tuple[ChannelSlice, ...]
    followers: tuple[ChannelSlice, ...]
    consumers: tuple[ChannelSlice, ...]
    roots: IntArray


def find_groups(
    calls: Sequence[Call], effects: Sequence[Effect], classes: AtomClasses
) -> tuple[ChannelGroup, ...]:
    """Gather the free classes into groups, ordered by their first layer."""
    members = _classes_by_layers(calls, classes)
    slices = _slices(calls, effects)
    names: dict[str, int] = {}
    groups = []
    lookup = np.full(classes.root.size, -1)
    for layers, roots in members.items():
        names[layers[0]] = names.get(layers[0], 0) + 1
        number = names[layers[0]]
        lookup[roots] = np.arange(roots.size)
        found = {
            role: tuple(_place(role, slices, lookup, classes.root))
            for role in (PRODUCES, SCALES, FOLLOWS, CONSUMES)
        }
        lookup[roots] = -1
        groups.append(
            ChannelGroup(
                name=layers[0] if number == 1 else f"{layers[0]}#{number}",
                size=roots.size,
                layers=layers,
                producers=found[PRODUCES],
                scales=found[SCALES],
                followers=found[FOLLOWS],
                consumers=found[CONSUMES],
                roots=roots,
            )
        )
    return tuple(groups)


def pinned_layers(calls: Sequence[Call], classes: AtomClasses) -> dict[str, str]:
    """Return why each layer with fixed output channels has them fixed.

    A layer that makes its channels in several groups is named if any of them is fixed.
    """
    reasons = classes.reason
    fixed = np.zeros(classes.root.size, bool)
    fixed[list(reasons)] = True
    atoms = np.flatnonzero(fixed[classes.root] & (classes.owner >= 0))
    owners, first = np.unique(classes.owner[atoms], return_index=True)
    why: dict[str, str] = {}
    for owner, at in zip(owners.tolist(), first.tolist(), strict=True):
        if getattr(calls[owner].layer, "variables", ()):
            why.setdefault(calls[owner].name, reasons[int(classes.root[atoms[at]])])
    return why


def _classes_by_layers(
    calls: Sequence[Call], classes: AtomClasses
) -> dict[tuple[str, ...], IntArray]:
    """Sort the free classes by the set of layers that make them."""
    pinned = np.zeros(classes.root.size, bool)
    pinned[list(classes.reason)] = True
    free = np.flatnonzero(~pinned[classes.root] & (classes.owner >= 0))
    pairs = np.unique(np.stack([classes.root[free], classes.owner[free]]), axis=1)
    roots, starts = np.unique(pairs[0], return_index=True)
    owners = np.split(pairs[1], starts[1:]) if roots.size else []
    found: dict[tuple[int, ...], list[int]] = {}
    for root, made_by in zip(roots.tolist(), owners, strict=True):
        found.setdefault(tuple(made_by.tolist()), []).append(root)
    named: dict[tuple[str, ...], IntArray] = {}
    for numbers, members in sorted(found.items()):
        names = tuple(dict.fromkeys(calls[i].name for i in numbers))
        named[names] = np.concatenate(
            [named.get(names, np.zeros(0, np.int64)), np.array(members)]
        )
    return named


_Slice = tuple[str, str, int, IntArray]


def _slices(
    calls: Sequence[Call], effects: Sequence[Effect]
) -> Mapping[str, list[_Slice]]:
    """List every weight axis with channels on it, by role, each layer once."""
    found: dict[str, list[_Slice]] = {
        PRODUCES: [],
        SCALES: [],
        FOLLOWS: [],
        CONSUMES: [],
    }
    seen = set()
    for call, effect in zip(calls, effects, strict=True):
        if call.name in seen:
            continue
        seen.add(call.name)
        for variable, axes in effect.weights.items():
            for i, axis in enumerate(axes):
                if axis is not None:
                    found[axis.role].append((call.name, variable, i, axis.atoms))
    return found


def _place(
    role: str, slices: Mapping[str, list[_Slice]], lookup: IntArray, root: IntArray
) -> list[ChannelSlice]:
    placed = []
    for layer, variable, axis, atoms in slices[role]:
        channel = lookup[root[atoms]]
        if channel.size and channel.max() >= 0:
            placed.append(ChannelSlice(layer, variable, axis, channel))
    return placed
