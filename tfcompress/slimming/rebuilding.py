"""Build an equal model in which some layers are made anew with other settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tfcompress import errors
from tfcompress.graph.reading import functional_graph

_LOG = logging.getLogger(__name__)


def rebuild(
    model: keras.Model, changes: Mapping[int, Callable[[Any], Any]]
) -> keras.Model:
    """Return a model with the same calls and weights, some layers replaced.

    Args:
        model: A functional or Sequential model; nested ones are rebuilt too.
        changes: For ``id(layer)``, a function of the layer that returns an unbuilt
            layer with the same weight names. A weight that only the new layer has
            keeps its initial value.

    Returns:
        A model of its own weights, compiled like `model` (with a new optimizer) where
        those settings can be copied. Layers without weights that cannot be configured
        (Lambda) are shared with `model`.

    Raises:
        ModelError: If a layer with weights does not say how to be made again.
    """
    pairs: list[tuple[Any, Any]] = []

    def made_again(layer: Any) -> Any:
        twin = _copy(layer, changes.get(id(layer)))
        pairs.append((layer, twin))
        return twin

    # A view that was never compiled: cloning a compiled model clones its loss as well.
    calls = functional_graph(model)
    view = keras.Model(calls.input, calls.output, name=model.name)
    clone = keras.models.clone_model(view, clone_function=made_again, recursive=True)
    for layer, twin in pairs:
        if twin is not layer:
            _copy_weights(layer, twin)
    _copy_compile(model, clone)
    return clone


def _copy(layer: Any, change: Callable[[Any], Any] | None) -> Any:
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


def _copy_weights(layer: Any, twin: Any) -> None:
    if type(twin) is type(layer) and len(twin.variables) == len(layer.variables):
        for old, new in zip(layer.variables, twin.variables, strict=True):
            new.assign(old)
        return
    named = {variable.name: variable for variable in twin.variables}
    for variable in layer.variables:
        named[variable.name].assign(variable)


def _copy_compile(model: keras.Model, clone: keras.Model) -> None:
    if not model.compiled:
        return
    try:
        clone.compile_from_config(model.get_compile_config())
    except (TypeError, ValueError, AttributeError) as error:
        _LOG.info("%s: compile the new model yourself (%s).", model.name, error)
