"""Import a Keras 2 model, check that it answers alike, and compress it.

Run: python -m examples.from_keras2
"""

from __future__ import annotations

import pathlib
import tempfile

import numpy as np
import tf_keras  # Keras 2, which wrote the file

from examples.original import dataset
from tfcompress import graph, interop, tflite


def old_model() -> tf_keras.Model:
    """Build a network in Keras 2, as old code does."""
    layers = tf_keras.layers
    inputs = tf_keras.Input((28, 28, 1), name="picture")
    x = layers.Conv2D(16, 3, strides=2, activation="relu")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same")(x)  # Keras 3 cannot load this one
    x = layers.LeakyReLU(alpha=0.1)(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(inputs, layers.Dense(10, name="scores")(x))


def main() -> None:
    """Write an .h5 file, import it, and convert it to int8."""
    examples = dataset()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "old.h5")
        old = old_model()
        old.save(path)
        model = interop.from_keras2(path)  # an ordinary keras.Model
    images = next(iter(examples.test(64)))[0].numpy()
    error = np.max(np.abs(np.asarray(model(images)) - np.asarray(old(images))))
    print(f"{graph.cost(model).macs:,} MACs, largest difference {error:.1e}")

    file = tflite.convert(model, "int8", calibration=examples.calibration(200))
    print(f"int8 file: {len(file.content):,} bytes")


if __name__ == "__main__":
    main()
