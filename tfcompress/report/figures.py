"""Plots as files for a README or a paper: SVG or PNG, by the name's suffix.

The page of a report does not use them: its charts are in `charts`.  matplotlib is
imported inside, because it takes half a second and no report needs it.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfcompress import files

# Okabe and Ito's palette, apart for all kinds of colour blindness; markers differ too.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FORMATS = (".svg", ".png")


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and range of one measurement over several seeds.

    Example:
        >>> Spread.of([0.90, 0.92, 0.91])
        Spread(mean=0.91, low=0.9, high=0.92)
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise the values of one point, one for each seed.

        Raises:
            ValueError: If there is no value, or one is not finite.
        """
        if not values or not all(math.isfinite(value) for value in values):
            raise ValueError(
                "A point needs at least one finite value. "
                f"Received: values={list(values)}"
            )
        mean = round(math.fsum(values) / len(values), 12)
        return cls(mean=mean, low=min(values), high=max(values))


def accuracy_against_cost(
    curves: Mapping[str, Mapping[float, Sequence[float]]],
    path: files.PathLike,
    *,
    baseline: float | None = None,
    x_label: str = "MACs left",
    y_label: str = "test accuracy",
    title: str = "",
) -> pathlib.Path:
    """Draw one curve per criterion or method, with the range over the seeds.

    Args:
        curves: For each name: the cost that is left, in (0, 1], to the accuracies of
            all seeds at that cost, in [0, 1].
        path: The file to write, `.svg` or `.png`.
        baseline: Accuracy of the original, drawn as a line.
        x_label: What the cost is.
        y_label: What the accuracy is.
        title: A heading, if the text around the figure has none.

    Returns:
        The path.

    Raises:
        ValueError: If there is no curve, a point has no finite value, or the suffix
            is unknown.
        OutputError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/curve.svg"
        >>> drawn = {"bn_scale": {0.5: [0.90, 0.91], 0.3: [0.88, 0.87]}}
        >>> accuracy_against_cost(drawn, file, baseline=0.92).name
        'curve.svg'
    """
    _require(curves, path)
    points = {
        name: {cost: Spread.of(values) for cost, values in sorted(curve.items())}
        for name, curve in curves.items()
    }
    figure, axes = _axes(x_label, y_label, title)
    for index, (name, curve) in enumerate(points.items()):
        _curve_with_range(axes, name, curve, index)
    if baseline is not None:
        axes.axhline(baseline, color="#777777", linestyle=":", label="original")
    _percent(axes.xaxis)
    _percent(axes.yaxis)
    axes.set_xticks(
        sorted({round(cost, 2) for curve in points.values() for cost in curve})
    )
    axes.invert_xaxis()  # the further right, the more was removed
    _legend(figure)
    return _save(figure, path)


def bars(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    path: files.PathLike,
    *,
    y_label: str = "test accuracy",
    baseline: float | None = None,
    title: str = "",
) -> pathlib.Path:
    """Draw grouped bars, such as accuracy before and after fine-tuning per criterion.

    Args:
        groups: For each group on the axis: the name of each bar to the values of all
            seeds, fractions in [0, 1].
        path: The file to write, `.svg` or `.png`.
        y_label: What the values are.
        baseline: A value drawn as a line.
        title: A heading, if the text around the figure has none.

    Returns:
        The path.

    Raises:
        ValueError: If there is no bar, one has no finite value, or the suffix is
            unknown.
        OutputError: If the file cannot be written.
    """
    _require(groups, path)
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    figure, axes = _axes("", y_label, title)
    width = 0.8 / max(1, len(names))
    for index, name in enumerate(names):
        _bars_of(axes, groups, name, index, width)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.grid(visible=False, axis="x")
    if baseline is not None:
        axes.axhline(baseline, color="#777777", linestyle=":", label="original")
    _percent(axes.yaxis)
    _legend(figure)
    return _save(figure, path)


def _curve_with_range(
    axes: Any, name: str, curve: Mapping[float, Spread], index: int
) -> None:
    color = COLORS[index % len(COLORS)]
    costs = list(curve)
    axes.plot(
        costs,
        [spread.mean for spread in curve.values()],
        color=color,
        marker=MARKERS[index % len(MARKERS)],
        label=name,
    )
    axes.fill_between(
        costs,
        [spread.low for spread in curve.values()],
        [spread.high for spread in curve.values()],
        color=color,
        alpha=0.15,
        linewidth=0,
    )


def _bars_of(
    axes: Any,
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    name: str,
    index: int,
    width: float,
) -> None:
    found = {
        place: Spread.of(bars[name])
        for place, bars in enumerate(groups.values())
        if name in bars
    }
    shift = (index + 0.5) * width - 0.4
    axes.bar(
        [place + shift for place in found],
        [spread.mean for spread in found.values()],
        width * 0.9,
        color=COLORS[index % len(COLORS)],
        label=name,
        yerr=[
            [spread.mean - spread.low for spread in found.values()],
            [spread.high - spread.mean for spread in found.values()],
        ],
        error_kw={"elinewidth": 1, "capsize": 2},
    )


def _require(content: Mapping[str, Any], path: files.PathLike) -> None:
    if not content or not all(content.values()):
        raise ValueError(f"There is nothing to draw. Received: {dict(content)}")
    if pathlib.Path(path).suffix not in FORMATS:
        raise ValueError(
            f"A figure is written as {' or '.join(FORMATS)}. Received: path={path}"
        )


def _axes(x_label: str, y_label: str, title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # late: it takes half a second

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title)
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _percent(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _position: f"{100 * value:.4g} %")


def _legend(figure: Any) -> None:
    """Put the names above the axes, where no line or bar can be."""
    figure.legend(loc="outside upper center", ncols=4, frameon=False)


def _save(figure: Any, path: files.PathLike) -> pathlib.Path:
    """Write the same bytes for the same content: no date, no random ids."""
    import matplotlib as mpl

    target = pathlib.Path(path)
    settings = {"svg.hashsalt": "tfcompress", "svg.fonttype": "path"}
    kind = target.suffix.removeprefix(".")
    metadata = {"Date": None} if kind == "svg" else None
    with mpl.rc_context(settings), files.replacing(target) as temporary:
        figure.savefig(temporary, format=kind, dpi=160, metadata=metadata)
    return target
