"""How fast graph work is, against Keras' own work on the same model in the same run.

    python -m benchmarks.graph_speed

1. The cost of one plan on a traced graph / one compiled batch-1 forward pass (<= 0.1).
2. trace + select + prune / `clone_model` + `set_weights` (<= 2).

Both are measured alternately; each figure is the median of the ratios of the rounds.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.models import randomise
from tests.strategies import random_plan
from tfcompress import Budget, cost, files, prune_model, score, select, trace

RESULTS = pathlib.Path(__file__).parent / "results" / "graph_speed.json"
MODELS = ("MobileNetV2", "ResNet50", "EfficientNetB0")
BOUNDS = {"cost_over_forward": 0.1, "surgery_over_clone": 2.0}


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Return the wall-clock seconds of one call, averaged over `repeats`."""
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - started) / repeats


def paired(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    rounds: int,
    repeats: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """Measure two pieces of work alternately and return the ratios' quartiles."""
    ours()
    theirs()
    pairs = [
        (seconds(ours, repeats[0]), seconds(theirs, repeats[1])) for _ in range(rounds)
    ]
    ratios = np.array([a / b for a, b in pairs])
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    return {
        "ratio": round(float(median), 4),
        "quartiles": [round(float(low), 4), round(float(high), 4)],
        "rounds": rounds,
    }


def cost_over_forward(model: keras.Model) -> dict[str, Any]:
    """Compare the cost of a plan with a compiled forward pass of one image."""
    graph = trace(model)
    plan = random_plan(graph, 0.5)
    image = keras.ops.ones((1, *model.input_shape[1:]))
    forward = tf.function(lambda x: model(x, training=False))
    return paired(
        lambda: cost(graph, plan),
        lambda: forward(image).numpy(),
        rounds=30,
        repeats=(20, 1),
    )


def surgery_over_clone(model: keras.Model) -> dict[str, Any]:
    """Compare a whole cut to half the MACs with Keras' clone of the model."""

    def cut() -> None:
        graph = trace(model)
        scores = score(graph, criterion="bn_scale")
        prune_model(graph, select(graph, scores, budget=Budget(macs=0.5)))

    def clone() -> None:
        keras.models.clone_model(model).set_weights(model.get_weights())

    return paired(cut, clone, rounds=7)


def main() -> None:
    """Measure every model and write the results."""
    results: dict[str, Any] = {
        "command": "python -m benchmarks.graph_speed",
        "keras": keras.__version__,
        "bounds": BOUNDS,
        "models": {},
    }
    for name in MODELS:
        model = randomise(getattr(keras.applications, name)(weights=None))
        results["models"][name] = {
            "cost_over_forward": cost_over_forward(model),
            "surgery_over_clone": surgery_over_clone(model),
        }
        print(name, results["models"][name], flush=True)
        files.write_json(RESULTS, results)
        keras.backend.clear_session()


if __name__ == "__main__":
    main()
