"""Mixed precision: keep the layers that lose most in a higher precision.

1. `sensitivity` ranks the layers by what quantizing each alone costs.
2. The ``k`` worst layers go up to the higher precision, the others stay: one choice
   for each ``k`` that the budget allows.
3. The smallest ``k`` whose **combined** choice, measured on held-out data, loses at
   most `max_drop` wins. It is found by bisection, since each measurement may be a
   conversion; what is returned has been measured itself.

Without `max_drop` the budget alone decides: as many of the worst layers go up as fit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras

from tfcompress import data, errors
from tfcompress.channels import Budget
from tfcompress.config import require
from tfcompress.quantize import precision as precisions
from tfcompress.quantize.progress import LayerProgress, Report
from tfcompress.quantize.sensitivity import RANKED_BY, Sensitivity, sensitivity
from tfcompress.quantize.simulation import REST, Simulation

Judge = Callable[[Mapping[str, str]], float]
"""Returns the metric of the model under a precision map."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MixedPrecision(Mapping[str, str]):
    """A precision for each layer; itself a mapping that QAT and conversion take.

    Attributes:
        precision: Layer to precision, for every layer with quantized weights.
        recipe: The precision of the layers that were not raised.
        metric: Name of the metric.
        value: The metric under the map, on held-out data.
        drop: How much worse than the float model's.
        max_drop: What was allowed; None: the budget decided.
        size_bytes: Bytes of the weights under the map.
        tried: Each choice that was measured: layers raised, bytes, drop.
        sensitivity: What the layers were ranked by.
    """

    precision: Mapping[str, str]
    recipe: str
    metric: str
    value: float
    drop: float
    max_drop: float | None
    size_bytes: int
    tried: tuple[dict[str, Any], ...]
    sensitivity: Sensitivity = dataclasses.field(repr=False)

    def __getitem__(self, layer: str) -> str:
        """Return the precision of a layer."""
        return self.precision[layer]

    def __iter__(self) -> Iterator[str]:
        """Go through the layers."""
        return iter(self.precision)

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self.precision)

    @property
    def raised(self) -> tuple[str, ...]:
        """The layers in the higher precision."""
        return tuple(n for n, p in self.precision.items() if p != self.recipe)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; `precision` in it is the map."""
        return {
            "precision": dict(self.precision),
            "recipe": self.recipe,
            "raised": list(self.raised),
            "metric": self.metric,
            "value": self.value,
            "drop": self.drop,
            "max_drop": self.max_drop,
            "size_bytes": self.size_bytes,
            "tried": [dict(row) for row in self.tried],
            "sensitivity": self.sensitivity.to_dict(),
        }


def mixed(  # noqa: PLR0913 - one call for the whole method
    model: keras.Model,
    dataset: data.Dataset,
    *,
    max_drop: float | None = None,
    budget: Budget | None = None,
    recipe: str = "int8",
    higher: str | None = None,
    rank_by: str = "snr_db",
    found: Sensitivity | None = None,
    judge: Judge | None = None,
    task: data.Task | None = None,
    num_examples: int = 1000,
    calibration_examples: int = 500,
    progress: Report | None = None,
) -> MixedPrecision:
    """Choose a precision for each layer: the worst ones go up until it holds.

    The validation part decides; the test part is never read.

    Args:
        model: A built functional or Sequential model; it is not changed.
        dataset: The data that it was trained on.
        max_drop: How much worse the metric may be than the float model's.
        budget: A limit of `size_bytes` for the weights; a fraction counts from their
            float32 size.
        recipe: The precision of the others: ``int8``, ``int8_w4`` or ``int16x8``.
        higher: The precision of the worst layers; None: ``float32``, or ``int8`` for
            the recipe ``int8_w4``.
        rank_by: What the layers are ranked by; see `Sensitivity.ranked`.
        found: A sensitivity measured before; None: it is measured now.
        judge: Measures a map on held-out data, for instance on the converted file;
            None: the simulation of the whole network, every layer quantized.
        task: What to judge by; default: what model and data say.
        num_examples: Held-out examples of the sensitivity.
        calibration_examples: Training examples that set the ranges.
        progress: Told how far it is.

    Raises:
        BudgetError: If no choice within the budget meets `max_drop`, or nothing fits.
        ConfigError: If there is neither limit, or a setting is out of its range.
    """
    higher = higher or ("int8" if recipe == "int8_w4" else "float32")
    _check(max_drop, budget, recipe, higher, rank_by)
    task = task or data.Task.for_model(model, dataset)
    found = found or sensitivity(
        model,
        dataset,
        precision=recipe,
        task=task,
        num_examples=num_examples,
        calibration_examples=calibration_examples,
        progress=progress,
    )
    whole = data.evaluate_model(model, dataset, split="validation", task=task)
    if judge is None:
        judge = _simulated(model, dataset, task, recipe, calibration_examples)
    search = _Search(
        weights=precisions.quantized_layers(model),
        order=[layer.layer for layer in found.ranked(rank_by)],
        levels=(recipe, higher),
        limit=_limit(budget, found),
        drop=lambda value: _drop(whole, value),
        judge=judge,
        progress=progress,
    )
    chosen = search.smallest(max_drop) if max_drop is not None else search.largest()
    return MixedPrecision(
        precision=search.choice(chosen),
        recipe=recipe,
        metric=whole.metric,
        value=search.values[chosen],
        drop=_drop(whole, search.values[chosen]),
        max_drop=max_drop,
        size_bytes=search.bytes_of(chosen),
        tried=tuple(search.rows()),
        sensitivity=found,
    )


def _check(
    max_drop: float | None,
    budget: Budget | None,
    recipe: str,
    higher: str,
    rank_by: str,
) -> None:
    limited = max_drop is not None or budget is not None
    require(limited, "max_drop", max_drop, "given, or a budget of size_bytes")
    good = max_drop is None or max_drop >= 0
    require(good, "max_drop", max_drop, "0 or more")
    known = tuple(precisions.IN_FILE)
    require(recipe in known, "recipe", recipe, "one of " + ", ".join(known))
    above = [level for level in precisions.IN_FILE[recipe] if level != recipe]
    above = [level for level in above if (recipe, level) != ("int8", "int8_w4")]
    require(higher in above, "higher", higher, "one of " + ", ".join(above))
    require(rank_by in RANKED_BY, "rank_by", rank_by, "one of " + ", ".join(RANKED_BY))
    if budget is None:
        return
    only = (budget.macs, budget.params, budget.custom) == (None, None, ())
    sized = budget.size_bytes is not None
    require(only and sized, "budget", budget, "a limit of size_bytes alone")


def _limit(budget: Budget | None, found: Sensitivity) -> float | None:
    if budget is None or budget.size_bytes is None:
        return None
    if budget.size_bytes > 1:
        return budget.size_bytes
    return budget.size_bytes * 4 * sum(layer.weights for layer in found.layers)


def _drop(whole: data.Evaluation, value: float) -> float:
    return dataclasses.replace(whole, value=value).drop_from(whole)


def _simulated(
    model: keras.Model,
    dataset: data.Dataset,
    task: data.Task,
    recipe: str,
    calibration_examples: int,
) -> Judge:
    """Judge by the whole network with every tensor quantized."""
    simulation = Simulation(model)
    simulation.calibrate(dataset.calibration(calibration_examples))

    def judge(precision: Mapping[str, str]) -> float:
        simulation.set({**precision, REST: recipe})
        return task.evaluate(simulation, dataset.validation(64)).value

    return judge


class _Search:
    """Measures choices of the ``k`` worst layers, each once."""

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
