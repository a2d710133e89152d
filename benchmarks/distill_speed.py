"""What distillation costs per step, beside training without a teacher.

    python -m benchmarks.distill_speed            # goes on where it was stopped
    python -m benchmarks.distill_speed --again    # measures all of it again

Both sides are the fused twin.  Each round fits, one after the other and on the same
batches: the student alone; the student from stored outputs (bound: 1.05 of the student
alone); the teacher's forward pass; the student with the teacher running in the step
(bound: 1.10 of the student alone plus the forward pass).
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from benchmarks import timing
from benchmarks.training_speed import NETWORKS, batches, mobilenet, resnet20
from tfcompress import distill, files, training

RESULTS = pathlib.Path(__file__).parent / "results" / "distill_speed.json"
CACHED_BOUND, LIVE_BOUND = 1.05, 1.10
STEPS = 8  # of one measured fit

# Network of the teacher -> its students: half as wide.
STUDENTS: dict[str, Callable[[], Any]] = {
    "resnet20": lambda: resnet20(width=8),
    "mobilenet_0.25": lambda: mobilenet(alpha=0.125),
}


def fitter(model: Any, stream: tf.data.Dataset) -> Callable[[], object]:
    """Return a function that fits `model` for one pass."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"], jit_compile=False
    )
    return lambda: model.fit(stream, verbose=0, shuffle=False)


def forward(teacher: Any, stream: tf.data.Dataset) -> Callable[[], object]:
    """Return a function that runs the teacher on each batch."""
    fast = training.accelerate(teacher)
    run = tf.function(lambda x: fast(x, training=False), jit_compile=False)

    def work() -> None:
        for x, _ in stream:
            run(x)

    return work


def measure(name: str, rounds: int, folder: str) -> dict[str, Any]:
    """Time the four kinds of work of one network in turns."""
    build, size, batch_size = NETWORKS[name]
    stream, teacher, student = batches(size, batch_size, STEPS), build(), STUDENTS[name]
    store = distill.cache_soft_targets(teacher, stream, path=folder)
    works = {
        "student": fitter(training.accelerate(student()), stream),
        "cached": fitter(distill.Distiller(student(), store), store.attach(stream)),
        "teacher": forward(teacher, stream),
        "live": fitter(distill.Distiller(student(), teacher), stream),
    }
    times = timing.turns(works, rounds)
    found: dict[str, Any] = {}
    for clock, label in enumerate(("", ", CPU time")):
        student, cached, teacher, live = (
            [seconds[clock] for seconds in times[kind]] for kind in works
        )
        alone = list(zip(cached, student, strict=True))
        parts = zip(live, student, teacher, strict=True)
        both = [(one, other + third) for one, other, third in parts]
        found |= {
            f"cached / student{label}": timing.summary(alone, bound=CACHED_BOUND),
            f"live / (student + teacher){label}": timing.summary(
                both, bound=LIVE_BOUND
            ),
        }
    found["ms_per_step"] = {
        kind: round(1000 * min(wall for wall, _ in seconds) / STEPS, 1)
        for kind, seconds in times.items()
    }
    return found


def main() -> None:
    """Measure what is missing, print it, and write the results after each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    known = RESULTS.exists() and not options.again
    done = files.read_json(RESULTS)["networks"] if known else {}
    for name in NETWORKS:
        if name not in done:
            with tempfile.TemporaryDirectory() as folder:
                done[name] = measure(name, options.rounds, folder)
            record = {
                "command": "python -m benchmarks.distill_speed --again",
                "environment": timing.environment(),
                "steps_per_round": STEPS,
                "networks": done,
            }
            files.write_json(RESULTS, record)
        for kind, row in done[name].items():
            print(f"{name:16} {kind:28} {row.get('ratio', row)}")


if __name__ == "__main__":
    main()
