"""Where numbers leave the integers: layers that stay in float, fenced off.

The converter makes integers of every operator between two ranges that it knows how to,
asked or not.  So what a layer in float reads goes through a border, which is nothing in
Keras; in what is converted it is a cast to float64 and back, exact, which no quantizer
sees through.  `tfcompress.tflite.float_regions` takes the casts out of the file again.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

ASKED, LEFT = "asked_for_float", "left_in_float"
"""Parts of the casts' names in a file: a user named the layer, or nothing is known."""


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


def as_casts(layer: ToFloat, x: Any) -> Any:
    """Return `x` behind two casts that the converter leaves alone."""
    if x.dtype != tf.float32:
        return x
    with tf.name_scope(ASKED if layer.asked else LEFT):
        return tf.cast(tf.cast(x, tf.float64), tf.float32)
