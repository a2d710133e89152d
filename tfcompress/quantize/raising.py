"""Raise the worst layers to a higher precision, as few as a limit asks for.

A choice is a number ``k``: the ``k`` worst layers go up.  Each is measured at most
once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfcompress import errors
from tfcompress.quantize import precision as precisions
from tfcompress.quantize.progress import LayerProgress, Report

Judge = Callable[[Mapping[str, str]], float]
"""Returns the metric of the model under a precision map."""


class Search:
    """Measures choices of the ``k`` worst layers, each once.

    Args:
        weights: Every quantized layer, and how many weights it has.
        order: The layers, the worst first.
        levels: The lower and the higher precision.
        limit: Most bytes of the weights; None: any.
        drop: How much worse a value of the metric is than the float model's.
        judge: Measures a precision map.
        progress: Told of each choice.

    Attributes:
        values: The metric of each choice that was measured.
    """

    def __init__(  # noqa: PLR0913 - what a choice is made of
        self,
        *,
        weights: Mapping[str, int],
        order: Sequence[str],
        levels: tuple[str, str],
        limit: float | None,
        drop: Callable[[float], float],
        judge: Judge,
        progress: Report | None,
    ) -> None:
        self._weights = weights
        self._order = order
        self._lower, self._higher = levels
        self._limit = limit
        self._drop = drop
        self._judge = judge
        self._progress = progress
        self.values: dict[int, float] = {}

    def choice(self, count: int) -> dict[str, str]:
        """Return the map that raises the `count` worst layers."""
        raised = set(self._order[:count])
        return {
            name: self._higher if name in raised else self._lower
            for name in self._weights
        }

    def bytes_of(self, count: int) -> int:
        """Return the bytes of the weights of a choice."""
        chosen = self.choice(count)
        return precisions.weight_bytes(self._weights, chosen, recipe=self._lower)

    def smallest(self, max_drop: float) -> int:
        """Return the fewest layers to raise so that the drop holds.

        Raises:
            BudgetError: If even the most that the budget allows is too few.
        """
        low, high = 0, self._most()
        if self._measured(low) <= max_drop:
            return low
        if self._measured(high) > max_drop:
            raise self._unreachable(max_drop, high)
        while high - low > 1:
            middle = (low + high) // 2
            if self._measured(middle) <= max_drop:
                high = middle
            else:
                low = middle
        return high

    def largest(self) -> int:
        """Return the most layers to raise that the budget allows, measured."""
        most = self._most()
        self._measured(most)
        return most

    def rows(self) -> list[dict[str, Any]]:
        """Return every choice that was measured."""
        return [
            {
                "raised": count,
                "size_bytes": self.bytes_of(count),
                "value": value,
                "drop": self._drop(value),
            }
            for count, value in sorted(self.values.items())
        ]

    def _most(self) -> int:
        counts = range(len(self._order) + 1)
        if self._limit is None:
            return len(self._order)
        fitting = [count for count in counts if self.bytes_of(count) <= self._limit]
        if not fitting:
            raise errors.BudgetError(
                f"The weights do not fit in the budget at any choice. Received: "
                f"size_bytes={self._limit:g}; with every layer in {self._lower} they "
                f"take {self.bytes_of(0)}. Raise it, or choose a smaller recipe."
            )
        return max(fitting)

    def _measured(self, count: int) -> float:
        if count not in self.values:
            self.values[count] = self._judge(self.choice(count))
            if self._progress is not None:
                self._progress(self._place(count))
        return self._drop(self.values[count])

    def _place(self, count: int) -> LayerProgress:
        drop = self._drop(self.values[count])
        return LayerProgress(
            what="choice",
            done=len(self.values),
            total=2 + math.ceil(math.log2(max(2, self._most()))),
            note=f"{count} of {len(self._order)} in {self._higher}: drop {drop:.4f}",
        )

    def _unreachable(self, max_drop: float, most: int) -> errors.BudgetError:
        best = min(self.values, key=lambda count: self._drop(self.values[count]))
        within = "" if self._limit is None else f" within {self._limit:g} bytes"
        return errors.BudgetError(
            f"No choice of layers{within} loses as little as wanted. Received: "
            f"max_drop={max_drop:g}; the least reached is "
            f"{self._drop(self.values[best]):.4g} with {best} of {len(self._order)} "
            f"layers in {self._higher} ({self.bytes_of(best)} bytes of weights; at "
            f"most {most} layers fit). Allow more, or use quantization-aware training."
        )
