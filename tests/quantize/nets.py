"""Networks of the quantization tests, and what they are compared by."""

from __future__ import annotations

import keras
import numpy as np

from tests.models import randomise
from tfcompress import quantize, tflite
from tfcompress.tflite.running import Runner

layers = keras.layers


def ranged(model, recipe="int8", *, examples=64, **settings):
    """Return a quantization-aware copy of `model` whose ranges are set."""
    qat_model, report = quantize.quantize_aware(model, recipe, **settings)
    quantize.calibrate(qat_model, [images_for(model, examples)])
    return qat_model, report


def images_for(model, examples=64, seed=0):
    shape = model.input_shape[1:]
    return np.random.default_rng(seed).uniform(-1, 1, (examples, *shape)).astype("f4")


def parity(qat_model, images, **settings):
    """Convert; return the conversion, the SNR in dB and the top-1 agreement."""
    conversion = tflite.convert(qat_model, **settings)
    given = Runner(conversion.content)(images)
    wanted = np.asarray(qat_model(images, training=False))
    return conversion, snr_db(wanted, given), agreement(wanted, given)


def snr_db(wanted, given):
    error = np.square(wanted - given).sum()
    return float(10 * np.log10(np.square(wanted).sum() / (error + 1e-20)))


def agreement(one, other):
    return float((one.argmax(-1) == other.argmax(-1)).mean())


def wired(build, shape=(8, 8, 4), seed=0):
    """Return a random model of what `build` makes of an input."""
    keras.utils.set_random_seed(seed)
    x = keras.Input(shape, name="image")
    return randomise(keras.Model(x, build(x), name="net"), seed)


def conv(x, width=4, size=3, **settings):
    return layers.Conv2D(width, size, padding="same", **settings)(x)
