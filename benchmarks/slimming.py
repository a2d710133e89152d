"""What Network Slimming is worth: criteria against each other at equal cost.

    python -m benchmarks.slimming fashion-mnist              # 3 seeds x 3 budgets
    python -m benchmarks.slimming cifar10 --cifar10 FOLDER   # 1 seed, half of the MACs
    python -m benchmarks.slimming plot                       # table and figure

Design.  Per seed one network is trained; from its weights two networks go on for the
same number of epochs with the same settings, one with the L1 penalty on its scales
("sparse"), one without ("plain").  `bn_scale` cuts the sparse one, as its method does;
`l1_norm` and `random` cut the plain one, as theirs do; so every arm has had the same
training.  All select globally with the same rounding and floor, for the same MACs, and
are fine-tuned alike.  Reported is test accuracy: of both uncut networks; right after
the cut with and without constant folding; after fine-tuning of the folded one.  No
choice was made on the test part.

A finished cell is in the results file, a finished training in ``benchmarks/work``: the
same command again goes on where a killed one stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from benchmarks import cifar10
from benchmarks.slimming_figures import CRITERIA, plot, table
from benchmarks.timing import environment
from tfcompress import channels, data, files, graph, slimming, training

HERE = pathlib.Path(__file__).parent
BATCH_SIZE = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """One data set with its network and its settings.

    Attributes:
        name: Name of the results file.
        dataset: What is learned.
        widths: Channels of each convolution.
        strides: Stride of each convolution.
        seeds: One network per seed.
        macs: Fractions of the MACs to keep.
        strength: Weight of the penalty. A short training needs a large one: a scale
            can move by about strength x learning rate x steps.
        start_epochs: Epochs of the network that all arms start from.
        sparse_epochs: Epochs with (or without) the penalty.
        tune_epochs: Epochs of fine-tuning.
    """

    name: str
    dataset: data.Dataset
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    seeds: tuple[int, ...]
    macs: tuple[float, ...]
    strength: float
    start_epochs: int
    sparse_epochs: int
    tune_epochs: int

    @property
    def results(self) -> pathlib.Path:
        """Return where the figures go."""
        return HERE / "results" / f"slimming_{self.name}.json"

    def settings(self) -> dict[str, Any]:
        """Return what defines the study, as JSON values."""
        content = dataclasses.asdict(dataclasses.replace(self, dataset=None))  # type: ignore[arg-type]
        content["dataset"] = self.dataset.name
        content["training"] = {name: config(name, self, 0).to_dict() for name in PHASES}
        return json.loads(json.dumps(content))  # type: ignore[no-any-return]


PHASES = ("start", "sparse", "tune")


def config(phase: str, study: Study, seed: int) -> training.TrainConfig:
    """Return the settings of a training: SGD with momentum as in the paper."""
    return training.TrainConfig(
        epochs=getattr(study, f"{phase}_epochs"),
        batch_size=BATCH_SIZE,
        optimizer="sgd",
        learning_rate={"start": 0.1, "sparse": 0.1, "tune": 0.05}[phase],
        weight_decay=1e-4,
        schedule="cosine",
        seed=seed,
    )


def fashion_mnist() -> Study:
    """Return the study on Fashion-MNIST: a network of 104,000 parameters."""
    return Study(
        name="fashion_mnist",
        dataset=data.load("fashion-mnist"),
        widths=(16, 32, 48, 64, 96),
        strides=(1, 2, 1, 2, 1),
        seeds=(0, 1, 2),
        macs=(0.7, 0.5, 0.3),
        strength=3e-3,
        start_epochs=3,
        sparse_epochs=4,
        tune_epochs=2,
    )


def cifar(folder: str | None) -> Study:
    """Return the study on CIFAR-10 (JPEG re-encoded): a VGG-like network."""
    return Study(
        name="cifar10",
        dataset=cifar10.load(folder),
        widths=(32, 48, 48, 96, 96, 128),
        strides=(1, 2, 1, 2, 1, 2),
        seeds=(0,),
        macs=(0.5,),
        strength=2e-3,
        start_epochs=6,
        sparse_epochs=4,
        tune_epochs=3,
    )


def build(study: Study, seed: int) -> keras.Model:
    """Build the untrained network: convolutions with BatchNorm and ReLU, then Dense."""
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input(study.dataset.input_shapes[0], name="image")
    for i, (width, stride) in enumerate(zip(study.widths, study.strides, strict=True)):
        x = keras.layers.Conv2D(
            width,
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            name=f"conv{i + 1}",
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"bn{i + 1}")(x)
        x = keras.layers.ReLU(name=f"relu{i + 1}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = keras.layers.Dense(10, activation="softmax", name="head")(x)
    return keras.Model(inputs, outputs, name=study.name)


class Bench:
    """One study: its trainings on disk, its cells in the results file."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.task = data.Task.for_model(build(study, 0), study.dataset)
        key = files.fingerprint(json.dumps(study.settings(), sort_keys=True))
        self._work = HERE / "work" / f"slimming-{study.name}-{key}"
        self.record = self._read()

    def run(self) -> None:
        """Measure every cell that is not in the results file yet."""
        for seed in self.study.seeds:
            wanted = list(self._missing(seed))
            if not wanted and str(seed) in self.record["uncut"]:
                continue
            plain, sparse = self._uncut(seed)
            for macs, criterion in wanted:
                source = sparse if criterion == "bn_scale" else plain
                self._add(self._cell(source, seed, macs, criterion))

    def accuracy(self, model: keras.Model, split: str = "test") -> float:
        """Return the accuracy on a part of the data set."""
        return data.evaluate_model(
            model, self.study.dataset, split=split, task=self.task
        ).value

    def _missing(self, seed: int) -> Iterator[tuple[float, str]]:
        done = {
            (c["seed"], c["macs_kept"], c["criterion"]) for c in self.record["cells"]
        }
        for macs in self.study.macs:
            for criterion in CRITERIA:
                if (seed, macs, criterion) not in done:
                    yield macs, criterion

    def _uncut(self, seed: int) -> tuple[keras.Model, keras.Model]:
        """Return the plain and the sparse network that are cut."""
        start = build(self.study, seed)
        self._train(start, "start", seed, "start")
        plain = keras.models.clone_model(start)
        plain.set_weights(start.get_weights())
        self._train(plain, "sparse", seed, "plain")
        sparse = slimming.regularize_scales(start, strength=self.study.strength)
        self._train(sparse, "sparse", seed, "sparse")
        sparse = slimming.remove_regularization(sparse)
        self.record["uncut"][str(seed)] = {
            "plain": self.accuracy(plain),
            "sparse": self.accuracy(sparse),
            "plain_validation": self.accuracy(plain, "validation"),
            "sparse_validation": self.accuracy(sparse, "validation"),
            "scales_plain": scale_quantiles(plain),
            "scales_sparse": scale_quantiles(sparse),
        }
        self._write()
        return plain, sparse

    def _train(self, model: keras.Model, phase: str, seed: int, name: str) -> float:
        """Train in place, or read the weights of the finished training."""
        path = self._work / f"{name}-{seed}.npz"
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                model.set_weights([stored[f"w{i}"] for i in range(len(model.weights))])
                return float(stored["seconds"])
        seconds = training.train(
            model,
            self.study.dataset,
            config=config(phase, self.study, seed),
            task=self.task,
            state_dir=self._work / f"{name}-{seed}",
            progress=None,
        ).seconds
        weights = {f"w{i}": w for i, w in enumerate(model.get_weights())}
        with files.replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, seconds=seconds, **weights)
        print(f"{self.study.name} {name} seed {seed}: {seconds:.0f} s", flush=True)
        return seconds

    def _cell(
        self, source: keras.Model, seed: int, macs: float, criterion: str
    ) -> dict[str, Any]:
        layer_graph = graph.trace(source)
        scores = channels.score(layer_graph, criterion=criterion, seed=seed)
        plan = channels.select(layer_graph, scores, budget=channels.Budget(macs=macs))
        bare, _ = graph.prune_model(layer_graph, plan, fold_constants=False)
        model, _ = graph.prune_model(layer_graph, plan)
        cell = {
            "seed": seed,
            "macs_kept": macs,
            "criterion": criterion,
            "cut_without_folding": self.accuracy(bare),
            "cut_with_folding": self.accuracy(model),
        }
        seconds = self._train(model, "tune", seed, f"tune-{criterion}-{macs}")
        whole, cost = graph.cost(layer_graph), graph.cost(model)
        return cell | {
            "fine_tuned": self.accuracy(model),
            "fine_tuned_validation": self.accuracy(model, "validation"),
            "channels": plan.widths(),
            "macs": cost.macs,
            "macs_fraction": round(cost.macs / whole.macs, 4),
            "params": cost.params,
            "params_fraction": round(cost.params / whole.params, 4),
            "seconds": round(seconds, 1),
        }

    def _add(self, cell: dict[str, Any]) -> None:
        self.record["cells"].append(cell)
        self._write()
        names = ("cut_without_folding", "cut_with_folding", "fine_tuned")
        figures = ", ".join(f"{name} {cell[name]:.4f}" for name in names)
        print(
            f"seed {cell['seed']}, {cell['macs_kept']:.0%} of the MACs, "
            f"{cell['criterion']}: {figures}",
            flush=True,
        )

    def _read(self) -> dict[str, Any]:
        settings = self.study.settings()
        if self.study.results.exists():
            record = files.read_json(self.study.results)
            if record["settings"] == settings:
                return record
            print("The settings have changed: measuring everything again.", flush=True)
        macs = graph.cost(build(self.study, 0))
        return {
            "command": f"python -m {' '.join(['benchmarks.slimming', *sys.argv[1:2]])}",
            "environment": environment(),
            "settings": settings,
            "network": {"macs": macs.macs, "params": macs.params},
            "uncut": {},
            "cells": [],
        }

    def _write(self) -> None:
        files.write_json(self.study.results, self.record)


def scale_quantiles(model: keras.Model) -> list[float]:
    """Return the 0, 10, ..., 100 % quantiles of |gamma|."""
    norms = graph.trace(model).layers.values()
    scales = [
        np.abs(layer.get_weights()[0])
        for layer in norms
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    quantiles = np.quantile(np.concatenate(scales), np.linspace(0, 1, 11))
    return [round(float(value), 5) for value in quantiles]


def main() -> None:
    """Run a part of the study, or show what has been measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("fashion-mnist", "cifar10", "plot"))
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    options = parser.parse_args()
    if options.part == "plot":
        for path in sorted((HERE / "results").glob("slimming_[!s]*.json")):
            record = files.read_json(path)
            print(table(record), end="\n\n")
            if path.stem == "slimming_fashion_mnist":
                plot(record)
        return
    study = (
        fashion_mnist() if options.part == "fashion-mnist" else cifar(options.cifar10)
    )
    bench = Bench(study)
    bench.run()
    print(table(bench.record))


if __name__ == "__main__":
    main()
