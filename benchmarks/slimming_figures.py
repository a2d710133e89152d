"""The table and the figure of `benchmarks.slimming`, from its results files."""

from __future__ import annotations

import pathlib
import statistics
from typing import Any

from tfcompress import files

FIGURE = pathlib.Path(__file__).parent.parent / "docs" / "figures" / "slimming.svg"
CRITERIA = ("bn_scale", "l1_norm", "random")


def table(record: dict[str, Any]) -> str:
    """Return the Markdown table of a study: mean over the seeds, in percent."""
    uncut = record["uncut"].values()
    plain, sparse = (mean_of([u[name] for u in uncut]) for name in ("plain", "sparse"))
    lines = [
        f"{record['settings']['dataset']}: uncut {plain}, with sparse scales {sparse}",
        "",
        "| MACs removed | criterion | cut | cut, constants folded | fine-tuned |",
        "|---|---|---|---|---|",
    ]
    for macs in record["settings"]["macs"]:
        for criterion in CRITERIA:
            cells = select_cells(record, macs, criterion)
            if cells:
                names = ("cut_without_folding", "cut_with_folding", "fine_tuned")
                figures = " | ".join(
                    mean_of([c[name] for c in cells]) for name in names
                )
                lines.append(f"| {1 - macs:.0%} | `{criterion}` | {figures} |")
    return "\n".join(lines)


def mean_of(values: list[float]) -> str:
    """Return mean and standard deviation, in percent.

    Example:
        >>> mean_of([0.5, 0.6]), mean_of([0.25])
        ('55.0 ± 7.1', '25.0')
    """
    text = f"{100 * statistics.mean(values):.1f}"
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return text + spread


def select_cells(record: dict[str, Any], macs: float, criterion: str) -> list[Any]:
    """Return the cells of all seeds at one budget."""
    return [
        cell
        for cell in record["cells"]
        if cell["macs_kept"] == macs and cell["criterion"] == criterion
    ]


def plot(record: dict[str, Any], path: pathlib.Path = FIGURE) -> None:
    """Draw accuracy over removed MACs, after the cut and after fine-tuning."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "tfcompress", "font.size": 9})
    from matplotlib import pyplot as plt

    panels = {
        "cut_without_folding": "right after the cut",
        "cut_with_folding": "cut, constants folded",
        "fine_tuned": "fine-tuned",
    }
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
    for axis, (name, title) in zip(axes, panels.items(), strict=True):
        draw_panel(axis, record, name)
        axis.set_title(title)
    axes[0].set_ylabel("test accuracy, %")
    axes[0].legend(frameon=False)
    figure.suptitle(f"{record['settings']['dataset']}: mean and range of the seeds")
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)


def draw_panel(axis: Any, record: dict[str, Any], name: str) -> None:
    """Draw one figure of every criterion, with the uncut network as a line."""
    uncut = [100 * u["plain"] for u in record["uncut"].values()]
    axis.axhline(statistics.mean(uncut), color="0.6", linestyle=":", linewidth=1)
    for criterion, marker in zip(CRITERIA, "os^", strict=True):
        points = []
        for macs in sorted(record["settings"]["macs"], reverse=True):
            values = [100 * c[name] for c in select_cells(record, macs, criterion)]
            if values:
                mean = statistics.mean(values)
                points.append(
                    (100 * (1 - macs), mean, mean - min(values), max(values) - mean)
                )
        x, y, low, high = zip(*points, strict=True)
        axis.errorbar(x, y, yerr=[low, high], marker=marker, capsize=3, label=criterion)
    axis.set_xlabel("MACs removed, %")
    axis.spines[["top", "right"]].set_visible(False)
