"""Channel rules of layers and operations without weights: shapes, merges, arithmetic.

1. Elementwise functions, pooling, padding, cropping and dropout follow their input.
2. Reshaping follows when one axis of the result alone decides the channel.
3. Merging ties the channels that meet; a one-channel operand that is broadcast over all
   of them is pinned, and what it meets is no longer constant.
4. Concatenation appends; along another axis than the channels it ties.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tfcompress.graph.atoms import Channels, IntArray
from tfcompress.graph.channel_rules import Effect, LayerCall, Rule, weights_of
from tfcompress.graph.constants import LOST, Constants, FloatArray, combine
from tfcompress.graph.layer_rules import on_values
from tfcompress.graph.reading import Ref
from tfcompress.graph.rebuilding import arguments

layers = keras.layers


def _same(parts: Sequence[Constants]) -> Constants:
    return parts[0]


def _spatial(rule: Rule) -> Rule:
    """Pin where a pooling or padding layer would run over the channel axis."""

    @functools.wraps(rule)
    def checked(call: LayerCall) -> Effect:
        data_format = getattr(call.layer, "data_format", "channels_last")
        axis = 1 if data_format == "channels_first" else len(call.input_shapes[0]) - 1
        channels = call.inputs[0]
        if channels is not None and channels.axis != axis:
            return call.pinned("it runs over the channel axis")
        return rule(call)

    return checked


def passing(call: LayerCall) -> Effect:
    """Follow: a constant input stays the same constant."""
    return call.follow(constants=_same)


def elementwise(call: LayerCall) -> Effect:
    """Follow: a constant goes through the layer's own function."""

    def compute(x: Any) -> Any:
        args, kwargs = arguments(call.call, dict.fromkeys(call.call.inputs, x))
        kwargs.pop("training", None)
        return call.layer.call(*args, **kwargs)

    return call.follow(constants=lambda parts: parts[0].map(on_values(compute)))


@_spatial
def zero_padding(call: LayerCall) -> Effect:
    """Follow: the padded border is no longer the constant."""
    return call.follow(constants=lambda parts: parts[0].padded())


@_spatial
def resizing(call: LayerCall) -> Effect:
    """Follow: a border that keeps the aspect ratio is no longer the constant."""
    if not call.layer.pad_to_aspect_ratio:
        return passing(call)
    return zero_padding(call) if call.layer.fill_value == 0 else call.follow()


@_spatial
def global_pooling(call: LayerCall) -> Effect:
    """Follow into the pooled vector."""
    channels = call.inputs[0]
    axis = channels.axis if channels and call.layer.keepdims else 1
    return call.follow(axis=axis, constants=_same)


def rescaling(call: LayerCall) -> Effect:
    """Follow: a scalar scale and offset act on each number alone."""
    if np.ndim(call.layer.scale) or np.ndim(call.layer.offset):
        return call.pinned("its scale is given per channel")
    return elementwise(call)


def _reshaping(
    call: LayerCall,
    transform: Callable[[IntArray], IntArray],
    *,
    edit: Callable[[tuple[int, ...]], dict[str, Any]] | None = None,
) -> Effect:
    """Follow through a reordering of elements: rule 2."""
    found, source = call.relabel(transform), call.inputs[0]
    if found is None or source is None:
        return call.pinned("it spreads the channels over several axes")
    out = Channels(found.axis, source.atoms[found.atoms])
    shape = call.output_shapes[0]

    def edits(count: Callable[[IntArray], int]) -> dict[str, Any]:
        dims = [dim or 1 for dim in shape]
        dims[out.axis] = count(out.atoms)
        return edit(tuple(dims[1:])) if edit else {}

    return Effect(
        outputs=(out,),
        edits=edits if edit else None,
        constants=lambda parts: parts[0].take(found.atoms),
    )


def _to_output_shape(call: LayerCall) -> Callable[[IntArray], IntArray]:
    return lambda labels: labels.reshape(
        1, *[dim or 1 for dim in call.output_shapes[0][1:]]
    )


def flatten(call: LayerCall) -> Effect:
    """Map a Flatten: the channels tile the flat axis."""
    if getattr(call.layer, "data_format", None) == "channels_first":
        return call.pinned("it flattens channels_first")
    return _reshaping(call, _to_output_shape(call))


def reshape(call: LayerCall) -> Effect:
    """Map a Reshape layer, with its target shape cut alike."""
    return _reshaping(
        call, _to_output_shape(call), edit=lambda dims: {"target_shape": dims}
    )


