"""The proximal step of the L1 penalty: it gives scales that are exactly zero.

A subgradient step lets a scale hover around zero; the proximal step

    gamma <- sign(gamma) * max(|gamma| - step * strength, 0)

after every optimizer step sets it to zero and keeps it there unless the task pulls
harder than `strength`.  `step` is the optimizer's current learning rate; with
heavy-ball momentum m it is ``learning_rate / (1 - m)``, how far a constant gradient
moves a weight per step, so that one `strength` means the same penalty in both forms.
An adaptive optimizer (Adam) divides gradients by their size, the proximal step does
not: there `strength` competes with gradients of about 1, and 1e-2 is a good start.

It is a variable constraint, so it runs inside the compiled training step, at every step
whatever `steps_per_execution` is.

Source: N. Parikh and S. Boyd, "Proximal Algorithms", 2014, section 6.5.2; the choice
between both forms is ours, Liu et al. (ICCV 2017, section 3) use the subgradient.
"""

from __future__ import annotations

import weakref
from typing import Any

import keras

from tfcompress import errors
from tfcompress.config import require


def soft_threshold(values: Any, threshold: Any) -> Any:
    """Move values towards zero by `threshold`, stopping at zero.

    Example:
        >>> import numpy as np
        >>> shrunk = soft_threshold(np.array([0.5, -0.25, 0.125]), 0.25)
        >>> keras.ops.convert_to_numpy(shrunk).tolist()
        [0.25, -0.0, 0.0]
    """
    shrunk = keras.ops.maximum(keras.ops.abs(values) - threshold, 0.0)
    return keras.ops.sign(values) * shrunk


@keras.saving.register_keras_serializable(package="tfcompress")
class SoftThreshold(keras.constraints.Constraint):
    """Shrink a weight by ``step * strength`` after every optimizer step.

    The learning rate is read from the optimizer of the model that the constraint
    *follows*: `regularize_scales` sets it, and `SlimmingMonitor` sets it when training
    starts. A constraint that follows no model needs a fixed `learning_rate`.

    Args:
        strength: Weight of the L1 penalty, above 0.
        learning_rate: A fixed learning rate to use instead of the optimizer's.
        then: A constraint of the model's own, which the shrunken weight is put to.

    Raises:
        ConfigError: If `strength` or `learning_rate` is not above 0.
    """

    def __init__(
        self,
        strength: float = 1e-4,
        learning_rate: float | None = None,
        *,
        then: Any = None,
    ) -> None:
        require(strength > 0, "strength", strength, "above 0")
        if learning_rate is not None:
            require(learning_rate > 0, "learning_rate", learning_rate, "above 0")
        self.strength = float(strength)
        self.learning_rate = learning_rate
        self.then = keras.constraints.get(then)
        self._models: list[weakref.ref[keras.Model]] = []

    def follow(self, model: keras.Model) -> None:
        """Read the learning rate from `model`'s optimizer from now on."""
        self._models.append(weakref.ref(model))  # a twin may be gone before the model

    def __call__(self, w: Any) -> Any:
        """Return the shrunken weight."""
        threshold = keras.ops.cast(self._step() * self.strength, w.dtype)
        shrunk = soft_threshold(keras.ops.convert_to_tensor(w), threshold)
        return shrunk if self.then is None else self.then(shrunk)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; what is followed is bound anew after loading."""
        return {
            "strength": self.strength,
            "learning_rate": self.learning_rate,
            "then": keras.constraints.serialize(self.then) if self.then else None,
        }

    def _step(self) -> Any:
        if self.learning_rate is not None:
            return self.learning_rate
        models = [reference() for reference in self._models]
        followed = [getattr(model, "optimizer", None) for model in models]
        optimizer = next((found for found in reversed(followed) if found), None)
        if optimizer is None:
            raise errors.TrainingError(
                "The proximal step does not know the learning rate. Received: "
                f"{self.__class__.__name__}(strength={self.strength}) that follows no "
                "compiled model. Fit with `callbacks=[slimming.SlimmingMonitor()]`, "
                "or give a fixed `learning_rate=`."
            )
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        momentum = float(getattr(optimizer, "momentum", 0.0) or 0.0)
        # Keras applies constraints at every micro-step of an accumulated gradient.
        micro_steps = getattr(optimizer, "gradient_accumulation_steps", None) or 1
        return optimizer.learning_rate / ((1.0 - momentum) * micro_steps)
