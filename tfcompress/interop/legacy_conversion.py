"""Convert a Keras 2 model to a .tflite file with the ranges that it has learned.

A model of TFMOT's quantization-aware training carries its ranges in fake-quantization
operations, so the converter needs no calibration data.  The batch is 1, as in
`tfcompress.tflite`, so that files can be compared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfcompress import errors
from tfcompress.interop import legacy


def to_int8(model: Any, *, outputs: Sequence[str]) -> bytes:
    """Return the .tflite file of a quantization-aware ``tf_keras`` model.

    Inputs and outputs are floats. Inputs keep the model's names.

    Args:
        model: The model.
        outputs: Names of its outputs; TFMOT's own begin with ``quant_``.

    Raises:
        ConversionError: If the converter refuses.
    """
    names = [tensor.name for tensor in model.inputs]
    specs = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype, name=name)
        for name, tensor in zip(names, model.inputs, strict=True)
    ]

    @tf.function(input_signature=specs, autograph=False)
    def serve(*tensors: Any) -> dict[str, Any]:
        given = list(tensors) if len(tensors) > 1 else tensors[0]
        made = tf.nest.flatten(model(given, training=False))
        return dict(zip(outputs, made, strict=True))

    with tempfile.TemporaryDirectory() as folder, legacy.untouched():
        try:
            holder = tf.Module()
            holder.variables_of_model = list(model.variables)
            tf.saved_model.save(holder, folder, signatures={"serving_default": serve})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            content: bytes = converter.convert()
        except (ValueError, RuntimeError, TypeError, tf.errors.OpError) as error:
            raise errors.ConversionError(
                "TensorFlow's converter refuses the model of TFMOT. Received: "
                f"{model.name!r} ({' '.join(str(error).split())[:300]}). Leave the "
                "layer that it names outside with `skip_unsupported=True`."
            ) from error
    return content
