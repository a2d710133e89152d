"""Name every example by its content: a 64-bit key per example, computed in the graph.

The bytes of an example are hashed by FarmHash, which reads them at the speed of memory;
the keys of several inputs are combined by their places::

    key = (...(hash_1 * p + hash_2) * p + ...)    modulo 2^64, p odd

Two of a million examples that differ share a key with a chance of about 3e-8.

Source: G. Pike, "FarmHash", 2014; TensorFlow's raw operation ``Fingerprint``.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_PLACE = 0x9E3779B97F4A7C15 - (1 << 64)  # 2^64 / golden ratio, as a signed number


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
    for tensor in tf.nest.flatten(x):
        tensor = tf.convert_to_tensor(tensor)
        flat = tf.reshape(tensor, [tf.shape(tensor)[0], -1])
        hashed = tf.fingerprint(flat, method="farmhash64")  # uint8 [batch, 8]
        keys = keys * _PLACE + tf.bitcast(hashed, tf.int64)
    return keys
