"""TensorFlow Model Optimization on the reference networks, to compare ours with.

    python -m benchmarks.tfmot_baselines qat fashion_mnist
    python -m benchmarks.tfmot_baselines prune resnet_20 --cifar10 FOLDER

Both start from the committed weights of `benchmarks.reference_nets` and see what
`training.train` would see with the same `TrainConfig`: the same batches in the same
order, the same augmentation, learning rates, momentum and weight decay.  A part (one
training with its figures) that is in ``benchmarks/results/tfmot_NAME.json`` with the
same settings is not trained again.

A study that compares calls `quantized` and `pruned`.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from benchmarks import reference_nets
from benchmarks.timing import environment
from tfcompress import data, files, interop, tflite
from tfcompress.interop import legacy_training
from tfcompress.training import TrainConfig

RESULTS = pathlib.Path(__file__).parent / "results"
EPOCHS = 2  # of a fine-tuning
LARGEST_BATCH = 256  # of an evaluation
SEEDS = {"fashion_mnist": (0, 1, 2)}  # of the others: only 0


def finetuning(
    *, epochs: int = EPOCHS, seed: int = 0, learning_rate: float = 0.01
) -> TrainConfig:
    """Return the settings that ours and TFMOT's fine-tunings share."""
    return TrainConfig(
        epochs=epochs,
        batch_size=128,
        optimizer="sgd",
        learning_rate=learning_rate,
        weight_decay=5e-3,  # as the reference networks had
        schedule="cosine",
        seed=seed,
    )


