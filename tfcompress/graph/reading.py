"""Read a Keras model into a flat list of calls, nested models inlined.

Keras keeps the graph of a functional model as nodes by depth; a nested model is one
node of its outer graph. Here every call of every layer or operation becomes one `Call`,
in topological order, whatever the nesting; the original model is only read.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import keras
from keras import tree

from tfcompress import errors


@dataclasses.dataclass(frozen=True, slots=True)
class Ref:
    """Stands for a tensor inside the arguments of a call."""

    tensor: int


@dataclasses.dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor between two calls; ``shape[0]`` is the batch and is None."""

    shape: tuple[int | None, ...]
    dtype: str
    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer or operation.

    Attributes:
        index: Position in the topological order.
        layer: The Keras layer or operation.
        name: Name of the layer, unique over all layers and inputs of the flattened
            model.
        args, kwargs: The arguments, with a `Ref` in place of each tensor.
        inputs: The tensors among the arguments, in order.
        outputs: The tensors it makes.
    """

    index: int
    layer: Any
    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class FlatModel:
    """A model as a flat program: tensors, calls, and which tensors go in and out.

    `inputs` and `outputs` hold a `Ref` at each leaf of the model's own structures.
    """

    tensors: tuple[Tensor, ...]
    calls: tuple[Call, ...]
    inputs: Any
    outputs: Any

    def input_tensors(self) -> list[int]:
        """Return the tensors that go in."""
        return [leaf.tensor for leaf in _leaves(self.inputs)]

    def output_tensors(self) -> list[int]:
        """Return the tensors that come out."""
        return [leaf.tensor for leaf in _leaves(self.outputs)]


def read_model(model: keras.Model) -> FlatModel:
    """Flatten a built Functional or Sequential model.

    Raises:
        ModelError: If the model is a Keras 2 model, is subclassed, is not built, or is
            quantized.
    """
    graph = functional_graph(model)
    reader = _Reader(input_names(model))
    inputs = tree.map_structure(reader.new_tensor, graph.input)
    bindings = dict(zip(_ids(graph.input), _leaves(inputs), strict=True))
    reader.walk(graph, bindings, {})
    outputs = tree.map_structure(lambda tensor: bindings[id(tensor)], graph.output)
    return FlatModel(tuple(reader.tensors), tuple(reader.calls), inputs, outputs)


def functional_graph(model: Any) -> Any:
    """Return the functional graph behind a model, or refuse with what to do.

    Raises:
        ModelError: See `read_model`.
    """
    _refuse_keras_2(model)
    if not isinstance(model, keras.Model):
        raise errors.ModelError(
            "This is not a Keras model. Received: an object of type "
            f"{type(model).__module__}.{type(model).__name__}. "
            "Pass a built keras.Model."
        )
    graph = getattr(model, "_functional", None) or model
    if isinstance(model, keras.Sequential) and graph is model:
        raise errors.ModelError(
            f"The model is not built. Received: Sequential {model.name!r} without an "
            "input shape. Call `model.build((None, height, width, channels))` first."
        )
    if not hasattr(graph, "_nodes_by_depth") or has_own_call(model):
        raise errors.ModelError(
            "The model has no graph to read. Received: "
            f"{type(model).__name__} {model.name!r}, a subclass of keras.Model with "
            "its own `call`. Rebuild it as functional, "
            "`x = keras.Input(shape); keras.Model(x, model.call(x))`, or pass its "
            "functional core (the attribute that holds the layers)."
        )
    _refuse_quantized(model)
    return graph


def _refuse_keras_2(model: Any) -> None:
    for base in type(model).__mro__:
        if base.__module__.startswith(("tf_keras", "tensorflow.python.keras")):
            raise errors.ModelError(
                "This is a Keras 2 model. Received: "
                f"{type(model).__module__}.{type(model).__name__}. Pass "
                "`interop.from_keras2(model)`."
            )


def _refuse_quantized(model: keras.Model) -> None:
    for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - no public walk
        mode = getattr(getattr(layer, "dtype_policy", None), "quantization_mode", None)
        if mode is not None:
            raise errors.ModelError(
                "The model is quantized by Keras; its weights cannot be cut. Received: "
                f"layer {layer.name!r} with quantization mode {mode!r}. Pass the model "
                "from before `model.quantize(...)`."
            )


class _Reader:
    """Inlines nested graphs while it numbers tensors and names layers."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.tensors: list[Tensor] = []
        self.calls: list[Call] = []
        self._names: dict[int, str] = {}
        self._taken = Counter(taken)

    def new_tensor(self, tensor: Any) -> Ref:
        self.tensors.append(Tensor(tuple(tensor.shape), str(tensor.dtype), tensor.name))
        return Ref(len(self.tensors) - 1)

    def walk(
        self, graph: Any, bindings: dict[int, Ref], context: Mapping[str, Any]
    ) -> None:
        """Append the calls of `graph`; `bindings` maps its Keras tensors to ours.

        `context` holds the call context of the enclosing models, as in
        ``base(x, training=False)``, which reaches every layer inside.
        """
        nodes = graph._nodes_by_depth  # noqa: SLF001 - the only complete record
        for depth in sorted(nodes, reverse=True):
            for node in nodes[depth]:
                if node.arguments.keras_tensors:  # anything but an InputLayer
                    self._append(node, bindings, context)

    def _append(
        self, node: Any, bindings: dict[int, Ref], context: Mapping[str, Any]
    ) -> None:
        layer = node.operation
        args, kwargs = node.arguments.convert(
            lambda x: bindings[id(x)] if isinstance(x, keras.KerasTensor) else x
        )
        inner = nested_graph(layer)
        if inner is not None:
            self._inline(inner, node, (args, kwargs), bindings, context)
            return
        accepted = getattr(layer, "_call_has_training_arg", False)
        if accepted and context.get("training") is not None:
            kwargs = {**kwargs, "training": context["training"]}
        outputs = [self.new_tensor(tensor) for tensor in node.outputs]
        bindings.update(zip(map(id, node.outputs), outputs, strict=True))
        self.calls.append(
            Call(
                index=len(self.calls),
                layer=layer,
                name=self._name(layer, context.get("path", ())),
                args=args,
                kwargs=kwargs,
                inputs=tuple(leaf.tensor for leaf in _leaves((args, kwargs))),
                outputs=tuple(ref.tensor for ref in outputs),
            )
        )

    def _inline(
        self,
        inner: Any,
        node: Any,
        arguments: tuple[Any, Any],
        bindings: dict[int, Ref],
        context: Mapping[str, Any],
    ) -> None:
        args, kwargs = arguments
        given = args[0] if args else next(iter(kwargs.values()))
        if isinstance(given, dict):  # it may hold more than the model reads
            given = (
                {key: given[key] for key in inner.input}
                if isinstance(inner.input, dict)
                else [given[tensor.name] for tensor in tree.flatten(inner.input)]
            )
        local = dict(zip(_ids(inner.input), _leaves(given), strict=True))
        training = kwargs.get("training", context.get("training"))
        path = (*context.get("path", ()), node.operation.name)
        self.walk(inner, local, {"training": training, "path": path})
        for outer, own in zip(node.outputs, tree.flatten(inner.output), strict=True):
            bindings[id(outer)] = local[id(own)]

    def _name(self, layer: Any, path: tuple[str, ...]) -> str:
        """Keep a layer's name; prefix the nested model's where two collide."""
        if id(layer) not in self._names:
            name = layer.name
            if self._taken[name]:
                name = "_".join((*path, name))
            while self._taken[name]:
                name = f"{name}_{self._taken[name]}"
            self._taken[name] += 1
            self._names[id(layer)] = name
        return self._names[id(layer)]


