"""MobileNet v1 and v2: convolutions split into depthwise 3 x 3 and pointwise 1 x 1.

Version 1 stacks such pairs; version 2 widens by 1 x 1, filters depthwise, narrows by a
1 x 1 without activation, and adds the input where shapes agree::

    v1   depthwise - BN - ReLU6 - 1x1 - BN - ReLU6
    v2   1x1 - BN - ReLU6 - depthwise - BN - ReLU6 - 1x1 - BN -> (+ x)

Source: A. Howard et al., "MobileNets", 2017, table 1 (4.2 M parameters); M. Sandler et
al., "MobileNetV2", CVPR 2018, table 2 (3.4 M).  Where we differ: small images come
in at stride 1, the 32 x 32 form; ``stem_strides=2`` is the paper's, for 224 x 224.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfcompress.zoo.blocks import Blocks, scaled

layers = keras.layers

# v1: width and stride of each pair, after a stem of 32
_PAIRS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
# v2: expansion, width, repeats, stride, after a stem of 32
_BOTTLENECKS = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
_LAST = 1280  # v2: channels before the pooling, not scaled below alpha 1


def mobilenet_v1(  # noqa: PLR0913 - a builder's settings
    input_shape: Sequence[int],
    num_classes: int,
    *,
    alpha: float = 1.0,
    stem_strides: int = 1,
    activation: str | None = "softmax",
    momentum: float = 0.99,
    seed: int = 0,
) -> keras.Model:
    """Build MobileNet v1.

    Args:
        input_shape: ``(height, width, channels)``, usually ``(32, 32, 3)``.
        num_classes: Width of the output.
        alpha: Multiplies every width (rounded to a multiple of 8).
        stem_strides: Of the first convolution: 1 for small images, 2 as published.
        activation: Of the output; None gives logits.
        momentum: Of every BatchNorm.
        seed: Of the initial weights.

    Example:
        >>> mobilenet_v1((32, 32, 3), 10, alpha=0.25).count_params()
        221114
    """
    inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=momentum)
    x = blocks.conv_norm_relu(
        inputs, scaled(32, alpha), 3, strides=stem_strides, limit=6.0, name="stem"
    )
    for i, (width, strides) in enumerate(_PAIRS):
        name = f"block{i + 1}"
        x = blocks.depthwise(x, strides=strides, name=f"{name}_depthwise")
        x = blocks.norm_relu(x, limit=6.0, name=f"{name}_depthwise")
        x = blocks.conv_norm_relu(x, scaled(width, alpha), 1, limit=6.0, name=name)
    outputs = blocks.classify(x, num_classes, activation)
    return keras.Model(inputs, outputs, name="mobilenet_v1")


def mobilenet_v2(  # noqa: PLR0913 - a builder's settings
    input_shape: Sequence[int],
    num_classes: int,
    *,
    alpha: float = 1.0,
    stem_strides: int = 1,
    activation: str | None = "softmax",
    momentum: float = 0.99,
    seed: int = 0,
) -> keras.Model:
    """Build MobileNet v2; arguments as in `mobilenet_v1`.

    Example:
        >>> mobilenet_v2((32, 32, 3), 10, alpha=0.35).count_params()
        423018
    """
    inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=momentum)
    x = blocks.conv_norm_relu(
        inputs, scaled(32, alpha), 3, strides=stem_strides, limit=6.0, name="stem"
    )
    number = 0
    for expansion, width, repeats, strides in _BOTTLENECKS:
        for repeat in range(repeats):
            number += 1
            x = _bottleneck(
                blocks,
                x,
                (expansion, scaled(width, alpha)),
                strides=1 if repeat else strides,
                name=f"block{number}",
            )
    last = scaled(_LAST, max(1.0, alpha))
    x = blocks.conv_norm_relu(x, last, 1, limit=6.0, name="last")
    outputs = blocks.classify(x, num_classes, activation)
    return keras.Model(inputs, outputs, name="mobilenet_v2")


def _bottleneck(
    blocks: Blocks, x: Any, widths: tuple[int, int], *, strides: int, name: str
) -> Any:
    expansion, width = widths
    y = x
    if expansion > 1:
        y = blocks.conv_norm_relu(
            y, expansion * x.shape[-1], 1, limit=6.0, name=f"{name}_expand"
        )
    y = blocks.depthwise(y, strides=strides, name=f"{name}_depthwise")
    y = blocks.norm_relu(y, limit=6.0, name=f"{name}_depthwise")
    y = blocks.conv(y, width, 1, name=f"{name}_project_conv")
    y = blocks.norm(y, name=f"{name}_project_bn")
    if strides == 1 and x.shape[-1] == width:
        return layers.Add(name=f"{name}_add")([x, y])
    return y
