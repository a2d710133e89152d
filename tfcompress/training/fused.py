"""Batch normalization in one TensorFlow kernel instead of seven.

Keras 3 computes a training batch normalization from primitive operations on the
TensorFlow backend: two reductions, a subtraction, a product and so on, each a pass over
the activations.  TensorFlow has one kernel for all of it and one for its gradient.
`view` gives a layer that computes with them and *is* the original layer otherwise: both
share every attribute, so variables, regularisers, constraints and ``trainable`` flags
cannot drift apart.

The kernel returns the unbiased batch variance ``sum((x - mean)^2) / (n - 1)``, Keras
averages the biased one ``/ n``; the moving variance is corrected by ``(n - 1) / n``.

Source: S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015, algorithm 1;
``FusedBatchNormV3`` in TensorFlow's raw operations.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import tensorflow as tf

_MIN_EPSILON = 1e-5  # cuDNN refuses less
_IMAGE_RANK = 4  # [batch, height, width, channels]


def view(layer: keras.layers.BatchNormalization) -> keras.layers.BatchNormalization:
    """Return a layer that shares everything with `layer` and computes fused.

    What the kernel does not cover is computed by the original's own ``call``: masks,
    renorm, statistics synchronised over replicas, another axis than the last, other
    ranks than 4, float64, and an epsilon below 1e-5.

    Args:
        layer: A built batch normalization; a subclass too, if it inherits ``call``.
    """
    plain: Any = type(layer)
    fused: keras.layers.BatchNormalization = object.__new__(_fused_class(plain))
    object.__setattr__(fused, "__dict__", layer.__dict__)
    return fused


def can_view(layer: object) -> bool:
    """Return whether `view` may stand in for `layer`.

    A subclass with a ``call`` of its own, or with other statistics, is left alone.
    """
    plain = keras.layers.BatchNormalization
    return (
        isinstance(layer, plain)
        and layer.built
        and type(layer).call is plain.call
        and type(layer)._moments is plain._moments  # noqa: SLF001 - no public question
        and not layer.renorm
        and not layer.synchronized
        and layer.epsilon >= _MIN_EPSILON
    )


def batch_norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, *, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise by the batch's own statistics.

    Args:
        x: Activations, float32 ``[batch, height, width, channels]``.
        gamma: Scales ``[channels]``.
        beta: Offsets ``[channels]``.
        epsilon: Added to the variance.

    Returns:
        The normalised activations, the batch mean, and the *biased* batch variance.

    Example:
        >>> x = tf.reshape(tf.constant([1.0, 3.0]), (1, 1, 2, 1))
        >>> y, mean, variance = batch_norm(x, tf.ones(1), tf.zeros(1), epsilon=1e-3)
        >>> float(mean[0]), round(float(variance[0]), 6)
        (2.0, 1.0)
    """
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=[], variance=[], epsilon=epsilon
    )
    size, channels = tf.cast(tf.size(x), x.dtype), x.shape[-1]
    return y, mean, variance * ((size - channels) / size)


def average(moving: keras.Variable, batch: tf.Tensor, momentum: float) -> None:
    """Move a statistic by ``1 - momentum`` of the way to the batch's.

    Example:
        >>> mean = keras.Variable([4.0])
        >>> average(mean, tf.constant([8.0]), 0.75)
        >>> mean.numpy().tolist()
        [5.0]
    """
    value = moving.value
    change = (value - batch) * (1.0 - momentum)
    if isinstance(value, tf.Tensor):  # within `stateless_call`
        moving.assign(value - change)
    else:  # in place: no new buffer
        value.assign_sub(change, read_value=False)


class FusedCall:
    """A ``call`` to put in front of a batch normalization's own, as `view` does."""

    def call(self: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Normalise, in one kernel where it fits."""
        if not self._fits(inputs, training, mask):
            return super().call(inputs, training=training, mask=mask)  # type: ignore[misc]  # the mixin's base
        x = tf.cast(inputs, tf.float32)
        channels = x.shape[-1]
        gamma = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones([channels])
        beta = tf.convert_to_tensor(self.beta) if self.center else tf.zeros([channels])
        if training and self.trainable:
            y, mean, variance = batch_norm(x, gamma, beta, epsilon=self.epsilon)
            average(self.moving_mean, mean, self.momentum)
            average(self.moving_variance, variance, self.momentum)
        else:
            y = tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=gamma,
                offset=self.still_offset(beta),
                mean=tf.convert_to_tensor(self.moving_mean),
                variance=tf.convert_to_tensor(self.moving_variance),
                epsilon=self.epsilon,
                is_training=False,
            ).y
        return tf.cast(y, self.compute_dtype)

    def still_offset(self, beta: tf.Tensor) -> tf.Tensor:
        """Return what is added where the moving statistics are used: `beta`."""
        return beta

    def _fits(self: Any, inputs: Any, training: Any, mask: Any) -> bool:
        return (
            mask is None
            and (training is None or isinstance(training, bool))
            and len(inputs.shape) == _IMAGE_RANK
            and self.axis in (-1, _IMAGE_RANK - 1)
            and inputs.shape[-1] is not None
            and keras.backend.is_float_dtype(inputs.dtype)
            and keras.backend.standardize_dtype(inputs.dtype) != "float64"
            and self.moving_mean.dtype == "float32"
        )


@functools.cache
def _fused_class(plain: Any) -> type:
    """Return the fused subclass of `plain`, under its name.

    Keras derives the paths in a weights file from the class name: with the same one,
    weights saved from a twin load into the plain model, and the other way round.
    """
    return type(plain.__name__, (FusedCall, plain), {"__module__": __name__})
