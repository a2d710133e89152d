"""Tell the parts of a model who compiles it and who fits it.

A constraint runs in the compiled step but is given nothing except its variable.  One
that needs more of the optimizer (its learning rate, its averages) has a method
``follow(model)``; everything here that compiles a model calls it.

A layer sees batches, but no beginning and no end.  One that has to say something about
a fit has a method ``watch_fit(model, initial_epoch)``, which refuses it or returns a
callback; everything here that fits a model calls it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras


def follow_optimizer(model: keras.Model) -> None:
    """Call ``follow(model)`` on every constraint of `model` that has it."""
    for variable in model.trainable_variables:
        follow = getattr(getattr(variable, "constraint", None), "follow", None)
        if follow is not None:
            follow(model)


def fit_watchers(
    model: keras.Model, *, initial_epoch: int = 0
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of the layers of `model`; to be called after all others."""
    layers = model._flatten_layers()  # noqa: SLF001 - no public walk over nested layers
    watching = [layer for layer in layers if hasattr(layer, "watch_fit")]
    return [layer.watch_fit(model, initial_epoch) for layer in watching]


def watched_fit(
    model: keras.Model, fit: Callable[..., Any], *arguments: Any, **settings: Any
) -> Any:
    """Call the method ``fit`` of `model`, watched by its layers.

    With a `keras.callbacks.CallbackList` it is a part of a training that is led, and
    watched, elsewhere; it may be refused all the same.
    """
    call = inspect.signature(fit).bind(*arguments, **settings)
    first = int(call.arguments.get("initial_epoch", 0))
    watchers = fit_watchers(model, initial_epoch=first)
    given = call.arguments.get("callbacks")
    if not isinstance(given, keras.callbacks.CallbackList):
        given = given if isinstance(given, list | tuple) else [given]
        call.arguments["callbacks"] = [*filter(None, given), *watchers]
    return fit(*call.args, **call.kwargs)
