"""Tell the constraints of a model which optimizer moves its weights.

A constraint runs in the compiled step but is given nothing except its variable.  One
that needs more of the optimizer (its learning rate, its averages) has a method
``follow(model)``; everything here that compiles a model calls it.
"""

from __future__ import annotations

import keras


def follow_optimizer(model: keras.Model) -> None:
    """Call ``follow(model)`` on every constraint of `model` that has it."""
    for variable in model.trainable_variables:
        follow = getattr(getattr(variable, "constraint", None), "follow", None)
        if follow is not None:
            follow(model)
