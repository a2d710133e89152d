"""Measure whole pruned networks, which the correction is fitted to."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcompress import graph, tflite
from tfcompress.latency.measuring import Measure
from tfcompress.latency.points import Progress

_CALIBRATION_EXAMPLES = 2  # random ones: how long a file takes does not depend on them


def convert_plans(
    layer_graph: graph.LayerGraph,
    plans: Sequence[graph.PruningPlan],
    folder: pathlib.Path,
    *,
    recipe: str,
    progress: Progress = lambda done, total: None,
) -> list[pathlib.Path]:
    """Cut and convert plans; a file that is there already is taken as it is.

    Args:
        layer_graph: The traced model; its weights may be untrained.
        plans: What to keep.
        folder: Where the files go, named by model, recipe and kept counts.
        recipe: Quantization recipe; integer ones are calibrated with noise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, plan in enumerate(plans):
        path = folder / f"{_name(layer_graph, plan, recipe)}.tflite"
        if not path.exists():
            model, _ = graph.prune_model(layer_graph, plan)
            tflite.convert(
                model, recipe, calibration=_noise(model, recipe), path=path
            )
        paths.append(path)
        progress(number + 1, len(plans))
    return paths


def measured(
    plans: Sequence[graph.PruningPlan], paths: Sequence[pathlib.Path], measure: Measure
) -> list[dict[str, Any]]:
    """Return the records of measured networks, as a table stores them."""
    return [
        {"kept": plan.widths(), "latency_ms": float(ms)}
        for plan, ms in zip(plans, measure(paths), strict=True)
    ]


def plan_of(
    layer_graph: graph.LayerGraph, record: dict[str, Any]
) -> graph.PruningPlan:
    """Return a plan with the counts of a record; which channels does not matter."""
    keep = {name: np.arange(count) for name, count in record["kept"].items()}
    return graph.PruningPlan.of(layer_graph, keep)


def _name(
    layer_graph: graph.LayerGraph, plan: graph.PruningPlan, recipe: str
) -> str:
    from tfcompress import files

    counts = files.fingerprint(str(sorted(plan.widths().items())))
    return f"{layer_graph.fingerprint}-{recipe}-{counts}"


def _noise(model: Any, recipe: str) -> list[Any] | None:
    if recipe not in tflite.recipes.CALIBRATED:
        return None
    rng = np.random.default_rng(0)
    return [
        [
            rng.random((_CALIBRATION_EXAMPLES, *tensor.shape[1:]), np.float32)
            for tensor in model.inputs
        ]
    ]
