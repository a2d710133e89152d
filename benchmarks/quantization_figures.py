"""The tables of `benchmarks.quantization` and `quantize_parity`, from their results."""

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
    """Return the Markdown table of the files, nothing if none is measured."""
    found = records(results)
    return of_files(found) if found else ""


def of_files(found: dict[str, dict[str, Any]]) -> str:
    """Return one row per arm: each network's test accuracy, size and latency.

    Example:
        >>> def part(size, ratio):
        ...     latency = {"to_float": ratio}
        ...     accuracy = {"test": 0.9}
        ...     parity = {"agreement": 0.999, "snr_db": 41} if ratio < 1 else {}
        ...     return {
        ...         "file_accuracy": accuracy, "size_bytes": size, "latency": latency
        ...     } | parity
        >>> parts = {"float": part(4000, 1.0), "qat-0": part(1200, 0.4)}
        >>> print(of_files({"resnet_20": {"parts": parts | {"qat-1": parts["qat-0"]}}}))
        | test accuracy of the file | ResNet-20 | size | latency | as in Keras |
        |---|---|---|---|---|
        | float32 | 90.00 | 1 | 1 |  |
        | our QAT | 90.00 ± 0.00 | 0.30 | 0.40 | 99.9%, 41 dB |
    """
    names = " | ".join(_short(name) for name in found)
    lines = [f"| test accuracy of the file | {names} | size | latency | as in Keras |"]
    lines.append("|---" * (4 + len(found)) + "|")
    for arm, label in ROWS.items():
        cells = [_parts(record, arm) for record in found.values()]
        shown = " | ".join(accuracy(parts) if parts else "" for parts in cells)
        if any(cells):
            parity = _parity([part for parts in cells for part in parts])
            lines.append(f"| {label} | {shown} | {_to_float(found, arm)} | {parity} |")
    return "\n".join(lines)


def _parts(record: dict[str, Any], arm: str) -> list[dict[str, Any]]:
    """Return an arm's parts, one per seed."""
    every = record["parts"].items()
    return [part for key, part in every if arm in (key, key.rpartition("-")[0])]


def _to_float(found: dict[str, dict[str, Any]], arm: str) -> str:
    """Write size and latency, as parts of the float file's: medians over networks."""
    if arm == "float":
        return "1 | 1"
    sizes, times = [], []
    for record in found.values():
        whole = record["parts"]["float"]["size_bytes"]
        parts = _parts(record, arm)
        sizes += [part["size_bytes"] / whole for part in parts]
        times += [part["latency"]["to_float"] for part in parts]
    return f"{statistics.median(sizes):.2f} | {statistics.median(times):.2f}"


def _parity(parts: list[dict[str, Any]]) -> str:
    """Write how alike file and trained model are, where they are least so."""
    trained = [part for part in parts if "agreement" in part]
    if not trained:
        return ""
    same = min(part["agreement"] for part in trained)
    return f"{same:.1%}, {min(part['snr_db'] for part in trained):.0f} dB"


def parity_table(record: dict[str, Any]) -> str:
    """Return how alike files and models answer: a row per network.

    Example:
        >>> pair = {"agreement": 0.998, "snr_db": 40.2}
        >>> pairs = ("model_to_xnnpack", "built_in_to_xnnpack", "float_to_xnnpack")
        >>> print(parity_table({"networks": {"resnet_20": dict.fromkeys(pairs, pair)}}))
        | the file on XNNPACK and | its model | the file on other kernels | float32 |
        |---|---|---|---|
        | resnet 20 | 99.80 %, 40 dB | 99.80 %, 40 dB | 99.80 %, 40 dB |
    """
    columns = "its model | the file on other kernels | float32"
    lines = [f"| the file on XNNPACK and | {columns} |", "|---|---|---|---|"]
    for name, row in record["networks"].items():
        cells = [
            f"{100 * row[pair]['agreement']:.2f} %, {row[pair]['snr_db']:.0f} dB"
            for pair in ("model_to_xnnpack", "built_in_to_xnnpack", "float_to_xnnpack")
        ]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _short(name: str) -> str:
    return TITLES[name].split(",", maxsplit=1)[0]


def accuracy(parts: list[dict[str, Any]]) -> str:
    """Write the files' mean test accuracy in percent, with its spread over seeds."""
    return percent([part["file_accuracy"]["test"] for part in parts])


def percent(fractions: list[float]) -> str:
    """Write the mean of fractions in percent, with the deviation of several.

    Example:
        >>> percent([0.9]), percent([0.9, 0.92])
        ('90.00', '91.00 ± 1.41')
    """
    values = [100 * fraction for fraction in fractions]
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.2f}"
