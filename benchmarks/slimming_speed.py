"""What the L1 penalty on scales costs per training step.

    python -m benchmarks.slimming_speed

Steps with and without the penalty are timed in turns on the same batch, so that both
see the same machine; the ratio of their lower quartiles counts, its bound is 1.03.
"""

from __future__ import annotations

import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.timing import environment
from tfcompress import files, slimming, training
from tfcompress.training.following import follow_optimizer

RESULTS = pathlib.Path(__file__).parent / "results" / "slimming_speed.json"
STEP_BOUND = 1.03
ROUNDS = 60
WARMUP_ROUNDS = 3


def conv_net() -> keras.Model:
    """Build the network of the slimming study, for 28 x 28 grey images."""
    x = inputs = keras.Input((28, 28, 1))
    for i, width in enumerate((16, 32, 48, 64, 96)):
        x = keras.layers.Conv2D(width, 3, strides=1 + i % 2, padding="same")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))


def mobilenet() -> keras.Model:
    """Build MobileNetV2 0.35 for 64 x 64 images: 52 BatchNorms, all of them small."""
    return keras.applications.MobileNetV2(
        (64, 64, 3), alpha=0.35, weights=None, classes=10
    )


NETWORKS: dict[str, tuple[Callable[[], keras.Model], int]] = {
    "conv_net": (conv_net, 128),
    "mobilenet_v2": (mobilenet, 64),
}


def in_turns(
    steps: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, list[float]]:
    """Time each step once per round, in changing order."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + WARMUP_ROUNDS):
        names = list(steps) if number % 2 else list(reversed(steps))
        for name in names:
            started = time.perf_counter()
            steps[name]()
            if number >= WARMUP_ROUNDS:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def stepper(model: keras.Model, x: Any, y: Any) -> Callable[[], Any]:
    """Return a function that does one compiled training step of the fast twin."""
    twin = training.accelerate(model)
    twin.compile(
        keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy"
    )
    follow_optimizer(twin)
    return lambda: twin.train_on_batch(x, y)


def step_ratios(name: str) -> dict[str, Any]:
    """Time the three kinds of step of one network."""
    build, batch = NETWORKS[name]
    model = build()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, *model.input_shape[1:])).astype("float32")
    y = rng.integers(0, 10, batch)
    steps = {
        "plain": stepper(model, x, y),
        "subgradient": stepper(slimming.regularize_scales(model), x, y),
        "proximal": stepper(slimming.regularize_scales(model, proximal=True), x, y),
    }
    seconds = in_turns(steps, ROUNDS)
    quiet = {kind: quartile(times) for kind, times in seconds.items()}
    return {"network": name, "batch_size": batch} | {
        kind: {"ms": round(1000 * t, 3), "ratio": round(t / quiet["plain"], 4)}
        for kind, t in quiet.items()
    }


def quartile(values: list[float]) -> float:
    """Return the lower quartile: what other processes on the machine disturb least."""
    return statistics.quantiles(values, n=4)[0]


def main() -> None:
    """Measure, print and write the results."""
    record = {
        "command": "python -m benchmarks.slimming_speed",
        "environment": environment(),
        "step_bound": STEP_BOUND,
        "steps": [step_ratios(name) for name in NETWORKS],
    }
    for row in record["steps"]:
        print(row, flush=True)
    files.write_json(RESULTS, record)


if __name__ == "__main__":
    main()
