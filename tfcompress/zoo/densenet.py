"""DenseNet for small images: every layer reads all layers before it in its block.

A layer with growth k, in the bottleneck form ("BC"), and the joint between blocks::

    x -> BN - ReLU - 1x1 (4k) - BN - ReLU - 3x3 (k) -> concat(x, .)
    joint: BN - ReLU - 1x1 (half of the channels) - average pooling

Source: G. Huang et al., "Densely Connected Convolutional Networks", CVPR 2017,
section 4.2 and table 2 (DenseNet-BC, L = 100, k = 12: 0.8 M parameters).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfcompress import config
from tfcompress.zoo.blocks import Blocks

layers = keras.layers

_BLOCKS = 3


def densenet(  # noqa: PLR0913 - a builder's settings
    input_shape: Sequence[int],
    num_classes: int,
    *,
    depth: int = 40,
    growth: int = 12,
    activation: str | None = "softmax",
    momentum: float = 0.99,
    seed: int = 0,
) -> keras.Model:
    """Build DenseNet-BC: three blocks of bottleneck layers.

    Args:
        input_shape: ``(height, width, channels)``, usually ``(32, 32, 3)``.
        num_classes: Width of the output.
        depth: 6 n + 4: 40, 100, 190, ...
        growth: Channels that each layer adds.
        activation: Of the output; None gives logits.
        momentum: Of every BatchNorm.
        seed: Of the initial weights.

    Raises:
        ConfigError: If `depth` is not 6 n + 4.

    Example:
        >>> densenet((32, 32, 3), 10).count_params()
        181210
    """
    config.require(
        depth >= 10 and depth % 6 == 4, "depth", depth, "6 n + 4, such as 40 or 100"
    )
    inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=momentum)
    x = blocks.conv(inputs, 2 * growth, 3, name="stem_conv")
    for block in range(1, _BLOCKS + 1):
        for i in range(1, (depth - 4) // 6 + 1):
            x = _layer(blocks, x, growth, name=f"block{block}_{i}")
        if block < _BLOCKS:
            x = _joint(blocks, x, name=f"joint{block}")
    x = blocks.norm_relu(x, name="last")
    outputs = blocks.classify(x, num_classes, activation)
    return keras.Model(inputs, outputs, name=f"densenet_{depth}")


def _layer(blocks: Blocks, x: Any, growth: int, *, name: str) -> Any:
    y = blocks.norm_relu(x, name=f"{name}_1")
    y = blocks.conv(y, 4 * growth, 1, name=f"{name}_1_conv")
    y = blocks.norm_relu(y, name=f"{name}_2")
    y = blocks.conv(y, growth, 3, name=f"{name}_2_conv")
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def _joint(blocks: Blocks, x: Any, *, name: str) -> Any:
    x = blocks.norm_relu(x, name=name)
    x = blocks.conv(x, x.shape[-1] // 2, 1, name=f"{name}_conv")
    return layers.AveragePooling2D(2, name=f"{name}_pool")(x)
