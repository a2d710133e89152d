"""What magnitude pruning is worth: ours and TFMOT's, from the same trained networks.

    python -m benchmarks.sparsity NAME... --cifar10 FOLDER   # default: all
    python -m benchmarks.sparsity table                      # what has been measured

Design.  Each arm starts from the committed weights of a reference network, prunes to
50, 75 and 90 % by the polynomial schedule over the same number of steps, and trains on
to the end with the same optimizer, learning rates and batches; both prune the same
layers (all with kernels but first, last and depthwise ones).  "none" trains on without
pruning.  TFMOT prunes the equal Keras 2 network, whose weights are copied by name; its
result is copied back and measured with ours.  Reported is test accuracy at the end, the
sparsity reached, and the size of the float32 file compressed.  No choice was made on
the test part.

A finished cell is in the results file, our trainings keep their state in
``benchmarks/work``: the same command again goes on where a killed one stopped.
"""

from __future__ import annotations

import argparse
import gzip
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tf_keras

from benchmarks import reference_nets, sparsity_figures
from benchmarks.sparsity_speed import load_tfmot
from benchmarks.timing import environment
from tfcompress import data, files, sparsity, tflite, training

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results" / "sparsity.json"
SPARSITIES = (0.5, 0.75, 0.9)
SEEDS = {"fashion_mnist": (0, 1, 2), "resnet_20": (0,), "mobilenet_v2": (0,)}
MORE_SEEDS = {("fashion_mnist", 0.9): tuple(range(8))}  # 3 left open which is better
EPOCHS = {"fashion_mnist": 2, "resnet_20": 2, "mobilenet_v2": 2}
BATCH_SIZE = 128
LEARNING_RATE = 1e-3


def config(sparse: float, seed: int, epochs: int) -> sparsity.SparsifyConfig:
    """Return the settings of a cell, which TFMOT's training repeats."""
    return sparsity.SparsifyConfig(
        epochs=epochs,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        sparsity=sparse,
        seed=seed,
    )


