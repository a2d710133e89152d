"""Make the Keras 2 twin of a Keras 3 model, and carry weights both ways.

Nested models are inlined, because TFMOT refuses them; a layer keeps its name, prefixed
with the nested model's where two collide.  So a layer is found on both sides by the
name of its call (`graph.reading`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import tree

from tfcompress import errors
from tfcompress.graph import reading
from tfcompress.graph.derived_values import set_weights
from tfcompress.interop import (
    configs,
    layers_out,
    legacy,
    operations_out,
    weights,
    wrappers,
)


def export_model(
    model: keras.Model, custom_objects: Mapping[str, Any], *, in_parts: bool = False
) -> Any:
    """Return the Keras 2 twin of a Keras 3 model, weights included.

    Args:
        model: A built functional or sequential model.
        custom_objects: As in `keras2.to_keras2`.
        in_parts: Make two convolutions of each SeparableConv2D.

    Raises:
        ModelError: If it has no graph, or a part of it has no counterpart.
    """
    kit = legacy.tf_keras()
    flat = reading.read_model(model)
    graph = reading.functional_graph(model)
    inputs = tree.map_structure(_input, graph.input)
    tensors = dict(zip(flat.input_tensors(), tree.flatten(inputs), strict=True))
    made: dict[str, layers_out.Made] = {}
    for call in flat.calls:
        args, kwargs = tree.map_structure(
            lambda x: tensors[x.tensor] if isinstance(x, reading.Ref) else x,
            (call.args, dict(call.kwargs)),
        )
        if isinstance(call.layer, keras.layers.Layer):
            if call.name not in made:
                split = in_parts and type(call.layer).__name__ == "SeparableConv2D"
                make = layers_out.make_parts if split else layers_out.make
                made[call.name] = make(call.layer, call.name, custom_objects)
            outputs = _apply(made[call.name], call, args, kwargs)
        else:
            outputs = operations_out.replay(
                call.layer, call.name, args, kwargs, custom_objects
            )
        tensors.update(zip(call.outputs, tree.flatten(outputs), strict=True))
    ends = tree.map_structure(lambda ref: tensors[ref.tensor], flat.outputs)
    new = kit.Model(inputs, ends, name=model.name)
    _carry_out(flat, made)
    return new


def carry_back(model: keras.Model, legacy_layers: Mapping[str, wrappers.Bare]) -> None:
    """Copy weights of Keras 2 layers, by name, into the Keras 3 model they came from.

    Args:
        model: Changed in place.
        legacy_layers: The Keras 2 layers without wrappers, by the names that
            `export_model` gave them.

    Raises:
        ModelError: If a layer with weights is missing, or its weights do not fit.
    """
    done: set[str] = set()
    for call in reading.read_model(model).calls:
        layer = call.layer
        held = list(getattr(layer, "weights", ()))
        if call.name in done or not held or _keeps_constants(layer):
            continue
        done.add(call.name)
        if call.name not in legacy_layers:
            raise errors.ModelError(
                "A layer is missing in the Keras 2 model. Received: no layer "
                f"{call.name!r} among {len(legacy_layers)}. Pass the model that "
                "`interop.to_keras2` made of this one, trained or wrapped."
            )
        paths = [variable.path for variable in held]
        source = legacy_layers[call.name].weights
        weights.carry(source, held, paths, layer=call.name)


def copied(model: keras.Model) -> keras.Model:
    """Return a copy of a model with its own weights, Lambdas handed on.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> copy = copied(model)
        >>> copy is model, bool((copy.get_weights()[0] == model.get_weights()[0]).all())
        (False, True)
    """

    def clone(layer: Any) -> Any:
        if isinstance(layer, keras.layers.Lambda):
            return layer
        return type(layer).from_config(layer.get_config())

    compiled, model.compiled = model.compiled, False  # `clone_model` would compile too
    try:
        copy = keras.models.clone_model(model, clone_function=clone, recursive=True)
    finally:
        model.compiled = compiled
    set_weights(copy, model.get_weights())
    return copy


def _apply(made: layers_out.Made, call: reading.Call, args: Any, kwargs: Any) -> Any:
    # Keras 3 records `training` for each call and lets the model's own override it.
    kept = {k: v for k, v in kwargs.items() if v is not None and k != "training"}
    states = kept.pop("initial_state", None)
    if states is not None:
        kept["initial_state"] = list(tree.flatten(states))
    try:
        return made(*args, **kept)
    except (TypeError, ValueError) as error:
        kind = type(call.layer).__name__
        raise errors.ModelError(
            "The counterpart of a layer refuses its inputs. Received: layer "
            f"{call.name!r} ({str(error).strip().splitlines()[0][:200]}). Pass "
            f"custom_objects={{{kind!r}: your_tf_keras_layer}}."
        ) from error


def _carry_out(flat: reading.FlatModel, made: Mapping[str, layers_out.Made]) -> None:
    done: set[str] = set()
    for call in flat.calls:
        if call.name in done or call.name not in made or _keeps_constants(call.layer):
            continue
        done.add(call.name)
        twin = made[call.name]
        twin.layer.trainable = call.layer.trainable
        if twin.pointwise is not None:
            depthwise, *rest = call.layer.get_weights()
            twin.layer.set_weights([depthwise])
            twin.pointwise.set_weights(rest)
            twin.pointwise.trainable = call.layer.trainable
            continue
        target = twin.layer.weights
        source = [
            (variable.path, keras.ops.convert_to_numpy(variable))
            for variable in call.layer.weights
        ]
        paths = [wrappers.path_of(weight) for weight in target]
        weights.carry(source, target, paths, layer=call.name)


def _keeps_constants(layer: Any) -> bool:
    return type(layer).__name__ in configs.WITHOUT_WEIGHTS


def _input(tensor: Any) -> Any:
    layer = tensor._keras_history.operation  # noqa: SLF001 - names the InputLayer
    return legacy.tf_keras().Input(
        batch_shape=tuple(tensor.shape),
        dtype=keras.backend.standardize_dtype(tensor.dtype),
        name=layer.name,
    )
