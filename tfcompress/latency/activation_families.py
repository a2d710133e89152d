"""Per activation: which operators the converter makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tfcompress.latency import families

FUSED = (families.RELU, families.RELU6)

Kinds = tuple[str, ...]

ACTIVATIONS: dict[str, Kinds] = {
    "linear": (),
    "elu": (families.ELU,),
    "exponential": (families.EXP,),
    "gelu": (families.GELU,),
    "hard_sigmoid": (families.PLUS, families.TIMES),  # the clamp fuses into the sum
    "hard_silu": (families.HARD_SWISH,),
    "leaky_relu": (families.LEAKY_RELU,),
    "mish": (
        *(families.EXP, families.PLUS, families.LOG),
        *(families.TANH, families.MULTIPLY),
    ),
    "relu": (families.RELU,),
    "relu6": (families.RELU6,),
    "sigmoid": (families.LOGISTIC,),
    "silu": (families.LOGISTIC, families.MULTIPLY),
    "softmax": (families.SOFTMAX,),
    "softplus": (families.EXP, families.PLUS, families.LOG),
    "tanh": (families.TANH,),
}
"""By the name of the function. A kind that joins two tensors joins the one before it
with what the activation read."""


def activation_kinds(layer: Any) -> Kinds | None:
    """Return the operators of a layer's activation; None if they are not known.

    Example:
        >>> import keras
        >>> activation_kinds(keras.layers.ReLU(6.0))
        ('relu6',)
        >>> activation_kinds(keras.layers.Conv2D(8, 3, activation="silu"))
        ('logistic', 'multiply')
        >>> activation_kinds(keras.layers.Add())
        ()
    """
    name = type(layer).__name__
    if name in _CLASSES:
        return _CLASSES[name](layer)
    activation = getattr(layer, "activation", None)
    if activation is None:
        return ()
    return ACTIVATIONS.get(getattr(activation, "__name__", ""))


def _relu(layer: Any) -> Kinds | None:
    if layer.threshold:
        return None
    limit = None if layer.max_value is None else float(layer.max_value)
    if layer.negative_slope:
        return (families.LEAKY_RELU,) if limit is None else None
    return {None: (families.RELU,), 6.0: (families.RELU6,)}.get(limit)


def _prelu(layer: Any) -> Kinds | None:
    *positions, _ = layer.alpha.shape
    if all(size == 1 for size in positions):
        return (families.PRELU,)
    shared = layer.shared_axes or ()
    return (families.PRELU_EACH,) if not shared else None


def _elu(layer: Any) -> Kinds | None:
    return (families.ELU,) if layer.alpha == 1 else None


def _softmax(layer: Any) -> Kinds | None:
    return (families.SOFTMAX,) if layer.axis == -1 else None


def _named(layer: Any) -> Kinds | None:
    """Return those of an operation, such as ``keras.ops.silu``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(layer).__name__)
    return ACTIVATIONS.get(words.lower())


OPERATIONS = (
    "Gelu",
    "HardSigmoid",
    "HardSilu",
    "LeakyRelu",
    "Relu",
    "Relu6",
    "Sigmoid",
    "Silu",
    "Softplus",
    "Tanh",
)

_CLASSES: dict[str, Callable[[Any], Kinds | None]] = {
    "ELU": _elu,
    "Elu": _elu,
    "LeakyReLU": lambda layer: (families.LEAKY_RELU,),  # noqa: ARG005 - one signature
    "PReLU": _prelu,
    "ReLU": _relu,
    "Softmax": _softmax,
    **dict.fromkeys(OPERATIONS, _named),
}
"""Keras' own classes that are nothing but an activation, `Activation` apart."""

ALONE = frozenset({"Activation", *_CLASSES})
"""All of them."""
