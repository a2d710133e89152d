"""When a layer stops learning its statistics: a step of the optimizer, in the graph.

A callback sees the end of an execution, and with ``steps_per_execution`` many steps are
one.  So the layer itself compares the optimizer's counter with the step, inside the
compiled train step; a callback (`tfcompress.quantize.freezing`) only tells it which.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class Clock:
    """An optimizer's counter and the step at which something stops.

    Opaque to Keras on purpose: a variable that a layer holds would be saved with it.

    Args:
        iterations: The optimizer's counter of steps.
        at_step: The first step that is frozen.
    """

    def __init__(self, iterations: Any, at_step: int) -> None:
        self.iterations, self.at_step = iterations, at_step

    def is_over(self) -> Any:
        """Return whether the step has come, as a tensor."""
        return tf.convert_to_tensor(self.iterations.value) >= self.at_step

    def same(self, other: Any) -> bool:
        """Return whether `other` tells the same."""
        return (
            isinstance(other, Clock)
            and other.iterations is self.iterations
            and other.at_step == self.at_step
        )
