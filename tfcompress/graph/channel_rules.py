"""Per layer class, how input channels map to output channels: an open table.

A rule is a function that receives a `LayerCall` and returns an `Effect`. The call
offers the words that rules are written in:

1. ``call.produce(count)`` makes new channels (convolution, Dense);
2. ``call.follow(...)`` passes each input channel on as one output channel (BatchNorm,
   activations, pooling), with the layer's per-channel weights named;
3. ``call.tie(a, b)`` makes two sets of channels stand or fall together (Add, gates);
4. ``call.pinned(reason)`` fixes everything that goes in and out: the rule of every
   layer that has no rule, so an unknown layer never fails a model.

The rules themselves stand in `layer_rules` and `tensor_rules`; `rule_table` joins them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress.graph import atoms as _atoms
from tfcompress.graph.atoms import AtomTable, Channels, IntArray
from tfcompress.graph.constants import Constants, FloatArray
from tfcompress.graph.reading import Call, FlatModel

PRODUCES, CONSUMES, SCALES, FOLLOWS = "produces", "consumes", "scales", "follows"

Weights = Mapping[str, npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a weight that has channels on it.

    Attributes:
        role: PRODUCES (an output axis), CONSUMES (an input axis), SCALES (γ of a
            BatchNorm) or FOLLOWS (any other weight with one entry per channel).
        atoms: The channel at each position of the axis.
    """

    role: str
    atoms: IntArray


@dataclasses.dataclass(frozen=True, slots=True)
class Fold:
    """How constants of removed input channels move into a consumer's bias.

    Attributes:
        kernel: The weight that reads the channels.
        shift: ``(weights, values) -> shift``: what `values` (one per input channel, 0
            for kept ones) add to each output channel before the activation.
        exact_at_borders: False for a zero-padded window larger than 1.
        uniform: False if the shift differs over positions (a strided transposed
            convolution): then it cannot be a bias and the constants are lost.
        can_add_bias: Config edits that give the layer a bias if it has none.
        bias: Name of the layer's bias weight, or None if it has none.
        linear: Whether no activation stands between the kernel and the output.
    """

    kernel: str
    shift: Callable[[Weights, FloatArray], FloatArray]
    exact_at_borders: bool = True
    uniform: bool = True
    can_add_bias: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    bias: str | None = None
    linear: bool = True


