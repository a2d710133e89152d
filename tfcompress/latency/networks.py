"""Measure whole pruned networks, which the correction is fitted to.

A model all of whose layers have rules is written directly (`network_files`); any other
is cut and converted, which takes seconds each.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfcompress import files, graph, tflite
from tfcompress.latency.measuring import Measure
from tfcompress.latency.network_files import write_network
from tfcompress.latency.operators import Found, find_operators
from tfcompress.tflite import recipes

_CALIBRATION_EXAMPLES = 2  # random ones: how long a file takes does not depend on them

PASSES = 4
"""How often the files of networks are measured: a correction rests on a few of them."""

Progress = Callable[[int, int], None]


def write_plans(
    layer_graph: graph.LayerGraph,
    plans: Sequence[graph.PruningPlan],
    folder: pathlib.Path,
    *,
    recipe: str,
    progress: Progress | None = None,
    convert: bool = False,
) -> list[pathlib.Path]:
    """Write one file per plan; a file that is there already is taken as it is.

    Args:
        layer_graph: The traced model; its weights may be untrained.
        plans: What to keep.
        folder: Where the files go, named by model, recipe and kept counts.
        recipe: Quantization recipe; integer ones are calibrated with noise.
        progress: Told how many are there.
        convert: Cut and convert the model even where it could be written directly.
    """
    found = find_operators(layer_graph)
    paths = []
    for number, plan in enumerate(plans):
        path = folder / f"{_name(layer_graph, plan, recipe)}.tflite"
        if not path.exists():
            if convert or found.uncovered:
                _convert(layer_graph, plan, path, recipe)
            else:
                _write(layer_graph, found, plan, path, recipe)
        paths.append(path)
        if progress is not None:
            progress(number + 1, len(plans))
    return paths


def measure_passes(
    paths: Sequence[pathlib.Path], measure: Measure, *, passes: int = PASSES
) -> npt.NDArray[np.float64]:
    """Measure the files several times over.

    Returns:
        Milliseconds ``[pass, file]``. Whatever disturbs a measurement makes it longer,
        so the lowest of a file's passes is the one to believe, and how far the others
        lie above it is the spread.
    """
    return np.array([measure(paths) for _ in range(passes)], np.float64)


def measured(
    plans: Sequence[graph.PruningPlan], paths: Sequence[pathlib.Path], measure: Measure
) -> list[dict[str, Any]]:
    """Return the records of measured networks, as a table stores them."""
    lowest = measure_passes(paths, measure).min(axis=0)
    return [
        {"kept": plan.widths(), "latency_ms": float(ms)}
        for plan, ms in zip(plans, lowest, strict=True)
    ]


def plan_of(layer_graph: graph.LayerGraph, record: dict[str, Any]) -> graph.PruningPlan:
    """Return a plan with the counts of a record; which channels does not matter."""
    keep = {name: np.arange(count) for name, count in record["kept"].items()}
    return graph.PruningPlan.of(layer_graph, keep)


def _name(layer_graph: graph.LayerGraph, plan: graph.PruningPlan, recipe: str) -> str:
    counts = files.fingerprint(str(sorted(plan.widths().items())))
    return f"{layer_graph.fingerprint}-{recipe}-{counts}"


def _write(
    layer_graph: graph.LayerGraph,
    found: Found,
    plan: graph.PruningPlan,
    path: pathlib.Path,
    recipe: str,
) -> None:
    files.write_bytes(path, write_network(layer_graph, found, plan, recipe=recipe))


def _convert(
    layer_graph: graph.LayerGraph,
    plan: graph.PruningPlan,
    path: pathlib.Path,
    recipe: str,
) -> None:
    model, _ = graph.prune_model(layer_graph, plan)
    noise = _noise(model) if recipe in recipes.CALIBRATED else None
    tflite.convert(model, recipe, calibration=noise, path=path)


def _noise(model: Any) -> list[Any]:
    rng = np.random.default_rng(0)
    size = _CALIBRATION_EXAMPLES
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    return [[rng.random((size, *shape), np.float32) for shape in shapes]]
