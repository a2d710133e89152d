"""The tables of `benchmarks.quantization`, from its results files."""

from __future__ import annotations

import pathlib
import statistics
from typing import Any

from tfcompress import files

RESULTS = pathlib.Path(__file__).parent / "results"
TITLES = {
    "fashion_mnist": "5 convolutions, Fashion-MNIST",
    "resnet_20": "ResNet-20, CIFAR-10 (JPEG re-encoded)",
    "mobilenet_v1": "MobileNet v1 0.25, CIFAR-10 (JPEG re-encoded)",
    "mobilenet_v2": "MobileNet v2 0.35, CIFAR-10 (JPEG re-encoded)",
}
ROWS = {
    "float": "float32",
    "ptq": "int8 after training",
    "ptq_equalized": "+ equalisation",
    "ptq_improved": "+ equalisation and bias correction",
    "finetuned": "int8 after as many steps in float",
    "qat_tfmot": "TFMOT's QAT",
    "qat": "our QAT",
    "ptq_per_tensor": "one scale per tensor, after training",
    "ptq_per_tensor_improved": "+ equalisation and bias correction",
    "qat_per_tensor": "one scale per tensor, our QAT",
    "ptq_w4": "4-bit weights, after training",
    "ptq_w4_improved": "+ equalisation and bias correction",
    "qat_w4": "4-bit weights, our QAT",
}


def records(results: pathlib.Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Read every network's results that are there."""
    paths = {name: results / f"quantization_{name}.json" for name in TITLES}
    return {name: files.read_json(p) for name, p in paths.items() if p.exists()}


def table(results: pathlib.Path = RESULTS) -> str:
    """Return the Markdown tables: one of files per network, and one of steps."""
    found = records(results)
    parts = [of_network(TITLES[name], record) for name, record in found.items()]
    return "\n\n".join([*parts, *([steps(found)] if found else [])])


def of_network(title: str, record: dict[str, Any]) -> str:
    """Return one network's table.

    Example:
        >>> part = {"file_accuracy": {"test": 0.9}, "size_bytes": 1200,
        ...     "latency": {"p50_ms": 0.5, "to_float": 0.4}}
        >>> print(of_network("Net", {"parts": {"qat-0": part, "qat-1": part}}))
        | Net | test accuracy | size | host latency |
        |---|---|---|---|
        | our QAT | 90.00 ± 0.00 (2) | 1.2 kB | 0.500 ms, 0.40 of float |
    """
    lines = [f"| {title} | test accuracy | size | host latency |", "|---|---|---|---|"]
    for arm, label in ROWS.items():
        parts = [
            part
            for key, part in record["parts"].items()
            if key == arm or key.rpartition("-")[0] == arm
        ]
        if parts:
            size = statistics.mean(part["size_bytes"] for part in parts)
            lines.append(
                f"| {label} | {accuracy(parts)} | {size / 1e3:.1f} kB | "
                f"{latency(parts)} |"
            )
    return "\n".join(lines)


def accuracy(parts: list[dict[str, Any]]) -> str:
    """Write the files' mean test accuracy in percent, with its spread over seeds."""
    values = [100 * part["file_accuracy"]["test"] for part in parts]
    mean = f"{statistics.mean(values):.2f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.2f} ({len(values)})"


def latency(parts: list[dict[str, Any]]) -> str:
    """Write the median latency, and its ratio to the float file's."""
    times = [part["latency"] for part in parts]
    median = statistics.median(time["p50_ms"] for time in times)
    ratio = statistics.median(time["to_float"] for time in times)
    return f"{median:.3f} ms, {ratio:.2f} of float"


def steps(found: dict[str, dict[str, Any]]) -> str:
    """Return the table of training steps."""
    lines = ["| training step | wall | CPU |", "|---|---|---|"]
    for name, record in found.items():
        ratios = record["parts"].get("steps", {}).get("ratios", {})
        for label, row in ratios.items():
            if label != "ms_per_step":
                wall, cpu = row["wall"]["ratio"], row["cpu"]["ratio"]
                title = TITLES[name].split(",", maxsplit=1)[0]
                lines.append(f"| {title}: {label} | {wall:.2f} | {cpu:.2f} |")
    return "\n".join(lines)
