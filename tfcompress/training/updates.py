"""Optimizer steps with fewer TensorFlow operations and the same arithmetic.

Keras 3 computes the update of every variable on its own: Adam's bias correction and
the learning rate's schedule again for each, a thousand operations in a step of a small
network.  Here what is common to all variables is computed once, moments are added to in
place, and the momentum update of SGD is one kernel.  The numbers are Keras's own, to
the last bit where TensorFlow does not contract a multiplication and an addition.

TensorFlow's ``ResourceApplyAdam`` would be faster still, but it rounds ``1 - beta_2``
to float32 after the subtraction: 0.00100005 instead of 0.001, which shows after a few
steps.

::

    Adam   alpha = rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)           once for all
           m += (g - m)(1 - beta_1);  v += (g^2 - v)(1 - beta_2)
           w -= m * alpha / (sqrt(v) + epsilon)
    SGD    m = momentum * m - rate * g
           w += m, or with Nesterov's look ahead  w += momentum * m - rate * g

Source: D. P. Kingma and J. Ba, "Adam", ICLR 2015, end of section 2 (the form with
epsilon outside the bias correction, Keras's and TensorFlow's).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

_MARK = "_tfcompress_fused"


def fuse(optimizer: Any) -> Any:
    """Make `optimizer` compute what all variables share once; return it.

    Adam, AdamW and SGD are covered, alone or inside a `LossScaleOptimizer`.  Every
    other one, a subclass with an update of its own, AMSGrad, sparse gradients, and
    training on several replicas keep Keras's update.  Slots, iterations, clipping,
    averages and the file format stay Keras's in any case.

    Example:
        >>> weight = keras.Variable([1.0, 2.0])
        >>> sgd = fuse(keras.optimizers.SGD(0.5, momentum=0.9))
        >>> sgd.apply([tf.constant([2.0, 2.0])], [weight])
        >>> weight.numpy().tolist()
        [0.0, 1.0]
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    steps = _STEPS.get(getattr(type(inner), "update_step", None))
    if steps is None or getattr(inner, "amsgrad", False) or hasattr(inner, _MARK):
        return optimizer
    if inner._distribution_strategy.num_replicas_in_sync > 1:  # noqa: SLF001 - no public name
        return optimizer
    setattr(inner, _MARK, True)
    inner._backend_update_step = functools.partial(_update, inner, steps)  # noqa: SLF001 - no public hook
    inner._apply_weight_decay = functools.partial(_decay, inner)  # noqa: SLF001 - no public hook
    return optimizer


def _update(
    optimizer: Any,
    steps: Any,
    gradients: Sequence[Any],
    variables: Sequence[Any],
    rate: Any,
) -> None:
    """Update all variables; stands in for the optimizer's ``_backend_update_step``."""
    dense = []
    for gradient, variable in zip(gradients, variables, strict=True):
        target = _tensorflow_variable(variable)
        if isinstance(gradient, tf.Tensor) and gradient.dtype == tf.float32:
            index = optimizer._get_variable_index(target)  # noqa: SLF001 - Keras's own steps ask it
            dense.append((gradient, target, index))
        else:
            optimizer.update_step(gradient, target, rate)
    steps(optimizer, dense, tf.cast(rate, tf.float32))


def _adam(optimizer: Any, parts: Sequence[Any], rate: Any) -> None:
    count = keras.ops.cast(optimizer.iterations + 1, "float32")
    power_1 = tf.pow(tf.constant(optimizer.beta_1, tf.float32), count)
    power_2 = tf.pow(tf.constant(optimizer.beta_2, tf.float32), count)
    alpha = rate * tf.sqrt(1 - power_2) / (1 - power_1)
    for gradient, variable, index in parts:
        m = optimizer._momentums[index].value  # noqa: SLF001 - its slots
        v = optimizer._velocities[index].value  # noqa: SLF001 - its slots
        m.assign_add((gradient - m) * (1 - optimizer.beta_1), read_value=False)
        v.assign_add(
            (tf.square(gradient) - v) * (1 - optimizer.beta_2), read_value=False
        )
        step = m * alpha / (tf.sqrt(v) + optimizer.epsilon)
        variable.assign_sub(step, read_value=False)


def _sgd(optimizer: Any, parts: Sequence[Any], rate: Any) -> None:
    for gradient, variable, index in parts:
        if not optimizer.momentum:
            variable.assign_sub(gradient * rate, read_value=False)
            continue
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=optimizer.momentums[index].value.handle,
            lr=rate,
            grad=gradient,
            momentum=optimizer.momentum,
            use_nesterov=optimizer.nesterov,
        )


def _decay(optimizer: Any, variables: Sequence[Any]) -> None:
    """Decay the weights; stands in for the optimizer's ``_apply_weight_decay``."""
    if optimizer.weight_decay is None:
        return
    rate = tf.convert_to_tensor(optimizer.learning_rate)
    for variable in variables:
        if optimizer._use_weight_decay(variable):  # noqa: SLF001 - its list of exceptions
            target = _tensorflow_variable(variable)
            decay = tf.cast(optimizer.weight_decay, target.dtype)
            step = target * decay * tf.cast(rate, target.dtype)
            target.assign_sub(step, read_value=False)


def _tensorflow_variable(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


# By the function that computes the update, so that a subclass which inherits it counts.
_STEPS = {
    keras.optimizers.Adam.update_step: _adam,  # AdamW inherits it
    keras.optimizers.SGD.update_step: _sgd,
}
