"""Search against milliseconds and against MACs, and the width multiplier.

    python -m benchmarks.amc_latency --cifar10 FOLDER

Design.  Three cuts of MobileNet v1 of equal latency, from the weights that
`benchmarks.amc` starts from: float32 files, one thread of this host (`where` says so;
it is no phone's latency).

1. A latency table is built for the network (`latency.build_table`).
2. The best plan that AMC found at half of the MACs is looked up in the results of
   `benchmarks.amc`.  What the table predicts for it is the limit of the other two:
   AMC with a `latency.budget`, as many plans, same seed; and `uniform`, the width
   multiplier, fitted to the same limit.
3. Each network's file is measured, in turns; test accuracy is before and after the
   same fine-tuning as in `benchmarks.amc`.

Plans are decided on held-out images; nothing was chosen by the test part.  A finished
part is in the results file, unfinished ones in ``benchmarks/work``: the same command
goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
from typing import Any

from benchmarks.amc import STUDIES, Bench
from benchmarks.timing import environment
from tfcompress import amc, files, graph, latency, tflite, training

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results" / "amc_latency.json"
NAME = "mobilenet_v1"
RECIPE = "float32"
ROUNDS = 9
PARTS = ("validation", "test")


class Comparison:
    """The three ways on one network.

    Args:
        folder: Where CIFAR-10 lies.
    """

    def __init__(self, folder: str) -> None:
        self.bench = Bench(STUDIES[NAME], folder)
        self.layer_graph = graph.trace(self.bench.model)
        self.work = HERE / "work" / f"amc-latency-{NAME}"
        self.table = latency.build_table(
            self.layer_graph, recipe=RECIPE, run_dir=self.work / "table"
        )
        by_macs = _best_by_macs(self.bench)
        self.limit = latency.predict(self.layer_graph, by_macs, self.table)
        self.plans = {"amc, MACs": by_macs}
        self.record: dict[str, Any] = {
            "command": "python -m benchmarks.amc_latency --cifar10 FOLDER",
            "environment": environment(),
            "network": NAME,
            "recipe": RECIPE,
            "where": self.table.conditions.where,
            "num_threads": 1,
            "limit_ms": self.limit,
            "rows": {},
        }
        if RESULTS.exists() and files.read_json(RESULTS)["limit_ms"] == self.limit:
            self.record = files.read_json(RESULTS)

    def run(self) -> None:
        """Decide, train and measure what is missing."""
        for name, method in (("uniform, ms", "uniform"), ("amc, ms", "amc")):
            self.plans[name] = self._decided(method)
        for name, plan in self.plans.items():
            if name not in self.record["rows"]:
                self.record["rows"][name] = self._row(name, plan)
                files.write_json(RESULTS, self.record)
                print(name, self.record["rows"][name], flush=True)
        if "measured_ms" not in self.record:
            self.record["measured_ms"] = self._measured()
            files.write_json(RESULTS, self.record)
        print(self.record["measured_ms"], flush=True)

    def _decided(self, method: str) -> graph.PruningPlan:
        (row,) = amc.compare(
            self.bench.model,
            self.bench.dataset,
            config=amc.AmcConfig(
                episodes=self.bench.study.evaluations,
                warmup_episodes=self.bench.study.evaluations // 4,
                round_to=2,
            ),
            budget=latency.budget(self.table, milliseconds=self.limit),
            methods=[method],
            seeds=[0],
            task=self.bench.task,
            state_dir=self.work / "comparison",
        )
        return graph.PruningPlan.from_dict(row.to_dict()["plan"])

    def _row(self, name: str, plan: graph.PruningPlan) -> dict[str, Any]:
        model, _ = graph.prune_model(self.bench.plans.model(plan), plan)
        path = self._file(name)
        tflite.convert(model, RECIPE, path=path)
        before = {part: self.bench.accuracy(model, part) for part in PARTS}
        training.train(
            model,
            self.bench.dataset,
            config=self.bench.study.tuning(),
            task=self.bench.task,
            state_dir=self.work / f"tune-{path.stem}",
        )
        whole = graph.cost(self.layer_graph)
        return {
            "macs_fraction": round(
                graph.cost(self.layer_graph, plan).macs / whole.macs, 4
            ),
            "predicted_ms": latency.predict(self.layer_graph, plan, self.table),
            "cut": before,
            "fine_tuned": {part: self.bench.accuracy(model, part) for part in PARTS},
            "plan": plan.to_dict(),
        }

    def _measured(self) -> dict[str, Any]:
        """Time the files in turns; return medians and what rounds differ by."""
        whole = self._file("original")
        tflite.convert(self.bench.model, RECIPE, path=whole)
        paths = {"original": whole} | {name: self._file(name) for name in self.plans}
        measure = latency.HostMeasure(min_seconds=0.1, rounds=1)
        rounds = [measure(list(paths.values())) for _ in range(ROUNDS)]
        return {
            name: {
                "median": statistics.median(column),
                "min": min(column),
                "max": max(column),
            }
            for name, column in zip(paths, zip(*rounds, strict=True), strict=True)
        }

    def _file(self, name: str) -> pathlib.Path:
        return self.work / f"{name.replace(', ', '-')}.tflite"


def _best_by_macs(bench: Bench) -> graph.PruningPlan:
    """Return AMC's best plan on held-out images in the results of `benchmarks.amc`."""
    cells = [cell for cell in bench.record["cells"] if cell["method"] == "amc"]
    best = max(cells, key=lambda cell: cell["metric"])
    return graph.PruningPlan.from_dict(best["plan"])


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cifar10", metavar="FOLDER", required=True)
    Comparison(parser.parse_args().cifar10).run()


if __name__ == "__main__":
    main()
