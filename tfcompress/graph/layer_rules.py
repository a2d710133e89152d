"""Channel rules of the layers that have weights, and of activations.

Kernels are in Keras order: convolution ``[*window, c_in / groups, c_out]``, depthwise
``[*window, c_in, multiplier]``, transposed ``[*window, c_out, c_in]``, Dense
``[c_in, c_out]``. The rules, by the numbers that the code names:

1. A convolution or Dense layer consumes its input channels and produces new ones.
2. A depthwise convolution passes channel ``c`` on as ``c·m … c·m + m − 1``.
3. A grouped convolution with one input channel per group is a depthwise one.
4. Any other grouped convolution keeps its groups equally wide: channel ``j`` of every
   group is tied to channel ``j`` of the first.
5. A layer whose activation mixes channels (softmax) has its output pinned.
6. Normalisation over channels depends on how many there are, so it pins them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tfcompress.graph.atoms import Channels, IntArray
from tfcompress.graph.channel_rules import (
    CONSUMES,
    FOLLOWS,
    PRODUCES,
    Axis,
    Effect,
    Fold,
    LayerCall,
    Rule,
    Weights,
    weights_of,
)
from tfcompress.graph.constants import LOST, Constants, FloatArray

layers = keras.layers

# Activations that treat every number alone; others (softmax, glu, ...) mix channels.
ELEMENTWISE = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "silu",
        "gelu",
        "mish",
        "sigmoid",
        "hard_sigmoid",
        "hard_silu",
        "tanh",
        "hard_tanh",
        "tanh_shrink",
        "hard_shrink",
        "soft_shrink",
        "softplus",
        "softsign",
        "squareplus",
        "exponential",
        "log_sigmoid",
        "sparse_plus",
        "sparse_sigmoid",
        "threshold",
    ]
)


def is_elementwise(activation: Any) -> bool:
    """Tell whether an activation function acts on each number alone.

    Example:
        >>> is_elementwise(keras.activations.relu)
        True
        >>> is_elementwise(keras.activations.softmax)
        False
    """
    own = getattr(activation, "__module__", "").startswith("keras.")
    return own and getattr(activation, "__name__", "") in ELEMENTWISE


def on_values(function: Callable[[Any], Any]) -> Callable[[FloatArray], FloatArray]:
    """Turn a Keras function of tensors into one of float64 arrays."""

    def compute(values: FloatArray) -> FloatArray:
        tensor = keras.ops.convert_to_tensor(values.astype("float32"))
        return np.asarray(keras.ops.convert_to_numpy(function(tensor)), np.float64)

    return compute


def _activation(layer: Any) -> Callable[[FloatArray], FloatArray]:
    if layer.activation is keras.activations.linear:
        return lambda values: values
    return on_values(layer.activation)


def _channel_axis(call: LayerCall) -> int:
    first = getattr(call.layer, "data_format", None) == "channels_first"
    return 1 if first else len(call.input_shapes[0]) - 1


def _input_atoms(call: LayerCall) -> IntArray | None:
    """Return the input channels if they lie on the axis that the layer reads."""
    channels = call.inputs[0] if len(call.inputs) == 1 else None
    if channels is None or channels.axis != _channel_axis(call):
        return None
    return channels.atoms


def _positions(shape: tuple[int | None, ...], axis: int) -> int:
    """Return the number of positions, or -1 where a dimension is not fixed."""
    dims = [dim for i, dim in enumerate(shape) if i not in (0, axis)]
    return -1 if None in dims else math.prod(dim or 0 for dim in dims)


def _bias(layer: Any) -> FloatArray | float:
    return weights_of(layer)["bias"] if layer.use_bias else 0.0


def _has_border(layer: Any) -> bool:
    """Tell whether some window reaches into zero padding."""
    return layer.padding != "valid" and any(size > 1 for size in layer.kernel_size)


def _sum_window(kernel: npt.NDArray[Any]) -> FloatArray:
    """Sum a kernel over its window: ``[*window, a, b]`` to ``[a, b]``."""
    window = tuple(range(kernel.ndim - 2))
    summed: FloatArray = np.sum(kernel, axis=window, dtype=np.float64)
    return summed


def _off(layer: Any, count: int) -> Constants:
    """Return what a producer outputs when its kernel is zero: act(bias)."""
    values = np.broadcast_to(np.asarray(_bias(layer), np.float64), (count,))
    return Constants.exact(_activation(layer)(values))


def _finish(call: LayerCall, effect: Effect) -> Effect:
    """Apply rule 5."""
    if not is_elementwise(call.layer.activation):
        for channels in effect.outputs:
            call.pin(channels, "its activation mixes channels")
    return effect


def _fold(
    layer: Any,
    shift: Callable[[Weights, FloatArray], FloatArray],
    *,
    kernel: str = "kernel",
    add_bias: Mapping[str, Any] | None = None,
    border: bool = False,
    uniform: bool = True,
) -> Fold:
    return Fold(
        kernel=kernel,
        shift=shift,
        exact_at_borders=not border,
        uniform=uniform,
        can_add_bias={"use_bias": True} if add_bias is None else add_bias,
        bias="bias" if layer.use_bias else None,
        linear=layer.activation is keras.activations.linear,
    )


def _bias_axes(layer: Any, atoms: IntArray) -> dict[str, tuple[Axis | None, ...]]:
    return {"bias": (Axis(FOLLOWS, atoms),)} if layer.use_bias else {}


def convolution(call: LayerCall) -> Effect:
    """Map a Conv1D, Conv2D or Conv3D: rules 1, 3 and 4."""
    source, layer = _input_atoms(call), call.layer
    if source is None:
        return call.pinned("its input channels cannot be told apart")
    per_group = source.size // layer.groups
    if layer.groups > 1 and per_group == 1:
        return _grouped_depthwise(call, source)
    for group in range(1, layer.groups):
        call.tie(
            source[group * per_group : (group + 1) * per_group], source[:per_group]
        )
    out = call.produce(layer.filters)
    width = layer.filters // layer.groups
    for group in range(1, layer.groups):
        call.tie(out[group * width : (group + 1) * width], out[:width])

    def shift(weights: Weights, values: FloatArray) -> FloatArray:
        window = _sum_window(weights["kernel"]).reshape(per_group, layer.groups, width)
        grouped = values.reshape(layer.groups, per_group)
        shifted: FloatArray = np.einsum("gj,jgo->go", grouped, window)
        return shifted.reshape(-1)

    return _producer(
        call,
        out,
        kernel=(Axis(CONSUMES, source[:per_group]), Axis(PRODUCES, out)),
        fold=_fold(layer, shift, border=_has_border(layer)),
    )


def _producer(
    call: LayerCall, out: IntArray, *, kernel: tuple[Axis, Axis], fold: Fold
) -> Effect:
    """Describe a convolution whose kernel ends in the two given axes."""
    layer, axis = call.layer, _channel_axis(call)
    window = (None,) * len(layer.kernel_size)
    return _finish(
        call,
        Effect(
            outputs=(Channels(axis, out),),
            weights={"kernel": (*window, *kernel), **_bias_axes(layer, out)},
            edits=lambda count: {"filters": count(out)},
            constants=lambda _: _off(layer, out.size),
            fold=fold,
            positions={"kernel": _positions(call.output_shapes[0], axis)},
        ),
    )


def _grouped_depthwise(call: LayerCall, source: IntArray) -> Effect:
    layer = call.layer
    multiplier = layer.filters // layer.groups
    out = np.repeat(source, multiplier)
    window = (None,) * len(layer.kernel_size)
    effect = _depthwise_effect(call, source, multiplier, "kernel")
    return Effect(
        outputs=effect.outputs,
        weights={
            "kernel": (*window, None, Axis(FOLLOWS, out)),
            **_bias_axes(layer, out),
        },
        edits=lambda count: {"filters": count(out), "groups": count(source)},
        constants=effect.constants,
        positions=effect.positions,
    )


def depthwise_convolution(call: LayerCall) -> Effect:
    """Map a DepthwiseConv1D or DepthwiseConv2D: rule 2."""
    source, layer = _input_atoms(call), call.layer
    if source is None:
        return call.pinned("its input channels cannot be told apart")
    return _depthwise_effect(call, source, layer.depth_multiplier, "kernel")


def _depthwise_effect(
    call: LayerCall, source: IntArray, multiplier: int, kernel: str
) -> Effect:
    layer, axis = call.layer, _channel_axis(call)
    out = np.repeat(source, multiplier)
    window = (None,) * len(layer.kernel_size)

    def constants(parts: Sequence[Constants]) -> Constants:
        positions = np.repeat(np.arange(source.size), multiplier)
        factor = _sum_window(weights_of(layer)[kernel]).reshape(-1)
        part = parts[0].padded() if _has_border(layer) else parts[0]
        return part.take(positions).times(factor, _bias(layer)).map(_activation(layer))

    return _finish(
        call,
        Effect(
            outputs=(Channels(axis, out),),
            weights={
                kernel: (*window, Axis(FOLLOWS, source), None),
                **_bias_axes(layer, out),
            },
            constants=constants,
            positions={kernel: _positions(call.output_shapes[0], axis)},
        ),
    )


def separable_convolution(call: LayerCall) -> Effect:
    """Map a SeparableConv1D or 2D: rule 2 inside, rule 1 outside."""
    source, layer = _input_atoms(call), call.layer
    if source is None:
        return call.pinned("its input channels cannot be told apart")
    axis, multiplier = _channel_axis(call), layer.depth_multiplier
    middle, out = np.repeat(source, multiplier), call.produce(layer.filters)
    window = (None,) * len(layer.kernel_size)

    def shift(weights: Weights, values: FloatArray) -> FloatArray:
        inside = _sum_window(weights["depthwise_kernel"]) * values[:, np.newaxis]
        return inside.reshape(-1) @ _sum_window(weights["pointwise_kernel"])

    positions = _positions(call.output_shapes[0], axis)
    return _finish(
        call,
        Effect(
            outputs=(Channels(axis, out),),
            weights={
                "depthwise_kernel": (*window, Axis(FOLLOWS, source), None),
                "pointwise_kernel": (
                    *window,
                    Axis(CONSUMES, middle),
                    Axis(PRODUCES, out),
                ),
                **_bias_axes(layer, out),
            },
            edits=lambda count: {"filters": count(out)},
            constants=lambda _: _off(layer, out.size),
            fold=_fold(
                layer, shift, kernel="pointwise_kernel", border=_has_border(layer)
            ),
            positions={"depthwise_kernel": positions, "pointwise_kernel": positions},
        ),
    )


def transposed_convolution(call: LayerCall) -> Effect:
    """Map a Conv1DTranspose, 2D or 3D: rule 1 with the kernel's last axes swapped.

    With a stride, different output positions see different taps of the kernel, so a
    constant input does not give a constant output and cannot become a bias.
    """
    source, layer = _input_atoms(call), call.layer
    if source is None:
        return call.pinned("its input channels cannot be told apart")
    out = call.produce(layer.filters)
    effect = _producer(
        call,
        out,
        kernel=(Axis(PRODUCES, out), Axis(CONSUMES, source)),
        fold=_fold(
            layer,
            lambda weights, values: _sum_window(weights["kernel"]) @ values,
            border=any(size > 1 for size in layer.kernel_size),
            uniform=all(stride == 1 for stride in layer.strides),
        ),
    )
    at_input = _positions(call.input_shapes[0], _channel_axis(call))
    return Effect(
        outputs=effect.outputs,
        weights=effect.weights,
        edits=effect.edits,
        constants=effect.constants,
        fold=effect.fold,
        positions={"kernel": at_input},
    )


def dense(call: LayerCall) -> Effect:
    """Map a Dense layer, on inputs of any rank: rule 1."""
    source, layer = _input_atoms(call), call.layer
    if source is None or getattr(layer, "lora_enabled", False):
        return call.pinned("its kernel does not read plain channels")
    return _matrix(
        call,
        source,
        units=layer.units,
        edits=lambda width: {"units": width},
        add_bias={"use_bias": True},
    )


def einsum_dense(call: LayerCall) -> Effect:
    """Map an EinsumDense whose equation is a Dense layer's, such as "abc,cd->abd"."""
    source, layer = _input_atoms(call), call.layer
    inputs, rest = layer.equation.replace(" ", "").split(",")
    kernel, outputs = rest.split("->")
    plain = (
        len(kernel) == 2
        and (inputs[-1], outputs[-1]) == (kernel[0], kernel[1])
        and inputs[:-1] == outputs[:-1]
        and layer.bias_axes in (None, outputs[-1])
    )
    if source is None or not plain or getattr(layer, "lora_enabled", False):
        return call.pinned(f"its equation {layer.equation!r} is not a plain Dense")
    given = layer.get_config()["output_shape"]
    head = () if isinstance(given, int) else tuple(given)[:-1]
    return _matrix(
        call,
        source,
        units=layer.kernel.shape[-1],
        edits=lambda width: {"output_shape": (*head, width)},
        add_bias={"bias_axes": outputs[-1]},
    )


