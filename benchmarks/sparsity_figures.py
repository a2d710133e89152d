"""The table of `benchmarks.sparsity`, from its results file."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.quantization_figures import TITLES, percent

ARMS = {"none": "not pruned", "ours": "ours", "tfmot": "TFMOT"}


def table(record: dict[str, Any]) -> str:
    """Return test accuracies in percent and compressed sizes as Markdown.

    Example:
        >>> cell = {"arm": "ours", "sparsity": 0.5, "test": 0.9, "gzip_bytes": 1200}
        >>> print(table({"resnet_20": {"cells": [cell]}}).splitlines()[-1])
        | ResNet-20, CIFAR-10 (JPEG re-encoded) | 50% | ours | 90.00 | 1.2 kB |
    """
    lines = ["| | zeros | by | test accuracy | float32 file, gzip |"]
    lines.append("|---|---|---|---|---|")
    for name in (name for name in TITLES if name in record):
        groups: dict[tuple[float, str], list[dict[str, Any]]] = {}
        for cell in record[name]["cells"]:
            groups.setdefault((cell["sparsity"], cell["arm"]), []).append(cell)
        for (sparsity, arm), cells in sorted(groups.items()):
            size = statistics.mean(cell["gzip_bytes"] for cell in cells)
            zeros = f"{sparsity:.0%}" if sparsity else ""
            lines.append(
                f"| {TITLES[name]} | {zeros} | {ARMS[arm]} | {_tests(cells)} | "
                f"{size / 1e3:.1f} kB |"
            )
    return "\n".join(lines)


def _tests(cells: list[dict[str, Any]]) -> str:
    return percent([cell["test"] for cell in cells])
