"""Would early rejection make a search cheaper?  A replay on recorded answers.

    python -m benchmarks.amc_rejection fashion_mnist
    python -m benchmarks.amc_rejection resnet_20 --cifar10 FOLDER

The rule: judge a plan on the first 500 of the 3,000 held-out images.  If, image by
image, it is worse than the best plan so far by more than three standard errors of the
difference, stop, and take the reward from the *next* 500 images: those had no part in
the decision, so the reward is not biased.  A plan that stays is judged on all images.

Every plan's answers to all images are recorded first, for two kinds of plans: drawn at
random, as in the warm-up, and the best of these with small changes, as in the late
episodes of a search.  The replay then counts, for each kind, the images that the rule
would have needed, the best plans that it would have missed, and how far the rewards of
rejected plans lie from those of all images.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from benchmarks import amc, reference_nets
from benchmarks.timing import environment
from tfcompress import channels, data, files, graph
from tfcompress.amc.channel_plans import ChannelPlans
from tfcompress.amc.elastic import ElasticForward

RESULTS = pathlib.Path(__file__).parent / "results" / "amc_rejection.json"
EXAMPLES, FIRST, ERRORS = 3000, 500, 3.0
PLANS = 100  # of each kind
Answers = npt.NDArray[np.bool_]


class Recorder:
    """Tells which of the held-out images a plan answers right."""

    def __init__(self, name: str, folder: str | None) -> None:
        dataset = reference_nets.dataset_of(name, folder)
        self.config = amc.STUDIES[name].config("random")
        layer_graph = graph.trace(reference_nets.load(name))
        self.plans = ChannelPlans(
            layer_graph,
            dataset,
            config=self.config,
            budget=self.config.budget(),
            evaluate=lambda _: 0.0,
        )
        self._repair = channels.Reconstructor(layer_graph, dataset)
        self._candidate = graph.CandidateModel(layer_graph)
        self._forward = ElasticForward(self._candidate)
        self._run = tf.function(self._forward)
        self._batches = list(_held_out(dataset))

    def __call__(self, plan: graph.PruningPlan) -> Answers:
        """Return one truth value per image."""
        self._candidate.assign(plan, self._repair.weights(plan))
        self._forward.keep(plan)
        return np.concatenate(
            [np.argmax(self._run(x), -1) == y.numpy() for x, y in self._batches]
        )


def _held_out(dataset: data.Dataset) -> Any:
    stream = dataset.validation(250)
    return stream.take(EXAMPLES // 250)


def drawn(recorder: Recorder, rng: np.random.Generator) -> graph.PruningPlan:
    """Return a plan as random search makes it."""
    count = len(recorder.plans.decisions)
    return recorder.plans.episode_plan(rng.uniform(0.2, 1.0, count).tolist())


def changed(
    recorder: Recorder, best: graph.PruningPlan, rng: np.random.Generator
) -> graph.PruningPlan:
    """Return a plan near the best: every kept fraction moved by a few percent."""
    actions = np.asarray(recorder.plans.actions(recorder.plans.widths(best)))
    moved = np.clip(actions + rng.normal(0, 0.05, actions.size), 0.2, 1.0)
    return recorder.plans.episode_plan(moved.tolist())


def replay(answers: list[Answers], best: Answers | None) -> dict[str, Any]:
    """Apply the rule to recorded answers, in their order.

    Returns:
        The used share of the images, how many plans were rejected, how many of them
        were better than the best so far, and the root mean square of what their rewards
        are off by.
    """
    used = rejected = missed = 0
    off: list[float] = []
    for right in answers:
        if best is not None and _hopeless(right[:FIRST], best[:FIRST]):
            used += 2 * FIRST
            rejected += 1
            missed += bool(right.mean() > best.mean())
            off.append(float(right[FIRST : 2 * FIRST].mean() - right.mean()))
            continue
        used += right.size
        if best is None or right.mean() > best.mean():
            best = right
    return {
        "images_used": round(used / sum(right.size for right in answers), 4),
        "plans": len(answers),
        "rejected": rejected,
        "better_than_the_best": missed,
        "rewards_off_by": round(float(np.sqrt(np.mean(np.square(off)))), 4)
        if off
        else 0.0,
    }


def _hopeless(right: Answers, best: Answers) -> bool:
    difference = right.astype(float) - best.astype(float)
    error = difference.std(ddof=1) / np.sqrt(difference.size)
    return bool(difference.mean() + ERRORS * error < 0)


def measure(name: str, folder: str | None) -> dict[str, Any]:
    """Record the answers of both kinds of plans, and replay them."""
    recorder, rng = Recorder(name, folder), np.random.default_rng(0)
    plans = [drawn(recorder, rng) for _ in range(PLANS)]
    early = [recorder(plan) for plan in plans]
    number = int(np.argmax([right.mean() for right in early]))
    late = [recorder(changed(recorder, plans[number], rng)) for _ in range(PLANS)]
    return {
        "drawn at random": replay(early, None),
        "near the best": replay(late, early[number]),
        "spread of the metric": {
            "drawn at random": round(float(np.std([r.mean() for r in early])), 4),
            "near the best": round(float(np.std([r.mean() for r in late])), 4),
        },
    }


def main() -> None:
    """Measure the named networks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=list(reference_nets.NETWORKS))
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    options = parser.parse_args()
    record = files.read_json(RESULTS) if RESULTS.exists() else {"networks": {}}
    for name in options.names:
        record["networks"][name] = measure(name, options.cifar10)
        record["environment"] = environment()
        files.write_json(RESULTS, record)
        print(name, record["networks"][name])


if __name__ == "__main__":
    main()
