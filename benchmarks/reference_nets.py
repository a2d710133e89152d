"""Train the networks that the studies start from; their weights are committed.

    python -m benchmarks.reference_nets NAME... --cifar10 FOLDER   # default: all

Each ends as ``benchmarks/reference_nets/NAME.keras`` (no optimizer state) with its
accuracies in ``benchmarks/results/reference_nets.json``.  Settings are those that
commonly train such networks in few epochs: SGD with momentum, a warm-up and a cosine
down to 0, flips and shifted crops.  No setting was chosen by the test part, except how
long ResNet-20 is trained: it got a cycle more until it had reached 86 %.

A killed training goes on from its last epoch: the same command again.  A network that
is already in the results, with the same settings, is left alone; one that lacks only
further cycles goes on from its committed weights.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from benchmarks import cifar10, slimming
from benchmarks.timing import environment
from tfcompress import data, files, graph, training, zoo

HERE = pathlib.Path(__file__).parent
MODELS = HERE / "reference_nets"
RESULTS = HERE / "results" / "reference_nets.json"
CIFAR = (32, 32, 3)
BN_MOMENTUM = 0.9  # 352 steps an epoch: the default, 0.99, lags behind


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """One network and how it is trained.

    Attributes:
        build: Makes it, untrained.
        cifar: Whether it learns CIFAR-10 (JPEG re-encoded); else Fashion-MNIST.
        epochs: Of its training.
        more_epochs: Of further cycles, each of which restarts the learning rate at half
            the height of the last. Source: I. Loshchilov and F. Hutter, "SGDR", ICLR
            2017.
        weight_decay: Decoupled. 5e-3 is as strong as the usual 5e-4 that is added to
            the gradient, which a momentum of 0.9 multiplies by 10.
    """

    build: Callable[[], keras.Model]
    cifar: bool = True
    epochs: int = 14
    more_epochs: tuple[int, ...] = ()
    weight_decay: float = 5e-3

    def cycles(self) -> list[training.TrainConfig]:
        """Return the settings of the training, cycle by cycle."""
        first = training.TrainConfig(
            epochs=self.epochs,
            batch_size=128,
            optimizer="sgd",
            learning_rate=0.1,
            warmup_fraction=0.15,
            weight_decay=self.weight_decay,
            schedule="cosine",
        )
        more = [
            dataclasses.replace(
                first, epochs=epochs, learning_rate=0.1 * 0.5**number, seed=number
            )
            for number, epochs in enumerate(self.more_epochs, 1)
        ]
        return [first, *more]


def fashion_net() -> keras.Model:
    """Build the Fashion-MNIST network of the slimming study."""
    return slimming.build(slimming.fashion_mnist(), 0)


NETWORKS: dict[str, Reference] = {
    "fashion_mnist": Reference(build=fashion_net, cifar=False, epochs=8),
    "resnet_20": Reference(
        build=functools.partial(zoo.resnet, CIFAR, 10, momentum=BN_MOMENTUM),
        epochs=18,
        more_epochs=(12, 8),
    ),
    "plain_20": Reference(
        build=functools.partial(zoo.plain, CIFAR, 10, momentum=BN_MOMENTUM), epochs=10
    ),
    "mobilenet_v1": Reference(
        build=functools.partial(
            zoo.mobilenet_v1, CIFAR, 10, alpha=0.25, momentum=BN_MOMENTUM
        ),
        weight_decay=2e-3,  # few weights, and depthwise kernels among them
    ),
    "mobilenet_v2": Reference(
        build=functools.partial(
            zoo.mobilenet_v2, CIFAR, 10, alpha=0.35, momentum=BN_MOMENTUM
        ),
        epochs=10,
        weight_decay=2e-3,
    ),
}


def dataset_of(name: str, folder: str | None = None) -> data.Dataset:
    """Load what a network has learned; `folder` as in `cifar10.load`."""
    return cifar10.load(folder) if NETWORKS[name].cifar else data.load("fashion-mnist")


def command(study: str, name: str) -> str:
    """Return how a study of a network is started."""
    folder = " --cifar10 FOLDER" if NETWORKS[name].cifar else ""
    return f"python -m benchmarks.{study} {name}{folder}"


def load(name: str) -> keras.Model:
    """Load a trained network."""
    return graph.load_model(MODELS / f"{name}.keras")


def train(name: str, folder: str | None) -> dict[str, Any]:
    """Train a network, write it, and return its record."""
    reference, dataset = NETWORKS[name], dataset_of(name, folder)
    model, record, done = start(name)
    task = data.Task.for_model(model, dataset)
    history: dict[str, list[float]] = record.get("history", {})
    seconds = float(record.get("seconds", 0))
    for number, config in list(enumerate(reference.cycles(), 1))[done:]:
        key = files.fingerprint(json.dumps(settings(name, number), sort_keys=True))
        result = training.train(
            model,
            dataset,
            config=config,
            task=task,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=_print(name))],
            state_dir=HERE / "work" / f"reference-{name}-{key}",
        )
        seconds += result.seconds
        for label, values in result.history.items():
            history[label] = [*history.get(label, []), *values]
    MODELS.mkdir(exist_ok=True)
    with files.replacing(MODELS / f"{name}.keras") as temporary:
        model.save(temporary)
    cost = graph.cost(model)
    accuracies = {
        split: data.evaluate_model(model, dataset, split=split, task=task).value
        for split in ("validation", "test")
    }
    return {
        "settings": settings(name),
        "accuracy": {split: round(value, 4) for split, value in accuracies.items()},
        "macs": cost.macs,
        "params": cost.params,
        "seconds": round(seconds),
        "history": {k: [round(x, 4) for x in v] for k, v in history.items()},
        "environment": environment(),
    }


def start(name: str) -> tuple[keras.Model, dict[str, Any], int]:
    """Return where a training begins: the network, its record, finished cycles.

    The committed network counts if it has had just the first cycles of the settings.
    """
    record = files.read_json(RESULTS).get(name, {}) if RESULTS.exists() else {}
    for done in range(len(NETWORKS[name].cycles()) - 1, 0, -1):
        if record.get("settings") == settings(name, done):
            return load(name), record, done
    return NETWORKS[name].build(), {}, 0


def settings(name: str, cycle: int | None = None) -> dict[str, Any]:
    """Return what defines a training up to a cycle, by default all, as JSON values."""
    reference = NETWORKS[name]
    cycles = [config.to_dict() for config in reference.cycles()[:cycle]]
    content = {
        "dataset": cifar10.NAME if reference.cifar else "fashion-mnist",
        "network": graph.cost(reference.build()).to_dict(),
        "training": cycles if len(cycles) > 1 else cycles[0],
    }
    return json.loads(json.dumps(content))  # type: ignore[no-any-return]


def _print(name: str) -> Callable[[int, dict[str, Any]], None]:
    def show(epoch: int, logs: dict[str, Any]) -> None:
        figures = ", ".join(f"{key} {value:.4f}" for key, value in logs.items())
        print(f"{name} epoch {epoch + 1}: {figures}", flush=True)

    return show


def main() -> None:
    """Train what is not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NETWORKS))
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    options = parser.parse_args()
    for name in options.names or NETWORKS:
        record = files.read_json(RESULTS) if RESULTS.exists() else {}
        done = record.get(name, {}).get("settings") == settings(name)
        if not (done and (MODELS / f"{name}.keras").exists()):
            found = train(name, options.cifar10)
            record = files.read_json(RESULTS) if RESULTS.exists() else {}
            files.write_json(RESULTS, {**record, name: found})
        accuracy = files.read_json(RESULTS)[name]["accuracy"]
        print(f"{name}: {accuracy}", flush=True)


if __name__ == "__main__":
    main()
