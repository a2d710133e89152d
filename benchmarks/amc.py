"""What AMC is worth: hand-made, random, greedy and learned ratios at equal MACs.

    python -m benchmarks.amc fashion_mnist                      # every missing part
    python -m benchmarks.amc resnet_20 --cifar10 FOLDER         # likewise
    python -m benchmarks.amc resnet_20 --cifar10 FOLDER --methods amc --seeds 1
    python -m benchmarks.amc plot                               # tables and figures

Design.  A network of `benchmarks.reference_nets` loses half of its MACs.  Every method
decides in the same environment: the same groups, counts, repair by least squares and
held-out images; only how the plan is decided differs.  Random search, the greedy one
and the agent judge equally many plans.  Which plan a method ends with is decided on the
held-out images; reported is the test accuracy of that plan, before fine-tuning and,
for the best seed of each method, after an equal short one.  No choice was made on the
test part.

``macs_reward`` is the accuracy-guaranteed search: no budget; the plan is the cheapest
one that it judged whose accuracy is within half a point of the original's.

A finished part is in the results file, the plans that were judged are in
``benchmarks/work``: the same command again goes on where a killed one stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import keras

from benchmarks import amc_figures, reference_nets
from benchmarks.timing import environment
from tfcompress import amc, data, files, graph, training
from tfcompress.amc.plan_kinds import Plans
from tfcompress.amc.problem import make_problem

HERE = pathlib.Path(__file__).parent
MACS = 0.5
TOLERANCE = 0.005  # of the accuracy-guaranteed search, in accuracy
SEVERAL = (0, 1, 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """What is measured of one network.

    Attributes:
        name: A network of `reference_nets`.
        seeds: Of the methods that draw.
        evaluations: Plans that random search, the greedy one and the agent may judge.
        guaranteed: Whether the accuracy-guaranteed search is run.
        tune_epochs: Epochs of fine-tuning.
    """

    name: str
    seeds: tuple[int, ...] = (0,)
    evaluations: int = 400
    guaranteed: bool = False
    tune_epochs: int = 3

    @property
    def results(self) -> pathlib.Path:
        """Return where the figures go."""
        return HERE / "results" / f"amc_{self.name}.json"

    @property
    def work(self) -> pathlib.Path:
        """Return where unfinished parts are."""
        key = files.fingerprint(json.dumps(self.settings(), sort_keys=True))
        return HERE / "work" / f"amc-{self.name}-{key}"

    def config(self, method: str) -> amc.AmcConfig:
        """Return the settings of a search; narrow networks are cut in steps of 2."""
        guaranteed = method == "macs_reward"
        return amc.AmcConfig(
            macs=None if guaranteed else MACS,
            reward="macs" if guaranteed else "error",
            episodes=self.evaluations,
            warmup_episodes=self.evaluations // 4,
            round_to=2,
        )

    def tuning(self) -> training.TrainConfig:
        """Return the settings of fine-tuning."""
        return training.TrainConfig(
            epochs=self.tune_epochs,
            optimizer="sgd",
            learning_rate=0.02,
            weight_decay=reference_nets.NETWORKS[self.name].weight_decay,
            schedule="cosine",
        )

    def settings(self) -> dict[str, Any]:
        """Return what defines every part, as JSON values."""
        content = {
            "network": self.name,
            "macs": MACS,
            "search": self.config("amc").to_dict(),
            "tuning": self.tuning().to_dict(),
        }
        return json.loads(json.dumps(content))  # type: ignore[no-any-return]

    def parts(self) -> Iterator[tuple[str, int]]:
        """Go through the methods and their seeds."""
        yield from ((method, 0) for method in FIXED)
        yield from itertools.product(DRAWING, self.seeds)
        if self.guaranteed:
            yield "macs_reward", 0


STUDIES = {
    study.name: study
    for study in (
        Study(name="fashion_mnist", seeds=SEVERAL, guaranteed=True),
        Study(name="resnet_20", seeds=SEVERAL, tune_epochs=2),
        Study(name="plain_20", tune_epochs=2),
        Study(name="mobilenet_v1"),
    )
}
FIXED = ("uniform", "shallow", "deep")
DRAWING = ("random", "greedy", "amc")
LEARNING = ("amc", "macs_reward")

AGENT = (
    "warmup_episodes",
    "noise",
    "noise_decay",
    "near_best",
    "near_best_noise",
    "near_best_draws",
    "hidden_units",
    "actor_learning_rate",
    "critic_learning_rate",
    "target_rate",
    "discount",
    "batch_size",
    "updates_per_decision",
    "replay_per_decision",
    "baseline_decay",
)
"""Settings that no other method reads."""


class Bench:
    """One study: its parts on disk, its cells in the results file."""

    def __init__(self, study: Study, folder: str | None) -> None:
        self.study = study
        self.dataset = reference_nets.dataset_of(study.name, folder)
        self.model = reference_nets.load(study.name)
        self.task = data.Task.for_model(self.model, self.dataset)
        self.record = self._read()

    def run(self, methods: list[str], seeds: list[int]) -> None:
        """Measure every part that is asked for and not in the results yet."""
        done = {(cell["method"], cell["seed"]) for cell in self.record["cells"]}
        for method, seed in self.study.parts():
            wanted = (not methods or method in methods) and (not seeds or seed in seeds)
            if wanted and (method, seed) not in done:
                self._add(self._cell(method, seed))

    def tune(self) -> None:
        """Fine-tune the best plan of every method, if all its seeds are there."""
        for method in (*FIXED, *DRAWING, "macs_reward"):
            cells = [c for c in self.record["cells"] if c["method"] == method]
            wanted = [seed for name, seed in self.study.parts() if name == method]
            if cells and len(cells) == len(wanted):
                best = max(cells, key=lambda cell: cell["metric"])
                if "fine_tuned" not in best:
                    best.update(self._tuned(best))
                    self._write()
                    print(f"{method}: fine-tuned {best['fine_tuned']:.4f}", flush=True)

    def accuracy(self, model: keras.Model, split: str = "test") -> float:
        """Return the accuracy on a part of the data set."""
        return data.evaluate_model(
            model, self.dataset, split=split, task=self.task
        ).value

    @functools.cached_property
    def plans(self) -> Plans:
        """Return what plans of this network are, and how they are repaired."""
        config = self.study.config("amc")
        return make_problem(
            self.model, self.dataset, config=config, task=self.task
        ).plans

    def _cell(self, method: str, seed: int) -> dict[str, Any]:
        started = time.perf_counter()
        found = (
            self._guaranteed() if method == "macs_reward" else self._row(method, seed)
        )
        plan = graph.PruningPlan.from_dict(found["plan"])
        model, _ = graph.prune_model(self.plans.model(plan), plan)
        whole = graph.cost(self.model)
        return {
            "method": method,
            "seed": seed,
            "test": self.accuracy(model),
            "macs_fraction": round(found["macs"] / whole.macs, 4),
            "params_fraction": round(found["params"] / whole.params, 4),
            "seconds": round(time.perf_counter() - started),
            **found,
        }

    def _row(self, method: str, seed: int) -> dict[str, Any]:
        """Let a method decide, and return what it came to."""
        (row,) = amc.compare(
            self.model,
            self.dataset,
            config=self.study.config(method),
            methods=[method],
            seeds=[seed],
            task=self.task,
            state_dir=self.study.work / "comparison",
        )
        found = row.to_dict()
        rewards = found["best_rewards"]  # None: nothing within the budget yet
        found["best_rewards"] = [None if r is None else round(r, 4) for r in rewards]
        return {**found, "seed": seed}

    def _guaranteed(self) -> dict[str, Any]:
        """Search without a budget; return the cheapest plan that is accurate enough."""
        config = self.study.config("macs_reward")
        result = amc.search(
            self.model,
            self.dataset,
            config=config,
            task=self.task,
            state_dir=self.study.work / "macs_reward",
        )
        least = result.original.metric - TOLERANCE
        good = [record for record in result.history if record["metric"] >= least]
        closest = max(result.history, key=lambda record: record["metric"])
        best = min(good or [closest], key=lambda record: record["macs"])
        widths = list(result.widths(best).values())
        plan = self.plans.plan(tuple(widths))
        return {
            "lost": result.original.metric - best["metric"],
            **{name: best[name] for name in ("metric", "reward", "macs", "params")},
            "size_bytes": best["size_bytes"],
            "evaluations": result.evaluations,
            "widths": widths,
            "best_rewards": [round(r["best_reward"], 4) for r in result.history],
            "plan": plan.to_dict(),
            "judged": [[round(r["metric"], 4), r["macs"]] for r in result.history],
        }

    def _tuned(self, cell: dict[str, Any]) -> dict[str, Any]:
        plan = graph.PruningPlan.from_dict(cell["plan"])
        model, _ = graph.prune_model(self.plans.model(plan), plan)
        result = training.train(
            model,
            self.dataset,
            config=self.study.tuning(),
            task=self.task,
            state_dir=self.study.work / f"tune-{cell['method']}-{cell['seed']}",
        )
        return {
            "fine_tuned": self.accuracy(model),
            "fine_tuned_validation": self.accuracy(model, "validation"),
            "tuning_seconds": round(result.seconds),
        }

    def _add(self, cell: dict[str, Any]) -> None:
        self.record["cells"].append(cell)
        self._write()
        print(
            f"{self.study.name} {cell['method']} seed {cell['seed']}: "
            f"{cell['macs_fraction']:.1%} of the MACs, held-out "
            f"{cell['metric']:.4f}, test {cell['test']:.4f}, "
            f"{cell['evaluations']} plans, {cell['seconds']} s",
            flush=True,
        )

    def _read(self) -> dict[str, Any]:
        if self.study.results.exists():
            record = files.read_json(self.study.results)
            if record["settings"] == self.study.settings():
                return record
            if _without_agent(record["settings"]) == _without_agent(
                self.study.settings()
            ):
                print("The agent has changed: measuring it again.", flush=True)
                others = [c for c in record["cells"] if c["method"] not in LEARNING]
                return {
                    **record,
                    "settings": self.study.settings(),
                    "cells": others,
                }
            print("The settings have changed: measuring everything again.", flush=True)
        cost = graph.cost(self.model)
        name = self.study.name
        return {
            "command": reference_nets.command("amc", name),
            "environment": environment(),
            "settings": self.study.settings(),
            "dataset": self.dataset.name,
            "original": {
                "macs": cost.macs,
                "params": cost.params,
                "validation": self.accuracy(self.model, "validation"),
                "test": self.accuracy(self.model),
            },
            "decisions": [
                {"group": d.group, "size": d.size} for d in self.plans.decisions
            ],
            "cells": [],
        }

    def _write(self) -> None:
        files.write_json(self.study.results, self.record)


def _without_agent(settings: dict[str, Any]) -> dict[str, Any]:
    search = {k: v for k, v in settings["search"].items() if k not in AGENT}
    return {**settings, "search": search}


def main() -> None:
    """Run a part of the study, or show what has been measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=(*STUDIES, "plot"))
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    parser.add_argument("--methods", nargs="*", default=[], help="only these")
    parser.add_argument("--seeds", nargs="*", type=int, default=[], help="only these")
    parser.add_argument("--no-tuning", action="store_true", help="leave it for later")
    options = parser.parse_args()
    if options.part == "plot":
        amc_figures.plot()
    else:
        bench = Bench(STUDIES[options.part], options.cifar10)
        bench.run(options.methods, options.seeds)
        if not options.no_tuning:
            bench.tune()
    print(amc_figures.table())


if __name__ == "__main__":
    main()
