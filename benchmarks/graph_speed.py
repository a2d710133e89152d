"""How fast graph work is, against Keras' own work on the same model in the same run.

    python -m benchmarks.graph_speed

1. The cost of one plan on a traced graph / one compiled batch-1 forward pass (<= 0.1).
2. trace + select + prune / `clone_model` + `set_weights` (<= 2).

Both are measured alternately; each figure is the median of the ratios of the rounds.
"""

from __future__ import annotations

import pathlib
from typing import Any

import keras
import tensorflow as tf

from benchmarks import timing
from tests.models import randomise
from tests.strategies import random_plan
from tfcompress import Budget, cost, files, prune_model, score, select, trace

RESULTS = pathlib.Path(__file__).parent / "results" / "graph_speed.json"
MODELS = ("MobileNetV2", "ResNet50", "EfficientNetB0")


def cost_over_forward(model: keras.Model) -> dict[str, Any]:
    """Compare the cost of a plan with a compiled forward pass of one image."""
    graph = trace(model)
    plan = random_plan(graph, 0.5)
    image = keras.ops.ones((1, *model.input_shape[1:]))
    forward = tf.function(lambda x: model(x, training=False))
    return timing.paired(
        lambda: cost(graph, plan),
        lambda: forward(image).numpy(),
        rounds=30,
        bound=0.1,
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

    return timing.paired(cut, clone, rounds=9, bound=2.0)


def main() -> None:
    """Measure every model and write the results."""
    results: dict[str, Any] = {
        "command": "python -m benchmarks.graph_speed",
        "environment": timing.environment(),
        "ratios": {},
    }
    for name in MODELS:
        model = randomise(getattr(keras.applications, name)(weights=None))
        measured = {
            f"{name}: cost of a plan / forward pass": cost_over_forward(model),
            f"{name}: trace, select, prune / clone": surgery_over_clone(model),
        }
        print(measured, flush=True)
        results["ratios"] |= measured
        files.write_json(RESULTS, results)
        keras.backend.clear_session()


if __name__ == "__main__":
    main()
