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
import logging
from typing import Any

import keras

from tfcompress import errors
from tfcompress.graph.reading import lost_training
from tfcompress.training import following, fused, updates, views

_LOG = logging.getLogger(__name__)


def accelerate(
    model: keras.Model, *, precision: str | None = None, compiled: bool = True
) -> keras.Model:
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
        compiled: Compile the twin of a compiled model; false where it only predicts.

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
        fit = functools.partial(type(twin).fit, twin)
        twin.fit = functools.partial(following.watched_fit, twin, fit)
        for note in lost_training(model, twin) if compiled else ():
            _LOG.warning("%s: %s.", model.name, note)
        if compiled and model.compiled:
            _compile_alike(twin, model)
    return twin


def _check(model: keras.Model) -> None:
    if not views.has_graph(model):
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
    """Run the graph again with stand-ins for some layers."""
    ends = {tensor._keras_history.operation for tensor in model.outputs}  # noqa: SLF001 - no public access

    def stand_in(operation: Any) -> Any:
        """Return what stands for `operation` in the twin: nearly always itself."""
        if views.has_graph(operation):
            return _rebuild(operation, precision)
        if fused.can_view(operation):
            operation = fused.view(operation)
        if precision and operation not in ends and isinstance(operation, keras.Layer):
            operation = views.share(operation)
            operation.dtype_policy = precision
        return operation

    compiled, model.compiled = model.compiled, False  # `clone_model` would compile too
    try:
        with views.unrecorded(model):
            twin = keras.models.clone_model(model, clone_function=stand_in)
    finally:
        model.compiled = compiled
    twin._trainable = model._trainable  # noqa: SLF001 - the public setter changes the shared layers
    return twin


def _compile(
    twin: keras.Model, optimizer: Any = "rmsprop", *more: Any, **settings: Any
) -> None:
    optimizer = updates.fuse(keras.optimizers.get(optimizer))
    type(twin).compile(twin, optimizer, *more, **settings)
    following.follow_optimizer(twin)


def _compile_alike(twin: keras.Model, model: keras.Model) -> None:
    settings = dict(model._compile_config.config)  # noqa: SLF001 - the public one is a JSON copy
    settings["optimizer"] = model.optimizer
    twin.compile(**settings)
