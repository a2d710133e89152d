"""What post-training quantization loses, and what gives it back without training.

    python -m benchmarks.quantize_ptq fashion_mnist resnet_20 --cifar10 FOLDER
    python -m benchmarks.quantize_ptq fashion_mnist --data fashion-mnist-small
    python -m benchmarks.quantize_ptq --table

The committed reference networks are converted to int8 files: weights of 8 or 4 bits,
one scale per output channel or per tensor; as they are, after cross-layer equalisation,
after bias correction, after both.  At 4 bits there is also a mixed choice: the layers
that lose most in 8 bits, as few as keep the held-out accuracy within half a point.
Reported are accuracy, agreement with the float model, signal-to-noise ratio of the
outputs and size, on the whole test part; no choice was made on it.

A finished cell is in the results file: the same command again goes on where a killed
one stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import keras

from benchmarks import reference_nets
from benchmarks.timing import environment
from tfcompress import data, files, quantize, tflite

RESULTS = pathlib.Path(__file__).parent / "results"
CALIBRATION = 500  # training images
MAX_DROP = 0.005  # of the mixed choice, on held-out data

SCALES = ("per_channel", "per_tensor")
BITS = (8, 4)
STEPS = {
    "plain": {},
    "equalised": {"equalize": True},
    "bias corrected": {"correct_bias": True},
    "both": {"equalize": True, "correct_bias": True},
}
MIXED = "mixed"


@dataclasses.dataclass(frozen=True)
class Cell:
    """One file: bits of the weights, their scales, and what is done before."""

    bits: int
    scales: str
    step: str


def cells() -> Iterator[Cell]:
    """Yield every cell of a network."""
    for bits, scales, step in itertools.product(BITS, SCALES, STEPS):
        yield Cell(bits, scales, step)
    yield Cell(4, "per_channel", MIXED)


class Bench:
    """One network: its cells in the results file."""

    def __init__(self, name: str, dataset: data.Dataset) -> None:
        self.name = name
        self.model: keras.Model = reference_nets.load(name)
        self.dataset = dataset
        self.task = data.Task.for_model(self.model, dataset)
        self.record = self._read()

    def run(self) -> None:
        """Measure every cell that is not in the results file yet."""
        done = [Cell(c["bits"], c["scales"], c["step"]) for c in self.record["cells"]]
        for cell in cells():
            if cell not in done:
                self.record["cells"].append(self._measure(cell))
                files.write_json(_path(self.name), self.record)

    def _measure(self, cell: Cell) -> dict[str, Any]:
        precision = self._precision(cell)
        made = tflite.convert(
            self.model,
            "int8",
            calibration=self.dataset.calibration(CALIBRATION),
            per_channel=cell.scales == "per_channel",
            precision=precision,
            **STEPS.get(cell.step, {}),  # type: ignore[arg-type]
        )
        found = tflite.check_parity(self.model, made, data=self.dataset, task=self.task)
        figures = {
            "accuracy": found.tflite.value,
            "agreement": found.agreement,
            "snr_db": round(found.snr_db, 2),
            "size_bytes": made.inspection.size_bytes,
            "gzip_bytes": made.inspection.gzip_bytes,
            "seconds": round(made.seconds, 1),
        }
        if cell.step == MIXED:
            figures["raised"] = [k for k, v in precision.items() if v == "int8"]
        shown = ", ".join(f"{key} {value}" for key, value in figures.items())
        print(f"{self.name} {dataclasses.astuple(cell)}: {shown}", flush=True)
        self.record["float"] = {"accuracy": found.keras.value}
        return {**dataclasses.asdict(cell), **figures}

    def _precision(self, cell: Cell) -> dict[str, str]:
        if cell.bits == 8:
            return {}
        if cell.step == MIXED:
            return dict(
                quantize.mixed(
                    self.model,
                    self.dataset,
                    recipe="int8_w4",
                    max_drop=MAX_DROP,
                    task=self.task,
                    calibration_examples=CALIBRATION,
                )
            )
        ranked = quantize.quantized_layers(self.model)
        return dict.fromkeys(ranked, "int8_w4")

    def _read(self) -> dict[str, Any]:
        settings = {
            "network": self.name,
            "dataset": self.dataset.name,
            "sizes": self.dataset.sizes,
            "calibration_examples": CALIBRATION,
            "max_drop": MAX_DROP,
        }
        path = _path(self.name)
        if path.exists():
            record = files.read_json(path)
            if record["settings"] == settings:
                return record
            print("The settings have changed: measuring everything again.", flush=True)
        return {"environment": environment(), "settings": settings, "cells": []}


def _path(name: str) -> pathlib.Path:
    return RESULTS / f"quantize_ptq_{name}.json"


def table(record: dict[str, Any]) -> str:
    """Return the Markdown table of one network."""
    settings = record["settings"]
    whole = record["float"]["accuracy"]
    lines = [
        f"{settings['network']} on {settings['dataset']}: float {100 * whole:.2f} %",
        "",
        "| weights | before | accuracy | agreement | SNR | file | gzip |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for cell in record["cells"]:
        weights = f"{cell['bits']} bits, {cell['scales'].replace('_', ' ')}"
        step = cell["step"]
        if step == MIXED:
            step = f"mixed, {len(cell['raised'])} in 8 bits"
        lines.append(
            f"| {weights} | {step} | {100 * cell['accuracy']:.2f} % "
            f"| {100 * cell['agreement']:.2f} % | {cell['snr_db']:.1f} dB "
            f"| {cell['size_bytes'] / 1000:.1f} kB "
            f"| {cell['gzip_bytes'] / 1000:.1f} kB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, or show what has been measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="reference networks")
    parser.add_argument("--cifar10", metavar="FOLDER", help="where the set lies")
    parser.add_argument("--data", metavar="SOURCE", help="another data set, for a try")
    parser.add_argument("--table", action="store_true", help="only show the results")
    options = parser.parse_args()
    for name in () if options.table else options.names or ("fashion_mnist",):
        dataset = (
            data.load(options.data)
            if options.data
            else reference_nets.dataset_of(name, options.cifar10)
        )
        Bench(name, dataset).run()
    for path in sorted(RESULTS.glob("quantize_ptq_*.json")):
        print(table(files.read_json(path)), end="\n\n")


if __name__ == "__main__":
    main()
