"""Small networks that several tests use, and a way to make them non-trivial."""

from __future__ import annotations

import keras
import numpy as np


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight a random value, so that no output is trivially constant.

    An untrained network has zero biases and unit BatchNorm statistics, which hide most
    mistakes of surgery.  Variances stay positive, scales away from zero.
    """
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape = tuple(variable.shape)
        name = variable.name
        if name in ("gamma", "scale"):
            value = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
        elif "variance" in name:
            value = rng.uniform(0.5, 2.0, shape)
        elif name in ("beta", "bias", "moving_mean", "mean"):
            value = rng.normal(0.0, 0.3, shape)
        elif np.issubdtype(np.dtype(variable.dtype), np.floating) and len(shape) > 1:
            fan_in = max(1, int(np.prod(shape[:-1])))
            value = rng.normal(0.0, (2.0 / fan_in) ** 0.5, shape)
        elif np.issubdtype(np.dtype(variable.dtype), np.floating) and shape:
            value = rng.uniform(0.5, 1.5, shape)
        else:
            continue  # seeds and counters
        variable.assign(value.astype(variable.dtype))
    return model


def conv_bn_net(
    input_shape=(12, 12, 3), widths=(8, 16, 16), classes=5, logits=False, seed=0
) -> keras.Model:
    """Build a plain conv-BN-ReLU chain with one residual add and a Dense head."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input(input_shape, name="image")
    for i, width in enumerate(widths):
        y = keras.layers.Conv2D(
            width, 3, strides=1 + i % 2, padding="same", use_bias=False, name=f"conv{i}"
        )(x)
        y = keras.layers.BatchNormalization(name=f"bn{i}")(y)
        x = keras.layers.ReLU(name=f"relu{i}")(y)
    y = keras.layers.Conv2D(
        widths[-1], 3, padding="same", use_bias=False, name="res_conv"
    )(x)
    y = keras.layers.BatchNormalization(name="res_bn")(y)
    x = keras.layers.Add(name="add")([x, y])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = keras.layers.Dense(
        classes, activation=None if logits else "softmax", name="predictions"
    )(x)
    return keras.Model(inputs, outputs, name="conv_bn_net")
