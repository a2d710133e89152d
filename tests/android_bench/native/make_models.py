"""Train the two small files that the runner's tests measure; run once, by hand.

``python -m tests.android_bench.native.make_models FOLDER`` writes
``digits_float.tflite`` and ``digits_int8.tflite``: the same trained network, so that
outputs differ between inputs and a wrong kernel shows.
"""

from __future__ import annotations

import pathlib
import sys

import keras
import numpy as np

from tfcompress import data, tflite


def network() -> keras.Model:
    """Return an untrained network: conv, depthwise, pointwise, add, pool, dense."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x = inputs = keras.Input((28, 28, 1), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    y = layers.Conv2D(8, 1)(y)
    x = layers.Add()([x, y])
    x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(10, activation="softmax", name="predictions")(x)
    return keras.Model(inputs, outputs)


def main(folder: str) -> None:
    """Train and write both files."""
    dataset = data.load("fashion-mnist-small")
    batches = list(dataset.batches("train", 64).as_numpy_iterator())
    images, labels = (np.concatenate([b[i] for b in batches]) for i in (0, 1))
    model = network()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=4, batch_size=64, verbose=2)
    for name, recipe in (("float", "float32"), ("int8", "int8")):
        made = tflite.convert(model, recipe, calibration=[images[:256]])
        pathlib.Path(folder, f"digits_{name}.tflite").write_bytes(made.content)


if __name__ == "__main__":
    main(sys.argv[1])
