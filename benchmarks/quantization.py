"""What quantization-aware training is worth, ours and TFMOT's, from the same weights.

    python -m benchmarks.quantization fashion_mnist
    python -m benchmarks.quantization resnet_20 --cifar10 FOLDER
    python -m benchmarks.quantization mobilenet_v1 --cifar10 FOLDER
    python -m benchmarks.quantization table

Design.  Every arm starts from the committed weights of a reference network.  Those that
train do it for the same steps with the same batches, augmentation, learning rates,
momentum and weight decay (`tfmot_baselines.finetuning`); "fine-tuned" is the float
network after such a training, so that what the steps alone give is seen.  Every file is
converted, run on the whole test part, and timed in turns with the float file, because a
shared machine speeds up and slows down.  A file of our QAT is also compared with the
trained Keras model: equal answers, and signal to noise.  Nothing was chosen by the test
part.

What a step of training costs is measured by `benchmarks.quantize_speed`.

A part that is in ``benchmarks/results/quantization_NAME.json``, same settings, is
not measured again: the same command goes on where a killed one stopped.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import keras

import android_bench
from benchmarks import quantization_figures, reference_nets
from benchmarks import tfmot_baselines as baselines
from tfcompress import data, graph, quantize, tflite, training
from tfcompress.training import TrainConfig

NETWORKS = tuple(reference_nets.NETWORKS)
LATENCY_ROUNDS = 3


class Bench:
    """One network, its data, and the results so far."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.dataset = baselines.limited(options.part, options)
        self.model = reference_nets.load(options.part)
        self.task = data.Task.for_model(self.model, self.dataset)
        self.parts = baselines.Parts(
            options.results / f"quantization_{options.part}.json",
            command=reference_nets.command("quantization", options.part),
        )
        self.parts.record.setdefault("dataset", self.dataset.name)
        self.float_file = tflite.convert(self.model).content

    def run(self) -> None:
        """Measure every arm that is missing."""
        name = self.options.part
        for key, arm in UNTRAINED.items():
            self._arm(key, {}, lambda arm=arm: arm(self))
        for seed in self.options.seeds or baselines.SEEDS.get(name, (0,)):
            config = baselines.finetuning(epochs=self.options.epochs, seed=seed)
            for key, arm in TRAINED.items():
                self._arm(
                    f"{key}-{seed}",
                    {"training": config.to_dict()},
                    lambda arm=arm, config=config: arm(self, config),
                )

    def _arm(
        self,
        key: str,
        settings: Mapping[str, Any],
        work: Callable[[], tuple[bytes, dict[str, Any]]],
    ) -> None:
        def measured() -> dict[str, Any]:
            content, facts = work()
            figures = baselines.file_figures(content, self.dataset, self.task)
            return facts | figures | {"latency": self.latency(content)}

        whole = {**settings, "data": self.dataset.fingerprint}
        found = self.parts.measure(key, whole, measured)
        print(
            f"{self.options.part} {key}: file {found['file_accuracy']['test']:.4f}, "
            f"{found['size_bytes']:,} bytes, {found['latency']['p50_ms']} ms",
            flush=True,
        )

    def calibrated(self, **settings: Any) -> tuple[bytes, dict[str, Any]]:
        """Quantize after training."""
        made = tflite.convert(
            self.model,
            "int8",
            calibration=baselines.calibration(self.dataset),
            **settings,
        )
        return made.content, {}

    def four_bits(self, **settings: Any) -> tuple[bytes, dict[str, Any]]:
        """Quantize after training, the weights of every layer to 4 bits."""
        kernels = {
            name: "int8_w4"
            for name, layer in graph.trace(self.model).layers.items()
            if hasattr(layer, "kernel") or hasattr(layer, "depthwise_kernel")
        }
        return self.calibrated(precision=kernels, **settings)

    def aware(
        self, config: TrainConfig, **settings: Any
    ) -> tuple[bytes, dict[str, Any]]:
        """Train by ours."""
        whole = quantize.QuantizeConfig(**config.to_dict(), **settings)
        result = quantize.train_quantized(
            self.model, self.dataset, config=whole, task=self.task
        )
        made = tflite.convert(result.model)
        parity = tflite.check_parity(
            result.model, made, data=self.dataset, task=self.task
        )
        return made.content, {
            "accuracy": self._accuracy(result.model),
            "agreement": parity.agreement,
            "snr_db": round(parity.snr_db, 1),
            "seconds": round(result.training.seconds, 1),
            "outside": dict(result.report.float_layers),
        }

    def tfmot(self, config: TrainConfig) -> tuple[bytes, dict[str, Any]]:
        """Train by TFMOT's."""
        result, record = baselines.quantized(
            self.model, self.dataset, config, task=self.task
        )
        kept = ("accuracy", "seconds", "outside")
        return result.content or b"", {key: record[key] for key in kept}

    def finetuned(self, config: TrainConfig) -> tuple[bytes, dict[str, Any]]:
        """Train on in float, then quantize: what the steps alone give."""
        copy = self._copy()
        result = training.train(copy, self.dataset, config=config, task=self.task)
        made = tflite.convert(
            copy, "int8", calibration=baselines.calibration(self.dataset)
        )
        return made.content, {
            "accuracy": self._accuracy(copy),
            "seconds": round(result.seconds, 1),
        }

    def _copy(self) -> keras.Model:
        copy = keras.models.clone_model(self.model)
        copy.set_weights(self.model.get_weights())
        return copy

    def _accuracy(self, model: keras.Model) -> dict[str, float]:
        return {
            split: round(
                data.evaluate_model(
                    model, self.dataset, split=split, task=self.task
                ).value,
                4,
            )
            for split in ("validation", "test")
        }

    def latency(self, content: bytes) -> dict[str, Any]:
        """Return the host's median latency, and its ratio to the float file's."""
        with tempfile.TemporaryDirectory() as folder:
            path, other = pathlib.Path(folder, "a.tflite"), pathlib.Path(folder, "f")
            other = other.with_suffix(".tflite")
            path.write_bytes(content)
            other.write_bytes(self.float_file)
            pairs = [(_p50(path), _p50(other)) for _ in range(LATENCY_ROUNDS)]
        return {
            "p50_ms": round(statistics.median(a for a, _ in pairs), 4),
            "to_float": round(statistics.median(a / b for a, b in pairs), 3),
            "rounds": LATENCY_ROUNDS,
        }


