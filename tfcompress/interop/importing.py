"""Make the Keras 3 twin of a Keras 2 graph.

The graph is walked in topological order, the way Keras 2 runs it.  Every layer is made
once however often it is called, a nested model becomes a nested model, a bare operation
is replayed with `keras.ops`, and the weights follow by name at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tfcompress import errors
from tfcompress.interop import configs, layers_in, legacy, operations_in, weights

_LISTS_STATE = ("RNN", "LSTM", "GRU", "SimpleRNN", "ConvLSTM2D", "Bidirectional")


def import_model(model: Any, custom_objects: Mapping[str, Any]) -> keras.Model:
    """Return the Keras 3 twin of a live Keras 2 model, weights included.

    Raises:
        ModelError: If it has no graph, or a part of it has no counterpart.
    """
    importer = _Importer(custom_objects)
    new: keras.Model = importer.model(model)
    importer.carry_weights()
    return new


class _Importer:
    """The layers made so far, so that what is shared stays shared."""

    def __init__(self, custom_objects: Mapping[str, Any]) -> None:
        self.custom_objects = custom_objects
        self.kit = legacy.tf_keras()
        self._made: dict[int, Any] = {}
        self._taken: set[str] = set()  # names in the model that is being made
        self._named: set[int] = set()  # operations that have got a name of their own

    def model(self, model: Any) -> keras.Model:
        """Return the twin of one model, nested ones included."""
        _require_graph(model)
        self._taken = {layers_in.safe_name(layer.name) for layer in model.layers}
        tensors: dict[int, Any] = {}
        inputs = self._structure(model._nested_inputs, _input)  # noqa: SLF001
        for old, new in zip(model.inputs, tree.flatten(inputs), strict=True):
            tensors[id(old)] = new
        nodes = model._nodes_by_depth  # noqa: SLF001 - the only complete record
        for depth in sorted(nodes, reverse=True):
            for node in nodes[depth]:
                if not node.is_input:
                    self._call(node, tensors)
        outputs = self._structure(
            model._nested_outputs,  # noqa: SLF001
            lambda tensor: tensors[id(tensor)],
        )
        new = keras.Model(inputs, outputs, name=layers_in.safe_name(model.name))
        new.trainable = model.trainable
        for layer in model.layers:  # setting the model's flag has set every layer's
            self._copy_trainable(layer)
        return new

    def carry_weights(self) -> None:
        """Copy the weights of every layer that was made."""
        for made in self._made.values():
            if isinstance(made, keras.Model) or not made.layers:
                continue
            target = made.layers[0]
            if type(made.bare.layer).__name__ in configs.WITHOUT_WEIGHTS:
                continue
            weights.carry(
                made.bare.weights,
                target.weights,
                [variable.path for variable in target.weights],
                layer=made.bare.layer.name,
            )

    def _call(self, node: Any, tensors: dict[int, Any]) -> None:
        """Repeat one call of a layer with the new tensors."""
        args, kwargs = (
            self._structure(part, lambda leaf: _argument(leaf, tensors))
            for part in (node.call_args, node.call_kwargs)
        )
        layer = node.layer
        if operations_in.is_operation(layer):
            made = operations_in.replay(layer, args, kwargs, self.custom_objects)
            self._rename(made)
        else:
            made = self._apply(layer, args, kwargs)
        old = tree.flatten(self._structure(node.outputs, lambda tensor: _Leaf(tensor)))
        if len(old) == 1:  # what looks like a structure may be a shape
            tensors[id(old[0].tensor)] = made
            return
        for leaf, new in zip(old, tree.flatten(made), strict=True):
            tensors[id(leaf.tensor)] = new

    def _apply(self, layer: Any, args: Any, kwargs: Any) -> Any:
        kept = {k: v for k, v in kwargs.items() if v is not None}
        if isinstance(layer, self.kit.Model):
            if id(layer) not in self._made:
                outer = self._taken
                self._made[id(layer)] = self.model(layer)
                self._taken = outer
            return self._made[id(layer)](*args, **kept)
        if id(layer) not in self._made:
            self._made[id(layer)] = layers_in.make(layer, self.custom_objects)
        made = self._made[id(layer)]
        if not made.layers:
            return args[0]
        args, kept = _with_states(made.bare.layer, args, kept)
        try:
            x = made.layers[0](*args, **kept)
        except (TypeError, ValueError) as error:
            raise errors.ModelError(
                "The counterpart of a layer refuses its inputs. Received: layer "
                f"{layer.name!r} ({str(error).strip().splitlines()[0][:200]}). Pass "
                f"custom_objects={{{type(layer).__name__!r}: your_keras_3_layer}}."
            ) from error
        for further in made.layers[1:]:
            x = further(x)
        return x

    def _rename(self, made: Any) -> None:
        """Give new operations names that no layer of the model has."""
        for tensor in tree.flatten(made):
            if not isinstance(tensor, keras.KerasTensor):
                continue
            operation, node, _ = tensor._keras_history  # noqa: SLF001 - no public name
            known = isinstance(operation, keras.layers.Layer)
            if known or id(operation) in self._named:
                continue
            self._named.add(id(operation))
            while operation.name in self._taken:
                operation.name += "_op"
            self._taken.add(operation.name)
            self._rename(operation._inbound_nodes[node].input_tensors)  # noqa: SLF001

    def _copy_trainable(self, layer: Any) -> None:
        made = self._made.get(id(layer))
        if made is None or isinstance(made, keras.Model):
            return
        for new in made.layers[:1]:
            new.trainable = made.bare.layer.trainable

    def _structure(self, structure: Any, function: Callable[[Any], Any]) -> Any:
        """Map the leaves of lists, tuples and dicts, plain Python ones at the end."""
        if isinstance(structure, Mapping):
            return {k: self._structure(v, function) for k, v in structure.items()}
        if isinstance(structure, list | tuple):
            return (
                type(structure)(self._structure(v, function) for v in structure)
                if (type(structure) in (list, tuple))
                else [self._structure(v, function) for v in structure]
            )
        return function(structure)


def _require_graph(model: Any) -> None:
    if not getattr(model, "_nodes_by_depth", None):
        raise errors.ModelError(
            "The model has no graph to read. Received: "
            f"{type(model).__name__} {model.name!r}, subclassed or not built. "
            "Rebuild it as functional: `x = tf_keras.Input(shape); "
            "tf_keras.Model(x, model.call(x))`."
        )


class _Leaf:
    """Holds a Keras 2 tensor where Keras 3's tree must not look into it."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def _input(tensor: Any) -> Any:
    layer = tensor._keras_history.layer  # noqa: SLF001 - names the InputLayer
    return keras.Input(
        batch_shape=tuple(tensor.shape),
        dtype=tensor.dtype.name,
        name=layers_in.safe_name(layer.name),
    )


def _argument(leaf: Any, tensors: Mapping[int, Any]) -> Any:
    """Return the new tensor for an old one, and constants as plain values."""
    if id(leaf) in tensors:
        return tensors[id(leaf)]
    if hasattr(leaf, "numpy"):
        leaf = leaf.numpy()
    if isinstance(leaf, np.ndarray) and not leaf.ndim:
        return leaf.item()
    return leaf


def _with_states(layer: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Unpack a recurrent layer's initial states, which Keras 2 appends to its input."""
    if type(layer).__name__ not in _LISTS_STATE or not isinstance(args[0], list):
        return args, kwargs
    sequence, *states = args[0]
    return (sequence,), {**kwargs, "initial_state": states}
