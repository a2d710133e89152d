"""What the networks see of a state: its numbers, and one unit per decision.

::

    [t, n, c, ..., a[t-1]]  ->  [t, n, c, ..., a[t-1], 0, .., 0, 1, 0, .., 0]

The first number of an observation is the position of its decision, scaled to [0, 1].
Neighbouring layers differ by ``1 / (decisions - 1)`` in it and often by little else, so
a network that sees only the numbers gives them nearly the same action, and needs far
more episodes than a search has to tell them apart.  A unit of its own lets each
decision have its own action, while the numbers still carry over what is alike.

Source: ours; He et al., "AMC", ECCV 2018, use the numbers alone.  Found on the toy
problem of ``tests/amc/test_toy_problem.py``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def encode(observations: FloatArray, num_steps: int) -> FloatArray:
    """Append the one-hot position of each observation's decision.

    Args:
        observations: `[batch, features]`; the first feature is the position in [0, 1].
        num_steps: Decisions of an episode.

    Returns:
        Array `[batch, features + num_steps]`.

    Example:
        >>> encode(np.array([[0.0, 0.3], [0.5, 0.7]], np.float32), 3)
        array([[0. , 0.3, 1. , 0. , 0. ],
               [0.5, 0.7, 0. , 1. , 0. ]], dtype=float32)
    """
    count, width = observations.shape
    encoded = np.zeros((count, width + num_steps), np.float32)
    encoded[:, :width] = observations
    position = np.rint(np.clip(observations[:, 0], 0, 1) * (num_steps - 1))
    encoded[np.arange(count), width + position.astype(np.intp)] = 1
    return encoded