def polynomial(
    sparsity: float, *, steps: int, end_fraction: float = 0.7
) -> dict[str, Any]:
    """Return the arguments of both sides' polynomial decay.

    Example:
        >>> polynomial(0.8, steps=1000)["end_step"]
        700
    """
    end = max(1, round(end_fraction * steps))
    return {
        "initial_sparsity": 0.0,
        "final_sparsity": sparsity,
        "begin_step": 0,
        "end_step": end,
        "power": 3,
        "frequency": min(100, max(1, end // 10)),
    }


def quantized(
    model: keras.Model,
    dataset: data.Dataset,
    config: TrainConfig,
    *,
    task: data.Task | None = None,
) -> tuple[interop.TfmotResult, dict[str, Any]]:
    """Train TFMOT's quantization-aware model; return it and its figures."""
    task = task or data.Task.for_model(model, dataset)
    result = interop.tfmot_quantize(
        model, dataset, config=config, task=task, skip_unsupported=True
    )
    record = _trained(result, dataset, task, config)
    return result, record | file_figures(result.content or b"", dataset, task)


def pruned(
    model: keras.Model,
    dataset: data.Dataset,
    config: TrainConfig,
    *,
    schedule: Mapping[str, Any],
    layers: Sequence[str] | None = None,
    task: data.Task | None = None,
) -> tuple[interop.TfmotResult, dict[str, Any]]:
    """Train under TFMOT's pruning; return the result and its figures.

    Args:
        model: Where to start.
        dataset: What to train on.
        config: The settings of the training.
        schedule: Arguments of TFMOT's ``PolynomialDecay``; see `polynomial`.
        layers: Names of the layers to prune; None: all that TFMOT can.
        task: Loss and metric; default: the model's.
    """
    task = task or data.Task.for_model(model, dataset)
    result = interop.tfmot_prune(
        model,
        dataset,
        config=config,
        task=task,
        layers=layers,
        schedule=lambda tfmot: tfmot.sparsity.keras.PolynomialDecay(**schedule),
    )
    record = _trained(result, dataset, task, config)
    record |= {"schedule": dict(schedule), "sparsity": sparsities(result.model)}
    content = tflite.convert(result.model, "int8", calibration=calibration(dataset))
    return result, record | file_figures(content.content, dataset, task)


def calibration(dataset: data.Dataset) -> Any:
    """Return the inputs that set the ranges of a post-training quantization."""
    return dataset.calibration(500)


def file_figures(
    content: bytes, dataset: data.Dataset, task: data.Task
) -> dict[str, Any]:
    """Return accuracy and size of a .tflite file."""
    found = tflite.inspect(content)
    runner = tflite.Runner(content)
    accuracy = {
        split: task.evaluate(runner, dataset.batches(split, LARGEST_BATCH)).value
        for split in ("validation", "test")
    }
    return {
        "file_accuracy": {k: round(float(v), 4) for k, v in accuracy.items()},
        "size_bytes": len(content),
        "gzip_bytes": found.gzip_bytes,
        "float_operators": list(found.float_operators),
    }


def sparsities(model: keras.Model) -> dict[str, float]:
    """Return the fraction of zeros of each kernel, and of all of them together."""
    kernels = {v.path: v.numpy() for v in model.trainable_variables if len(v.shape) > 1}
    zeros = {path: float(np.mean(value == 0)) for path, value in kernels.items()}
    sizes = {path: value.size for path, value in kernels.items()}
    whole = sum(zeros[p] * sizes[p] for p in zeros) / max(1, sum(sizes.values()))
    return {"": round(whole, 4)} | {path: round(z, 4) for path, z in zeros.items()}


def _trained(
    result: interop.TfmotResult,
    dataset: data.Dataset,
    task: data.Task,
    config: TrainConfig,
) -> dict[str, Any]:
    """Return what the trained Keras 2 model came to."""
    steps = config.epochs * math.ceil(dataset.sizes["train"] / config.batch_size)
    accuracy = {
        split: legacy_training.evaluate(result.legacy_model, dataset, task, split=split)
        for split in ("validation", "test")
    }
    history = {k: [round(x, 4) for x in v] for k, v in result.history.items()}
    return {
        "accuracy": {split: round(value, 4) for split, value in accuracy.items()},
        "training": config.to_dict(),
        "steps": steps,
        "seconds": round(result.seconds, 1),
        "outside": dict(result.outside),
        "history": history,
    }


class Parts:
    """A results file of parts, each measured once for its settings."""

    def __init__(self, path: pathlib.Path, *, command: str) -> None:
        self.path = path
        self.record: dict[str, Any] = {"command": command, "parts": {}}
        if path.exists():
            self.record = files.read_json(path)

    def measure(
        self, key: str, settings: Mapping[str, Any], work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return the part `key`; do the work if it is not there, and write it."""
        plain = json.loads(json.dumps(settings))
        known = self.record["parts"].get(key)
        if known is None or known["settings"] != plain:
            part = {"settings": plain, **work(), "environment": environment()}
            self.record["parts"][key] = json.loads(json.dumps(part))
            files.write_json(self.path, self.record)
        found: dict[str, Any] = self.record["parts"][key]
        return found


def limited(name: str, options: argparse.Namespace) -> data.Dataset:
    """Load a network's data, or a part of them to try things out."""
    dataset = (
        reference_nets.dataset_of(name, options.cifar10)
        if not options.small
        else data.load("fashion-mnist-small")
    )
    return dataset.limited(options.limit)


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser with what the studies of the reference networks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, nargs="+", help="default: the study's")
    parser.add_argument("--limit", type=int, help="examples, to try it out")
    parser.add_argument(
        "--small", action="store_true", help="the embedded data, to try it out"
    )
    parser.add_argument("--results", type=pathlib.Path, default=RESULTS)
    return parser


def main() -> None:
    """Train the parts that are missing, and print all."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("kind", choices=("qat", "prune"))
    parser.add_argument("name", choices=tuple(reference_nets.NETWORKS))
    parser.add_argument("--sparsity", type=float, nargs="+", default=[0.5, 0.75, 0.9])
    options = parser.parse_args()
    dataset = limited(options.name, options)
    model = reference_nets.load(options.name)
    parts = Parts(
        options.results / f"tfmot_{options.name}.json",
        command=f"python -m benchmarks.tfmot_baselines {' '.join(sys.argv[1:3])}",
    )
    for seed in options.seeds or SEEDS.get(options.name, (0,)):
        for sparsity in options.sparsity if options.kind == "prune" else (None,):
            _part(parts, model, dataset, options, seed=seed, sparsity=sparsity)


def _part(
    parts: Parts,
    model: keras.Model,
    dataset: data.Dataset,
    options: argparse.Namespace,
    *,
    seed: int,
    sparsity: float | None,
) -> None:
    rate = 0.01 if sparsity is None else 0.05
    config = finetuning(epochs=options.epochs, seed=seed, learning_rate=rate)
    settings = {"training": config.to_dict(), "data": dataset.fingerprint}
    if sparsity is None:
        key = f"qat-{seed}"
        found = parts.measure(
            key, settings, lambda: quantized(model, dataset, config)[1]
        )
    else:
        key = f"prune-{sparsity:g}-{seed}"
        steps = config.epochs * math.ceil(dataset.sizes["train"] / config.batch_size)
        schedule = polynomial(sparsity, steps=steps)
        found = parts.measure(
            key,
            settings | {"schedule": schedule},
            lambda: pruned(model, dataset, config, schedule=schedule)[1],
        )
    print(
        f"{options.name} {key}: {found['accuracy']}, file {found['file_accuracy']}, "
        f"{found['size_bytes']:,} bytes",
        flush=True,
    )


if __name__ == "__main__":
    main()
