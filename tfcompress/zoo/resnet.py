"""Residual networks for small images, and the same networks without shortcuts.

Three stages of n blocks of two 3 x 3 convolutions with 16, 32 and 64 channels, the
first block of stages 2 and 3 with stride 2; with the stem and the Dense layer that is
``depth = 6 n + 2``::

    x -> conv - BN - ReLU - conv - BN -> (+ x) -> ReLU

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
section 4.2 (CIFAR-10; ResNet-20 0.27 M, ResNet-56 0.85 M parameters; Plain-20 is the
left of its Figure 6).  Where we differ: the two shortcuts that change the width are
1 x 1 convolutions with BatchNorm (their option B) and not zero-padding (option A),
which would tie the channels of all stages together; that adds 2,944 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tfcompress import config
from tfcompress.zoo.blocks import Blocks

layers = keras.layers


def resnet(  # noqa: PLR0913 - a builder's settings
    input_shape: Sequence[int],
    num_classes: int,
    *,
    depth: int = 20,
    width: int = 16,
    activation: str | None = "softmax",
    momentum: float = 0.99,
    seed: int = 0,
) -> keras.Model:
    """Build ResNet-`depth` in its CIFAR form.

    Args:
        input_shape: ``(height, width, channels)``, usually ``(32, 32, 3)``.
        num_classes: Width of the output.
        depth: 6 n + 2: 20, 32, 44, 56, 110, ...
        width: Channels of the first stage; the others have twice and four times that.
        activation: Of the output; None gives logits.
        momentum: Of every BatchNorm.
        seed: Of the initial weights.

    Raises:
        ConfigError: If `depth` is not 6 n + 2.

    Example:
        >>> resnet((32, 32, 3), 10).count_params()
        274042
    """
    inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=momentum)
    x = _stages(blocks, inputs, depth, width, shortcuts=True)
    outputs = blocks.classify(x, num_classes, activation)
    return keras.Model(inputs, outputs, name=f"resnet_{depth}")


def plain(  # noqa: PLR0913 - a builder's settings
    input_shape: Sequence[int],
    num_classes: int,
    *,
    depth: int = 20,
    width: int = 16,
    activation: str | None = "softmax",
    momentum: float = 0.99,
    seed: int = 0,
) -> keras.Model:
    """Build Plain-`depth`: `resnet` without its shortcuts; arguments as there.

    Every convolution but the last decides about its own channels, so nothing is tied.

    Raises:
        ConfigError: If `depth` is not 6 n + 2.

    Example:
        >>> plain((32, 32, 3), 10).count_params()
        271098
    """
    inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=momentum)
    x = _stages(blocks, inputs, depth, width, shortcuts=False)
    outputs = blocks.classify(x, num_classes, activation)
    return keras.Model(inputs, outputs, name=f"plain_{depth}")


def _stages(blocks: Blocks, x: Any, depth: int, width: int, *, shortcuts: bool) -> Any:
    config.require(
        depth >= 8 and depth % 6 == 2, "depth", depth, "6 n + 2, such as 20, 32 or 56"
    )
    x = blocks.conv_norm_relu(x, width, 3, name="stem")
    for stage in range(3):
        for block in range((depth - 2) // 6):
            strides = 2 if stage and not block else 1
            name = f"stage{stage + 1}_block{block + 1}"
            y = _branch(blocks, x, width << stage, strides=strides, name=name)
            if shortcuts:
                x = _shortcut(blocks, x, width << stage, strides=strides, name=name)
                y = layers.Add(name=f"{name}_add")([x, y])
            x = layers.ReLU(name=f"{name}_relu")(y)
    return x


def _branch(blocks: Blocks, x: Any, width: int, *, strides: int, name: str) -> Any:
    x = blocks.conv_norm_relu(x, width, 3, strides=strides, name=f"{name}_1")
    x = blocks.conv(x, width, 3, name=f"{name}_2_conv")
    return blocks.norm(x, name=f"{name}_2_bn")


def _shortcut(blocks: Blocks, x: Any, width: int, *, strides: int, name: str) -> Any:
    if x.shape[-1] == width:
        return x
    x = blocks.conv(x, width, 1, strides=strides, name=f"{name}_shortcut_conv")
    return blocks.norm(x, name=f"{name}_shortcut_bn")
