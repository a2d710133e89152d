"""Name what decides the outcome of a run: a model, its weights, losses and settings.

A state on disk belongs to a run only if all of these are what they were when it was
written, in whichever process that was.  So a description holds no addresses, no names
that Keras counts up (``dense_3``) and no seeds of layers, which a run sets itself.

What has a ``fingerprint``, such as a data set or a distiller, is described by that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import types
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tfcompress import errors, files
from tfcompress.graph.reading import read_model

_PLAIN = (bool, int, float, str)
_OWN_NAME = (keras.Operation, keras.losses.Loss, keras.metrics.Metric)
_WRAPPED = ("fn", "_fn", "_fn_kwargs")  # Huber's delta is in no config
_PASSING = ("name", "seed", "built", "shared_object_id")


def identity(model: keras.Model, *parts: Any) -> str:
    """Return a name for "this model with these weights, and `parts`".

    Args:
        model: A built model of any kind.
        *parts: What else decides: settings, a `tfcompress.data.Task`, functions.

    Example:
        >>> def net(activation):
        ...     x = keras.Input((2,))
        ...     y = keras.layers.Dense(1, activation, kernel_initializer="ones")(x)
        ...     return keras.Model(x, y)
        >>> identity(net("relu"), {"epochs": 2}) == identity(net("relu"), {"epochs": 2})
        True
        >>> identity(net("relu")) == identity(net("tanh"))
        False
    """
    trained = {id(variable) for variable in model.trainable_variables}
    weights = [
        [id(variable) in trained, describe(np.asarray(variable.value))]
        for variable in model.weights
    ]
    described = [describe(model), weights, *map(describe, parts)]
    return files.fingerprint(json.dumps(described, sort_keys=True))


def describe(value: Any) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """Return JSON values that are equal where two values do the same.

    An object that does not say what it is made of is described by its class.

    Example:
        >>> describe({"units": (2, 3)})
        {'units': [2, 3]}
    """
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.ndarray | np.generic) or keras.ops.is_tensor(value):
        array = np.asarray(value)
        return [str(array.dtype), list(array.shape), files.fingerprint(array.tobytes())]
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(getattr(value, "fingerprint", None), str):
        return [_class(value), value.fingerprint]
    if isinstance(value, keras.Model):
        return [_class(value), _structure(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return [_class(value), *[describe(getattr(value, name)) for name in names]]
    if callable(value) and not isinstance(value, type):
        function = _function(value)
        if function is not None:
            return function
    return [_class(value), _settings(value)]


def _mapping(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Describe a dict; the config of a layer without what passes."""
    left_out = _PASSING if {"name", "trainable"} <= values.keys() else _PASSING[-1:]
    return {
        str(key): describe(item) for key, item in values.items() if key not in left_out
    }


def _structure(model: keras.Model) -> Any:
    """Describe the calls of a model, or the layers of one without a graph."""
    try:
        flat = read_model(model)
    except errors.ModelError:
        parts = model._flatten_layers(include_self=False)  # noqa: SLF001 - no public walk over nested layers
        return [_settings(model), [[_class(part), _settings(part)] for part in parts]]
    numbers: dict[int, int] = {}
    for call in flat.calls:
        numbers.setdefault(id(call.layer), len(numbers))
    layers = {numbers[id(call.layer)]: call.layer for call in flat.calls}
    fed = [flat.tensors[number] for number in flat.input_tensors()]
    tensors = [(tensor.shape, tensor.dtype) for tensor in fed]
    calls = [
        (numbers[id(call.layer)], call.args, call.kwargs, call.outputs)
        for call in flat.calls
    ]
    return describe([layers, tensors, calls, flat.inputs, flat.outputs])


def _settings(value: Any) -> dict[str, Any]:
    """Describe what an object was made with."""
    if isinstance(value, keras.layers.Lambda):  # its config holds compiled code
        return _mapping({"function": value.function, "arguments": value.arguments})
    config: Any = None
    with contextlib.suppress(Exception):  # a class of the user's may raise anything
        config = value.get_config()
    found = dict(config) if isinstance(config, Mapping) else {}
    if not found or not isinstance(value, keras.Layer):
        found = {**_attributes(value), **found}
    if isinstance(value, _OWN_NAME):
        found = {k: v for k, v in found.items() if k not in _PASSING}
    return _mapping(found)


def _attributes(value: Any) -> dict[str, Any]:
    """Return the plain public attributes of a Keras object that has no full config."""
    if not isinstance(value, (*_OWN_NAME, keras.Layer)):
        return {}
    return {
        name: item
        for name, item in vars(value).items()
        if (isinstance(item, (*_PLAIN, tuple)) and not name.startswith("_"))
        or name in _WRAPPED
    }


def _function(value: Any, *, closure: bool = True) -> Any:
    """Describe a function by its code and what it holds; None if it is none."""
    if isinstance(value, functools.partial):
        return ["partial", *map(describe, (value.func, value.args, value.keywords))]
    value = inspect.unwrap(value)
    code = getattr(value, "__code__", None)
    if not isinstance(code, types.CodeType):
        return None
    held = [cell for cell in (value.__closure__ or ()) if closure]
    return [
        f"{value.__module__}.{value.__qualname__}",
        _code(code),
        describe([x for x in value.__defaults__ or () if isinstance(x, _PLAIN)]),
        [_held(cell) for cell in held],
    ]


def _code(code: types.CodeType) -> list[Any]:
    constants = [
        _code(constant) if isinstance(constant, types.CodeType) else repr(constant)
        for constant in code.co_consts
        if not isinstance(constant, frozenset)  # its order differs between processes
    ]
    return [code.co_code.hex(), list(code.co_names), constants]


def _held(cell: Any) -> Any:
    """Describe what a closure holds, as far as it cannot change."""
    try:
        value = cell.cell_contents
    except ValueError:  # not assigned yet
        return None
    if isinstance(value, (*_PLAIN, tuple)):
        return describe(value)
    is_function = isinstance(value, types.FunctionType)
    return _function(value, closure=False) if is_function else _class(value)


def _class(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