def permute(call: LayerCall) -> Effect:
    """Map a Permute layer."""
    return _reshaping(call, lambda labels: labels.transpose(0, *call.layer.dims))


def repeat_vector(call: LayerCall) -> Effect:
    """Map a RepeatVector: ``[batch, c]`` to ``[batch, n, c]``."""
    return call.follow(axis=2, constants=_same)


def _meeting(call: LayerCall) -> tuple[Channels, list[bool]] | None:
    """Tie the channels that meet in a merge: rule 3.

    Returns:
        The channels of the result, and for each input whether it is broadcast over
        them; None if the channels do not line up.
    """
    shape = call.output_shapes[0]
    wide = [
        (channels.axis - len(dims), channels)
        for channels, dims in zip(call.inputs, call.input_shapes, strict=True)
        if channels is not None
        and channels.atoms.size == shape[channels.axis - len(dims)]
    ]
    if not wide or len({from_right for from_right, _ in wide}) > 1:
        return None
    from_right, first = wide[0]
    broadcast = []
    for channels, dims in zip(call.inputs, call.input_shapes, strict=True):
        met = any(channels is other for _, other in wide)
        if not met and (channels is None or len(dims) < -from_right):
            return None
        if not met and dims[from_right] != 1:
            return None
        broadcast.append(not met)
    for channels, alone in zip(call.inputs, broadcast, strict=True):
        if alone:
            call.pin(channels, "it is broadcast over channels")
    for _, other in wide[1:]:
        call.tie(first.atoms, other.atoms)
    return Channels(len(shape) + from_right, first.atoms), broadcast


def _merge(call: LayerCall, function: Callable[..., FloatArray]) -> Effect:
    met = _meeting(call)
    if met is None:
        return call.pinned("the channels of its inputs do not line up")
    out, broadcast = met

    def constants(parts: Sequence[Constants]) -> Constants:
        if not any(broadcast):
            return combine(function, parts)
        wide = [part for part, alone in zip(parts, broadcast, strict=True) if not alone]
        return _gated(combine(function, wide), multiplies=function is _product)

    return Effect(outputs=(out,), constants=constants)


def _gated(constants: Constants, *, multiplies: bool) -> Constants:
    """Return what is left of constants that meet data: zeros, in a product."""
    kept = multiplies & (constants.value == 0)
    level = np.where(kept, constants.level, LOST).astype(np.uint8)
    return Constants(np.zeros_like(constants.value), level)


def _product(*values: FloatArray) -> FloatArray:
    return functools.reduce(np.multiply, values)


def _sum(*values: FloatArray) -> FloatArray:
    return functools.reduce(np.add, values)


def merge(function: Callable[..., FloatArray]) -> Rule:
    """Return the rule of a merging layer that computes `function` elementwise."""
    return lambda call: _merge(call, function)


def concatenate(call: LayerCall) -> Effect:
    """Map a concatenation: rule 4."""
    axis = call.layer.axis % len(call.output_shapes[0])
    channels = [one for one in call.inputs if one is not None]
    if len(channels) < len(call.inputs) or len({one.axis for one in channels}) != 1:
        return call.pinned("the channels of its inputs do not line up")
    if channels[0].axis == axis:
        atoms = np.concatenate([one.atoms for one in channels])
        return Effect(outputs=(Channels(axis, atoms),), constants=_joined)
    for other in channels[1:]:
        call.tie(channels[0].atoms, other.atoms)
    return Effect(outputs=(channels[0],), constants=_if_equal)


def _joined(parts: Sequence[Constants]) -> Constants:
    return Constants(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.level for part in parts]),
    )


def _if_equal(parts: Sequence[Constants]) -> Constants:
    equal = np.all([part.value == parts[0].value for part in parts], axis=0)
    level = np.max([part.level for part in parts], axis=0)
    return Constants(parts[0].value, np.where(equal, level, LOST).astype(np.uint8)).map(
        lambda values: values
    )


