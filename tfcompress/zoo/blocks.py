"""The pieces that the networks of the zoo are made of.

Every kernel is drawn from its own seed, taken in order from one generator: a builder
with the same arguments gives the same weights and leaves Keras' global seed alone.
Convolutions that a BatchNorm follows have no bias.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

layers = keras.layers


class Blocks:
    """Makes named layers with seeded kernels.

    Args:
        seed: Starts the generator of the kernels' seeds.
        momentum: Momentum of every BatchNorm. 0.99 lags behind in a short training:
            give 0.9 where there are fewer than about a thousand steps an epoch.
    """

    def __init__(self, *, seed: int, momentum: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._momentum = momentum

    def conv(
        self, x: Any, width: int, kernel: int, *, name: str, **options: Any
    ) -> Any:
        """Convolve with zero padding; no bias unless `options` ask for one."""
        options = {"padding": "same", "use_bias": False} | options
        return layers.Conv2D(
            width, kernel, kernel_initializer=self._he(), name=name, **options
        )(x)

    def depthwise(self, x: Any, *, name: str, strides: int = 1) -> Any:
        """Convolve every channel alone, 3 x 3."""
        return layers.DepthwiseConv2D(
            3,
            strides=strides,
            padding="same",
            use_bias=False,
            depthwise_initializer=self._he(),
            name=name,
        )(x)

    def norm(self, x: Any, *, name: str) -> Any:
        """Normalise over the batch."""
        return layers.BatchNormalization(momentum=self._momentum, name=name)(x)

    def norm_relu(self, x: Any, *, name: str, limit: float | None = None) -> Any:
        """Normalise, then ReLU; names end in ``_bn`` and ``_relu``."""
        x = self.norm(x, name=f"{name}_bn")
        return layers.ReLU(limit, name=f"{name}_relu")(x)

    def conv_norm_relu(
        self, x: Any, width: int, kernel: int, *, name: str, **options: Any
    ) -> Any:
        """Convolve, normalise, ReLU; the convolution's name ends in ``_conv``."""
        limit = options.pop("limit", None)
        x = self.conv(x, width, kernel, name=f"{name}_conv", **options)
        return self.norm_relu(x, name=name, limit=limit)

    def classify(self, x: Any, num_classes: int, activation: str | None) -> Any:
        """Average over the image, then one Dense."""
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        return layers.Dense(
            num_classes,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(self._seed()),
            name="predictions",
        )(x)

    def _he(self) -> Any:
        return keras.initializers.HeNormal(self._seed())

    def _seed(self) -> int:
        return int(self._rng.integers(2**31))


def scaled(width: int, alpha: float, *, multiple: int = 8) -> int:
    """Return `width` times `alpha`, rounded to a multiple, at most 10 % smaller.

    Source: M. Sandler et al., "MobileNetV2", CVPR 2018 (the authors' program).

    Example:
        >>> [scaled(32, alpha) for alpha in (1.0, 0.5, 0.25, 0.1)]
        [32, 16, 8, 8]
        >>> scaled(24, 0.75)
        24
    """
    rounded = max(multiple, int(width * alpha + multiple / 2) // multiple * multiple)
    return rounded + multiple if rounded < 0.9 * width * alpha else rounded
