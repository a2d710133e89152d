"""Networks and data of the training tests."""

from __future__ import annotations

import keras
import numpy as np

from tfcompress import data


def blobs(examples=160, shape=(8, 8, 3), classes=4, seed=0, **settings) -> data.Dataset:
    """Return images whose brightest corner is their class: learnable in seconds."""
    x, y = blob_arrays(examples, shape, classes, seed)
    return data.Dataset.from_arrays(train=(x, y), **settings)


def blob_arrays(examples=160, shape=(8, 8, 3), classes=4, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, examples)
    x = rng.normal(0, 0.5, (examples, *shape)).astype("float32")
    half = shape[0] // 2
    for index, label in enumerate(y):
        row, column = divmod(int(label) % 4, 2)
        x[
            index, row * half : (row + 1) * half, column * half : (column + 1) * half
        ] += 1
    return x, y.astype("int32")


def depthwise_net(seed=0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((8, 8, 3))
    for width in (8, 16):
        x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(6.0)(x)
        x = keras.layers.Conv2D(width, 1, use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(6.0)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4)(x))


def crossentropy(*, from_logits=True):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)


def copy_of(model: keras.Model) -> keras.Model:
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def flat(model: keras.Model) -> np.ndarray:
    return np.concatenate([w.ravel().astype("float64") for w in model.get_weights()])
