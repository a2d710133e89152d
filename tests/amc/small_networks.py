"""An actor and a critic small enough to work out by hand, and numeric gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfcompress.amc.networks import Parameters

SHAPES = {"w1": (2, 2), "b1": (2,), "w2": (2, 2), "b2": (2,), "w3": (2,), "b3": ()}


def actor() -> Parameters:
    """hidden1 = ReLU(s + (-1, 1)); hidden2 = ReLU(h . [[1, -1], [1, -1]] + (-2, 0));
    mu = sigmoid(2 first + second - 1)."""
    parameters = Parameters(SHAPES, np.float64)
    parameters["w1"][:] = np.eye(2)
    parameters["b1"][:] = (-1, 1)
    parameters["w2"][:] = [[1, -1], [1, -1]]
    parameters["b2"][:] = (-2, 0)
    parameters["w3"][:] = (2, 1)
    parameters["b3"][...] = -1
    return parameters


def critic() -> Parameters:
    """hidden1 = ReLU(s + a (2, -2) + (-1, 0)); hidden2 = ReLU(h . [[1, 1], [1, -1]]);
    Q = 3 first + second + 0.5."""
    parameters = Parameters(SHAPES | {"wa": (2,)}, np.float64)
    parameters["w1"][:] = np.eye(2)
    parameters["wa"][:] = (2, -2)
    parameters["b1"][:] = (-1, 0)
    parameters["w2"][:] = [[1, 1], [1, -1]]
    parameters["w3"][:] = (3, 1)
    parameters["b3"][...] = 0.5
    return parameters


def numeric_gradient(
    function: Callable[[], float], at: np.ndarray, step: float = 1e-6
) -> np.ndarray:
    """Return central differences of a function by an array that it reads."""
    gradient = np.zeros_like(at)
    for index in range(at.size):
        kept = at[index]
        at[index] = kept + step
        above = function()
        at[index] = kept - step
        gradient[index] = (above - function()) / (2 * step)
        at[index] = kept
    return gradient
