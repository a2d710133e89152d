"""How often two models give the same top answer, whatever the task's kind.

* classification: the same class per example
* segmentation: the same class per pixel
* multilabel: the same side of the threshold per label
* regression: there is no top answer; see the signal-to-noise ratio
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfcompress.data import OutputTask

Array = np.ndarray[Any, Any]


class Agreement:
    """Counts equal answers of one output over batches.

    Example:
        >>> from tfcompress.data import OutputTask
        >>> agreement = Agreement(OutputTask(kind="classification"))
        >>> agreement.add(np.array([[0.1, 0.9], [0.6, 0.4]]),
        ...               np.array([[0.2, 0.8], [0.3, 0.7]]))
        >>> agreement.share
        0.5
    """

    def __init__(self, output: OutputTask) -> None:
        self._output = output
        self._equal = 0
        self._total = 0

    def add(self, reference: Array, other: Array) -> None:
        """Count one pair of outputs ``[batch, ..., classes]``."""
        if self._output.kind == "regression":
            return
        same = self._answers(reference) == self._answers(other)
        self._equal += int(same.sum())
        self._total += same.size

    @property
    def share(self) -> float | None:
        """Share of equal answers; None where the task has none."""
        return self._equal / self._total if self._total else None

    def _answers(self, outputs: Array) -> Array:
        if self._output.kind == "multilabel" or outputs.shape[-1] == 1:
            threshold = 0.0 if self._output.from_logits else 0.5
            sides: Array = outputs > threshold
            return sides
        return np.asarray(outputs.argmax(axis=-1))
