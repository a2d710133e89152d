"""Build a new Keras model from a flattened one, layer by layer, with edited configs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tfcompress.graph.copying import copy_input
from tfcompress.graph.reading import (
    Call,
    FlatModel,
    Ref,
    functional_graph,
    lost_training,
)

Edits = Mapping[str, Mapping[str, Any]]
Visit = Callable[[Call, Mapping[int, Any]], Any]


def rebuild(
    model: keras.Model, flat: FlatModel, edits: Edits
) -> tuple[keras.Model, dict[str, Any], list[str]]:
    """Build the model again from copies of its layers; weights are fresh.

    Args:
        model: The original, for its inputs, name and compile settings.
        flat: Its calls.
        edits: For each layer to change, the config entries to replace.

    Returns:
        The new model; its layers by name; and notes on what could not be copied.
    """
    notes: list[str] = []
    layers: dict[str, Any] = {}

    def copied(call: Call, tensors: Mapping[int, Any]) -> Any:
        if call.name not in layers:
            narrower = any(
                tensors[number].shape != flat.tensors[number].shape
                for number in call.inputs
            )
            layers[call.name] = copy_layer(
                call.layer,
                call.name,
                edits.get(call.name, {}),
                notes,
                narrower=narrower,
            )
        args, kwargs = arguments(call, tensors)
        return layers[call.name](*args, **kwargs)

    new = replay(model, flat, copied)
    _copy_trainable(model, new, flat, layers)
    notes += lost_training(model, new)
    copy_compile(model, new, notes)
    return new, layers, notes


def replay(model: keras.Model, flat: FlatModel, visit: Visit) -> keras.Model:
    """Build a model by visiting the calls of another one in order.

    Args:
        model: The original, for its inputs, structure and name.
        flat: Its calls.
        visit: Makes the outputs of a call, given the new tensors by the old ones'
            numbers; `arguments` fills them in.
    """
    inputs = tree.map_structure(copy_input, functional_graph(model).input)
    tensors = dict(zip(flat.input_tensors(), tree.flatten(inputs), strict=True))
    for call in flat.calls:
        made = tree.flatten(visit(call, tensors))
        tensors.update(zip(call.outputs, made, strict=True))
    outputs = tree.map_structure(lambda ref: tensors[ref.tensor], flat.outputs)
    return keras.Model(inputs, outputs, name=model.name)


def arguments(call: Call, tensors: Mapping[int, Any]) -> tuple[Any, Any]:
    """Return the positional and named arguments of a call, with tensors filled in."""
    filled: tuple[Any, Any] = tree.map_structure(
        lambda x: tensors[x.tensor] if isinstance(x, Ref) else x,
        (call.args, dict(call.kwargs)),
    )
    return filled


def copy_layer(
    layer: Any,
    name: str,
    edits: Mapping[str, Any],
    notes: list[str],
    *,
    narrower: bool = False,
) -> Any:
    """Make a new layer from the config of an old one.

    A layer that cannot be made from its config is used itself, weights shared: its
    channels were pinned, so it still fits.  Initializers that hold arrays give
    way to the layer's default where the weights get other shapes: by an edit, or by
    `narrower` inputs.
    """
    if isinstance(layer, keras.layers.Lambda):
        return _copy_lambda(layer, name)
    try:
        config = layer.get_config()
        if narrower or any(config.get(key) != new for key, new in edits.items()):
            for key in _array_initializers(layer, config):
                del config[key]
        new = type(layer).from_config({**config, **edits})
    except (TypeError, ValueError, NotImplementedError, KeyError) as error:
        notes.append(
            f"{name}: it cannot be rebuilt from its config ({error}), so the new model "
            "shares this layer with the original"
        )
        return layer
    new.name = name
    return new


def _array_initializers(layer: Any, config: Mapping[str, Any]) -> list[str]:
    """Return the entries of initializers that fit the original shapes alone."""
    return [
        key
        for key in config
        if key.endswith("_initializer")
        and any(
            np.ndim(value) > 0
            for value in getattr(getattr(layer, key, None), "__dict__", {}).values()
        )
    ]


def _copy_lambda(layer: Any, name: str) -> Any:
    """Copy a Lambda around its live function; its config would need unsafe loading."""
    return keras.layers.Lambda(
        layer.function,
        output_shape=layer._output_shape,  # noqa: SLF001 - has no public name
        arguments=layer.arguments,
        name=name,
        dtype=layer.dtype_policy,
    )


def _copy_trainable(
    model: keras.Model, new: keras.Model, flat: FlatModel, layers: Mapping[str, Any]
) -> None:
    """Freeze what is frozen, also where an enclosing nested model froze it."""
    # Read first: a layer that could not be copied is in both models.
    flags = {call.name: getattr(call.layer, "trainable", None) for call in flat.calls}
    new.trainable = model.trainable  # Keras sets it on every layer inside
    for name, flag in flags.items():
        if flag is not None:
            layers[name].trainable = flag


def copy_compile(model: keras.Model, new: keras.Model, notes: list[str]) -> None:
    """Compile the new model as the old one, where its settings can be copied."""
    if not getattr(model, "compiled", False):
        return
    config: Any = None
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        config = model.get_compile_config()
    if not config:
        notes.append("the compile settings cannot be copied; compile the new model")
        return
    try:
        new.compile_from_config(config)
    except (TypeError, ValueError, AttributeError) as error:
        notes.append(f"the compile settings cannot be copied ({error}); compile it")
