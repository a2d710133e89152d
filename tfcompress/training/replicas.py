"""Variables that a training step changes by itself, on every replica of a strategy.

TensorFlow keeps the copies of a variable equal by meeting whenever one is assigned, and
cannot meet inside of a ``tf.cond``.  State that a step changes there (moving statistics
that freeze, masks that are due) needs copies that each replica changes alone.

Source: TensorFlow's ``tf.VariableSynchronization.ON_READ``, which Keras 2 gave the
moving statistics of its BatchNormalization.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf


@contextlib.contextmanager
def own_copies() -> Iterator[None]:
    """Give variables made in the block a copy that each replica assigns alone.

    Trained ones are left alone: optimizers keep these equal. Outside of the step a
    value is what the variable's ``aggregation`` says; if nothing, the copies' mean.
    Without a strategy nothing is different.
    """

    def made(make: Callable[..., Any], **settings: Any) -> Any:
        if not settings.get("trainable", True):
            settings["synchronization"] = tf.VariableSynchronization.ON_READ
            if settings.get("aggregation") in (None, tf.VariableAggregation.NONE):
                settings["aggregation"] = tf.VariableAggregation.MEAN
        return make(**settings)

    with tf.variable_creator_scope(made):
        yield


def is_one_of_several() -> bool:
    """Return whether the code runs on one of several replicas."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1