def arithmetic(function: Callable[..., FloatArray]) -> Rule:
    """Return the rule of an operator such as ``x + y``, ``2 * x`` or ``x / 6``."""

    def rule(call: LayerCall) -> Effect:
        operands = [*call.call.args, *call.call.kwargs.values()]
        numbers = [value for value in operands if not isinstance(value, Ref)]
        if not numbers:
            return _merge(call, function)
        if len(call.inputs) != 1 or any(np.size(value) != 1 for value in numbers):
            return call.pinned("it meets a constant array")

        def compute(values: FloatArray) -> FloatArray:
            return function(
                *[
                    values
                    if isinstance(value, Ref)
                    else float(np.asarray(value).item())
                    for value in operands
                ]
            )

        return call.follow(constants=lambda parts: parts[0].map(compute))

    return rule


def reduction(call: LayerCall) -> Effect:
    """Map a mean or maximum over other axes than the channels."""
    channels, rank = call.inputs[0], len(call.input_shapes[0])
    axis = call.layer.axis
    if channels is None or axis is None or len(call.inputs) != 1:
        return call.pinned("it reduces over channels")
    axes = {one % rank for one in (axis if isinstance(axis, list | tuple) else [axis])}
    if channels.axis in axes or 0 in axes:
        return call.pinned("it reduces over channels")
    before = sum(one < channels.axis for one in axes)
    out = channels.axis if call.layer.keepdims else channels.axis - before
    return call.follow(axis=out, constants=_same)


def reshape_operation(call: LayerCall) -> Effect:
    """Map ``keras.ops.reshape``."""
    return _reshaping(
        call, _to_output_shape(call), edit=lambda dims: {"newshape": (-1, *dims)}
    )


def expand_dims(call: LayerCall) -> Effect:
    """Map ``keras.ops.expand_dims`` and a ``squeeze`` that names its axis."""
    if call.layer.axis is None:
        return call.pinned("it may squeeze the channel axis")
    return _reshaping(call, _to_output_shape(call))


def transpose(call: LayerCall) -> Effect:
    """Map ``keras.ops.transpose``."""
    axes = call.layer.axes
    if axes is None or axes[0] != 0:
        return call.pinned("it moves the batch axis")
    return _reshaping(call, lambda labels: labels.transpose(axes))


def slicing(call: LayerCall) -> Effect:
    """Map ``x[...]`` that leaves the channels whole."""
    key = call.call.args[1]
    found, source = call.relabel(lambda labels: labels[key]), call.inputs[0]
    if found is None or source is None:
        return call.pinned("it slices channels")
    if not np.array_equal(found.atoms, np.arange(source.atoms.size)):
        return call.pinned("it slices channels")
    return call.follow(axis=found.axis, constants=_same)


def channel_shuffle(call: LayerCall) -> Effect:
    """Map our zoo's ChannelShuffle: its groups lose the same channels."""
    source, groups = call.inputs[0], call.layer.groups
    if source is None or source.axis != len(call.input_shapes[0]) - 1:
        return call.pinned("it does not shuffle the channel axis")
    rows = np.arange(source.atoms.size).reshape(groups, -1)
    for row in rows[1:]:
        call.tie(source.atoms[row], source.atoms[rows[0]])
    order = rows.T.ravel()
    return Effect(
        outputs=(Channels(source.axis, source.atoms[order]),),
        constants=lambda parts: parts[0].take(order),
    )


def preprocessing(call: LayerCall) -> Effect:
    """Pin a layer that prepares or augments images: it may mix the colours."""
    return call.pinned("it prepares the model's input")


def layer_scale(call: LayerCall) -> Effect:
    """Map ``x * gamma``, the custom layer of Keras' ConvNeXt."""
    (name,) = weights_of(call.layer)
    return call.follow(
        weights={name: 0},
        constants=lambda parts: parts[0].times(weights_of(call.layer)[name]),
    )


def scaled_residual(call: LayerCall) -> Effect:
    """Map ``x + scale * y``, the custom layer of Keras' InceptionResNetV2."""
    scale = float(call.layer.scale)
    return _merge(call, lambda x, y: x + scale * y)


# Keras' base of all layers that resize, crop or augment images; it has no public name.
_IMAGE_LAYER = layers.RandomFlip.__mro__[1]

