"""Find the operation that makes an output's numbers.

A model's last operations often only pass numbers on: a linear ``Activation`` that sets
the dtype, a cast, a reshape.  What the numbers are, probabilities or logits, is told by
the operation before those.
"""

from __future__ import annotations

from typing import Any

import keras

_PASSING = ("identity", "reshape", "flatten", "squeeze", "cast")


def passes_on(operation: Any) -> bool:
    """Return whether an operation gives the numbers it takes, in any shape or dtype.

    Example:
        >>> passes_on(keras.layers.Activation("linear")), passes_on(keras.layers.ReLU())
        (True, False)
    """
    if isinstance(operation, keras.layers.Activation):
        return operation.activation is keras.activations.linear
    own = type(operation).__module__.startswith("keras.")
    return own and type(operation).__name__.lower() in _PASSING


def maker(tensor: Any) -> Any:
    """Return the last operation before a tensor that does not only pass numbers on.

    Args:
        tensor: An output of a functional or Sequential model.

    Example:
        >>> inputs = keras.Input((4,))
        >>> x = keras.layers.Dense(2, name="scores")(inputs)
        >>> maker(keras.layers.Activation("linear", dtype="float32")(x)).name
        'scores'
    """
    operation, index, _ = tensor._keras_history  # noqa: SLF001 - no public access
    if not passes_on(operation):
        return operation
    return maker(operation._inbound_nodes[index].input_tensors[0])  # noqa: SLF001 - likewise
