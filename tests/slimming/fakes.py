"""A small real data set and networks whose slimming takes a second."""

from __future__ import annotations

import keras
import numpy as np

from tfcompress import data

L = keras.layers


def corners(examples: int = 320, size: int = 8, seed: int = 0) -> data.Dataset:
    """Return noisy images in which one of four corners is bright: its number is y."""
    rng = np.random.default_rng(seed)
    y = np.arange(examples) % 4
    x = rng.normal(0, 0.5, (examples, size, size, 3)).astype("float32")
    half = size // 2
    for image, label in zip(x, y, strict=True):
        row, column = divmod(int(label), 2)
        image[row * half : (row + 1) * half, column * half : (column + 1) * half] += 1
    names = ("top left", "top right", "bottom left", "bottom right")
    return data.Dataset.from_arrays((x, y), task="classification", class_names=names)


def small_net(*widths: int, size: int = 8, seed: int = 0) -> keras.Model:
    """Build a convolution-BatchNorm chain for `corners`; its norms learn quickly."""
    keras.utils.set_random_seed(seed)
    x = image = keras.Input((size, size, 3), name="image")
    for i, width in enumerate(widths or (16, 24)):
        x = L.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{i}")(x)
        x = L.BatchNormalization(momentum=0.8, name=f"bn{i}")(x)
        x = L.ReLU(name=f"relu{i}")(x)
    x = L.Flatten(name="flat")(L.AveragePooling2D(size // 2, name="pool")(x))
    outputs = L.Dense(4, activation="softmax", name="head")(x)
    return keras.Model(image, outputs, name="small_net")
