"""Optimizer steps in one TensorFlow kernel per variable instead of a dozen.

Keras 3 computes Adam's update of each variable from primitive operations; with a
hundred small variables that is a thousand of them in every step.  TensorFlow has a
kernel that does the same arithmetic in place.  `fuse` makes an optimizer use it; slots,
iterations, weight decay, clipping, averages and its file format stay Keras's own.

::

    Adam   alpha = rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)
           m += (g - m)(1 - beta_1);  v += (g^2 - v)(1 - beta_2)
           w -= alpha * m / (sqrt(v) + epsilon)
    SGD    m = momentum * m - rate * g
           w += m, or with Nesterov's look ahead  w += momentum * m - rate * g

Source: D. P. Kingma and J. Ba, "Adam", ICLR 2015, end of section 2 (the form with
epsilon outside the bias correction, Keras's and TensorFlow's).
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import tensorflow as tf

_MARK = "tfcompress_fused"


def fuse(optimizer: Any) -> Any:
    """Make `optimizer` update each float32 variable in one kernel; return it.

    Adam, AdamW and SGD are covered, alone or inside a `LossScaleOptimizer`.  Every
    other one, a subclass with an update of its own, AMSGrad, sparse gradients, and
    training on several replicas keep Keras's update.

    Example:
        >>> weight = keras.Variable([1.0, 2.0])
        >>> sgd = fuse(keras.optimizers.SGD(0.5, momentum=0.9))
        >>> sgd.apply([tf.constant([2.0, 2.0])], [weight])
        >>> weight.numpy().tolist()
        [0.0, 1.0]
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    step = _STEPS.get(getattr(type(inner), "update_step", None))
    if step is None or getattr(inner, "amsgrad", False) or hasattr(inner, _MARK):
        return optimizer
    if inner._distribution_strategy.num_replicas_in_sync > 1:  # noqa: SLF001 - no public name
        return optimizer
    setattr(inner, _MARK, True)
    inner.update_step = functools.partial(_update, inner, step, inner.update_step)
    return optimizer


def _update(
    optimizer: Any, step: Any, plain: Any, gradient: Any, variable: Any, rate: Any
) -> None:
    dense = isinstance(gradient, tf.Tensor) and gradient.dtype == tf.float32
    if dense and variable.dtype in (tf.float32, "float32"):
        target = getattr(variable, "value", variable)
        handle = variable.handle if hasattr(variable, "handle") else target.handle
        index = optimizer._get_variable_index(variable)  # noqa: SLF001 - Keras's own steps ask it
        step(optimizer, handle, index, gradient, tf.cast(rate, tf.float32))
    else:
        plain(gradient, variable, rate)


def _adam(optimizer: Any, handle: Any, index: int, gradient: Any, rate: Any) -> None:
    count = tf.cast(optimizer.iterations.value + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=handle,
        m=optimizer._momentums[index].value.handle,  # noqa: SLF001 - its slots
        v=optimizer._velocities[index].value.handle,  # noqa: SLF001 - its slots
        beta1_power=tf.pow(tf.constant(optimizer.beta_1, tf.float32), count),
        beta2_power=tf.pow(tf.constant(optimizer.beta_2, tf.float32), count),
        lr=rate,
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        grad=gradient,
    )


def _sgd(optimizer: Any, handle: Any, index: int, gradient: Any, rate: Any) -> None:
    if not optimizer.momentum:
        tf.raw_ops.ResourceApplyGradientDescent(var=handle, alpha=rate, delta=gradient)
        return
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=handle,
        accum=optimizer.momentums[index].value.handle,
        lr=rate,
        grad=gradient,
        momentum=optimizer.momentum,
        use_nesterov=optimizer.nesterov,
    )


# By the function that computes the update, so that a subclass which inherits it counts.
_STEPS = {
    keras.optimizers.Adam.update_step: _adam,  # AdamW inherits it
    keras.optimizers.SGD.update_step: _sgd,
}