Count = Callable[[IntArray], int]
Propagate = Callable[[Sequence[Constants]], Constants]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What one call does with channels.

    Attributes:
        outputs: The channels of each output tensor; None where there are none.
        weights: For each weight with channels on it, what each axis holds; None for an
            axis that is never cut. Weights not named are copied whole.
        edits: ``count -> config entries`` of the smaller layer, where ``count(atoms)``
            is how many of them are kept.
        constants: Carries constants from the inputs to the first output; None: lost.
        fold: How this call takes up constants of removed inputs, if it consumes.
        positions: Output positions at which each weight is multiplied: MACs are
            Σ positions · kept size of that weight.
        unknown: Why the layer is treated as a black box, or None.
    """

    outputs: tuple[Channels | None, ...]
    weights: Mapping[str, tuple[Axis | None, ...]] = dataclasses.field(
        default_factory=dict
    )
    edits: Callable[[Count], dict[str, Any]] | None = None
    constants: Propagate | None = None
    fold: Fold | None = None
    positions: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unknown: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class LayerCall:
    """What a rule sees of one call, and the words it answers in.

    Attributes:
        call: The call: its layer, arguments and tensors.
        inputs: The channels of each input tensor; None where there are none.
        flat: The whole flattened model, for shapes.
        table: Where new atoms, ties and pins are recorded.
    """

    call: Call
    inputs: tuple[Channels | None, ...]
    flat: FlatModel
    table: AtomTable

    @property
    def layer(self) -> Any:
        """Return the Keras layer or operation."""
        return self.call.layer

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """Return the shape of each input tensor, batch first."""
        return [self.flat.tensors[i].shape for i in self.call.inputs]

    @property
    def output_shapes(self) -> list[tuple[int | None, ...]]:
        """Return the shape of each output tensor, batch first."""
        return [self.flat.tensors[i].shape for i in self.call.outputs]

    def produce(self, count: int) -> IntArray:
        """Make `count` new channels that this layer outputs."""
        return self.table.new(count, owner=self.call.index)

    def tie(self, left: IntArray, right: IntArray) -> None:
        """Keep or remove the channels of both arrays together, element by element."""
        self.table.tie(left, right)

    def pin(self, channels: Channels | None, reason: str) -> None:
        """Never remove these channels."""
        if channels is not None:
            self.table.pin(channels.atoms, f"{self.call.name}: {reason}")

    def pinned(self, reason: str, *, known: bool = True) -> Effect:
        """Fix every channel that goes in or out.

        Args:
            reason: Why, in words that follow the layer's name in the report.
            known: False for a layer that has no rule at all, whose cost is a guess.
        """
        for channels in self.inputs:
            self.pin(channels, reason)
        outputs = tuple(self._fresh(shape, reason) for shape in self.output_shapes)
        return Effect(outputs=outputs, unknown=None if known else reason)

    def follow(
        self,
        *,
        weights: Mapping[str, int] | None = None,
        scale: str | None = None,
        axis: int | None = None,
        constants: Propagate | None = None,
        edits: Callable[[Count], dict[str, Any]] | None = None,
    ) -> Effect:
        """Pass each channel of the only input on as one channel of each output.

        Args:
            weights: For each per-channel weight, its channel axis.
            scale: Name among `weights` of a BatchNorm scale.
            axis: Channel axis of the output; the input's unless the rank changes.
            constants: How a constant input comes out; lost if not given.
            edits: Config entries that depend on the number of channels.
        """
        channels = self.inputs[0]
        if channels is None or len(self.inputs) != 1:
            return self.pinned("it does not have exactly one input with channels")
        specs = {}
        for variable in getattr(self.layer, "variables", ()):
            at = (weights or {}).get(variable.name)
            if at is None:
                continue
            axes: list[Axis | None] = [None] * len(variable.shape)
            role = SCALES if variable.name == scale else FOLLOWS
            axes[at] = Axis(role, channels.atoms)
            specs[variable.name] = tuple(axes)
        out = Channels(channels.axis if axis is None else axis, channels.atoms)
        return Effect(
            outputs=(out,) * len(self.call.outputs),
            weights=specs,
            constants=constants,
            edits=edits,
        )

    def relabel(self, transform: Callable[[IntArray], IntArray]) -> Channels | None:
        """Send the positions of the input's channels through a reshape-like transform.

        Returns:
            The axis of the result that holds the channels, with the *input position*
            at each of its entries; None if no single axis holds them.
        """
        channels, shape = self.inputs[0], self.input_shapes[0]
        if channels is None or any(dim is None for dim in shape[1:]):
            return None
        positions = Channels(channels.axis, np.arange(channels.atoms.size))
        return _atoms.read_channels(transform(_atoms.label_array(positions, shape)))

    def _fresh(self, shape: tuple[int | None, ...], reason: str) -> Channels | None:
        if len(shape) < 2 or shape[-1] is None:
            return None
        channels = Channels(len(shape) - 1, self.produce(shape[-1]))
        self.pin(channels, reason)
        return channels


Rule = Callable[[LayerCall], Effect]


def weights_of(layer: Any) -> Weights:
    """Return the weights of a layer by their short names, each read when asked for.

    Example:
        >>> import keras
        >>> dense = keras.layers.Dense(2)
        >>> dense.build((None, 3))
        >>> sorted(weights_of(dense))
        ['bias', 'kernel']
        >>> weights_of(dense)["kernel"].shape
        (3, 2)
    """
    return _LazyWeights({v.name: v for v in getattr(layer, "variables", ())})


class _LazyWeights(Mapping[str, npt.NDArray[Any]]):
    """Reads a variable on first use: most rules look at one small weight of many."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self._variables[name].numpy())

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)
