"""When a layer stops learning its statistics: a step of the optimizer, in the graph.

A callback sees the end of an execution, and with ``steps_per_execution`` many steps are
one.  So the layer itself compares the optimizer's counter with the step, inside the
compiled train step; a callback (`tfcompress.quantize.freezing`) only tells it which.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class Clock:
    """An optimizer, whose steps count, and the step at which something stops.

    Opaque to Keras on purpose: a variable that a layer holds would be saved with it.

    Args:
        optimizer: What counts: its ``iterations``, which with
            ``gradient_accumulation_steps`` are the updates of the weights.
        at_step: The first step that is frozen.
    """

    def __init__(self, optimizer: Any, at_step: int) -> None:
        self._optimizer, self._at_step = optimizer, at_step

    def is_over(self) -> Any:
        """Return whether the step has come, as a tensor."""
        # Read here, in the step: with accumulation it is computed from a variable.
        return tf.convert_to_tensor(self._optimizer.iterations) >= self._at_step
