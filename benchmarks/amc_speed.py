"""What an episode of AMC costs, beside evaluating the unpruned network once.

    python -m benchmarks.amc_speed              # every part
    python -m benchmarks.amc_speed episode      # one part; the others stay as they are

Parts, each measured in turns within one run:

1. ``episode``: decisions, repair, assigning weights, evaluating 3,000 images of 32 x 32
   and the agent's updates, against the compiled unpruned network on the same images.
   An episode whose plan is known already costs next to nothing and is not counted.
2. ``naive``: the same episode as a program would do it that samples features, repairs,
   builds the pruned Keras model, compiles it and calls ``evaluate``, each time anew;
   for information also without the repair.
3. ``memory``: the process after 50 episodes and after 400.
4. ``variants``: other ways to evaluate half-size plans, against ours.
"""

from __future__ import annotations

import argparse
import gc
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import psutil
import tensorflow as tf

from benchmarks.timing import environment, paired, seconds, summary
from tfcompress import channels, data, files, graph, tflite, zoo
from tfcompress.amc import AmcConfig, DdpgAgent, HeldOut
from tfcompress.amc.driver import learn
from tfcompress.amc.elastic import ElasticForward
from tfcompress.amc.exploration import Explorer
from tfcompress.amc.problem import make_problem

RESULTS = pathlib.Path(__file__).parent / "results" / "amc_speed.json"
EXAMPLES = 3000
SHAPE = (32, 32, 3)
EPISODE_BOUND, UPDATES_BOUND, NAIVE_BOUND = 1.3, 0.15, 1 / 3
GROWTH_BOUND = 1.05
WARMUP = 20  # episodes that make compiled functions and the first solved repairs
NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "resnet_20": lambda: zoo.resnet(SHAPE, 10),
    "plain_20": lambda: zoo.plain(SHAPE, 10),
    "mobilenet_v1": lambda: zoo.mobilenet_v1(SHAPE, 10, alpha=0.25),
}


