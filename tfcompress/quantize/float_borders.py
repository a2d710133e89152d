"""Where numbers leave the integers: layers that stay in float, fenced off.

The converter makes integers of every operator between two ranges that it knows how to,
asked or not, and rounds twice what it knows a range of.  So what a layer in float reads
goes through a border, which is nothing in Keras; in what is converted it is a cast to a
wider type and back, exact, which no quantizer sees through.  Where the layers' results
become integers there are casts as well.  `tfcompress.tflite.float_regions` takes all of
them out of the file again.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tfcompress")
class ToFloat(keras.layers.Layer):
    """Passes a tensor on to layers that compute in float.

    Args:
        asked: Whether the user named such a layer; else it has no integer form.
        **settings: As for any layer.
    """

    def __init__(self, *, asked: bool, **settings: Any) -> None:
        super().__init__(autocast=False, **settings)
        self.asked = asked
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the same numbers."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "asked": self.asked}


def as_casts(x: Any, *, asked: bool = True) -> Any:
    """Return `x` behind casts that the converter leaves alone.

    Of equal operators that read the same it makes one: borders on one tensor, asked for
    or not, have to differ.

    Args:
        x: A tensor; one that is not float32 is returned.
        asked: Cast to float64 and back, else to complex numbers.
    """
    if x.dtype != tf.float32:
        return x
    if asked:
        return tf.cast(tf.cast(x, tf.float64), tf.float32)
    return tf.math.real(tf.cast(x, tf.complex64))
