"""Run a file that was just converted on one example, against its Keras model."""

from __future__ import annotations

import logging
from typing import Any

import keras
import numpy as np

from tfcompress import errors
from tfcompress.tflite import exporting
from tfcompress.tflite.running import Runner
from tfcompress.tflite.signal_quality import SignalQuality

Array = np.ndarray[Any, Any]

_LOG = logging.getLogger(__name__)

# Such files reach 60 dB and more; below, the file computes something else.
_LEAST_SNR_DB = {"float32": 40.0, "float16": 20.0}
# A trained file computes as its model does, but for roundings that may be amplified.
_EXPECTED_SNR_DB = 20.0


def compare(
    model: keras.Model,
    content: bytes,
    known: exporting.Interface,
    recipe: str,
    example: dict[str, Array] | None,
    *,
    trained: bool = False,
) -> float:
    """Return the signal-to-noise ratio of the file's outputs on one example, in dB.

    Args:
        model: The float32 model.
        content: The file.
        known: The model's interface.
        recipe: How the file is quantized.
        example: Inputs by name with a batch of one; made up if None.
        trained: Whether the model has the file's scales: a poor file is warned of.

    Raises:
        ConversionError: If an output is not finite or has another shape, or a float
            file's outputs differ.
    """
    example = example or _made_up(known)
    inputs = [example[name] for name in known.inputs]
    expected = [
        keras.ops.convert_to_numpy(value)
        for value in exporting.call(model, inputs, training=False)
    ]
    given = Runner(content)(example)
    actual = given if isinstance(given, list) else [given]
    quality = SignalQuality()
    for name, wanted, value in zip(known.outputs, expected, actual, strict=True):
        _refuse_useless(name, wanted, value)
        quality.add(wanted, value)
    if quality.snr_db < _LEAST_SNR_DB.get(recipe, -np.inf):
        raise errors.ConversionError(
            "The converted file does not compute what the model does. Received: "
            f"{model.name} with recipe {recipe!r}, whose outputs agree to "
            f"{quality.snr_db:.1f} dB on one example; "
            f"{_LEAST_SNR_DB[recipe]:.0f} dB is the least. Look for layers that answer "
            "differently each time, such as noise that is on in inference."
        )
    if trained and quality.snr_db < _EXPECTED_SNR_DB:
        _LOG.warning(
            "The file of %s answers one example as the model does to %.1f dB only; "
            "check it with `tfcompress.tflite.check_parity`.",
            model.name, quality.snr_db,
        )  # fmt: skip
    return quality.snr_db


def _refuse_useless(name: str, wanted: Array, value: Array) -> None:
    if wanted.shape != value.shape:
        raise errors.ConversionError(
            f"The file's output {name!r} has another shape. Received: {value.shape}; "
            f"the model gives {wanted.shape}. Give the model an output of fixed shape."
        )
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        which = "model" if not np.isfinite(wanted).all() else "file"
        raise errors.ConversionError(
            f"The output {name!r} is not finite. Received: NaN or infinity from the "
            f"{which} on one example. Check the model with real inputs, or pass "
            "calibration data."
        )


def _made_up(known: exporting.Interface) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        name: (
            rng.random((1, *shape)).astype(known.dtypes[name])
            if "float" in known.dtypes[name]
            else np.zeros(
                (1, *shape), known.dtypes[name]
            )  # an index that always exists
        )
        for name, shape in known.shapes.items()
    }
