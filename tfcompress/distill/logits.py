"""Find the logits of a model: what its last activation is applied to.

Distillation compares softened outputs, so it needs the numbers before the softmax.

1. A softmax or sigmoid layer or operation at the end: its input.
2. A layer with such an activation inside (Dense, Conv...): the layer without it.
3. A nested model at the end with one output: the logits inside it.
4. Anything else: the output itself, "linear".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfcompress import errors, graph
from tfcompress.training import views

_ACTIVATIONS = {"softmax": ops.softmax, "sigmoid": ops.sigmoid}


@dataclasses.dataclass(frozen=True)
class Head:
    """A model that gives logits and features, with the weights of another.

    Attributes:
        network: Outputs a flat list: the logits of each output, then the features.
        activations: Per output "softmax", "sigmoid" or "linear".
        names: Names of the outputs.
    """

    network: keras.Model
    activations: tuple[str, ...]
    names: tuple[str, ...]


def head(model: keras.Model, *, features: Sequence[str] = ()) -> Head:
    """Return `model` as a network from its inputs to its logits and some features.

    Args:
        model: A built functional or Sequential model; it is not changed.
        features: Names of layers whose outputs come after the logits.

    Raises:
        ModelError: If the model has no graph, or no such layer.
    """
    if not views.has_graph(model) or not model.built:
        raise errors.ModelError(
            "Distillation needs built functional or Sequential models. Received: "
            f"{model.name!r} of class {type(model).__name__}. Rebuild it with "
            "`keras.Model(inputs, outputs)`."
        )
    with views.unrecorded(model):
        found = [_logits(tensor) for tensor in model.outputs]
        tensors = [logits for logits, _ in found]
        tensors += [_layer(model, name).output for name in features]
        inputs = views.graph_of(model).input  # nested as the model takes them
        network = keras.Model(inputs, tensors, name=f"{model.name}_logits")
    return Head(
        network=network,
        activations=tuple(activation for _, activation in found),
        names=tuple(graph.output_names(views.graph_of(model))),
    )


def activate(logits: Any, activation: str) -> Any:
    """Return the output that belongs to `logits`.

    Example:
        >>> [round(float(p), 3) for p in activate(ops.array([0.0, 0.0]), "softmax")]
        [0.5, 0.5]
    """
    return _ACTIVATIONS.get(activation, lambda same: same)(logits)


def _logits(tensor: Any) -> tuple[Any, str]:
    """Return the tensor before the last activation, and the activation's name."""
    operation, index, _ = tensor._keras_history  # noqa: SLF001 - no public access
    node = operation._inbound_nodes[index]  # noqa: SLF001 - no public access
    if views.has_graph(operation) and len(operation.outputs) == 1:
        inner = head(operation)
        arguments = node.arguments
        return inner.network(*arguments.args)[0], inner.activations[0]
    activation = _activation(operation)
    if activation == "linear":
        return tensor, activation
    if len(operation.variables if isinstance(operation, keras.Layer) else ()) == 0:
        return node.input_tensors[0], activation
    bare = views.share(operation, activation=keras.activations.linear)
    return bare(*node.arguments.args), activation


def _activation(operation: Any) -> str:
    """Return the last thing an operation does, if it is a softmax over classes."""
    if getattr(operation, "axis", -1) not in (-1, None):
        return "linear"
    kind = type(operation).__name__.lower()
    inside = getattr(getattr(operation, "activation", None), "__name__", "linear")
    return next((name for name in (kind, inside) if name in _ACTIVATIONS), "linear")


def _layer(model: keras.Model, name: str) -> Any:
    try:
        return model.get_layer(name)
    except ValueError as error:
        names = ", ".join(layer.name for layer in model.layers)
        raise errors.ModelError(
            f"The model {model.name!r} has no such layer. Received: {name!r}. It has: "
            f"{names}."
        ) from error
