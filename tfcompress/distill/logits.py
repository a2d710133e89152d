"""Find the logits of a model: what its last activation is applied to.

Distillation compares softened outputs, so it needs the numbers before the softmax.

1. A softmax or sigmoid layer or operation at the end: its input.
2. A layer that ends with such an activation (Dense, Conv...): the layer without it.
3. A nested model at the end with one output: the logits inside it.
4. What only passes numbers on (a cast, a linear activation...): the same of the logits.
5. An average of probabilities: its logarithm, from which softmax makes the same.
6. Anything else: the output itself; "linear", or "unknown" where the graph does not
   show whether it is logits or probabilities.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfcompress import errors, graph
from tfcompress.distill.losses import as_logits
from tfcompress.graph import endings
from tfcompress.training import views

_ACTIVATIONS = {"softmax": ops.softmax, "sigmoid": ops.sigmoid}
_LAYERS = keras.layers
_ENDING = (  # layers whose own `call` ends with their activation
    _LAYERS.Activation,
    _LAYERS.Dense,
    _LAYERS.EinsumDense,
    _LAYERS.Conv1D,
    _LAYERS.Conv2D,
    _LAYERS.Conv2DTranspose,
    _LAYERS.DepthwiseConv2D,
    _LAYERS.SeparableConv2D,
)
_CALLS = tuple(layer.call for layer in _ENDING)


@dataclasses.dataclass(frozen=True)
class Head:
    """A model that gives logits and features, with the weights of another.

    Attributes:
        network: Outputs a flat list: the logits of each output, then the features.
        activations: Per output "softmax", "sigmoid", "linear" or "unknown".
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
        return _call(inner.network, node)[0], inner.activations[0]
    if endings.passes_on(operation):
        return _passed_on(tensor, operation, node)
    if isinstance(operation, _LAYERS.Average):
        return _averaged(tensor, node)
    activation = _activation(operation, len(tensor.shape))
    if activation not in _ACTIVATIONS:
        return tensor, activation
    if len(node.input_tensors) > 1:  # a mask, which the logits alone would miss
        return as_logits(tensor, activation), activation
    bare = _bare(operation)
    return (_call(bare, node) if bare else node.input_tensors[0]), activation


def _passed_on(tensor: Any, operation: Any, node: Any) -> tuple[Any, str]:
    """Pass on the logits instead, if their classes stay together."""
    source = node.input_tensors[0]
    logits, activation = _logits(source)
    if activation == "softmax" and source.shape[-1] != tensor.shape[-1]:
        return tensor, "linear"
    return views.share(operation)(logits), activation


def _averaged(tensor: Any, node: Any) -> tuple[Any, str]:
    """Take an average of like probabilities for the probabilities that it is."""
    kinds = {_logits(source)[1] for source in node.input_tensors}
    kind = kinds.pop() if len(kinds) == 1 else "unknown"
    if kind not in _ACTIVATIONS:
        return tensor, kind
    return as_logits(tensor, kind), kind


def _activation(operation: Any, rank: int) -> str:
    """Return the last thing an operation does, as far as the graph shows it."""
    if isinstance(operation, _LAYERS.TimeDistributed):
        return _activation(operation.layer, rank - 1)
    kind = type(operation).__name__.lower()
    if kind in _ACTIVATIONS:
        axis = getattr(operation, "axis", -1)
        return kind if axis in (-1, None, rank - 1) else "linear"
    if _ends_with_activation(operation):
        name = getattr(operation.activation, "__name__", "")
        return name if name in _ACTIVATIONS else "linear"
    return "unknown"


def _ends_with_activation(operation: Any) -> bool:
    """Return whether an operation is a layer of Keras that ends so, or inherits it."""
    return getattr(type(operation), "call", None) in _CALLS


def _bare(operation: Any) -> Any:
    """Return a layer without its activation; None: it is nothing else."""
    if isinstance(operation, _LAYERS.TimeDistributed):
        inner = _bare(operation.layer)
        return inner and views.share(operation, layer=inner)
    if not _ends_with_activation(operation):
        return None
    return views.share(operation, activation=keras.activations.linear)


def _call(operation: Any, node: Any) -> Any:
    """Call an operation with what another was called with."""
    return operation(*node.arguments.args, **node.arguments.kwargs)


def _layer(model: keras.Model, name: str) -> Any:
    try:
        return model.get_layer(name)
    except ValueError as error:
        names = ", ".join(layer.name for layer in model.layers)
        raise errors.ModelError(
            f"The model {model.name!r} has no such layer. Received: {name!r}. It has: "
            f"{names}."
        ) from error