def nested_graph(layer: Any) -> Any | None:
    """Return the graph of a nested model, or None for a layer or opaque model."""
    if not isinstance(layer, keras.Model):
        return None
    graph = getattr(layer, "_functional", None) or layer
    if not hasattr(graph, "_nodes_by_depth") or has_own_call(layer):
        return None
    return graph


def lost_training(model: keras.Model, twin: keras.Model) -> list[str]:
    """Return a note if the class of a model has steps of its own that a copy lacks."""
    lost = [
        name
        for name in ("train_step", "test_step", "predict_step", "compute_loss")
        if getattr(type(model), name) is not getattr(type(twin), name)
    ]
    own = type(model).__name__
    note = (
        f"the {' and '.join(lost)} of its class {own} cannot be copied, so the new "
        "model trains as Keras does; put it into the class again, such as "
        f"`{own}(new.input, new.output)`"
    )
    return [note] if lost else []


def has_own_call(model: keras.Model) -> bool:
    """Tell whether a model computes something else than its graph."""
    return not type(model).call.__module__.startswith("keras.")


def _leaves(structure: Any) -> list[Ref]:
    return [leaf for leaf in tree.flatten(structure) if isinstance(leaf, Ref)]


def _ids(structure: Any) -> list[int]:
    return [id(tensor) for tensor in tree.flatten(structure)]


def input_names(model: Any) -> list[str]:
    """Return the names of a model's inputs, in order: those of their layers.

    Raises:
        ModelError: See `read_model`.

    Example:
        >>> x = keras.Input((2,), name="features")
        >>> input_names(keras.Model(x, keras.layers.Dense(1)(x)))
        ['features']
    """
    tensors = tree.flatten(functional_graph(model).input)
    return [str(tensor._keras_history.operation.name) for tensor in tensors]  # noqa: SLF001 - the only record


def output_names(model: Any) -> list[str]:
    """Return the names by which labels and files call a model's outputs, in order.

    The keys where the model returns a dict, else the names of the layers that make
    them.

    Example:
        >>> x = keras.Input((2,))
        >>> y = keras.layers.Dense(1, name="last")(x)
        >>> output_names(keras.Model(x, y)), output_names(keras.Model(x, {"size": y}))
        (['last'], ['size'])
    """
    structure = getattr(model, "_outputs_struct", None)  # a plain model has no such
    if isinstance(structure, dict) and not any(
        isinstance(value, dict | list | tuple) for value in structure.values()
    ):
        return sorted(structure)  # keras.tree flattens a dict in the order of its keys
    return [str(name) for name in getattr(model, "output_names", None) or ()]
