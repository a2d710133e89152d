"""Build an equal model in which some layers are made anew, left out, or put in front.

Nested models stay nested and shared layers shared, other than in a rebuilt flat model
(`tfcompress.graph.rebuilding`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import tree

from tfcompress import errors
from tfcompress.graph.copying import copy_input, copy_weights
from tfcompress.graph.reading import functional_graph

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
    pairs: list[tuple[Any, Any]] = []

    def made_again(layer: Any) -> Any:
        twin = copy_layer(layer, changes.get(id(layer)))
        pairs.append((layer, twin))
        return twin

    # A view that was never compiled: cloning a compiled model clones its loss as well.
    calls = functional_graph(model)
    view = keras.Model(calls.input, calls.output, name=model.name)
    inputs = tree.map_structure(copy_input, calls.input)
    fed = _fed(tree.flatten(inputs), entry)
    twin = keras.models.clone_model(
        view,
        input_tensors=inputs,
        clone_function=made_again,
        call_function=lambda layer, *args, **kwargs: layer(
            *_replaced(args, fed), **_replaced(kwargs, fed)
        ),
        recursive=True,
    )
    if kind is not keras.Model:
        twin = kind(twin.input, twin.output, name=model.name)
    for layer, new in pairs:
        if isinstance(new, keras.Layer):
            copy_weights(layer, new)
    copy_compile(model, twin)
    return twin


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


def copy_compile(model: keras.Model, clone: keras.Model) -> None:
    """Compile `clone` like `model`, if that is compiled and says how."""
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
