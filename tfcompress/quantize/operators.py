"""What TFLite's converter makes of each Keras layer, seen by quantization.

Every layer and operation falls into one kind:

=============  ===============================================================
kernel         has a kernel to fake-quantize; its output gets a range
normalization  BatchNorm over the channels: folded, or a 1x1 depthwise convolution
affine         ``scale x + offset`` per channel: likewise a depthwise convolution
rectifier      ReLU, ReLU6: fused into what comes before, its range begins at 0
activation     another activation that TFLite has in integers
passing        output in the input's scale, numbers unchanged (max pooling, concat...)
averaging      output in the input's scale, numbers rounded anew (average pooling...)
arithmetic     adds, multiplies or averages: its output gets a range of its own
identity       does nothing in inference (Dropout, random augmentation)
float          all else; stays in floating point, and the report says why
=============  ===============================================================

Source: TensorFlow Lite's 8-bit quantization specification ("restrictions"); what the
converter of TensorFlow 2.21 leaves in float was found by converting each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from tfcompress.graph.reading import Call, Ref
from tfcompress.graph.rule_table import entry_for
from tfcompress.quantize import quantized_activations as known

layers = keras.layers

SCALED_SUM = "keras.src.applications.inception_resnet_v2.CustomScaleLayer"
"""``x[0] + scale x[1]``."""

Kind = Literal[
    "kernel",
    "normalization",
    "affine",
    "rectifier",
    "activation",
    "passing",
    "averaging",
    "arithmetic",
    "identity",
    "float",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operator:
    """What one call is to the converter.

    Attributes:
        kind: See the table above.
        reason: Why it stays in float.
        function: Name of an activation.
        max_value: Cap of a rectifier.
        fixed: By the bits of activations, the range of the output, if it is known.
        fuses_rectifier: Whether TFLite can fuse a ReLU into it.
    """

    kind: Kind
    reason: str = ""
    function: str = ""
    max_value: float | None = None
    fixed: Mapping[int, tuple[float, float]] | None = None
    fuses_rectifier: bool = False


_ONLY_IN_8_BITS = ("gelu", "hard_silu", "hard_sigmoid", "prelu")

Rule = Callable[[Call], Operator]


def classify(call: Call, *, bits: int = 8) -> Operator:
    """Return what a call is to the converter; "float" for all that it does not know.

    Args:
        call: The call.
        bits: Of activations; fewer operators have a 16-bit form.
    """
    operator = _classify(call)
    if bits == 16 and _is_8_bit_only(call, operator):
        return left_in_float("the converter has no 16-bit form of it")
    return operator


def _is_8_bit_only(call: Call, operator: Operator) -> bool:
    if operator.kind == "arithmetic" and len(call.inputs) == 1:
        is_reduction = type(call.layer).__name__ == "Mean"
        return not isinstance(call.layer, keras.Layer) and not is_reduction
    joins = type(call.layer).__name__ == "Concatenate"  # the layer or the operation
    return joins or operator.function in _ONLY_IN_8_BITS


def _classify(call: Call) -> Operator:
    rule = entry_for(call.layer, _RULES)
    if rule is None:
        kind = type(call.layer).__name__
        return left_in_float(f"{kind} has no integer form that is known")
    if getattr(call.layer, "data_format", None) == "channels_first":
        return left_in_float("its channels come first")
    return rule(call)


def left_in_float(reason: str) -> Operator:
    """Return the operator of a layer that stays in floating point."""
    return Operator(kind="float", reason=reason)


def activation_operator(function: Any) -> Operator:
    """Return the operator of an activation function, such as a layer's."""
    name = getattr(function, "__name__", type(function).__name__)
    found = _ACTIVATIONS.get(name)
    if found is None or keras.activations.get(name) is not function:
        return left_in_float(f"the activation {name} has no integer form that is known")
    return found


def _constant(operator: Operator) -> Rule:
    return lambda _: operator


