"""SqueezeNet: 1 x 1 convolutions squeeze, then 1 x 1 and 3 x 3 expand side by side.

A fire module with squeeze width s and expansion e::

    x -> 1x1 (s) - ReLU -> concat(1x1 (e) - ReLU, 3x3 (e) - ReLU)

Source: F. Iandola et al., "SqueezeNet", 2016, table 1 (1.25 M parameters at 1,000
classes).  Where we differ: small images come in at stride 1 through 3 x 3
(`stem_strides=2` with 7 x 7 is the paper's), and poolings pad, so that small images
survive three of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfcompress.zoo.blocks import Blocks, scaled

layers = keras.layers

_STEM = 96
# squeeze and expand width of each fire module; a pooling follows numbers 3 and 7
_FIRES = (
    (16, 64), (16, 64), (32, 128), (32, 128),
    (48, 192), (48, 192), (64, 256), (64, 256),
)  # fmt: skip
_POOLED = (3, 7)
_DROPOUT = 0.5


def squeezenet(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    alpha: float = 1.0,
    stem_strides: int = 1,
    activation: str | None = "softmax",
    seed: int = 0,
) -> keras.Model:
    """Build SqueezeNet 1.0, which has no BatchNorm.

    Args:
        input_shape: ``(height, width, channels)``, usually ``(32, 32, 3)``.
        num_classes: Width of the output.
        alpha: Multiplies every width (rounded to a multiple of 8).
        stem_strides: Of the first convolution: 1 for small images, 2 as published.
        activation: Of the output; None gives logits.
        seed: Of the initial weights.

    Example:
        >>> squeezenet((32, 32, 3), 10, alpha=0.25).count_params()
        53578
    """
    inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=0.99)
    kernel = 7 if stem_strides > 1 else 3
    x = _conv(
        blocks, inputs, scaled(_STEM, alpha), kernel, name="stem", strides=stem_strides
    )
    x = _pool(x, name="stem_pool")
    for number, (squeeze, expand) in enumerate(_FIRES, start=1):
        widths = scaled(squeeze, alpha), scaled(expand, alpha)
        x = _fire(blocks, x, widths, name=f"fire{number}")
        if number in _POOLED:
            x = _pool(x, name=f"fire{number}_pool")
    x = layers.Dropout(_DROPOUT, seed=seed, name="dropout")(x)
    x = _conv(blocks, x, num_classes, 1, name="predictions")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if activation is not None:
        x = layers.Activation(activation, name=activation)(x)
    return keras.Model(inputs, x, name="squeezenet")


def _fire(blocks: Blocks, x: Any, widths: tuple[int, int], *, name: str) -> Any:
    squeeze, expand = widths
    x = _conv(blocks, x, squeeze, 1, name=f"{name}_squeeze")
    parts = [
        _conv(blocks, x, expand, kernel, name=f"{name}_expand{kernel}")
        for kernel in (1, 3)
    ]
    return layers.Concatenate(name=f"{name}_concat")(parts)


def _conv(
    blocks: Blocks, x: Any, width: int, kernel: int, *, name: str, strides: int = 1
) -> Any:
    x = blocks.conv(x, width, kernel, strides=strides, use_bias=True, name=name)
    return layers.ReLU(name=f"{name}_relu")(x)


def _pool(x: Any, *, name: str) -> Any:
    return layers.MaxPooling2D(3, strides=2, padding="same", name=name)(x)
