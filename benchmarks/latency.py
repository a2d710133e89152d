"""How well a latency table predicts whole networks, on plans that it has not seen.

    python -m benchmarks.latency [--only mobilenet_v2]

For each model and recipe, on this host with one thread:

1. `latency.build_table`: its operators, and random plans that the correction is fitted
   to (seed 0).
2. Held-out random plans (seed 1) are written as files and measured whole, in several
   passes that take turns; the lowest pass counts, and the others' distance from it is
   the spread of repeated measurements.  How well half of the passes ranks the networks
   as the other half does is the most that a prediction can reach.
3. They are cut and converted by TensorFlow too, and measured in the same passes: the
   files that users run.

Bounds: median error <= 7 % or twice the spread, 90th percentile <= 15 %, rank
correlation >= 0.95.  Every step is kept under benchmarks/work, so the command goes on
where it was stopped.  Times of a host say nothing about a phone.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks import timing
from tfcompress import files, graph, latency, zoo
from tfcompress.latency import networks

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results" / "latency.json"
WORK = HERE / "work" / "latency"
HELD_OUT = 24
BOUNDS = {"median_error": 0.07, "p90_error": 0.15, "rank_correlation": 0.95}

MODELS: dict[str, Callable[[], keras.Model]] = {
    "resnet_20": lambda: zoo.resnet((32, 32, 3), 10),
    "mobilenet_v2_96": lambda: zoo.mobilenet_v2((96, 96, 3), 10, stem_strides=2),
}
RECIPES = ("float32", "int8")


def part(name: str, recipe: str) -> dict[str, Any]:
    """Build the table of one model and recipe, and judge it."""
    layer_graph = graph.trace(MODELS[name]())
    folder = WORK / f"{name}-{recipe}"
    started = time.perf_counter()
    table = latency.build_table(layer_graph, recipe=recipe, run_dir=folder)
    seconds = time.perf_counter() - started
    plans = latency.random_plans(layer_graph, HELD_OUT, seed=1)
    written = networks.write_plans(
        layer_graph, plans, folder / "held_out", recipe=recipe
    )
    converted = networks.write_plans(
        layer_graph,
        plans,
        folder / "converted",
        recipe=recipe,
        convert=True,
    )
    measure = latency.HostMeasure(rounds=4, min_seconds=0.006)
    passes = networks.measure_passes([*written, *converted], measure)
    predicted = np.array([latency.predict(layer_graph, p, table) for p in plans])
    own = table.corrections[layer_graph.fingerprint]
    return {
        "operators": table.num_points,
        "build_seconds": round(seconds, 1),
        "correction": own.coefficients,
        "prediction_us": round(_microseconds(layer_graph, plans, table), 1),
        "held_out": judged(predicted, passes[:, : len(plans)]),
        "without_correction": judged(
            _plain(layer_graph, plans, table), passes[:, : len(plans)]
        ),
        "converted": judged(predicted, passes[:, len(plans) :]),
    }


def judged(predicted: np.ndarray, passes: np.ndarray) -> dict[str, Any]:
    """Compare predictions with measurements ``[pass, network]``."""
    measured = passes.min(axis=0)
    error = np.abs(predicted / measured - 1)
    spread = float(np.median(passes / measured - 1))
    found = {
        "networks": len(measured),
        "median_error": round(float(np.median(error)), 4),
        "p90_error": round(float(np.quantile(error, 0.9)), 4),
        "max_error": round(float(error.max()), 4),
        "rank_correlation": round(rank_correlation(predicted, measured), 4),
        "repeat_spread": round(spread, 4),
        "repeat_rank_correlation": round(
            rank_correlation(passes[::2].min(axis=0), passes[1::2].min(axis=0)), 4
        ),
        "predicted_ms": [round(float(ms), 4) for ms in predicted],
        "measured_ms": [round(float(ms), 4) for ms in measured],
    }
    found["kept"] = bool(
        found["median_error"] <= max(BOUNDS["median_error"], 2 * spread)
        and found["p90_error"] <= BOUNDS["p90_error"]
        and found["rank_correlation"] >= BOUNDS["rank_correlation"]
    )
    return found


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's correlation of two arrays without ties.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 4.0]), np.array([10.0, 30.0, 90.0]))
        1.0
    """
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return round(float(np.corrcoef(*ranks)[0, 1]), 12)


def _plain(layer_graph: Any, plans: list[Any], table: latency.Table) -> np.ndarray:
    """Return the sums of the operators alone."""
    predictor = latency.predictor(layer_graph, table)
    kept = [layer_graph.kept_atoms(plan) for plan in plans]
    return np.array([sum(predictor.by_layer(atoms).values()) for atoms in kept])


def _microseconds(
    layer_graph: Any, plans: list[Any], table: latency.Table, repeats: int = 10
) -> float:
    """Return what one prediction takes: the quickest of some rounds over all plans."""
    seconds = [
        timing.seconds(lambda: [latency.predict(layer_graph, p, table) for p in plans])
        for _ in range(repeats)
    ]
    return min(seconds) / len(plans) * 1e6


def main() -> None:
    """Measure every part that the results do not have yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--again", action="store_true", help="measure all parts anew")
    given = parser.parse_args()
    known = RESULTS.exists() and not given.again
    parts = files.read_json(RESULTS)["parts"] if known else {}
    for name in [given.only] if given.only else MODELS:
        for recipe in RECIPES:
            key = f"{name} {recipe}"
            if key in parts:
                continue
            parts[key] = part(name, recipe)
            print(
                key, {k: v for k, v in parts[key]["held_out"].items() if "_ms" not in k}
            )
            files.write_json(
                RESULTS,
                {
                    "command": "python -m benchmarks.latency",
                    "environment": timing.environment(),
                    "where": "host",
                    "num_threads": 1,
                    "bounds": BOUNDS,
                    "parts": parts,
                },
            )


if __name__ == "__main__":
    main()
