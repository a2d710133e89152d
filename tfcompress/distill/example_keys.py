"""Name every example by its content: a 64-bit key per example, computed in the graph.

The bits of an example, as integers x_i, are hashed multilinearly modulo 2^64::

    key = w_0 + sum_i w_i * mix(x_i)
    mix(x) = x xor (x >> 23) of a float32, x xor (x >> 52) of a float64

with fixed random 64-bit w_i.  Two examples that differ get equal keys with a
chance of about 2^-64 over the choice of w; `mix` spreads the exponent of a float32 over
its low bits, because values such as 0.0 and 1.0 differ in nothing below bit 23.

Source: D. Lemire and O. Kaser, "Strongly universal string hashing is fast", The
Computer Journal 2014, section 2 (multilinear hashing).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_SEED = (20150309, 64)  # any: it only has to stay the same
_EXPONENT_AT = {4: 23, 8: 52}  # bits below the exponent, by size in bytes


def example_keys(x: Any) -> tf.Tensor:
    """Return the keys of a batch of examples.

    Args:
        x: A tensor ``[batch, ...]``, or a nest of them (several inputs).

    Returns:
        int64 ``[batch]``.

    Example:
        >>> keys = example_keys(tf.constant([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
        >>> bool(keys[0] == keys[2]), bool(keys[0] == keys[1])
        (True, False)
    """
    keys = tf.zeros([], tf.int64)
    for place, tensor in enumerate(tf.nest.flatten(x)):
        flat = _integers(tf.convert_to_tensor(tensor))
        weights = tf.random.stateless_uniform(
            [tf.shape(flat)[1] + 1],
            seed=(_SEED[0] + place, _SEED[1]),
            minval=None,
            maxval=None,
            dtype=tf.int64,
        )
        keys += weights[0] + tf.reduce_sum(flat * weights[1:], axis=1)
    return keys


def _integers(x: tf.Tensor) -> tf.Tensor:
    """Return the bits of each example as int64 ``[batch, numbers]``."""
    batch = tf.shape(x)[0]
    if x.dtype == tf.string:
        x = tf.strings.to_hash_bucket_strong(x, 2**62, key=_SEED)
    elif x.dtype == tf.bool:
        x = tf.cast(x, tf.int64)
    elif x.dtype.is_floating:
        sizes = {2: tf.int16, 4: tf.int32, 8: tf.int64}
        x = tf.bitcast(x, sizes[x.dtype.size])
        if x.dtype.size in _EXPONENT_AT:
            shifted = tf.bitwise.right_shift(x, _EXPONENT_AT[x.dtype.size])
            x = tf.bitwise.bitwise_xor(x, shifted)
    return tf.cast(tf.reshape(x, [batch, -1]), tf.int64)