def _matrix(
    call: LayerCall,
    source: IntArray,
    *,
    units: int,
    edits: Callable[[int], dict[str, Any]],
    add_bias: Mapping[str, Any],
) -> Effect:
    layer, out = call.layer, call.produce(units)
    axis = len(call.output_shapes[0]) - 1
    has_bias = "bias" in {variable.name for variable in layer.variables}

    def constants(_: Sequence[Constants]) -> Constants:
        bias = weights_of(layer)["bias"] if has_bias else np.zeros(units)
        return Constants.exact(_activation(layer)(bias))

    weights = {"kernel": (Axis(CONSUMES, source), Axis(PRODUCES, out))}
    return _finish(
        call,
        Effect(
            outputs=(Channels(axis, out),),
            weights={**weights, "bias": (Axis(FOLLOWS, out),)} if has_bias else weights,
            edits=lambda count: edits(count(out)),
            constants=constants,
            fold=Fold(
                kernel="kernel",
                shift=lambda weights, values: values @ weights["kernel"],
                can_add_bias=add_bias,
                bias="bias" if has_bias else None,
                linear=layer.activation is keras.activations.linear,
            ),
            positions={"kernel": _positions(call.output_shapes[0], axis)},
        ),
    )


def batch_normalization(call: LayerCall) -> Effect:
    """Map a BatchNormalization; a channel switched off leaves its β."""
    layer, channels = call.layer, call.inputs[0]
    rank = len(call.input_shapes[0])
    if channels is None or channels.axis != layer.axis % rank:
        return call.pinned("it normalises another axis than the channels")
    count = channels.atoms.size

    def constants(_: Sequence[Constants]) -> Constants:
        return Constants.exact(weights_of(layer).get("beta", np.zeros(count)))

    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return call.follow(
        weights=dict.fromkeys(names, 0),
        scale="gamma",
        constants=constants,
    )


