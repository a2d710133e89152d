"""A BatchNormalization whose scales are trained towards zero.

For networks written with slimming in mind; a finished network gets the same by
`tfcompress.slimming.regularize_scales`.

Source: Liu et al., "Learning Efficient Convolutional Networks through Network
Slimming", ICCV 2017, equation 1 and section 4.2 (scales start at 0.5).
"""

from __future__ import annotations

from typing import Any

import keras

from tfcompress.config import require
from tfcompress.slimming.soft_threshold import SoftThreshold

INITIAL_SCALE = 0.5


@keras.saving.register_keras_serializable(package="tfcompress")
class SparseBatchNormalization(keras.layers.BatchNormalization):
    """BatchNormalization with an L1 penalty on its scales.

    It computes what `keras.layers.BatchNormalization` computes; only the training of
    gamma differs, and gamma starts at 0.5 (the paper's value) instead of 1.

    Args:
        strength: Weight of the penalty, above 0. The paper: 1e-4 for VGG on CIFAR,
            1e-5 for deeper networks and ImageNet.
        proximal: Take proximal steps, which give exact zeros, instead of subgradients.
            See `tfcompress.slimming.soft_threshold`.
        learning_rate: A fixed learning rate for the proximal step, if no
            `SlimmingMonitor` is there to tell it the optimizer's.
        **kwargs: As for `keras.layers.BatchNormalization`.

    Raises:
        ConfigError: If `strength` is not above 0.

    Example:
        >>> layer = SparseBatchNormalization(strength=1e-2)
        >>> layer.build((None, 4))
        >>> round(float(layer.losses[0]), 6)  # 1e-2 * 4 * 0.5
        0.02
    """

    def __init__(
        self,
        *,
        strength: float = 1e-4,
        proximal: bool = False,
        learning_rate: float | None = None,
        **kwargs: Any,
    ) -> None:
        require(strength > 0, "strength", strength, "above 0")
        kwargs.setdefault(
            "gamma_initializer", keras.initializers.Constant(INITIAL_SCALE)
        )
        if proximal:
            kwargs["gamma_constraint"] = SoftThreshold(
                strength, learning_rate, then=kwargs.get("gamma_constraint")
            )
        else:
            kwargs["gamma_regularizer"] = keras.regularizers.L1(strength)
        super().__init__(**kwargs)
        self.strength = float(strength)
        self.proximal = proximal
        self.learning_rate = learning_rate

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, without what they set in the parent class."""
        config = super().get_config()
        if self.proximal:
            config["gamma_constraint"] = self.gamma_constraint.get_config()["then"]
        else:
            del config["gamma_regularizer"]
        return {
            **config,
            "strength": self.strength,
            "proximal": self.proximal,
            "learning_rate": self.learning_rate,
        }