class Timer:
    """Adds up the seconds that wrapped calls take."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def wrap(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work`, timed under `name`."""

        def timed(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = work(*args, **options)
            taken = time.perf_counter() - started
            self.spent[name] = self.spent.get(name, 0.0) + taken
            return result

        return timed


class Search:
    """One search, an episode at a time.

    Args:
        model: What is searched.
        config: Warm-up of one episode, so that the agent learns from the second on.
    """

    def __init__(self, model: keras.Model, config: AmcConfig) -> None:
        self.timer, dataset = Timer(), images(tuple(model.input_shape[1:]))
        task = data.Task.for_model(model, dataset)
        self.held_out = HeldOut(dataset, task, num_examples=EXAMPLES)
        self.problem = make_problem(
            model,
            dataset,
            config=config,
            task=task,
            evaluate=self.timer.wrap("evaluation", self.held_out),
        )
        self.graph = self.problem.layer_graph
        self.environment: Any = self.problem.environment
        judge = self.environment._judge  # noqa: SLF001 - to time what it does
        judge._repair = self.timer.wrap("repair", judge._repair)  # noqa: SLF001
        features = self.environment.observation_spec().shape[0]
        steps = self.environment.num_decisions
        self.agent = DdpgAgent(features, config=config, seed=0, num_steps=steps)
        self.replay = self.agent.make_replay(0)
        self.explorer = Explorer(self.problem, self.agent)
        self.number = 0
        self.best: tuple[float, graph.PruningPlan] | None = None
        self.cached = False

    def episode(self) -> None:
        """Run one episode and learn from it."""
        number, self.number = self.number, self.number + 1
        best = self.best and self.problem.plans.widths(self.best[1])
        episode = self.explorer.episode(number, best)
        self.timer.wrap("updates", learn)(
            self.agent, self.replay, episode, number=number
        )
        if self.best is None or episode.reward > self.best[0]:
            self.best = episode.reward, self.environment.plan
        self.cached = bool(episode.infos[-1]["cached"])


def images(shape: tuple[int, ...] = SHAPE) -> data.Dataset:
    """Return random images: 1,000 to train on, 3,000 held out."""
    rng = np.random.default_rng(0)

    def part(count: int) -> tuple[Any, Any]:
        pixels = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        return pixels, rng.integers(0, 10, count)

    return data.Dataset.from_arrays(
        part(1000),
        validation=part(EXAMPLES),
        task="classification",
        class_names=tuple("abcdefghij"),
        preprocessing=data.Preprocessing(scale=1 / 255),
    )


def config() -> AmcConfig:
    """Return the settings of the searches that are timed: noise that does not die."""
    return AmcConfig(macs=0.5, warmup_episodes=1, noise_decay=1.0, round_to=2)


def episodes(name: str, rounds: int = 30) -> dict[str, Any]:
    """Time episodes and evaluations of the unpruned network in turns."""
    model = NETWORKS[name]()
    run = Search(model, config())
    for _ in range(WARMUP):
        run.episode()
        run.held_out(model)
    run.timer.spent.clear()
    plain = plainly(model)
    pairs: dict[str, list[tuple[float, float]]] = {"plain": [], "fast": []}
    total = 0.0
    while len(pairs["fast"]) < rounds:
        taken = seconds(run.episode)
        total += taken
        if not run.cached:
            pairs["plain"].append((taken, seconds(plain)))
            pairs["fast"].append((taken, seconds(lambda: run.held_out(model))))
    shares = {name: spent / total for name, spent in run.timer.spent.items()}
    shares["decisions"] = 1 - sum(shares.values())  # and assigning weights
    ratios = {
        kind: summary(found, bound=EPISODE_BOUND) for kind, found in pairs.items()
    }
    updates = shares["updates"]
    return {
        "episode of AMC / evaluation of the unpruned network": ratios["plain"],
        "episode of AMC / the same, with fused batch normalizations": ratios["fast"],
        "agent's updates / episode of AMC": {
            "ratio": round(updates, 4),
            "bound": UPDATES_BOUND,
            "kept": updates <= UPDATES_BOUND,
        },
        "parts of an episode": {
            "num_decisions": run.environment.num_decisions,
            **{part: round(share, 4) for part, share in sorted(shares.items())},
        },
    }


def plainly(model: keras.Model) -> Callable[[], object]:
    """Return the evaluation of a model as Keras compiles it, on kept batches."""
    kept = [(x, y) for x, y in images().validation(250)]
    forward = tf.function(lambda x: tf.argmax(model(x, training=False), axis=-1))

    def evaluate() -> float:
        right = [np.mean(forward(x).numpy() == y.numpy()) for x, y in kept]
        return float(np.mean(right))

    evaluate()
    return evaluate


def naive(name: str, rounds: int = 12) -> dict[str, Any]:
    """Time episodes and two naive forms of them in turns."""
    run, dataset = Search(NETWORKS[name](), config()), images()
    x, y = arrays()

    def judged(model: keras.Model | graph.LayerGraph) -> None:
        pruned, _ = graph.prune_model(model, run.environment.plan)
        pruned.compile(
            loss="sparse_categorical_crossentropy",
            metrics=["sparse_categorical_accuracy"],
        )
        pruned.evaluate(x, y, batch_size=256, verbose=0)

    def repaired() -> None:
        judged(channels.reconstruct(run.graph, run.environment.plan, dataset))

    for _ in range(WARMUP):
        run.episode()
    repaired()
    bare, whole = [], []
    while len(whole) < rounds:
        run.timer.spent.clear()
        ours = seconds(run.episode)
        if not run.cached:
            rest = ours - run.timer.spent["evaluation"] - run.timer.spent["repair"]
            bare.append((ours, rest + seconds(lambda: judged(run.graph))))
            whole.append((ours, rest + seconds(repaired)))
            keras.backend.clear_session()
    without = summary(bare, bound=NAIVE_BOUND)
    return {
        "episode of AMC / naive episode": summary(whole, bound=round(NAIVE_BOUND, 4)),
        "episode of AMC / naive episode without repair": {
            key: without[key] for key in ("ratio", "quartiles", "rounds")
        },
    }


def arrays() -> tuple[Any, Any]:
    """Return the held-out images as two arrays."""
    parts = list(zip(*images().validation(EXAMPLES), strict=True))
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def memory(episodes: int = 400, first: int = 50) -> dict[str, Any]:
    """Compare the memory of the process after few and after many episodes."""
    run = Search(zoo.plain((8, 8, 3), 10, depth=8), config())
    process = psutil.Process()
    readings = {}
    for number in range(1, episodes + 1):
        run.episode()
        if number in (first, episodes):
            gc.collect()
            readings[number] = process.memory_info().rss
    return {
        f"AMC's memory after {episodes} episodes / after {first}": {
            "ratio": round(readings[episodes] / readings[first], 4),
            "bound": GROWTH_BOUND,
            "kept": readings[episodes] <= GROWTH_BOUND * readings[first],
            "megabytes": {n: round(b / 2**20) for n, b in readings.items()},
        }
    }


def variants(name: str, rounds: int = 8) -> dict[str, Any]:
    """Time other ways to evaluate the same plan, each against ours."""
    model = NETWORKS[name]()
    run = Search(model, config())
    run.episode()
    plan = run.environment.plan
    candidate = graph.CandidateModel(run.graph)
    candidate.assign(plan)
    ours = ElasticForward(candidate)
    ours.keep(plan)
    pruned, _ = graph.prune_model(run.graph, plan)
    x, _ = arrays()
    found = {}
    ways = {
        "unpruned shape, removed weights zero": lambda: run.held_out(candidate.model),
        **_ways(run, pruned, x),
    }
    for label, work in ways.items():
        row = paired(work, lambda: run.held_out(ours), rounds=rounds, bound=1.0)
        found[label] = {key: row[key] for key in ("ratio", "quartiles")}
    return found


def _ways(run: Search, pruned: keras.Model, x: Any) -> dict[str, Callable[[], object]]:
    """Return what is timed; the files of LiteRT take one image at a time."""

    def built() -> keras.Model:
        return graph.prune_model(run.graph, run.environment.plan)[0]

    def runner(model: keras.Model, recipe: str) -> tflite.Runner:
        content = tflite.convert(model, recipe, calibration=[x[:64]]).content
        return tflite.Runner(content, num_threads=2)

    ready = {recipe: runner(pruned, recipe) for recipe in ("float32", "int8")}
    return {
        "pruned, compiled before": lambda: run.held_out(pruned),
        "pruned, built and compiled": lambda: run.held_out(built()),
        "pruned, LiteRT float32, converted before": lambda: ready["float32"](x),
        "pruned, LiteRT int8, converted before": lambda: ready["int8"](x),
        "pruned, LiteRT float32, built and converted": lambda: runner(
            built(), "float32"
        )(x),
    }


PARTS: dict[str, tuple[Callable[..., dict[str, Any]], tuple[str, ...]]] = {
    "episode": (episodes, tuple(NETWORKS)),
    "naive": (naive, ("resnet_20",)),
    "memory": (memory, ()),
    "variants": (variants, ("resnet_20",)),
}


def main() -> None:
    """Measure the named parts and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    wanted = parser.parse_args().parts or list(PARTS)
    record = files.read_json(RESULTS) if RESULTS.exists() else {"networks": {}}
    record |= {
        "command": "python -m benchmarks.amc_speed",
        "environment": environment(),
    }
    for part in wanted:
        measure, names = PARTS[part]
        for name in names or ("small plain net",):
            found = measure(name) if names else measure()
            print(part, name, found, flush=True)
            record["networks"].setdefault(name, {}).update(found)
            files.write_json(RESULTS, record)


if __name__ == "__main__":
    main()
