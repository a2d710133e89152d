"""Make the Keras 2 counterpart of a Keras 3 layer.

Rules, the first that fits:

1. A class that `custom_objects` names: it is made from the config as it is.
2. A class with its own line in `_SPECIAL`.
3. The class of the same name in tf_keras, its config translated (`configs`).  An
   activation that Keras 2 lacks is computed after the layer, in TensorFlow operations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tfcompress import errors
from tfcompress.interop import activations, configs, holding_layers, legacy


@dataclasses.dataclass(frozen=True)
class Made:
    """The counterpart of a layer: it, and what is applied to its output.

    `pointwise` is the second layer with weights, of a separable convolution in parts.
    """

    layer: Any
    after: tuple[Callable[[Any], Any], ...] = ()
    pointwise: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply all of it."""
        x = self.layer(*args, **kwargs)
        for further in self.after:
            x = further(x)
        return x


def make(layer: Any, name: str, custom_objects: Mapping[str, Any]) -> Made:
    """Return the tf_keras counterpart of `layer`, its weights not yet set.

    Raises:
        ModelError: If there is none; the message names the layer.
    """
    after: tuple[Callable[[Any], Any], ...] = ()
    function = getattr(layer, "activation", None)
    config = {**layer.get_config(), "name": name}
    own = activations.to_keras_2(function, custom_objects)
    if function in _AFTER and not _holds_cell(layer):
        config["activation"] = "linear"
        after = _AFTER[function](f"{name}_activation")
    elif callable(own) and own is not function and not _holds_cell(layer):
        config["activation"] = "linear"
        after = (own,)
    return Made(counterpart(layer, config, custom_objects), after)


PART = "{}_depthwise_part"
"""Name of the depthwise convolution that `make_parts` makes of a layer."""


def make_parts(layer: Any, name: str, custom_objects: Mapping[str, Any]) -> Made:
    """Return a SeparableConv2D as a depthwise and a pointwise convolution.

    TFMOT would split the layer itself, under names that may be taken already.
    """
    shared = {"data_format": layer.data_format, "dtype": layer.dtype_policy}
    depthwise = keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        depth_multiplier=layer.depth_multiplier,
        dilation_rate=layer.dilation_rate,
        use_bias=False,
        depthwise_regularizer=layer.depthwise_regularizer,
        **shared,
    )
    pointwise = keras.layers.Conv2D(
        layer.filters,
        1,
        activation=layer.activation,
        use_bias=layer.use_bias,
        kernel_regularizer=layer.pointwise_regularizer,
        bias_regularizer=layer.bias_regularizer,
        **shared,
    )
    first = make(depthwise, PART.format(name), custom_objects)
    second = make(pointwise, name, custom_objects)
    return Made(first.layer, (second,), second.layer)


def counterpart(layer: Any, config: dict[str, Any], custom: Mapping[str, Any]) -> Any:
    """Return one tf_keras layer for one Keras 3 layer with the given config."""
    kind = type(layer).__name__
    if kind in custom:
        original = {**config, "dtype": layer.get_config().get("dtype")}
        return configs.from_custom(layer, custom[kind], original, legacy.tf_keras())
    if not type(layer).__module__.startswith("keras."):
        raise configs.without_counterpart(layer, legacy.tf_keras())
    original = layer.get_config()
    for key, value in config.items():
        if (
            key == "activation" or key.endswith("_activation")
        ) and value == original.get(key):
            config[key] = _activation(layer, getattr(layer, key, value), custom)
    if holding_layers.holds(layer):
        return holding_layers.make(layer, config, _side(custom))
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(layer, config, custom)
    return _same_class(layer, config, custom)


def _side(custom: Mapping[str, Any]) -> holding_layers.Side:
    return holding_layers.Side(
        kit=legacy.tf_keras(),
        counterpart=lambda layer: counterpart(layer, layer.get_config(), custom),
        same_class=lambda layer, config: _same_class(layer, config, custom),
    )


def _activation(layer: Any, function: Any, custom: Mapping[str, Any]) -> Any:
    if function is None or isinstance(function, str):
        return function
    if isinstance(function, keras.layers.Layer):
        return counterpart(function, function.get_config(), custom)
    found = activations.to_keras_2(function, custom)
    if found is None:
        name = getattr(function, "__name__", function)
        raise errors.ModelError(
            "An activation has no equal in Keras 2. Received: layer "
            f"{layer.name!r} with activation={name!r}. Pass custom_objects={{"
            f"{name!r}: a function of TensorFlow operations}}."
        )
    return found


def _holds_cell(layer: Any) -> bool:
    return hasattr(layer, "cell") or hasattr(layer, "recurrent_activation")


def _same_class(layer: Any, config: dict[str, Any], custom: Mapping[str, Any]) -> Any:
    kit = legacy.tf_keras()
    target = getattr(kit.layers, type(layer).__name__, None)
    return configs.make(layer, target, config, kit, custom)


Custom = Mapping[str, Any]
Special = Callable[[Any, dict[str, Any], Custom], Any]


def _lambda(layer: Any, config: dict[str, Any], _: Custom) -> Any:
    return legacy.tf_keras().layers.Lambda(
        layer.function, arguments=config.get("arguments"), name=config["name"]
    )


def _leaky_relu(layer: Any, config: dict[str, Any], custom: Custom) -> Any:
    config["alpha"] = config.pop("negative_slope")
    return _same_class(layer, config, custom)


def _normalization(layer: Any, config: dict[str, Any], custom: Custom) -> Any:
    config["mean"] = keras.ops.convert_to_numpy(layer.mean).reshape(-1)
    config["variance"] = keras.ops.convert_to_numpy(layer.variance).reshape(-1)
    return _same_class(layer, config, custom)


_SPECIAL: Mapping[str, Special] = {
    "Lambda": _lambda,
    "LeakyReLU": _leaky_relu,
    "Normalization": _normalization,
}


def _relu6(name: str) -> tuple[Any, ...]:
    return (legacy.tf_keras().layers.ReLU(6.0, name=name),)


def _leaky(name: str) -> tuple[Any, ...]:
    return (legacy.tf_keras().layers.LeakyReLU(alpha=0.2, name=name),)


# Activations that Keras 2 has as layers, which TFMOT knows how to quantize.
_AFTER: Mapping[Any, Callable[[str], tuple[Any, ...]]] = {
    keras.activations.relu6: _relu6,
    keras.activations.leaky_relu: _leaky,
}
