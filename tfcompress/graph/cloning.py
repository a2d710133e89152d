"""Build an equal model in which some layers are made anew, left out, or put in front.

Nested models stay nested and shared layers shared, unlike in a rebuilt flat model
(`tfcompress.graph.rebuilding`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import tree

from tfcompress import errors
from tfcompress.graph.copying import copy_input, copy_weights
from tfcompress.graph.reading import functional_graph, lost_training, nested_graph

_LOG = logging.getLogger(__name__)


def clone(
    model: keras.Model,
    changes: Mapping[int, Callable[[Any], Any]],
    *,
    entry: Callable[[list[Any]], list[Any]] | None = None,
    kind: Any = keras.Model,
) -> keras.Model:
    """Return a model with the same calls and weights, some layers replaced.

    Args:
        model: A functional or Sequential model; nested ones are rebuilt too.
        changes: For ``id(layer)``, a function of the layer that returns an unbuilt
            layer with the same weight names, or a function to call in its place. A
            weight that only the new layer has keeps its initial value.
        entry: A layer that all inputs go through first, as one list.
        kind: Class of the new model, `keras.Model` or a subclass without an
            ``__init__``.

    Returns:
        A model of its own weights, compiled like `model` (with a new optimizer) where
        those settings can be copied. Layers without weights that cannot be configured
        (Lambda) are shared with `model`.

    Raises:
        ModelError: If a layer with weights does not say how to be made again.
    """
    copies = Copies(changes)
    # A view that was never compiled: cloning a compiled model clones its loss as well.
    calls = functional_graph(model)
    view = keras.Model(calls.input, calls.output, name=model.name)
    inputs = tree.map_structure(copy_input, calls.input)
    fed = _fed(tree.flatten(inputs), entry)
    twin = keras.models.clone_model(
        view,
        input_tensors=inputs,
        clone_function=copies,
        call_function=lambda layer, *args, **kwargs: layer(
            *_replaced(args, fed), **_replaced(kwargs, fed)
        ),
    )
    if kind is not keras.Model:
        twin = kind(twin.input, twin.output, name=model.name)
    copies.take_weights()
    _copy_training(model, twin)
    return twin


def clone_chain(model: keras.Model, layers: Sequence[Any]) -> keras.Sequential:
    """Return a Sequential model of copies of `layers`, called one after the other.

    Args:
        model: Its input, name and compile settings are the new model's.
        layers: Layers of `model`; one that is there twice is called twice.

    Raises:
        ModelError: As `clone`.
    """
    copies = Copies()
    chain = [copies(layer) for layer in layers]
    twin = keras.Sequential([copy_input(model.inputs[0]), *chain], name=model.name)
    copies.take_weights()
    _copy_training(model, twin)
    return twin


class Copies:
    """Makes one copy of each layer, however often and in whichever model it is called.

    It is a `clone_function` of `keras.models.clone_model`, which on its own copies a
    model anew for each model that it is nested in.

    Args:
        changes: As for `clone`.

    Attributes:
        pairs: Each layer, models aside, and its copy.
    """

    def __init__(
        self, changes: Mapping[int, Callable[[Any], Any]] | None = None
    ) -> None:
        self._changes = changes or {}
        self._made: dict[int, Any] = {}
        self.pairs: list[tuple[Any, Any]] = []

    def __call__(self, layer: Any) -> Any:
        """Return the unbuilt copy of a layer; of a nested model, call by call."""
        if id(layer) not in self._made:
            self._made[id(layer)] = self._copy(layer)
        return self._made[id(layer)]

    def _copy(self, layer: Any) -> Any:
        if nested_graph(layer) is not None:
            return keras.models.clone_model(layer, clone_function=self)
        twin = copy_layer(layer, self._changes.get(id(layer)))
        self.pairs.append((layer, twin))
        return twin

    def take_weights(self) -> None:
        """Give the copies, once they are built, the weights of their layers."""
        for layer, twin in self.pairs:
            if isinstance(twin, keras.Layer):
                copy_weights(layer, twin)


def copy_layer(layer: Any, change: Callable[[Any], Any] | None = None) -> Any:
    """Make a layer again from its settings, unbuilt; one without any is returned."""
    if change is not None:
        return change(layer)
    if not isinstance(layer, keras.layers.Layer) or isinstance(
        layer, keras.layers.Lambda
    ):
        return layer  # no weights, nothing to configure
    try:
        return type(layer).from_config(layer.get_config())
    except (NotImplementedError, TypeError, ValueError) as error:
        if not layer.variables:
            return layer
        raise errors.ModelError(
            f"Layer {layer.name!r} cannot be made again from its settings. Received: "
            f"{type(layer).__name__} ({error}). Give the class a `get_config` that "
            "returns the arguments of its `__init__`."
        ) from error


def _copy_training(model: keras.Model, clone: keras.Model) -> None:
    """Compile `clone` like `model`, if that is compiled and says how."""
    for note in lost_training(model, clone):
        _LOG.warning("%s: %s.", model.name, note)
    if not model.compiled:
        return
    try:
        clone.compile_from_config(model.get_compile_config())
    except (TypeError, ValueError, AttributeError) as error:
        _LOG.info("%s: compile the new model yourself (%s).", model.name, error)


def _fed(inputs: list[Any], entry: Any) -> dict[int, Any]:
    """Return, by the id of each input, the tensor to read in its place."""
    if entry is None:
        return {}
    return {id(x): y for x, y in zip(inputs, entry(inputs), strict=True)}


def _replaced(structure: Any, fed: Mapping[int, Any]) -> Any:
    return tree.map_structure(lambda leaf: fed.get(id(leaf), leaf), structure)
