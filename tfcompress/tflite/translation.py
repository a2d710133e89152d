"""Call TensorFlow's converter: options per recipe, quiet, with readable errors."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import re
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfcompress import errors
from tfcompress.tflite import captured_output, exporting, recipes
from tfcompress.tflite.calibration import CalibrationStream

_LOG = logging.getLogger(__name__)

_INT16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
_OPERATOR_SETS = {
    # The float set stays allowed: what is left in float is then found and listed by
    # name, where the converter would stop at the first.
    "int8": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS],
    "int16x8": [_INT16, tf.lite.OpsSet.TFLITE_BUILTINS],
}


def translate(
    model: keras.Model,
    known: exporting.Interface,
    recipe: str,
    stream: CalibrationStream | None,
    *,
    inputs: str,
    sparse: bool = False,
) -> bytes:
    """Return the converter's file for a float32 model.

    Args:
        model: The model; with constant ranges in it if `stream` is None.
        known: Its interface.
        recipe: One of `recipes`.
        stream: Calibration data; None: the model knows its ranges.
        inputs: Type at the file's inputs and outputs, "float" or "int8".
        sparse: Leave zeros out of the file; see `sparse_encoding`.

    Raises:
        ConversionError: If the converter refuses the model; the cause is its error.
        DataError: If the calibration stream found something wrong.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        captured_output.logged(_LOG),
        readable_errors(model, recipe, stream),
    ):
        saved = pathlib.Path(folder, "model")
        exporting.write_saved_model(model, known, saved, batch_size=1)
        converter = _converter(saved, recipe, stream, inputs=inputs)
        if sparse:
            zeros = tf.lite.Optimize.EXPERIMENTAL_SPARSITY
            converter.optimizations = [*converter.optimizations, zeros]
        content = converter.convert()
    return bytes(content)


@contextlib.contextmanager
def readable_errors(
    model: keras.Model, recipe: str, stream: CalibrationStream | None
) -> Iterator[None]:
    """Turn what the converter raises into one line, and log what it warns of.

    Raises:
        ConversionError: If the block raises; the cause is the converter's error.
        DataError: If the calibration stream found something wrong.
    """
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except Exception as error:  # the converter raises whatever it meets
        if stream is not None and stream.error is not None:
            raise stream.error from error
        raise errors.ConversionError(
            f"TensorFlow's converter refused the model. Received: {model.name} "
            f"with recipe {recipe!r}: {_reason(error)}. Replace the layers it "
            "names by ones that TFLite has, or convert with another recipe."
        ) from error
    for item in caught:
        _LOG.debug("%s", item.message)


def _converter(
    saved: pathlib.Path, recipe: str, stream: CalibrationStream | None, *, inputs: str
) -> Any:
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved), signature_keys=[exporting.SIGNATURE]
    )
    if recipe != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if stream is not None and recipe in recipes.CALIBRATED:
        converter.representative_dataset = stream
        converter.target_spec.supported_ops = _OPERATOR_SETS[recipe]
        # int16x8 is made by the older quantizer in any case; with the new one on, the
        # calibration data would be run through twice, and a generator is used up.
        converter.experimental_new_quantizer = recipe != "int16x8"
    elif recipe == "int16x8":  # trained; for 8 bits the set would ask for calibration
        converter.target_spec.supported_ops = _OPERATOR_SETS[recipe]
    if recipe in recipes.INTEGER and inputs == "int8":
        border = tf.as_dtype(recipes.ACTIVATION_TYPES[recipe])
        converter.inference_input_type = border
        converter.inference_output_type = border
    return converter


def _reason(error: Exception) -> str:
    """Return the converter's pages of text as one sentence.

    Example:
        >>> _reason(ValueError("error: 'tf.Betainc' op is neither a custom op"))
        'TFLite has no operator for tf.Betainc'
    """
    text = str(error)
    unknown = sorted(set(re.findall(r"'(tf\.\w+)' op is neither", text)))
    if unknown:
        return f"TFLite has no operator for {', '.join(unknown)}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first[:300].rstrip(".")