Content = tuple[bytes, dict[str, Any]]

UNTRAINED: dict[str, Callable[[Bench], Content]] = {
    "float": lambda bench: (
        bench.float_file,
        {"accuracy": bench._accuracy(bench.model)},  # noqa: SLF001 - the table's own
    ),
    "ptq": lambda bench: bench.calibrated(),
    "ptq_equalized": lambda bench: bench.calibrated(equalize=True),
    "ptq_improved": lambda bench: bench.calibrated(equalize=True, correct_bias=True),
    "ptq_per_tensor": lambda bench: bench.calibrated(per_channel=False),
    "ptq_per_tensor_improved": lambda bench: bench.calibrated(
        per_channel=False, equalize=True, correct_bias=True
    ),
    "ptq_w4": lambda bench: bench.four_bits(),
    "ptq_w4_improved": lambda bench: bench.four_bits(equalize=True, correct_bias=True),
}

TRAINED: dict[str, Callable[[Bench, TrainConfig], Content]] = {
    "finetuned": lambda bench, config: bench.finetuned(config),
    "qat": lambda bench, config: bench.aware(config),
    "qat_tfmot": lambda bench, config: bench.tfmot(config),
    "qat_per_tensor": lambda bench, config: bench.aware(config, per_channel=False),
    "qat_w4": lambda bench, config: bench.aware(config, recipe="int8_w4"),
}


def _p50(path: pathlib.Path) -> float:
    run = android_bench.benchmark(path, max_seconds=5.0)
    return float(run.latency.p50_ms)


def main() -> None:
    """Run the study of a network, or show what has been measured."""
    parser = baselines.arguments(str(__doc__).splitlines()[0])
    parser.add_argument("part", choices=(*NETWORKS, "table"))
    options = parser.parse_args()
    if options.part != "table":
        Bench(options).run()
    print(quantization_figures.table(options.results))


if __name__ == "__main__":
    main()
