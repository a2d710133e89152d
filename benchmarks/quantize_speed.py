"""What a step of quantization-aware training costs: ours beside TFMOT's.

    python -m benchmarks.quantize_speed            # goes on where it was stopped
    python -m benchmarks.quantize_speed --again    # measures all of it again

Each round fits every variant for a few steps, one after the other, on the same random
batches.  Ours is compared with the accelerated plain step, TFMOT's with plain tf_keras,
and the two with each other.  TFMOT changes a process that imports it, so it and
tf_keras run in a child process, which takes its turns on request: a line on its stdin
starts a fit, a line on its stdout tells the wall-clock and CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import timing
from tfcompress import files

RESULTS = pathlib.Path(__file__).parent / "results" / "quantize_speed.json"
STEPS = 20  # of one measured fit
Clock = tuple[float, float]

# What is measured against what; the bound is the goal.
RATIOS = {
    "ours to our plain step": ("ours", "plain", 1.31),
    "tfmot to its plain step": ("tfmot", "tf_keras", 1.31),
    "ours to tfmot": ("ours", "tfmot", 1.0),
    "ours frozen to tfmot": ("ours, frozen", "tfmot", 1.0),
}


def timed(work: Callable[[], object]) -> Clock:
    """Return the wall-clock and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def our_variants(name: str) -> dict[str, Callable[[], object]]:
    """Return our plain step and our quantization-aware ones."""
    from benchmarks.training_speed import NETWORKS, batches, fitter
    from tfcompress import quantize, training

    build, size, batch_size = NETWORKS[name]
    stream = batches(size, batch_size, STEPS)

    def aware(**settings: Any) -> Any:
        qat_model, _ = quantize.quantize_aware(build(), **settings)
        return training.accelerate(qat_model)

    frozen = aware()
    fit_frozen = fitter(frozen, stream)
    stops = [quantize.FreezeBatchNorm(0), quantize.FreezeRanges(STEPS)]
    frozen.fit(stream, verbose=0, callbacks=stops)
    return {
        "plain": fitter(training.accelerate(build()), stream),
        "ours": fitter(aware(), stream),
        "ours, frozen": fit_frozen,
        "ours, per tensor": fitter(aware(per_channel=False), stream),
    }


def their_variants(name: str) -> dict[str, Callable[[], object]]:
    """Return TFMOT's step and the plain one of tf_keras; for the child process."""
    import tensorflow_model_optimization as tfmot
    import tf_keras

    from benchmarks.training_speed import NETWORKS, batches, fitter

    build, size, batch_size = NETWORKS[name]
    stream = batches(size, batch_size, STEPS)
    aware = tfmot.quantization.keras.quantize_model(build(tf_keras))
    return {
        "tf_keras": fitter(build(tf_keras), stream, tf_keras),
        "tfmot": fitter(aware, stream, tf_keras),
    }


class Child:
    """The process of TFMOT; `times` takes its turn."""

    def __init__(self, network: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.quantize_speed", "--child", network],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.names = self._read()

    def times(self, name: str) -> Clock:
        """Let it fit `name`; return wall-clock and CPU seconds."""
        if self._process.stdin is None:
            raise RuntimeError("the child has no stdin")
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        wall, cpu = self._read()
        return wall, cpu

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> Any:
        if self._process.stdout is None:
            raise RuntimeError("the child has no stdout")
        for line in self._process.stdout:
            if line.startswith("["):  # anything else is a library's chatter
                return json.loads(line)
        raise RuntimeError("TFMOT's process ended; its error is above.")


def serve(network: str) -> None:
    """Run as the child: fit what is named on stdin, tell how long it took."""
    works = their_variants(network)
    for work in works.values():
        work()
    timing.spread_threads()
    print(json.dumps(list(works)), flush=True)
    for line in sys.stdin:
        print(json.dumps(timed(works[line.strip()])), flush=True)


def measure(network: str, rounds: int) -> dict[str, Any]:
    """Time all variants of one network in turns, ours and the child's."""
    child = Child(network)
    works = our_variants(network)
    for work in works.values():
        work()
    timing.spread_threads()
    turns: dict[str, Callable[[], Clock]] = {
        **{n: lambda work=work: timed(work) for n, work in works.items()},
        **{n: lambda name=n: child.times(name) for n in child.names},
    }
    times: dict[str, list[Clock]] = {name: [] for name in turns}
    for number in range(rounds):
        for name in list(turns) if number % 2 else reversed(list(turns)):
            times[name].append(turns[name]())
    child.close()
    return {
        "ms_per_step": {
            name: round(1000 * min(t[0] for t in found) / STEPS, 1)
            for name, found in times.items()
        },
        "ratios": {
            label: {
                clock: timing.summary(
                    [(a[i], b[i]) for a, b in zip(times[one], times[two], strict=True)],
                    bound=bound,
                )
                for i, clock in enumerate(("wall", "cpu"))
            }
            for label, (one, two, bound) in RATIOS.items()
        },
    }


def main() -> None:
    """Measure what is missing, print it, and write the results after each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
        serve(options.child)
        return
    known = RESULTS.exists() and not options.again
    done = files.read_json(RESULTS)["networks"] if known else {}
    for name in ("resnet20", "mobilenet_0.25"):
        if name not in done:
            done[name] = measure(name, options.rounds)
            record = {
                "command": "python -m benchmarks.quantize_speed --again",
                "environment": timing.environment(),
                "steps_per_round": STEPS,
                "networks": done,
            }
            files.write_json(RESULTS, record)
        print(name, done[name]["ms_per_step"])
        for label, row in done[name]["ratios"].items():
            wall, cpu = row["wall"]["ratio"], row["cpu"]["ratio"]
            print(f"  {label:26} wall {wall:.3f}  cpu {cpu:.3f}")


if __name__ == "__main__":
    main()