def _kernel(call: Call) -> Operator:
    layer = call.layer
    base = next(c for c in type(layer).__mro__ if c.__module__.startswith("keras."))
    if any(_overrides(layer, base, name) for name in ("convolution_op", "kernel")):
        return left_in_float(f"{type(layer).__name__} computes its kernel itself")
    return Operator(kind="kernel", fuses_rectifier=True)


def _overrides(layer: Any, base: type, name: str) -> bool:
    return getattr(type(layer), name, None) is not getattr(base, name, None)


def _normalization(call: Call) -> Operator:
    layer = call.layer
    rank = layer.input_spec.ndim
    if layer.axis % rank != rank - 1 or layer.renorm:
        return left_in_float("it normalises another axis than the channels")
    return Operator(kind="normalization", fuses_rectifier=True)


def _preprocessing(call: Call) -> Operator:
    layer = call.layer
    if layer.invert or layer.mean is None or any(n != 1 for n in layer.mean.shape[:-1]):
        return left_in_float("it does not normalise the channels alone")
    return Operator(kind="affine", fuses_rectifier=True)


def _relu(call: Call) -> Operator:
    layer = call.layer
    slope = float(getattr(layer, "negative_slope", 0.0) or 0.0)
    if float(getattr(layer, "threshold", 0.0) or 0.0):
        return left_in_float("a ReLU with a threshold")
    cap = getattr(layer, "max_value", None)
    if slope:
        if cap is not None:
            return left_in_float("a leaky ReLU with a cap")
        return Operator(kind="activation", function="leaky_relu")
    return Operator(kind="rectifier", max_value=None if cap is None else float(cap))


def _activation(call: Call) -> Operator:
    return activation_operator(call.layer.activation)


def _softmax(call: Call) -> Operator:
    layer = call.layer
    if layer.axis not in (-1, None):
        return left_in_float("a softmax over another axis than the last")
    return _ACTIVATIONS["softmax"]


def _upsampling(call: Call) -> Operator:
    layer = call.layer
    if layer.interpolation == "nearest":
        return Operator(kind="passing")
    if layer.interpolation == "bilinear":
        return Operator(kind="averaging")
    return left_in_float(f"{layer.interpolation} interpolation")


def _reduction(call: Call) -> Operator:
    layer = call.layer
    return _PASSING if type(layer).__name__ in ("Max", "Amax") else _ARITHMETIC


def _division(call: Call) -> Operator:
    if len(call.args) < 2 or isinstance(call.args[1], Ref):
        return left_in_float("it divides by a tensor")
    return _SUM


def _pad(call: Call) -> Operator:
    layer = call.layer
    value = call.kwargs.get("constant_values", (*call.args, None)[1])
    if getattr(layer, "mode", "constant") != "constant" or value not in (None, 0):
        return left_in_float("it pads with something else than 0")
    return _PASSING


_PASSING = Operator(kind="passing")
_ARITHMETIC = Operator(kind="arithmetic")
_SUM = Operator(kind="arithmetic", fuses_rectifier=True)
_IDENTITY = Operator(kind="identity")

_ACTIVATIONS: Mapping[str, Operator] = {
    "linear": _IDENTITY,
    "relu": Operator(kind="rectifier"),
    "relu6": Operator(kind="rectifier", max_value=6.0),
    "silu": Operator(kind="activation", function="silu"),
    "hard_silu": Operator(kind="activation", function="hard_silu"),
    "hard_sigmoid": Operator(
        kind="activation", function="hard_sigmoid", fixed=known.UNIT
    ),
    "sigmoid": Operator(kind="activation", function="sigmoid", fixed=known.SIGMOID),
    "tanh": Operator(kind="activation", function="tanh", fixed=known.TANH),
    "softmax": Operator(kind="activation", function="softmax", fixed=known.SOFTMAX),
    "gelu": Operator(kind="activation", function="gelu"),
    "leaky_relu": Operator(kind="activation", function="leaky_relu"),
}


def _many(classes: list[Any], rule: Rule) -> dict[type | str, Rule]:
    return dict.fromkeys(classes, rule)


def _operations(module: str, names: str, rule: Rule) -> dict[type | str, Rule]:
    return {f"keras.src.ops.{module}.{name}": rule for name in names.split()}


