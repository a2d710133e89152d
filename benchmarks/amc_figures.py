"""The tables and figures of `benchmarks.amc`, from its results files."""

from __future__ import annotations

import pathlib
import statistics
from typing import Any

import numpy as np

from benchmarks.slimming_figures import mean_of
from tfcompress import files

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results"
FIGURES = HERE.parent / "docs" / "figures"
TITLES = {
    "plain_20": "Plain-20",
    "resnet_20": "ResNet-20",
    "mobilenet_v1": "MobileNet v1 0.25",
    "fashion_mnist": "5 convolutions",
}
METHODS = ("uniform", "shallow", "deep", "random", "greedy", "amc")
# He et al., ECCV 2018, table 2: CIFAR-10 itself, not our re-encoded copy
PAPER = {
    "Plain-20": {
        "original": 90.5,
        "cut": {"uniform": 84.0, "shallow": 83.2, "deep": 79.6, "amc": 86.4},
        "fine-tuned": {"uniform": 89.7, "shallow": 89.2, "deep": 88.3, "amc": 90.2},
    },
    "ResNet-56": {
        "original": 92.8,
        "cut": {"uniform": 87.5, "deep": 88.4, "amc": 90.2},
        "fine-tuned": {"uniform": 89.8, "deep": 91.5, "amc": 91.9},
    },
}


def records() -> dict[str, dict[str, Any]]:
    """Read every network's results that are there."""
    paths = {name: RESULTS / f"amc_{name}.json" for name in TITLES}
    return {name: files.read_json(p) for name, p in paths.items() if p.exists()}


def table() -> str:
    """Return the Markdown tables: test accuracy in percent, mean over the seeds."""
    head = " | ".join(f"`{method}`" for method in METHODS)
    lines = [
        f"| half of the MACs | original | | {head} |",
        "|---|---|---|" + "---|" * len(METHODS),
    ]
    for name, record in records().items():
        title = f"{TITLES[name]}, {record['dataset']}"
        original = f"{100 * record['original']['test']:.1f}"
        for phase, key in (("cut", "test"), ("fine-tuned", "fine_tuned")):
            row = " | ".join(figure(record, method, key) for method in METHODS)
            lines.append(f"| {title} | {original} | {phase} | {row} |")
    for title, paper in PAPER.items():
        for phase in ("cut", "fine-tuned"):
            found: Any = paper[phase]
            row = " | ".join(str(found.get(method, "")) for method in METHODS)
            lines.append(
                f"| *{title}, CIFAR-10: the paper's* | {paper['original']} | {phase} | "
                f"{row} |"
            )
    return "\n".join([*lines, *guaranteed()])


def figure(record: dict[str, Any], method: str, key: str) -> str:
    """Return one method's figure: mean and spread of its seeds; bold for the best."""
    values = values_of(record, method, key)
    if not values:
        return ""
    means = {
        other: statistics.mean(found)
        for other in METHODS
        if (found := values_of(record, other, key))
    }
    text = mean_of(values)
    return f"**{text}**" if means[method] == max(means.values()) else text


def values_of(record: dict[str, Any], method: str, key: str) -> list[float]:
    """Return a figure of every seed of a method that has it."""
    return [
        cell[key]
        for cell in record["cells"]
        if cell["method"] == method and key in cell
    ]


def guaranteed() -> list[str]:
    """Say how far the accuracy-guaranteed searches went."""
    lines = []
    for name, record in records().items():
        for cell in record["cells"]:
            if cell["method"] == "macs_reward":
                lost = (
                    100 * cell["lost"],
                    100 * record["original"]["test"] - 100 * cell["test"],
                )
                tuned = cell.get("fine_tuned")
                after = f" ({100 * tuned:.1f} % fine-tuned)" if tuned else ""
                text = (
                    f'Accuracy-guaranteed (`reward="macs"`), {TITLES[name]}: '
                    f"{cell['macs_fraction']:.1%} of the MACs and "
                    f"{cell['params_fraction']:.1%} of the parameters are left at "
                    f"{_points(lost[0])} on the held-out images and "
                    f"{_points(lost[1])} on the test part, before fine-tuning"
                    f"{after}."
                )
                lines += ["", text]
    return lines


def _points(lost: float) -> str:
    """Write a difference of accuracies.

    Example:
        >>> _points(0.72), _points(-0.3), _points(-0.02)
        ('0.7 points less', '0.3 points more', 'equal accuracy')
    """
    rounded = round(lost, 1)
    if not rounded:
        return "equal accuracy"
    return f"{abs(rounded):.1f} points {'less' if rounded > 0 else 'more'}"


def plot() -> None:
    """Draw best-so-far over evaluations, and the kept ratio of every group."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "tfcompress", "font.size": 9})
    found = records()
    if found:
        _draw(found, _curves, FIGURES / "amc.svg", "held-out accuracy, %")
        _draw(found, _ratios, FIGURES / "amc_ratios.svg", "kept, %")


def _draw(found: dict[str, Any], panel: Any, path: pathlib.Path, label: str) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        1,
        len(found),
        figsize=(3.2 * len(found), 3),
        layout="constrained",
        squeeze=False,
    )
    for axis, (name, record) in zip(axes[0], found.items(), strict=True):
        panel(axis, record)
        axis.set_title(TITLES[name])
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel(label)
    fullest = max(axes[0], key=lambda axis: len(axis.get_legend_handles_labels()[0]))
    fullest.legend(frameon=False, fontsize=7, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)


def _curves(axis: Any, record: dict[str, Any]) -> None:
    """Draw what each method had found after so many evaluations."""
    styles = {"uniform": ":", "shallow": "-.", "deep": "--"}
    for method in METHODS:
        cells = [c for c in record["cells"] if c["method"] == method]
        if cells and method in styles:
            value = 100 * cells[0]["metric"]
            axis.axhline(
                value, color="0.5", linestyle=styles[method], linewidth=1, label=method
            )
        elif cells:
            shortest = min(len(cell["best_rewards"]) for cell in cells)
            rewards = [cell["best_rewards"][:shortest] for cell in cells]
            rows = 100 * (1 + np.array(rewards, float))  # None becomes NaN: no line
            x = np.arange(1, shortest + 1)
            (line,) = axis.plot(x, np.mean(rows, axis=0), label=method)
            low, high = np.min(rows, axis=0), np.max(rows, axis=0)
            axis.fill_between(x, low, high, alpha=0.2, color=line.get_color())
    ends = [cell["metric"] for cell in record["cells"] if cell["method"] in METHODS]
    axis.set_ylim(bottom=100 * min(ends) - 5)
    axis.set_xlabel("plans judged")


def _ratios(axis: Any, record: dict[str, Any]) -> None:
    """Draw the kept part of every group: the best plan of each kind."""
    sizes = np.array([decision["size"] for decision in record["decisions"]])
    for method, color in (("uniform", "0.7"), ("greedy", "C1"), ("amc", "C2")):
        cells = [c for c in record["cells"] if c["method"] == method]
        if cells:
            best = max(cells, key=lambda cell: cell["metric"])
            kept = 100 * np.array(best["widths"]) / sizes
            axis.step(range(len(kept)), kept, where="mid", color=color, label=method)
    axis.set_ylim(0, 105)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_xlabel("channel group, from the input on")
