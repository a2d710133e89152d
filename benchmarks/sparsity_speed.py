"""What pruning costs per training step, beside no pruning and beside TFMOT's.

    python -m benchmarks.sparsity_speed            # goes on where it was stopped
    python -m benchmarks.sparsity_speed --again    # measures all of it again

Each round fits every variant for a few steps, one after the other, on the same batches;
the masks are computed anew every 100 steps, as by default.  Ratios are of the same
round, wall-clock and CPU time: ours with pruning to ours without (the bound is 1.02),
and to tensorflow-model-optimization's ``prune_low_magnitude`` on the equal Keras 2
network (ours must take less).  Both prune the same layers.
"""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from benchmarks import timing
from benchmarks.training_speed import NETWORKS, STEPS, batches, fitter
from tfcompress import files, sparsity, training

RESULTS = pathlib.Path(__file__).parent / "results" / "sparsity_speed.json"
BOUND = 1.02
SPARSITY = 0.8  # from the first step on; the masks are computed every 100 steps


def load_tfmot() -> Any:
    """Import tensorflow-model-optimization without what it does to the process."""
    tf.keras.Model  # noqa: B018 - resolves tf.keras to Keras 3 first
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    import tensorflow_model_optimization as tfmot

    if before is None:
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
    return tfmot


def ours(name: str) -> Any:
    """Return our network that is being pruned."""
    build, _, _ = NETWORKS[name]
    return sparsity.prune_low_magnitude(build(), sparsity.constant(SPARSITY))


def theirs(name: str, tfmot: Any) -> Any:
    """Return TFMOT's pruned version of the equal Keras 2 network.

    The same layers are wrapped: its convolutions but the first, no depthwise ones, and
    not the last Dense layer.
    """
    build, _, _ = NETWORKS[name]
    schedule = tfmot.sparsity.keras.ConstantSparsity(SPARSITY, begin_step=0)
    first = True

    def wrapped(layer: Any) -> Any:
        nonlocal first
        if type(layer) is not tf_keras.layers.Conv2D:
            return layer
        if first:
            first = False
            return layer
        return tfmot.sparsity.keras.prune_low_magnitude(
            layer, pruning_schedule=schedule
        )

    model = build(tf_keras)
    return tf_keras.models.clone_model(model, clone_function=wrapped)


def variants(name: str) -> dict[str, Callable[[], object]]:
    """Return the ways to train one network."""
    build, size, batch_size = NETWORKS[name]
    stream = batches(size, batch_size)
    tfmot = load_tfmot()
    pruned = theirs(name, tfmot)
    fitter(pruned, stream, tf_keras)  # compiles it
    update = tfmot.sparsity.keras.UpdatePruningStep()
    return {
        "ours, plain": fitter(training.accelerate(build()), stream),
        "ours, pruning": fitter(training.accelerate(ours(name)), stream),
        "tf_keras, plain": fitter(build(tf_keras), stream, tf_keras),
        "tfmot, pruning": lambda: pruned.fit(
            stream, verbose=0, shuffle=False, callbacks=[update]
        ),
    }


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Time all variants of one network in turns."""
    times = timing.turns(variants(name), rounds)
    pairs = {
        "pruning to plain": ("ours, pruning", "ours, plain", BOUND),
        "pruning to tfmot": ("ours, pruning", "tfmot, pruning", 1.0),
        "tfmot to tf_keras": ("tfmot, pruning", "tf_keras, plain", None),
    }
    ratios = {
        label: {
            clock: _ratio(times[a], times[b], index, bound)
            for index, clock in enumerate(("wall", "cpu"))
        }
        for label, (a, b, bound) in pairs.items()
    }
    quickest = {
        kind: round(1000 * min(wall for wall, _ in found) / STEPS, 2)
        for kind, found in times.items()
    }
    return {"ms_per_step": quickest, "ratios": ratios}


def _ratio(
    found: list[tuple[float, float]],
    base: list[tuple[float, float]],
    clock: int,
    bound: float | None,
) -> dict[str, Any]:
    pairs = [(a[clock], b[clock]) for a, b in zip(found, base, strict=True)]
    summary = timing.summary(pairs, bound=bound or float("inf"))
    if bound is None:
        del summary["bound"], summary["kept"]
    return summary


def main() -> None:
    """Measure what is missing, print it, and write the results after each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    known = options.output.exists() and not options.again
    done = files.read_json(options.output)["networks"] if known else {}
    for name in NETWORKS:
        if name not in done:
            done[name] = measure(name, options.rounds)
            record = {
                "command": "python -m benchmarks.sparsity_speed --again",
                "environment": timing.environment(),
                "steps_per_round": STEPS,
                "networks": done,
            }
            files.write_json(options.output, record)
        print(name, done[name]["ms_per_step"], flush=True)
        for label, clocks in done[name]["ratios"].items():
            figures = ", ".join(f"{c} {f['ratio']:.3f}" for c, f in clocks.items())
            print(f"  {label}: {figures}", flush=True)


if __name__ == "__main__":
    main()
