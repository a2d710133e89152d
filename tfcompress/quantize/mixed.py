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
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from tfcompress import data
from tfcompress.channels import Budget
from tfcompress.config import require
from tfcompress.quantize import precision as precisions
from tfcompress.quantize.progress import Report
from tfcompress.quantize.raising import Judge, Search
from tfcompress.quantize.sensitivity import RANKED_BY, Sensitivity, sensitivity
from tfcompress.quantize.simulation import REST, Simulation


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
    search = Search(
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
    above = precisions.levels_above(recipe)
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