def channel_normalization(call: LayerCall) -> Effect:
    """Pin a layer that normalises over channels: rule 6."""
    return call.pinned("it normalises over channels")


def prelu(call: LayerCall) -> Effect:
    """Map a PReLU; its slopes may be shared over any axes."""
    channels = call.inputs[0]
    if channels is None:
        return call.pinned("its input has no channels")
    axis = channels.axis - 1  # alpha has no batch axis
    own = call.layer.alpha.shape[axis] == channels.atoms.size

    def constants(parts: Sequence[Constants]) -> Constants:
        alpha = weights_of(call.layer)["alpha"]
        others = tuple(i for i in range(alpha.ndim) if i != axis)
        slope = alpha.mean(axis=others)
        varies = np.ptp(alpha, axis=others) > 0
        value = parts[0].value
        level = np.where(varies & (value < 0), LOST, parts[0].level).astype(np.uint8)
        return Constants(value, level).times(np.where(value < 0, slope, 1.0))

    return call.follow(weights={"alpha": axis} if own else {}, constants=constants)


def activation(call: LayerCall) -> Effect:
    """Map an Activation layer: elementwise ones follow, others pin (rule 5)."""
    if not is_elementwise(call.layer.activation):
        return call.pinned("its activation mixes channels")
    return call.follow(constants=lambda parts: parts[0].map(_activation(call.layer)))


