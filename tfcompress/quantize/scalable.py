"""Which channels can carry a factor of their own, and which weights pay for it.

Every quantized layer makes new channels; what commutes with factors (`commuting`)
passes them on, ties them (a residual sum) or lines them up (a concatenation); anything
else fixes them, as do the model's inputs and outputs.  A channel that is free may be
divided by any ``s > 0``: each weight that makes it is divided by ``s`` at its position,
each weight that reads it multiplied::

    W[..., i, j]  ->  W[..., i, j] · s[reads i] / s[makes j]        b[j] -> b[j] / s[j]

Unlike the channels of `tfcompress.graph.trace`, the input and the output of a depthwise
convolution are different channels here: its kernel stands between their factors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tfcompress.graph.atoms import AtomClasses, AtomTable, Channels, IntArray
from tfcompress.graph.channel_rules import CONSUMES, PRODUCES, Effect, LayerCall
from tfcompress.graph.reading import FlatModel
from tfcompress.graph.rule_table import rule_for
from tfcompress.quantize import commuting
from tfcompress.quantize.kernels import kernels_of, variables_of


@dataclasses.dataclass(frozen=True, eq=False)
class ScaledWeight:
    """How one weight changes with the factors of the channels around it.

    Attributes:
        layer: Name of its layer.
        name: Its short name.
        reads: The channels that it reads, shaped to broadcast against it; or None.
        makes: The channels that it makes, likewise.
        is_kernel: Whether its range counts; a bias only follows.
    """

    layer: str
    name: str
    reads: IntArray | None
    makes: IntArray
    is_kernel: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class ScalableChannels:
    """The channels of a model as equalisation sees them.

    Attributes:
        weights: Every weight that changes with factors, each once.
        classes: Which channels must have the same factor, and which are fixed.
    """

    weights: tuple[ScaledWeight, ...]
    classes: AtomClasses

    def reason(self, atoms: IntArray) -> str:
        """Return why one of these channels is fixed, or an empty string."""
        for root in np.unique(self.classes.root[atoms]).tolist():
            if root in self.classes.reason:
                return self.classes.reason[root]
        return ""


def find_scalable(flat: FlatModel) -> ScalableChannels:
    """Find the channels of a flattened model that can carry factors."""
    table = AtomTable()
    channels: list[Channels | None] = [None] * len(flat.tensors)
    for tensor in flat.input_tensors():
        channels[tensor] = _fixed_input(flat, tensor, table)
    found: dict[tuple[str, str], ScaledWeight] = {}
    for call in flat.calls:
        view = LayerCall(call, tuple(channels[i] for i in call.inputs), flat, table)
        outputs, weights = _effect(view)
        for tensor, made in zip(call.outputs, outputs, strict=True):
            channels[tensor] = made
        for weight in weights:
            earlier = found.setdefault((weight.layer, weight.name), weight)
            _tie(earlier, weight, table)
    for tensor in flat.output_tensors():
        made = channels[tensor]
        if made is not None:
            table.pin(made.atoms, "they are an output of the model", foremost=True)
    return ScalableChannels(tuple(found.values()), table.resolve())


def _fixed_input(flat: FlatModel, tensor: int, table: AtomTable) -> Channels | None:
    shape = flat.tensors[tensor].shape
    if len(shape) < 2 or shape[-1] is None:
        return None
    made = Channels(len(shape) - 1, table.new(shape[-1], owner=-1))
    table.pin(made.atoms, "they are an input of the model")
    return made


def _effect(
    call: LayerCall,
) -> tuple[Sequence[Channels | None], list[ScaledWeight]]:
    rule = rule_for(call.layer)
    if rule is None:
        kind = type(call.layer).__name__
        return call.pinned(f"{kind} is not known to commute with factors").outputs, []
    effect = rule(call)
    if kernels_of(call.layer):
        return _kernel_layer(call, effect)
    reason = commuting.obstacle(call)
    if reason:
        for channels in (*call.inputs, *effect.outputs):
            call.pin(channels, reason)
    return effect.outputs, []


def _kernel_layer(
    call: LayerCall, effect: Effect
) -> tuple[Sequence[Channels | None], list[ScaledWeight]]:
    """Return new output channels and the weights of a quantized layer."""
    source, made = call.inputs[0], effect.outputs[0]
    if source is None or made is None or not effect.weights:
        return effect.outputs, []  # its rule has pinned them
    weights, out = _kernels(call, effect, source.atoms)
    if "bias" in variables_of(call.layer):
        weights.append(ScaledWeight(call.call.name, "bias", None, out, is_kernel=False))
    outputs = (Channels(made.axis, out),)
    if not commuting.is_homogeneous(call.layer.activation):
        name = getattr(call.layer.activation, "__name__", "its activation")
        call.pin(outputs[0], f"{name} does not commute with factors")
    return outputs, weights


def _kernels(
    call: LayerCall, effect: Effect, source: IntArray
) -> tuple[list[ScaledWeight], IntArray]:
    weights, reads = [], source
    for kernel in kernels_of(call.layer):
        shape = tuple(variables_of(call.layer)[kernel.name].shape)
        axes = effect.weights[kernel.name]
        roles = {axis.role: (i, axis) for i, axis in enumerate(axes) if axis}
        name = call.call.name
        if PRODUCES in roles:  # a full kernel, maybe behind a depthwise one
            at_in, read = roles[CONSUMES]
            at_out, produced = roles[PRODUCES]
            read_atoms = reads if len(reads) == shape[at_in] else read.atoms
            out = produced.atoms
            weights.append(
                ScaledWeight(
                    name,
                    kernel.name,
                    _along(read_atoms, at_in, len(shape)),
                    _along(out, at_out, len(shape)),
                )
            )
        else:  # one input channel for each output channel
            weight, out = _depthwise(call, kernel.name, shape, source)
            weights.append(weight)
        reads = out
    return weights, reads


def _depthwise(
    call: LayerCall, name: str, shape: tuple[int, ...], source: IntArray
) -> tuple[ScaledWeight, IntArray]:
    count = shape[-2] * shape[-1]
    out = call.produce(count)
    window = (1,) * (len(shape) - 2)
    makes = out.reshape(*window, *shape[-2:])
    reads = np.repeat(source, count // len(source)).reshape(makes.shape)
    return ScaledWeight(call.call.name, name, reads, makes), out


def _along(atoms: IntArray, axis: int, ndim: int) -> IntArray:
    return atoms.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _tie(one: ScaledWeight, other: ScaledWeight, table: AtomTable) -> None:
    """Tie the channels around a weight that several calls share."""
    if one is other:
        return
    table.tie(one.makes.ravel(), other.makes.ravel())
    if one.reads is not None and other.reads is not None:
        table.tie(one.reads.ravel(), other.reads.ravel())


def free_roots(channels: ScalableChannels, atoms: IntArray) -> Iterator[Any]:
    """Yield the classes of these channels that are not fixed, each once."""
    for root in np.unique(channels.classes.root[atoms]).tolist():
        if root not in channels.classes.reason:
            yield root
