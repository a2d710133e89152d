"""Make a twin of a model that trains faster and shares its weights.

The twin is the same graph over the *same layer objects*; only batch normalizations are
replaced by views that compute in one fused kernel (`tfcompress.training.fused`), and
the optimizer it is compiled with updates each variable in one kernel
(`tfcompress.training.updates`).  There is nothing to copy back: a step of the twin
changes the variables of the model.

::

    model  conv - bn          - relu - dense        layers, variables, flags: shared
    twin   conv - bn (fused)  - relu - dense

Saving the twin writes the plain model.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import keras

from tfcompress import errors
from tfcompress.training import fused, updates


def accelerate(model: keras.Model, *, precision: str | None = None) -> keras.Model:
    """Return a twin that trains `model`'s own weights in less time.

    Use it where you would call ``model.fit``: fit the twin, then go on with `model`,
    which holds the trained weights.  Results equal plain Keras training up to the order
    of float32 sums.

    Args:
        model: A built functional or Sequential model, nested ones and shared layers
            included. If it is compiled, the twin is compiled alike and shares the
            optimizer, state included.
        precision: Dtype policy to compute in, such as "mixed_bfloat16"; variables and
            outputs stay as they are. By default each layer keeps its own.

    Returns:
        A `keras.Model` to compile and fit as usual. ``save`` on it writes the plain
        model. Change ``trainable`` flags on either one *before* compiling.

    Raises:
        ModelError: If the model is subclassed or not built.

    Example:
        >>> model = keras.Sequential(
        ...     [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3),
        ...      keras.layers.BatchNormalization(), keras.layers.Flatten(),
        ...      keras.layers.Dense(1)])
        >>> twin = accelerate(model)
        >>> twin.compile("sgd", "mse")
        >>> before = model.layers[0].get_weights()[0].copy()
        >>> x, y = keras.ops.ones((2, 8, 8, 3)), keras.ops.ones((2, 1))
        >>> _ = twin.fit(x, y, verbose=0)
        >>> bool((model.layers[0].get_weights()[0] != before).any())
        True
    """
    _check(model)
    with model.distribute_strategy.scope():
        twin = _rebuild(model, precision)
        twin.get_config = model.get_config  # files and clones hold the plain model
        twin.compile = functools.partial(_compile, twin)
        if model.compiled:
            _compile_alike(twin, model)
    return twin


def _check(model: keras.Model) -> None:
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        raise errors.ModelError(
            "Only functional and Sequential models can be accelerated. Received: "
            f"{model.name!r} of class {type(model).__name__}, whose graph is hidden in "
            "its `call`. Rebuild it with `keras.Model(inputs, outputs)`, or train it "
            "as it is with `TrainConfig(accelerate=False)`."
        )
    if not model.built:
        raise errors.ModelError(
            f"This model is not built. Received: {model.name!r}. Give it an input "
            "shape first: `model.build((None, height, width, channels))`."
        )


def _rebuild(model: keras.Model, precision: str | None) -> keras.Model:
    """Run the graph again with views in place of batch normalizations.

    Calling a layer records a node on it; these are taken off again, so that the given
    model is left as it was.
    """
    operations = list(_operations(model))
    recorded = [
        (nodes, len(nodes))
        for operation in operations
        for nodes in (operation._inbound_nodes, operation._outbound_nodes)  # noqa: SLF001 - no public access
    ]
    ends = {tensor._keras_history.operation for tensor in model.outputs}  # noqa: SLF001 - no public access
    compiled, model.compiled = model.compiled, False  # `clone_model` would compile too
    try:
        twin = keras.models.clone_model(
            model,
            clone_function=lambda operation: _replacement(
                operation, None if operation in ends else precision
            ),
            recursive=True,
        )
    finally:
        model.compiled = compiled
        for nodes, count in recorded:
            del nodes[count:]
    twin.trainable = model.trainable
    return twin


def _replacement(operation: Any, precision: str | None) -> Any:
    """Return what stands for `operation` in the twin: nearly always itself."""
    if fused.can_view(operation):
        operation = fused.view(operation)
    if precision is None or not isinstance(operation, keras.Layer):
        return operation
    recast = object.__new__(type(operation))
    own: dict[str, Any] = {"_inbound_nodes": [], "_outbound_nodes": []}
    object.__setattr__(recast, "__dict__", {**operation.__dict__, **own})
    recast.dtype_policy = precision
    return recast


def _operations(model: keras.Model) -> Iterator[Any]:
    """Yield every operation of the graph and of the models nested in it."""
    inner = model._functional if isinstance(model, keras.Sequential) else model  # noqa: SLF001 - no public access
    for operation in [*inner.operations, *model.layers]:
        yield operation
        if hasattr(operation, "operations") or isinstance(operation, keras.Sequential):
            yield from _operations(operation)


def _compile(
    twin: keras.Model, optimizer: Any = "rmsprop", *more: Any, **settings: Any
) -> None:
    optimizer = updates.fuse(keras.optimizers.get(optimizer))
    type(twin).compile(twin, optimizer, *more, **settings)


def _compile_alike(twin: keras.Model, model: keras.Model) -> None:
    settings = dict(model._compile_config.config)  # noqa: SLF001 - the public one is a JSON copy
    settings["optimizer"] = model.optimizer
    twin.compile(**settings)