class Bench:
    """Runs the cells of one network that are not in the results yet.

    Args:
        name: A reference network.
        dataset: What it has learned.
        epochs: Of every arm.
        results: The results file.
    """

    def __init__(
        self, name: str, dataset: data.Dataset, epochs: int, results: pathlib.Path
    ) -> None:
        self.name, self.dataset, self.epochs = name, dataset, epochs
        self.results = results
        self.record = files.read_json(results) if results.exists() else {}
        settings = json.loads(json.dumps(config(0.5, 0, epochs).to_dict()))
        known = self.record.get(name)
        if known is None or known["settings"] != settings:
            self.record[name] = {"settings": settings, "cells": []}
        self.task = data.Task.for_model(reference_nets.load(name), dataset)

    def run(self, seeds: tuple[int, ...], sparsities: tuple[float, ...]) -> None:
        """Measure what is missing, and write after each cell."""
        done = {(cell["arm"], cell["sparsity"], cell["seed"]) for cell in self._cells()}
        for arm, sparse, seed in self._wanted(seeds, sparsities):
            if (arm, sparse, seed) in done:
                continue
            started = time.perf_counter()
            model = getattr(self, f"_{arm}")(sparse, seed)
            cell = {"arm": arm, "sparsity": sparse, "seed": seed, **self.figures(model)}
            cell["seconds"] = round(time.perf_counter() - started, 1)
            self._cells().append(cell)
            files.write_json(self.results, self._with_environment())
            print(self.name, cell, flush=True)

    def figures(self, model: keras.Model) -> dict[str, Any]:
        """Measure a plain model."""
        file = tflite.convert(model).content
        found = {
            split: data.evaluate_model(
                model, self.dataset, split=split, task=self.task
            ).value
            for split in ("validation", "test")
        }
        kernels = sparsity.report(model).kernels
        zeros = {k.layer: k.sparsity for k in kernels if k.sparsity > 0.01}
        return {
            **{split: round(value, 4) for split, value in found.items()},
            "least_sparsity": round(min(zeros.values(), default=0.0), 4),
            "gzip_bytes": len(gzip.compress(file, mtime=0)),
        }

    def _wanted(
        self, seeds: tuple[int, ...], sparsities: tuple[float, ...]
    ) -> Iterator[tuple[str, float, int]]:
        for seed in seeds:
            yield "none", 0.0, seed
        for sparse in sparsities:
            for seed in MORE_SEEDS.get((self.name, sparse), seeds):
                yield "ours", sparse, seed
                yield "tfmot", sparse, seed

    def _cells(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.record[self.name]["cells"]
        return found

    def _with_environment(self) -> dict[str, Any]:
        command = "python -m benchmarks.sparsity --cifar10 FOLDER"
        return {**self.record, "environment": environment(), "command": command}

    def _none(self, sparse: float, seed: int) -> keras.Model:
        """Train on without pruning."""
        model = reference_nets.load(self.name)
        settings = config(sparse, seed, self.epochs).training()
        training.train(model, self.dataset, config=settings, task=self.task)
        return model

    def _ours(self, sparse: float, seed: int) -> keras.Model:
        """Prune by this toolkit."""
        key = f"sparsity-{self.name}-{sparse}-{seed}-{self.epochs}"
        result = sparsity.sparsify(
            reference_nets.load(self.name),
            self.dataset,
            config=config(sparse, seed, self.epochs),
            task=self.task,
            state_dir=HERE / "work" / key,
        )
        return result.model

    def _tfmot(self, sparse: float, seed: int) -> keras.Model:
        """Prune by tensorflow-model-optimization, on the equal Keras 2 network."""
        tfmot = load_tfmot().sparsity.keras
        settings = config(sparse, seed, self.epochs)
        model = reference_nets.load(self.name)
        steps = -(-self.dataset.sizes["train"] // BATCH_SIZE) * self.epochs
        ours = settings.schedule_for(steps=steps)
        schedule = tfmot.PolynomialDecay(
            ours.initial_sparsity, ours.final_sparsity, ours.begin_step,
            ours.end_step, ours.power, ours.frequency,
        )  # fmt: skip
        pruned = {
            k.layer for k in sparsity.prune_low_magnitude(model, ours).layers[1].kernels
        }
        twin = keras2_twin(model, pruned, tfmot, schedule)
        rate = tf_keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
        logits = model.layers[-1].activation is keras.activations.linear
        twin.compile(
            tf_keras.optimizers.Adam(rate),
            tf_keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
        )
        for epoch in range(self.epochs):
            twin.fit(
                self.dataset.train(BATCH_SIZE, seed=seed, epoch=epoch),
                initial_epoch=epoch,
                epochs=epoch + 1,
                shuffle=False,
                verbose=0,
                callbacks=[tfmot.UpdatePruningStep()],
            )
        copy_weights(tfmot.strip_pruning(twin), model)
        return model


def keras2_twin(model: Any, pruned: set[str], tfmot: Any, schedule: Any) -> Any:
    """Return the equal Keras 2 model, the named layers wrapped for pruning.

    Layer by layer from the config; enough for the reference networks, whose layers have
    the same names and settings in both.
    """
    tensors: dict[int, Any] = {}
    for tensor in model.inputs:
        tensors[id(tensor)] = tf_keras.Input(tensor.shape[1:], name=tensor.name)
    inputs = list(tensors.values())
    for operation in model.operations:
        for node in operation._inbound_nodes:  # noqa: SLF001 - no public access
            if node.is_input or any(id(t) not in tensors for t in node.input_tensors):
                continue
            layer = keras2_layer(operation)
            if operation.name in pruned:
                layer = tfmot.prune_low_magnitude(layer, pruning_schedule=schedule)
            given = [tensors[id(t)] for t in node.input_tensors]
            made = layer(given if len(given) > 1 else given[0])
            tensors[id(node.outputs[0])] = made
    twin = tf_keras.Model(inputs, [tensors[id(t)] for t in model.outputs])
    copy_weights(model, twin)
    return twin


_KEPT = (
    "name", "filters", "units", "kernel_size", "strides", "padding", "use_bias",
    "depth_multiplier", "epsilon", "momentum", "axis", "pool_size", "max_value", "rate",
)  # fmt: skip


def keras2_layer(layer: Any) -> Any:
    """Return the Keras 2 layer of the same settings."""
    kind = getattr(tf_keras.layers, type(layer).__name__)
    settings = {k: v for k, v in layer.get_config().items() if k in _KEPT}
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    return kind(**settings, **({"activation": activation} if activation else {}))


def copy_weights(source: Any, target: Any) -> None:
    """Copy weights layer by layer, by name and by the end of the variable's name."""
    found = {layer.name: layer for layer in source.layers}
    for layer in target.layers:
        name = layer.name.removeprefix("prune_low_magnitude_")
        if name not in found:
            continue
        inner = getattr(layer, "layer", layer)
        values = {short(v): np.asarray(v) for v in found[name].weights}
        for variable in inner.weights:
            if short(variable) in values:
                variable.assign(values[short(variable)])


def short(variable: Any) -> str:
    """Return a variable's own name; Keras 2 calls depthwise kernels otherwise."""
    name = variable.name.split("/")[-1].split(":")[0]
    return "kernel" if name == "depthwise_kernel" else str(name)


def main() -> None:
    """Run what is not in the results yet, or show what is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SEEDS))
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    parser.add_argument("--epochs", type=int, help="of every arm, to try it")
    parser.add_argument("--limit", type=int, help="examples of each part, to try it")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    if options.names == ["table"]:
        print(sparsity_figures.table(files.read_json(options.output)))
        return
    known = [n for n in SEEDS if (reference_nets.MODELS / f"{n}.keras").exists()]
    for name in options.names or known:
        dataset = reference_nets.dataset_of(name, options.cifar10)
        if options.limit:
            dataset = dataset.limited(options.limit)
        bench = Bench(name, dataset, options.epochs or EPOCHS[name], options.output)
        tried = options.limit is not None
        seeds = SEEDS[name][:1] if tried else SEEDS[name]
        bench.run(seeds, SPARSITIES[1:2] if tried else SPARSITIES)
    print(sparsity_figures.table(files.read_json(options.output)))


if __name__ == "__main__":
    main()
