"""ShuffleNet v1: grouped 1 x 1 convolutions, and a shuffle that lets groups meet.

A unit with g groups, at stride 1 and at stride 2::

    x -> 1x1 (g) - BN - ReLU - shuffle - depthwise - BN - 1x1 (g) - BN -> (+ x) -> ReLU
    x -> the same with a depthwise of stride 2 -> concat(pooled x, .) -> ReLU

Source: X. Zhang et al., "ShuffleNet", CVPR 2018, figure 2 and table 1.  Where we
differ: small images come in at stride 1 and without the first pooling
(``stem_strides=2`` is the paper's, for 224 x 224).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfcompress import config
from tfcompress.zoo.blocks import Blocks

layers = keras.layers

# groups -> channels of the first stage at scale 1; each stage doubles them
_WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
_STEM = 24
_BOTTLENECK = 4  # the inner convolutions have a quarter of the channels


@keras.saving.register_keras_serializable(package="tfcompress")
class ChannelShuffle(keras.layers.Layer):
    """Deals the channels of each group out to all groups.

    Channel ``i * n + j``, the j-th of the n of group i, goes to ``j * groups + i``.

    Args:
        groups: How many groups the channels come in; it divides their number.

    Example:
        >>> import numpy as np
        >>> x = np.arange(6, dtype="float32").reshape(1, 1, 1, 6)
        >>> ops.convert_to_numpy(ChannelShuffle(2)(x)).ravel().tolist()
        [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """

    def __init__(self, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, x: Any) -> Any:
        """Shuffle the last axis."""
        height, width, channels = x.shape[1:]
        split = (-1, height, width, self.groups, channels // self.groups)
        x = ops.transpose(ops.reshape(x, split), (0, 1, 2, 4, 3))
        return ops.reshape(x, (-1, height, width, channels))

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "groups": self.groups}


def shufflenet(  # noqa: PLR0913 - a builder's settings
    input_shape: Sequence[int],
    num_classes: int,
    *,
    groups: int = 3,
    scale: float = 1.0,
    repeats: Sequence[int] = (4, 8, 4),
    stem_strides: int = 1,
    activation: str | None = "softmax",
    momentum: float = 0.99,
    seed: int = 0,
) -> keras.Model:
    """Build ShuffleNet v1.

    Args:
        input_shape: ``(height, width, channels)``, usually ``(32, 32, 3)``.
        num_classes: Width of the output.
        groups: 1, 2, 3, 4 or 8.
        scale: Multiplies every width but the stem's (rounded to multiples of four
            times the groups).
        repeats: Units of each stage.
        stem_strides: Of the first convolution: 1 for small images, 2 as published.
        activation: Of the output; None gives logits.
        momentum: Of every BatchNorm.
        seed: Of the initial weights.

    Raises:
        ConfigError: If `groups` is none of these.

    Example:
        >>> shufflenet((32, 32, 3), 10, scale=0.5).count_params()
        254938
    """
    config.require(groups in _WIDTHS, "groups", groups, "1, 2, 3, 4 or 8")
    inputs = keras.Input(tuple(input_shape), name="image")
    blocks = Blocks(seed=seed, momentum=momentum)
    x = blocks.conv_norm_relu(inputs, _STEM, 3, strides=stem_strides, name="stem")
    if stem_strides > 1:
        x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    multiple = _BOTTLENECK * groups
    least = _STEM // multiple + 1  # the first unit widens the stem
    first = max(least, round(_WIDTHS[groups] * scale / multiple)) * multiple
    for stage, count in enumerate(repeats):
        for unit in range(count):
            name = f"stage{stage + 1}_unit{unit + 1}"
            x = _unit(blocks, x, first << stage, groups=groups, name=name)
    outputs = blocks.classify(x, num_classes, activation)
    return keras.Model(inputs, outputs, name="shufflenet")


def _unit(blocks: Blocks, x: Any, width: int, *, groups: int, name: str) -> Any:
    """Keep the shape if `x` has `width` channels already, else halve the image."""
    same, inner = x.shape[-1] == width, width // _BOTTLENECK
    outer = width if same else width - x.shape[-1]
    entry = 1 if x.shape[-1] == _STEM else groups  # the paper: too few to group
    y = blocks.conv_norm_relu(x, inner, 1, groups=entry, name=f"{name}_1")
    y = ChannelShuffle(groups, name=f"{name}_shuffle")(y)
    y = blocks.depthwise(y, strides=1 if same else 2, name=f"{name}_depthwise")
    y = blocks.norm(y, name=f"{name}_depthwise_bn")
    y = blocks.conv(y, outer, 1, groups=groups, name=f"{name}_2_conv")
    y = blocks.norm(y, name=f"{name}_2_bn")
    if same:
        y = layers.Add(name=f"{name}_add")([x, y])
    else:
        x = layers.AveragePooling2D(3, 2, padding="same", name=f"{name}_pool")(x)
        y = layers.Concatenate(name=f"{name}_concat")([x, y])
    return layers.ReLU(name=f"{name}_relu")(y)