TENSOR_RULES: dict[type | str, Rule] = {
    **{
        kind: preprocessing
        for kind in vars(layers).values()
        if isinstance(kind, type) and issubclass(kind, _IMAGE_LAYER)
    },
    layers.Normalization: preprocessing,
    **dict.fromkeys(
        [
            getattr(layers, f"{kind}{rank}D")
            for kind in [
                "MaxPooling",
                "AveragePooling",
                "AdaptiveMaxPooling",
                "AdaptiveAveragePooling",
                "Cropping",
                "UpSampling",
            ]
            for rank in (1, 2, 3)
        ],
        _spatial(passing),
    ),
    **dict.fromkeys(
        [
            layers.Dropout,
            layers.AlphaDropout,
            layers.GaussianDropout,
            layers.GaussianNoise,
            layers.ActivityRegularization,
            layers.Identity,
            layers.SpatialDropout1D,
            layers.SpatialDropout2D,
            layers.SpatialDropout3D,
        ],
        passing,
    ),
    layers.Resizing: resizing,
    layers.CenterCrop: _spatial(passing),
    **dict.fromkeys([layers.ReLU, layers.LeakyReLU, layers.ELU], elementwise),
    **dict.fromkeys(
        [layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D], zero_padding
    ),
    **dict.fromkeys(
        [
            getattr(layers, f"Global{kind}Pooling{rank}D")
            for kind in ("Max", "Average")
            for rank in (1, 2, 3)
        ],
        global_pooling,
    ),
    "tfcompress.quantize.affine_layers.QuantizedNormalization": preprocessing,
    layers.Rescaling: rescaling,
    "tfcompress.quantize.affine_layers.QuantizedRescaling": rescaling,
    layers.Flatten: flatten,
    layers.Reshape: reshape,
    layers.Permute: permute,
    layers.RepeatVector: repeat_vector,
    layers.Add: merge(_sum),
    layers.Subtract: merge(np.subtract),
    layers.Multiply: merge(_product),
    layers.Average: merge(lambda *values: _sum(*values) / len(values)),
    layers.Maximum: merge(lambda *values: functools.reduce(np.maximum, values)),
    layers.Minimum: merge(lambda *values: functools.reduce(np.minimum, values)),
    layers.Concatenate: concatenate,
    "keras.src.applications.inception_resnet_v2.CustomScaleLayer": scaled_residual,
    "keras.src.applications.convnext.LayerScale": layer_scale,
    "keras.src.applications.convnext.StochasticDepth": passing,
    "tfcompress.zoo.shufflenet.ChannelShuffle": channel_shuffle,
}

_UNARY = [
    "Absolute",
    "Abs",
    "Exp",
    "Expm1",
    "Log1p",
    "Negative",
    "Square",
    "Sqrt",
    "Sin",
    "Cos",
    "Tanh",
    "Sign",
    "Clip",
    "Cast",
    "StopGradient",
]
_UNARY_NN = [
    "Relu",
    "Relu6",
    "Sigmoid",
    "SparseSigmoid",
    "Softplus",
    "Softsign",
    "SoftShrink",
    "SparsePlus",
    "Silu",
    "Squareplus",
    "LogSigmoid",
    "LeakyRelu",
    "HardSigmoid",
    "HardSilu",
    "Elu",
    "Selu",
    "Gelu",
    "Celu",
    "TanhShrink",
    "HardTanh",
    "HardShrink",
    "Threshold",
]


def _operations(
    module: str, names: Sequence[str], rule: Rule
) -> dict[type | str, Rule]:
    """Name Keras' operation classes, which have no public import path."""
    return {f"keras.src.ops.{module}.{name}": rule for name in names}


OPERATION_RULES: dict[type | str, Rule] = {
    **_operations("numpy", _UNARY, elementwise),
    **_operations("core", ["Cast", "StopGradient"], elementwise),
    **_operations("nn", _UNARY_NN, elementwise),
    **_operations("numpy", ["Add"], arithmetic(_sum)),
    **_operations("numpy", ["Subtract"], arithmetic(np.subtract)),
    **_operations("numpy", ["Multiply"], arithmetic(_product)),
    **_operations("numpy", ["Divide", "TrueDivide"], arithmetic(np.divide)),
    **_operations("numpy", ["Maximum"], arithmetic(np.maximum)),
    **_operations("numpy", ["Minimum"], arithmetic(np.minimum)),
    **_operations("numpy", ["Power"], arithmetic(np.power)),
    **_operations("numpy", ["Concatenate"], concatenate),
    **_operations("numpy", ["Mean", "Max", "Amax", "Min", "Amin"], reduction),
    **_operations("numpy", ["Reshape"], reshape_operation),
    **_operations("numpy", ["ExpandDims", "Squeeze"], expand_dims),
    **_operations("numpy", ["Transpose"], transpose),
    **_operations("numpy", ["GetItem"], slicing),
}