_LAYER_RULES: dict[type | str, Rule] = {
    **_many(
        [
            layers.Conv1D,
            layers.Conv2D,
            layers.Conv2DTranspose,
            layers.DepthwiseConv1D,
            layers.DepthwiseConv2D,
            layers.SeparableConv1D,
            layers.SeparableConv2D,
            layers.Dense,
        ],
        _kernel,
    ),
    layers.BatchNormalization: _normalization,
    layers.Rescaling: _constant(Operator(kind="affine", fuses_rectifier=True)),
    layers.Normalization: _preprocessing,
    "keras.src.applications.convnext.LayerScale": _constant(Operator(kind="affine")),
    layers.ReLU: _relu,
    layers.LeakyReLU: _relu,
    layers.PReLU: _constant(Operator(kind="activation", function="prelu")),
    layers.Activation: _activation,
    layers.Softmax: _softmax,
    **_many(
        [
            layers.Flatten,
            layers.Reshape,
            layers.Permute,
            layers.ZeroPadding1D,
            layers.ZeroPadding2D,
            layers.Cropping1D,
            layers.Cropping2D,
            layers.MaxPooling1D,
            layers.MaxPooling2D,
            layers.GlobalMaxPooling1D,
            layers.GlobalMaxPooling2D,
            layers.Concatenate,
            layers.Maximum,
            layers.Minimum,
            "tfcompress.zoo.shufflenet.ChannelShuffle",
        ],
        _constant(_PASSING),
    ),
    **_many(
        [layers.AveragePooling1D, layers.AveragePooling2D],
        _constant(Operator(kind="averaging")),
    ),
    layers.UpSampling2D: _upsampling,
    **_many(
        [layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D],
        _constant(_ARITHMETIC),
    ),
    **_many(
        [layers.Add, layers.Average, layers.Subtract, layers.Multiply, SCALED_SUM],
        _constant(_SUM),
    ),
    **_many(
        [
            layers.Dropout,
            layers.SpatialDropout1D,
            layers.SpatialDropout2D,
            layers.GaussianNoise,
            layers.GaussianDropout,
            layers.AlphaDropout,
            layers.ActivityRegularization,
            layers.Identity,
            layers.RandomFlip,
            layers.RandomRotation,
            layers.RandomZoom,
            layers.RandomTranslation,
            layers.RandomContrast,
            layers.RandomBrightness,
            "keras.src.applications.convnext.StochasticDepth",
        ],
        _constant(_IDENTITY),
    ),
}

_OPERATION_RULES: dict[type | str, Rule] = {
    **_operations("numpy", "Add Subtract Multiply", _constant(_SUM)),
    **_operations("numpy", "Divide TrueDivide", _division),
    **_operations("numpy", "Mean Max Amax", _reduction),
    **_operations(
        "numpy",
        "Reshape Squeeze ExpandDims Transpose Concatenate GetItem Maximum Minimum",
        _constant(_PASSING),
    ),
    **_operations("numpy", "Pad", _pad),
    **_operations("core", "StopGradient", _constant(_IDENTITY)),
    **_operations("nn", "Relu", _relu),
    **_operations("nn", "Relu6", _constant(_ACTIVATIONS["relu6"])),
    **_operations("nn", "Silu", _constant(_ACTIVATIONS["silu"])),
    **_operations("nn", "HardSilu", _constant(_ACTIVATIONS["hard_silu"])),
    **_operations("nn", "HardSigmoid", _constant(_ACTIVATIONS["hard_sigmoid"])),
    **_operations("nn", "Sigmoid", _constant(_ACTIVATIONS["sigmoid"])),
    **_operations("nn", "Gelu", _constant(_ACTIVATIONS["gelu"])),
    **_operations("nn", "LeakyRelu", _relu),
    **_operations("nn", "Softmax", _softmax),
    **_operations("numpy", "Tanh", _constant(_ACTIVATIONS["tanh"])),
}

_RULES: dict[type | str, Rule] = {**_LAYER_RULES, **_OPERATION_RULES}
