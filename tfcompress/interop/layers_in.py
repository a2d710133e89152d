"""Make the Keras 3 counterpart of a Keras 2 layer.

Rules, the first that fits:

1. TFMOT's wrappers come off (`wrappers`).
2. A class that `custom_objects` names: it is made with the config as it is.
3. A Lambda: the live function is kept; a file's is not loaded unless allowed.
4. A layer that holds layers (TimeDistributed, Bidirectional, RNN): those first.
5. A class with its own line in `_SPECIAL`.
6. The class of the same name, its config translated (`configs`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.interop import activations, configs, holding_layers, wrappers


@dataclasses.dataclass(frozen=True)
class Made:
    """The counterpart of a layer.

    Attributes:
        layers: Applied one after the other; the first has the weights.
        bare: The Keras 2 layer and its weights.
    """

    layers: tuple[Any, ...]
    bare: wrappers.Bare


def make(layer: Any, custom_objects: Mapping[str, Any]) -> Made:
    """Return the Keras 3 counterpart of `layer`, its weights not yet set.

    Raises:
        ModelError: If there is none; the message names the layer.
    """
    bare = wrappers.bare(layer)
    if bare.layer is None:
        return Made((), bare)
    new = counterpart(bare.layer, custom_objects)
    after: tuple[Any, ...] = ()
    if getattr(new, "activation", None) is activations.keras2_hard_sigmoid:
        new.activation = keras.activations.linear
        after = _hard_sigmoid(new.name, new.dtype_policy)
    return Made((new, *after), bare)


def counterpart(layer: Any, custom_objects: Mapping[str, Any]) -> Any:
    """Return one Keras 3 layer for one Keras 2 layer without wrappers (rules 2-6)."""
    kind = type(layer).__name__
    name = safe_name(layer.name)
    if kind in custom_objects:
        config = dict(getattr(layer, "config_of_file", layer.get_config()))
        config["name"] = name
        return configs.from_custom(layer, custom_objects[kind], config, keras)
    special = _SPECIAL.get(kind)
    holds = holding_layers.holds(layer)
    if special is None and not holds and not _is_keras_2(layer):
        raise configs.without_counterpart(layer, keras)
    config = {**layer.get_config(), "name": name}
    for key, value in config.items():
        if key == "activation" or key.endswith("_activation"):
            function = wrappers.activation(getattr(layer, key, value))
            config[key] = _activation(function, custom_objects)
    if holds:
        return holding_layers.make(layer, config, _side(custom_objects))
    if special is not None:
        return special(layer, config, custom_objects)
    return _same_class(layer, config, custom_objects)


def _side(custom: Mapping[str, Any]) -> holding_layers.Side:
    return holding_layers.Side(
        kit=keras,
        counterpart=lambda layer: counterpart(layer, custom),
        same_class=lambda layer, config: _same_class(layer, config, custom),
    )


def safe_name(name: str) -> str:
    """Return a layer's name without slashes, which Keras 3 does not take.

    Example:
        >>> safe_name("conv1/bn")
        'conv1_bn'
    """
    return name.replace("/", "_")


def _is_keras_2(layer: Any) -> bool:
    module = type(layer).__module__
    return module.startswith(("tf_keras.", "keras.src.", "tensorflow.python.keras"))


def _activation(function: Any, custom_objects: Mapping[str, Any]) -> Any:
    if function is None or isinstance(function, str):
        return function
    if hasattr(function, "get_config") and _is_keras_2(function):
        return counterpart(function, custom_objects)  # a layer as an activation
    return activations.to_keras_3(function, custom_objects)


def _hard_sigmoid(name: str, dtype: Any) -> tuple[Any, ...]:
    """Return layers that compute Keras 2's hard sigmoid, so that files need no code."""
    return (
        keras.layers.Rescaling(0.2, 0.5, name=f"{name}_scaled", dtype=dtype),
        keras.layers.ReLU(max_value=1.0, name=f"{name}_clipped", dtype=dtype),
    )


def _same_class(
    layer: Any,
    config: Mapping[str, Any],
    custom_objects: Mapping[str, Any],
    name: str = "",
) -> Any:
    target = getattr(keras.layers, name or type(layer).__name__, None)
    return configs.make(layer, target, config, keras, custom_objects)


Custom = Mapping[str, Any]
Special = Callable[[Any, dict[str, Any], Custom], Any]


def _lambda(layer: Any, config: dict[str, Any], _: Custom) -> Any:
    shape = config.get("output_shape")
    return keras.layers.Lambda(
        layer.function,
        output_shape=tuple(shape) if isinstance(shape, list | tuple) else None,
        arguments=config.get("arguments"),
        name=config["name"],
        dtype=configs.dtype_name(config["dtype"]),
    )


def _leaky_relu(layer: Any, config: dict[str, Any], custom: Custom) -> Any:
    config["negative_slope"] = float(config.pop("alpha", 0.3))
    return _same_class(layer, config, custom)


def _thresholded_relu(layer: Any, config: dict[str, Any], custom: Custom) -> Any:
    config["threshold"] = float(config.pop("theta"))
    return _same_class(layer, config, custom, "ReLU")


def _batch_norm(layer: Any, config: dict[str, Any], custom: Custom) -> Any:
    axis = config["axis"]
    axes = list(axis) if isinstance(axis, list | tuple) else [axis]
    if len(axes) != 1:
        raise errors.ModelError(
            "Keras 3 normalises batches over one axis. Received: layer "
            f"{layer.name!r} with axis={axes}. Fold it into its neighbours, or pass "
            "custom_objects={'BatchNormalization': your_keras_3_layer}."
        )
    config["axis"] = axes[0]
    if type(layer).__name__ == "SyncBatchNormalization":
        config["synchronized"] = True
    return _same_class(layer, config, custom, "BatchNormalization")


def _normalization(layer: Any, config: dict[str, Any], custom: Custom) -> Any:
    """Give the adapted statistics as arguments: Keras 3 derives its constants then."""
    if layer.input_mean is None:
        shape = tuple(layer.adapt_mean.shape)
        config["mean"] = np.asarray(layer.mean).reshape(shape)
        config["variance"] = np.asarray(layer.variance).reshape(shape)
    axis = config["axis"]
    config["axis"] = tuple(axis) if isinstance(axis, list | tuple) else axis
    return _same_class(layer, config, custom)


_SPECIAL: Mapping[str, Special] = {
    "BatchNormalization": _batch_norm,
    "Lambda": _lambda,
    "LeakyReLU": _leaky_relu,
    "Normalization": _normalization,
    "SyncBatchNormalization": _batch_norm,
    "ThresholdedReLU": _thresholded_relu,
}