def softmax(call: LayerCall) -> Effect:
    """Map a Softmax layer: it mixes the channels unless it runs over another axis."""
    channels, axis = call.inputs[0], call.layer.axis
    axes = axis if isinstance(axis, list | tuple) else [axis]
    rank = len(call.input_shapes[0])
    if channels is None or channels.axis in [one % rank for one in axes]:
        return call.pinned("its activation mixes channels")
    return call.follow()


LAYER_RULES: dict[type | str, Rule] = {
    layers.Conv1D: convolution,
    layers.Conv2D: convolution,
    layers.Conv3D: convolution,
    layers.Conv1DTranspose: transposed_convolution,
    layers.Conv2DTranspose: transposed_convolution,
    layers.Conv3DTranspose: transposed_convolution,
    layers.DepthwiseConv1D: depthwise_convolution,
    layers.DepthwiseConv2D: depthwise_convolution,
    layers.SeparableConv1D: separable_convolution,
    layers.SeparableConv2D: separable_convolution,
    layers.Dense: dense,
    layers.EinsumDense: einsum_dense,
    layers.BatchNormalization: batch_normalization,
    layers.LayerNormalization: channel_normalization,
    layers.GroupNormalization: channel_normalization,
    layers.RMSNormalization: channel_normalization,
    layers.UnitNormalization: channel_normalization,
    layers.PReLU: prelu,
    layers.Activation: activation,
    layers.Softmax: softmax,
    # What `tfcompress.quantize` makes of them, so that its models have costs.
    **{
        f"tfcompress.quantize.weighted_layers.Quantized{name}": rule
        for name, rule in (
            ("Conv1D", convolution),
            ("Conv2D", convolution),
            ("Conv2DTranspose", transposed_convolution),
            ("DepthwiseConv1D", depthwise_convolution),
            ("DepthwiseConv2D", depthwise_convolution),
            ("Dense", dense),
        )
    },
    "tfcompress.quantize.normalization.FreezableBatchNormalization": (
        batch_normalization
    ),
    **dict.fromkeys(
        [
            "tfcompress.quantize.activation_ranges.FakeQuantize",
            "tfcompress.quantize.activation_ranges.FixedFakeQuantize",
            "tfcompress.quantize.quantized_activations.QuantizedSilu",
            "tfcompress.quantize.quantized_activations.QuantizedHardSigmoid",
        ],
        lambda call: call.follow(),
    ),
}
