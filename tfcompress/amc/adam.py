"""Adam and the soft update on flat vectors, without allocating anything.

::

    m <- m + (1 - b1)(g - m)    v <- v + (1 - b2)(g^2 - v)
    p <- p - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)

Source: Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015,
algorithm 1, with its default constants.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcompress.amc.networks import Array

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """The moments of one flat vector of parameters.

    Args:
        like: A vector of the size and type of the parameters.
        learning_rate: The largest step of a parameter, nearly.

    Example:
        >>> parameters = np.zeros(2, np.float32)
        >>> adam = Adam(parameters, learning_rate=0.1)
        >>> adam.update(parameters, np.array([3.0, -0.2], np.float32))
        >>> parameters.round(4)
        array([-0.1,  0.1], dtype=float32)
    """

    def __init__(self, like: Array, learning_rate: float) -> None:
        self._learning_rate = learning_rate
        self._first, self._second = np.zeros_like(like), np.zeros_like(like)
        self._scratch = np.empty_like(like)
        self._steps = 0

    def update(self, parameters: Array, gradients: Array) -> None:
        """Move `parameters` in place by one step against `gradients`."""
        self._steps += 1
        scratch = np.subtract(gradients, self._first, out=self._scratch)
        scratch *= 1 - BETA_1
        self._first += scratch
        np.multiply(gradients, gradients, out=scratch)
        scratch -= self._second
        scratch *= 1 - BETA_2
        self._second += scratch
        unbiased_1 = 1 - BETA_1**self._steps
        unbiased_2 = math.sqrt(1 - BETA_2**self._steps)
        np.sqrt(self._second, out=scratch)
        scratch += EPSILON * unbiased_2
        np.divide(self._first, scratch, out=scratch)
        scratch *= self._learning_rate * unbiased_2 / unbiased_1
        parameters -= scratch

    def state(self) -> dict[str, Any]:
        """Return the moments and the number of steps."""
        return {
            "first": self._first.copy(),
            "second": self._second.copy(),
            "steps": self._steps,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self._first[:] = state["first"]
        self._second[:] = state["second"]
        self._steps = int(state["steps"])


def soft_update(target: Array, source: Array, rate: float, scratch: Array) -> None:
    """Move `target` in place by `rate` of its way to `source`.

    Example:
        >>> target, source = np.zeros(2), np.array([1.0, 2.0])
        >>> soft_update(target, source, 0.01, np.empty(2))
        >>> target
        array([0.01, 0.02])
    """
    np.subtract(source, target, out=scratch)
    scratch *= rate
    target += scratch
