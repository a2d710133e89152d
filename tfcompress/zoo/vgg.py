"""VGG with BatchNorm for small images: stacks of 3 x 3 convolutions and one Dense.

Source: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks", ICLR 2015,
table 1 (configurations A, B, D, E).  Where we differ: BatchNorm after every
convolution, no pooling after the last stack, and one Dense layer behind an average
over the image, the form that pruning papers use on CIFAR (Z. Liu et al., ICCV 2017:
VGG-19, 20.0 M parameters).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tfcompress import config
from tfcompress.zoo.blocks import Blocks, scaled

layers = keras.layers

_WIDTHS = (64, 128, 256, 512, 512)
# depth -> convolutions of each stack
_STACKS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(  # noqa: PLR0913 - a builder's settings
    input_shape: Sequence[int],
    num_classes: int,
    *,
    depth: int = 16,
    alpha: float = 1.0,
    activation: str | None = "softmax",
    momentum: float = 0.99,
    seed: int = 0,
) -> keras.Model:
    """Build VGG-`depth`.

    Args:
        input_shape: ``(height, width, channels)``, at least 16 x 16.
        num_classes: Width of the output.
        depth: 11, 13, 16 or 19.
        alpha: Multiplies every width (rounded to a multiple of 8).
        activation: Of the output; None gives logits.
        momentum: Of every BatchNorm.
        seed: Of the initial weights.

    Raises:
        ConfigError: If `depth` is none of these.

    Example:
        >>> vgg((32, 32, 3), 10, depth=11, alpha=0.25).count_params()
        580474
    """
    config.require(depth in _STACKS, "depth", depth, "11, 13, 16 or 19")
    x = inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=momentum)
    stacks = zip(_STACKS[depth], _WIDTHS, strict=True)
    for stack, (count, width) in enumerate(stacks, start=1):
        if stack > 1:
            x = layers.MaxPooling2D(name=f"stack{stack - 1}_pool")(x)
        for i in range(1, count + 1):
            x = blocks.conv_norm_relu(
                x, scaled(width, alpha), 3, name=f"stack{stack}_{i}"
            )
    outputs = blocks.classify(x, num_classes, activation)
    return keras.Model(inputs, outputs, name=f"vgg_{depth}")
