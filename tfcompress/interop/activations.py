"""Match activation functions of Keras 2 and Keras 3.

Both sides call most of them alike.  `hard_sigmoid` is the exception that changes
numbers: ``clip(0.2 x + 0.5, 0, 1)`` in Keras 2, ``clip(x / 6 + 0.5, 0, 1)`` in Keras 3.
Where the other side has no function of its own, the layer becomes linear and layers
after it compute the activation; inside a recurrent cell, which has no room for layers,
a function does.

Source: F. Chollet et al., Keras 2.15 and 3.13, ``activations.hard_sigmoid``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfcompress.interop import legacy

_HERE = "tfcompress"
_SAME_NAME = (
    "elu",
    "exponential",
    "gelu",
    "linear",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
)


@keras.saving.register_keras_serializable(package=_HERE)
def keras2_hard_sigmoid(x: Any) -> Any:
    """Return ``clip(0.2 x + 0.5, 0, 1)``, Keras 2's hard sigmoid.

    Example:
        >>> keras2_hard_sigmoid(ops.array([-3.0, 1.25, 3.0])).numpy().tolist()
        [0.0, 0.75, 1.0]
    """
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def keras3_hard_sigmoid(x: Any) -> Any:
    """Return ``clip(x / 6 + 0.5, 0, 1)``, Keras 3's, in operations of Keras 2.

    Example:
        >>> keras3_hard_sigmoid(tf.constant([-3.0, 1.5, 6.0])).numpy().tolist()
        [0.0, 0.75, 1.0]
    """
    return tf.nn.relu6(x + 3.0) * (1.0 / 6.0)


def keras3_hard_silu(x: Any) -> Any:
    """Return ``x * clip(x / 6 + 0.5, 0, 1)`` in operations of Keras 2.

    Example:
        >>> keras3_hard_silu(tf.constant([-3.0, 1.5, 6.0])).numpy().tolist()
        [-0.0, 1.125, 6.0]
    """
    return tf.math.multiply(x, keras3_hard_sigmoid(x))


# Keras 3's functions that Keras 2 has no name for, in TensorFlow's.
AS_TENSORFLOW: Mapping[str, Callable[[Any], Any]] = {
    "hard_sigmoid": keras3_hard_sigmoid,
    "hard_silu": keras3_hard_silu,
    "leaky_relu": lambda x: tf.nn.leaky_relu(x, alpha=0.2),
    "log_sigmoid": tf.math.log_sigmoid,
    "log_softmax": tf.nn.log_softmax,
    "relu6": tf.nn.relu6,
}


def to_keras_3(function: Any, custom_objects: Mapping[str, Any]) -> Any:
    """Return Keras 3's counterpart of an activation function of Keras 2.

    A function that belongs to neither side comes back as it is: TensorFlow functions
    work in both.
    """
    kit = legacy.tf_keras()
    name = getattr(function, "__name__", "")
    if name in custom_objects:
        return custom_objects[name]
    if function is kit.activations.hard_sigmoid:
        return keras2_hard_sigmoid
    for known in _SAME_NAME:
        if function is getattr(kit.activations, known):
            return "silu" if known == "swish" else known
    for known, wanted in (("relu6", "relu6"), ("silu", "silu"), ("relu", "relu")):
        if function is getattr(tf.nn, known):
            return wanted
    return function


def to_keras_2(function: Any, custom_objects: Mapping[str, Any]) -> Any:
    """Return Keras 2's counterpart: a name, or a function of TensorFlow's operations.

    None if there is none, the function itself if it is no Keras function.
    """
    name = getattr(function, "__name__", "")
    if name in custom_objects:
        return custom_objects[name]
    if function is keras2_hard_sigmoid:
        return "hard_sigmoid"
    if function is not getattr(keras.activations, name, None):
        return function
    if name in AS_TENSORFLOW:
        return AS_TENSORFLOW[name]
    name = "swish" if name == "silu" else name
    return name if name in _SAME_NAME else None
